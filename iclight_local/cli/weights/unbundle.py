"""``iclight weights unbundle``: a bundle out of an archive of ``iclight weights bundle``."""

from __future__ import annotations

import argparse
from pathlib import Path

from iclight_local.cli.output import print_json
from iclight_local.cli.parser import Parser, add_common, given
from iclight_local.cli.weights.bar import bytes_bar
from iclight_local.cli.weights.hints import relight_hint
from iclight_local.settings import Settings, load_settings
from iclight_local.store.bundles import Bundle
from iclight_local.store.unpacking import Unpack, unpack

SUMMARY = "Unpack such an archive; every byte is compared with its list of hashes."


def add_arguments(parser: Parser) -> None:
    """Declare the options."""
    parser.add_argument("archive", metavar="FILE", help="An archive of iclight weights bundle.")
    parser.add_argument("--name", metavar="NAME", help="Name of the bundle (default: as in the archive).")
    parser.add_argument("--overwrite", action="store_true", help="Replace a bundle of that name.")
    add_common(parser, "home")


def run(parsed: argparse.Namespace) -> int:
    """Unpack, and tell how to use it."""
    settings = load_settings(given(parsed, Settings))
    asked = Unpack(Path(parsed.archive).expanduser(), parsed.name, settings.home, parsed.overwrite)
    with bytes_bar("unpacking") as bar:
        done = unpack(asked, bar.add)
    name = done.path.name
    command = relight_hint(name, Bundle(name, done.path).models, parsed.home)
    if parsed.json:
        files = [packed.path for packed in done.listed.files]
        print_json({"bundle": str(done.path), "name": name, "files": files, "command": command})
        return 0
    print(f"The bundle {name}: {done.path} ({len(done.listed.files)} files, {done.listed.total / 1e9:.2f} GB)")
    print(f"  {command}")
    return 0
