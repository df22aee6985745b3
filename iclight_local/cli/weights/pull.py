"""``iclight weights pull``: fetch published weights to where they are looked for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iclight_local.cli.output import print_json
from iclight_local.cli.parser import Parser, add_common, given
from iclight_local.cli.weights.bar import Bar, bytes_bar
from iclight_local.errors import Cancelled, InvalidRequest
from iclight_local.settings import Settings, load_settings
from iclight_local.store.bundles import DEFAULT
from iclight_local.store.manifest import load_manifest
from iclight_local.store.places import check_bundle_name
from iclight_local.store.selection import select

if TYPE_CHECKING:
    from iclight_local.store.pull import Pulled, Transfer

SUMMARY = "Fetch published weights, check them, and put them where they are looked for."
FETCHES = True
"""Whether the action may reach for the network, which every other one is kept from."""


def add_arguments(parser: Parser) -> None:
    """Declare the options."""
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="Weights that `iclight weights licences` lists, or a bundle "
        f"(default: {DEFAULT}, with models fc and fbc, and the usual segmenter).",
    )
    parser.add_argument(
        "--into", metavar="BUNDLE", help=f"The bundle that base and offsets go to (default: {DEFAULT})."
    )
    parser.add_argument("--commercial", action="store_true", help="Refuse what may not be used commercially.")
    parser.add_argument("--overwrite", action="store_true", help="Replace files that are not the published ones.")
    parser.add_argument("--manifest", metavar="FILE", help="A manifest of one's own, with mirrors of one's own.")
    add_common(parser, "home", "offline")


def run(parsed: argparse.Namespace) -> int:
    """Fetch what is missing and tell what is there now."""
    settings = load_settings(given(parsed, Settings))
    into = check_bundle_name(DEFAULT if parsed.into is None else parsed.into)
    manifest = load_manifest(_own_manifest(parsed))
    entries = select(manifest, parsed.names, commercial=parsed.commercial)
    _require_online(settings)
    # It imports huggingface_hub, which starts slowly, and nothing that only reads the options needs it.
    from iclight_local.store.pull import Destination, pull

    try:
        with bytes_bar("looking") as bar:
            to = Destination(settings.home, into, parsed.overwrite)
            pulled = pull(entries, to, lambda transfer: _advance(bar, transfer))
    except KeyboardInterrupt:
        raise Cancelled("Stopped: what has come so far is kept, and the same command goes on from there.") from None
    if parsed.json:
        print_json(_report(pulled, into))
    else:
        _print(pulled)
    return 0


def _own_manifest(parsed: argparse.Namespace) -> Path | None:
    if parsed.manifest is None:
        return None
    path = Path(parsed.manifest).expanduser()
    if not path.is_file():
        raise InvalidRequest(f"There is no manifest {path}: name a file like the package's own weights/manifest.toml.")
    return path


def _require_online(settings: Settings) -> None:
    from iclight_local.store.hub import is_offline

    if settings.offline or is_offline():
        ours, theirs = "--offline, ICLIGHT_OFFLINE or config.toml", "HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE"
        raise InvalidRequest(
            f"Nothing is fetched because {ours if settings.offline else theirs} says so: leave that out, or bring the "
            "weights here with `iclight weights import` or `iclight weights unbundle`."
        )


def _advance(bar: Bar, transfer: Transfer) -> None:
    bar.set(transfer.name.rpartition("/")[2], transfer.done, transfer.total)


def _report(pulled: Sequence[Pulled], bundle: str) -> dict[str, Any]:
    """What is there now, as plain JSON values."""
    fetched = [file for file in pulled if file.source is not None]
    return {
        "bundle": bundle,
        "fetched": [_describe(file) for file in fetched],
        "already_there": [_describe(file) for file in pulled if file.source is None],
        "bytes": sum(file.size for file in fetched),
    }


def _describe(file: Pulled) -> dict[str, Any]:
    return {
        "entry": file.entry.name,
        "path": str(file.path),
        "from": file.source,
        "bytes": file.size,
        "sha256": file.sha256,
        "checked": file.checked,
        "licence": file.entry.licence,
        "commercial": file.entry.commercial,
    }


def _print(pulled: Sequence[Pulled]) -> None:
    for entry in dict.fromkeys(file.entry.name for file in pulled):
        files = [file for file in pulled if file.entry.name == entry]
        facts = files[0].entry
        print(f"{entry}: {facts.licence}; commercial use: {facts.commercial}")
        for file in files:
            came = "was there" if file.source is None else f"from {file.source}"
            known = "sha256 as published" if file.checked else f"unchecked, its sha256 is {file.sha256}"
            print(f"  {file.path}\n    {file.size:,} bytes, {came}, {known}")
    fetched = [file for file in pulled if file.source is not None]
    print(f"Fetched: {len(fetched)} of {len(pulled)} files, {sum(file.size for file in fetched):,} bytes.")
