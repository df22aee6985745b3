"""``iclight weights bundle``: a bundle as one archive, for a machine without a network."""

from __future__ import annotations

import argparse
from pathlib import Path

from iclight_local.cli.output import print_json
from iclight_local.cli.parser import Parser, add_common, given
from iclight_local.cli.weights.bar import bytes_bar
from iclight_local.settings import Settings, load_settings
from iclight_local.store.bundles import find_bundle
from iclight_local.store.packing import pack

SUMMARY = "Pack a bundle into one archive with hashes, for a machine without a network."


def add_arguments(parser: Parser) -> None:
    """Declare the options."""
    parser.add_argument("name", metavar="NAME", help="The bundle: a name or a folder.")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="The archive, like sd15.tar.")
    parser.add_argument("--overwrite", action="store_true", help="Replace an archive that is there already.")
    parser.add_argument(
        "--commercial", action="store_true", help="Refuse weights that may not be used commercially, or may be unknown."
    )
    add_common(parser, "home")


def run(parsed: argparse.Namespace) -> int:
    """Pack, and tell how large it became."""
    settings = load_settings(given(parsed, Settings))
    bundle = find_bundle(parsed.name, settings.home)
    with bytes_bar("packing") as bar:
        done = pack(
            bundle,
            Path(parsed.output).expanduser(),
            settings.home,
            overwrite=parsed.overwrite,
            commercial=parsed.commercial,
            told=bar.add,
        )
    size = done.path.stat().st_size
    if parsed.json:
        files = [
            {"path": packed.path, "size": packed.size, "sha256": packed.sha256, "licence": packed.licence}
            for packed in done.listed.files
        ]
        print_json({"archive": str(done.path), "name": done.listed.name, "bytes": size, "files": files})
        return 0
    print(f"{done.path}: {len(done.listed.files)} files, {size / 1e9:.2f} GB. On the other machine:")
    print(f"  iclight weights unbundle {done.path.name}")
    return 0
