"""``iclight weights list``: the bundles of weights on this machine."""

from __future__ import annotations

import argparse
from typing import Any

from iclight_local.cli.output import print_json
from iclight_local.cli.parser import Parser, add_common, given
from iclight_local.settings import Settings, load_settings
from iclight_local.store.bundles import Bundle, bundle_folder, check_bundle, list_bundles

SUMMARY = "List the bundles and what they hold."


def add_arguments(parser: Parser) -> None:
    """Declare the options."""
    add_common(parser, "home")


def run(parsed: argparse.Namespace) -> int:
    """List the bundles, and where they were looked for."""
    settings = load_settings(given(parsed, Settings))
    bundles = list_bundles(settings.home)
    folder = str(bundle_folder(settings.home))
    if parsed.json:
        print_json({"bundles": [describe(bundle) for bundle in bundles], "looked_in": folder})
        return 0
    for bundle in bundles:
        facts = describe(bundle)
        state = facts["problem"] if facts["problem"] is not None else "usable"
        kind = "embedded, " if bundle.embedded else ""
        print(f"{bundle.name}: {' '.join(bundle.models)}, {facts['bytes'] / 1e9:.2f} GB, {kind}{state}")
        print(f"  {bundle.path}")
    if not bundles:
        print("There are no weights on this machine.")
    print(f"Looked in: {folder}")
    print("A bundle elsewhere is used with --weights DIR.")
    return 0


def describe(bundle: Bundle) -> dict[str, Any]:
    """A bundle's facts as plain JSON values."""
    return {
        "name": bundle.name,
        "path": str(bundle.path),
        "embedded": bundle.embedded,
        "models": list(bundle.models),
        "bytes": sum(path.stat().st_size for path in bundle.path.rglob("*.safetensors") if path.is_file()),
        "problem": check_bundle(bundle),
    }
