"""``iclight weights list``: the weights on this machine, and what is missing."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from iclight_local.cli.output import print_json
from iclight_local.cli.parser import Parser, add_common, given
from iclight_local.cli.weights.hints import pull_hint
from iclight_local.settings import Settings, load_settings
from iclight_local.store.bundles import (
    DEFAULT,
    Bundle,
    bundle_folder,
    check_bundle,
    list_bundles,
    unfinished_bundles,
)
from iclight_local.store.entries import Entry
from iclight_local.store.inventory import EXTRAS, Extra, extras, known_parts, loaded_files, missing_entries
from iclight_local.store.manifest import Manifest, load_manifest
from iclight_local.store.packing import OWN_LICENCE

SUMMARY = "List the bundles and what else is here, what is missing, sizes and licences."


def add_arguments(parser: Parser) -> None:
    """Declare the options."""
    add_common(parser, "home")


def run(parsed: argparse.Namespace) -> int:
    """List what is here and what is missing, and where it was looked for."""
    settings = load_settings(given(parsed, Settings))
    manifest = load_manifest()
    bundles = [*list_bundles(settings.home), *unfinished_bundles(settings.home)]
    table = [
        {**describe(bundle), **_published(bundle, manifest, settings.home, parsed.home)}
        for bundle in sorted(bundles, key=lambda bundle: bundle.name)
    ]
    folder = str(bundle_folder(settings.home))
    beside = extras(manifest, settings.home)
    if parsed.json:
        print_json(
            {"bundles": table, "extras": [_describe_extra(one, parsed.home) for one in beside], "looked_in": folder}
        )
        return 0
    for facts in table:
        print("\n".join(_lines(facts)))
    if not table:
        print("There are no weights on this machine.")
    if DEFAULT not in [facts["name"] for facts in table]:
        print(f"{DEFAULT} is missing: {pull_hint([], None, parsed.home)}")
    print(f"Looked in: {folder}")
    print("A bundle elsewhere is used with --weights DIR.")
    for kind, title in EXTRAS.items():
        print(_extras_line(title, [one for one in beside if one.entry.kind == kind]))
    print(f"What is missing comes with: {pull_hint(['NAME'], None, parsed.home)}")
    return 0


def describe(bundle: Bundle) -> dict[str, Any]:
    """A bundle's facts as plain JSON values."""
    return {
        "name": bundle.name,
        "path": str(bundle.path),
        "embedded": bundle.embedded,
        "models": list(bundle.models),
        "bytes": sum(path.stat().st_size for path in loaded_files(bundle)),
        "problem": check_bundle(bundle),
    }


def _published(bundle: Bundle, manifest: Manifest, home: Path, option: str | None) -> dict[str, Any]:
    """What the manifest knows of a bundle: what is missing, and the licences of what is there."""
    missing = missing_entries(bundle, manifest)
    names = [entry.name for entry in missing.values()]
    facts: dict[str, Any] = {
        "missing": list(missing),
        "pull": None if bundle.embedded or not names else pull_hint(names, bundle.name, option),
        "licences": [],
    }
    for part in known_parts(bundle, manifest, home):
        licence, commercial = (part.entry.licence, part.entry.commercial) if part.entry else (None, "unknown")
        if bundle.embedded:
            licence, commercial = OWN_LICENCE, "yes"
        facts["licences"].append(
            {
                "part": part.name,
                "entry": part.entry.name if part.entry else None,
                "licence": licence,
                "commercial": commercial,
                "told_by": part.told_by,
                "unread": part.unread and licence is None,
            }
        )
    return facts


def _lines(facts: dict[str, Any]) -> list[str]:
    """A bundle for a reader."""
    state = facts["problem"] if facts["problem"] is not None else "usable"
    kind = "embedded, " if facts["embedded"] else ""
    models = " ".join(facts["models"]) if facts["models"] else "no model"
    lines = [f"{facts['name']}: {models}, {facts['bytes'] / 1e9:.2f} GB, {kind}{state}", f"  {facts['path']}"]
    if facts["missing"] and facts["pull"] is not None:
        lines.append(f"  missing: {', '.join(facts['missing'])} ({facts['pull']})")
    parts: dict[str, list[str]] = {}
    for told in facts["licences"]:
        parts.setdefault(_licence(told, facts["name"]), []).append(told["part"])
    return [*lines, *(f"  licence of {', '.join(names)}: {licence}" for licence, names in parts.items())]


def _licence(told: dict[str, Any], bundle: str) -> str:
    if told["licence"] is None:
        return f"not known yet, `iclight weights verify {bundle}` looks" if told["unread"] else "not known"
    by = " (told by name and size)" if told["told_by"] == "name and size" else ""
    return f"{_short(told['licence'], told['commercial'])}{by}"


def _short(licence: str, commercial: str) -> str:
    """A licence without what stands in brackets, which `iclight weights licences` tells."""
    return licence.partition(" (")[0] + (", no commercial use" if commercial == "no" else "")


def _describe_extra(extra: Extra, option: str | None) -> dict[str, Any]:
    entry = extra.entry
    return {
        "name": entry.name,
        "kind": entry.kind,
        "here": bool(extra.files),
        "files": [str(path) for path in extra.files],
        "bytes": extra.size if extra.files else None,
        "licence": entry.licence,
        "commercial": entry.commercial,
        "pull": None if extra.files else pull_hint([_pulled(entry)], None, option),
    }


def _pulled(entry: Entry) -> str:
    """The name that is fetched to have an entry."""
    return entry.name if entry.made_from is None else entry.made_from


def _extras_line(title: str, found: list[Extra]) -> str:
    here = [
        f"{one.entry.name} ({one.size / 1e6:.1f} MB, {_short(one.entry.licence, one.entry.commercial)})"
        for one in found
        if one.files
    ]
    missing = [one.entry.name for one in found if not one.files and one.entry.made_from is None]
    rest = f"; missing: {', '.join(missing)}" if missing else ""
    return f"{title}: {', '.join(here) if here else 'none here'}{rest}"
