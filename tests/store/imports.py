"""Importing in tests, and what came of it in few words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from iclight_local.store.choosing import Wish
from iclight_local.store.importing import Import, Imported, import_tree


def bring(path: Path, home: Path, *, base: str | None = None, vae: str | None = None, **more: Any) -> Imported:
    asked = {"name": "sd15", "copy": False, "overwrite": False, **more}
    return import_tree(Import(path=path, home=home, wish=Wish(base, vae), **asked))


def used(done: Imported) -> dict[str, tuple[Path, str]]:
    return {chosen.model or chosen.use: (chosen.finding.path, chosen.told_by) for chosen in done.choice.used}


def left(done: Imported) -> dict[str, str]:
    return {path.name: reason for path, reason in done.choice.left.items()}
