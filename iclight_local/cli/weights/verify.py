"""``iclight weights verify``: whether the weights on this machine are whole."""

from __future__ import annotations

import argparse

from iclight_local.cli.output import print_json
from iclight_local.cli.parser import Parser, add_common, given
from iclight_local.cli.weights.hints import import_hint, pull_hint
from iclight_local.settings import Settings, load_settings
from iclight_local.store.bundles import bundle_folder
from iclight_local.store.manifest import load_manifest
from iclight_local.store.verifying import FAULTS, STATE_WORDS, Verdict, verify

SUMMARY = "Check that the weights are whole, and the published ones what their makers published."


def add_arguments(parser: Parser) -> None:
    """Declare the options."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="Only this bundle, or this entry of the manifest.")
    parser.add_argument("--full", action="store_true", help="Read every file whole, whatever is remembered of it.")
    add_common(parser, "home")


def run(parsed: argparse.Namespace) -> int:
    """Check, and tell of each file what it is; 1 where something is damaged or unusable."""
    settings = load_settings(given(parsed, Settings))
    verdicts = verify(parsed.name, settings.home, full=parsed.full)
    damaged = [verdict for verdict in verdicts if verdict.state in FAULTS]
    cures = list(dict.fromkeys(cure(verdict, parsed.home) for verdict in damaged))
    status = 1 if damaged else 0
    if parsed.json:
        files = [
            {
                "path": str(verdict.path),
                "state": verdict.state,
                "fault": verdict.fault,
                "entry": verdict.entry,
                "bundle": verdict.bundle,
            }
            for verdict in verdicts
        ]
        print_json({"files": files, "damaged": len(damaged), "cures": cures})
        return status
    for verdict in verdicts:
        word = STATE_WORDS[verdict.state]
        detail = f" ({verdict.fault})" if verdict.fault else f" ({verdict.entry})" if verdict.entry else ""
        print(f"{word}{detail}: {verdict.path}")
    if not verdicts:
        print(f"There are no weights in {bundle_folder(settings.home)}.")
    for text in cures:
        print(f"To mend it: {text}")
    return status


def cure(verdict: Verdict, home: str | None) -> str:
    """What mends a fault: the command that fetches the right file, where one knows what it should be."""
    entry, unusable = verdict.entry, verdict.state == "unusable"
    if entry is not None and entry in load_manifest().entries:
        return pull_hint([entry], verdict.bundle, home, overwrite=not unusable)
    if unusable:
        return f"import what fits with `{import_hint('FILE', verdict.bundle, home)}`"
    return f"fetch, import or copy {verdict.path} again"
