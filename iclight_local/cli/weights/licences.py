"""``iclight weights licences``: what may be done with the weights that others publish."""

from __future__ import annotations

import argparse
from typing import Any

from iclight_local.cli.output import print_json
from iclight_local.cli.parser import Parser, add_common
from iclight_local.store.entries import Entry
from iclight_local.store.manifest import load_manifest

SUMMARY = "List the published weights with licence, commercial use and size."


def add_arguments(parser: Parser) -> None:
    """Declare the options."""
    parser.add_argument("--commercial", action="store_true", help="Only what may be used commercially.")
    add_common(parser)


def run(parsed: argparse.Namespace) -> int:
    """List the manifest's entries with their licences; with ``--commercial`` only what may be used commercially."""
    entries = list(load_manifest().entries.values())
    shown = [entry for entry in entries if entry.commercial == "yes" or not parsed.commercial]
    left_out = [entry for entry in entries if entry not in shown]
    if parsed.json:
        print_json({"entries": [describe_entry(entry) for entry in shown], "left_out": [e.name for e in left_out]})
        return 0
    rows = [("NAME", "COMMERCIAL", "SIZE", "LICENCE")]
    rows += [(entry.name, entry.commercial, size_text(entry), entry.licence) for entry in shown]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for *cells, licence in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)), licence]))
    if parsed.commercial:
        print(_count_left_out(left_out))
    return 0


def describe_entry(entry: Entry) -> dict[str, Any]:
    """An entry's facts as plain JSON values."""
    return {
        "name": entry.name,
        "kind": entry.kind,
        "repository": entry.repository,
        "revision": entry.revision,
        "licence": entry.licence,
        "commercial": entry.commercial,
        "bytes": entry.size,
        "about_bytes": entry.about,
        "made_from": entry.made_from,
        "unconfirmed": list(entry.doubts),
    }


def size_text(entry: Entry) -> str:
    """How large an entry is, as exactly as it is known."""
    if entry.made_from is not None:
        return f"made from {entry.made_from}"
    if entry.size is not None:
        return _bytes_text(entry.size)
    if entry.about is not None:
        return f"about {_bytes_text(entry.about)}"
    return f"over {_bytes_text(entry.least)}" if entry.least else "not confirmed"


def _bytes_text(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _count_left_out(entries: list[Entry]) -> str:
    if not entries:
        return "Nothing was left out."
    forbidden = [entry.name for entry in entries if entry.commercial == "no"]
    open_ones = [entry.name for entry in entries if entry.commercial != "no"]
    reasons = [f"forbidden by the licence: {', '.join(forbidden)}"] if forbidden else []
    reasons += [f"not confirmed: {', '.join(open_ones)}"] if open_ones else []
    return f"Left out: {len(entries)} ({'; '.join(reasons)})."
