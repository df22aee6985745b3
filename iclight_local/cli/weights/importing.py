"""``iclight weights import``: a bundle out of the weights that other programs have on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from iclight_local.cli.output import print_json
from iclight_local.cli.parser import Parser, add_common, given
from iclight_local.cli.weights.hints import pull_hint, relight_hint
from iclight_local.settings import Settings, load_settings
from iclight_local.store.bundles import DEFAULT
from iclight_local.store.choosing import Chosen, Wish, describe_left
from iclight_local.store.importing import Import, Imported, import_tree
from iclight_local.store.manifest import load_manifest
from iclight_local.store.trees import TREE_WORDS

SUMMARY = "Use weights that ComfyUI, A1111, Forge or a Hugging Face cache have here: links, no copies."


def add_arguments(parser: Parser) -> None:
    """Declare the options."""
    parser.add_argument(
        "path",
        metavar="PATH",
        help="A ComfyUI, A1111 or Forge folder, a Hugging Face cache, a bundle, a diffusers folder, or one file.",
    )
    parser.add_argument("--name", metavar="NAME", default=DEFAULT, help=f"Name of the bundle (default: {DEFAULT}).")
    parser.add_argument("--base", metavar="FILE", help="The base to take where there are several: a path or a name.")
    parser.add_argument("--vae", metavar="FILE", help="A VAE to take in the place of the base's own.")
    parser.add_argument("--copy", action="store_true", help="Copy the files in the place of linking them.")
    parser.add_argument("--overwrite", action="store_true", help="Replace what the bundle has already.")
    add_common(parser, "home")


def run(parsed: argparse.Namespace) -> int:
    """Import, and tell what was found, what is used and how to use it."""
    settings = load_settings(given(parsed, Settings))
    done = import_tree(
        Import(
            path=Path(parsed.path).expanduser(),
            name=parsed.name,
            home=settings.home,
            wish=Wish(parsed.base, parsed.vae),
            copy=parsed.copy,
            overwrite=parsed.overwrite,
        )
    )
    command = next_command(done, parsed.home)
    if parsed.json:
        print_json(_as_json(done, command))
        return 0
    print(f"{parsed.path} is {TREE_WORDS[done.kind]}.")
    for one in done.elsewhere:
        print(f"  {one.description}.")
    for chosen in done.choice.used:
        print(f"  used as {_part(chosen)}, told by {chosen.told_by}: {chosen.finding.path} ({_how(chosen, done)})")
    for finding, reason in describe_left(done.findings, done.choice.left):
        print(f"  left alone: {finding.path} is {finding.what}; {reason}.")
    if done.dropped is not None:
        print(f"  removed: {done.dropped}, which stood in for the old base's VAE; the new base has one of its own.")
    print(f"The bundle {done.bundle.name}: {done.bundle.path}")
    lacking = {"base": "a base", "offsets": "a file of IC-Light"}
    if done.lacks:
        print(f"It still lacks {' and '.join(lacking[part] for part in done.lacks)}: import another file, or run")
    print(f"  {command}")
    return 0


def next_command(done: Imported, home: str | None) -> str:
    """The command that uses the bundle, or the one that completes it."""
    if not done.lacks:
        return relight_hint(done.bundle.name, done.bundle.models, home)
    needed = load_manifest().bundle(DEFAULT)
    names = {"base": needed.bases[0].name, "offsets": needed.offsets[0].name}
    return pull_hint([names[part] for part in done.lacks], done.bundle.name, home)


def _part(chosen: Chosen) -> str:
    return str(chosen.model) if chosen.model is not None else {"base": "the base", "vae": "the VAE"}.get(chosen.use, "")


def _how(chosen: Chosen, done: Imported) -> str:
    path = chosen.finding.path
    ways = {way for source, way in done.ways.items() if source == path or source.is_relative_to(path)}
    return " and ".join(sorted(ways, reverse=True))


def _as_json(done: Imported, command: str) -> dict[str, Any]:
    return {
        "tree": done.kind,
        "elsewhere": [
            {"file": str(one.file), "folders": list(map(str, one.folders)), "missing": list(map(str, one.missing))}
            for one in done.elsewhere
        ],
        "used": [
            {
                "path": str(chosen.finding.path),
                "what": chosen.finding.what,
                "as": chosen.use if chosen.model is None else chosen.model,
                "told_by": chosen.told_by,
                "way": _how(chosen, done),
            }
            for chosen in done.choice.used
        ],
        "left_alone": [
            {"path": str(finding.path), "what": finding.what, "reason": reason}
            for finding, reason in describe_left(done.findings, done.choice.left)
        ],
        "removed": None if done.dropped is None else str(done.dropped),
        "bundle": str(done.bundle.path),
        "name": done.bundle.name,
        "models": list(done.bundle.models),
        "lacks": list(done.lacks),
        "command": command,
    }
