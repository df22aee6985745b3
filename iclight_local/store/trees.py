"""The folders of weights that other programs keep: what kind of tree it is, and which of its files to look at."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from iclight_local.errors import WeightsError
from iclight_local.store.bundles import base_of
from iclight_local.store.contents import PICKLES
from iclight_local.store.elsewhere import files_elsewhere

TreeKind = Literal["file", "bundle", "diffusers", "huggingface", "comfyui", "a1111", "folder"]
TREE_WORDS: dict[TreeKind, str] = {
    "file": "a single file",
    "bundle": "a bundle",
    "diffusers": "a diffusers folder",
    "huggingface": "a Hugging Face cache",
    "comfyui": "a ComfyUI folder",
    "a1111": "an A1111 or Forge folder",
    "folder": "a folder of no known layout",
}
_SKIPPED = frozenset(("__pycache__", "node_modules", "site-packages", "venv", "blobs"))
_A1111 = "stable-diffusion"
_COMFYUI = "checkpoints"
_COMFYUI_BESIDE = frozenset(("unet", "diffusion_models", "clip", "text_encoders", "vae", "loras", "configs"))
_INDEX = "model_index.json"


def tree_kind(path: Path) -> TreeKind:
    """What kind of tree lies there, told from its folders.

    Raises:
        WeightsError: nothing is there.
    """
    if path.is_file():
        return "file"
    if not path.is_dir():
        raise WeightsError(
            f"There is no {path}: name a ComfyUI, A1111 or Forge folder, a Hugging Face cache, a bundle, or a file."
        )
    if base_of(path).exists():
        return "bundle"
    if (path / _INDEX).is_file():
        return "diffusers"
    if _is_repository(path) or any(_is_repository(inner) for inner in [*_folders(path), *_folders(path / "hub")]):
        return "huggingface"
    for models in (path, path / "models", *(inner / "models" for inner in _folders(path))):
        names = {inner.name.lower() for inner in _folders(models)}
        if _A1111 in names:
            return "a1111"
        if _COMFYUI in names and names & _COMFYUI_BESIDE:
            return "comfyui"
    return "comfyui" if files_elsewhere(path) else "folder"


def walk(path: Path) -> Iterator[Path]:
    """Every file of weights below ``path``, and every diffusers folder as one; sorted within each folder.

    Links to folders are followed, each folder is entered once; of a repository in a Hugging Face cache only the
    snapshot is entered that ``refs/main`` names, else the newest.
    """
    if path.is_file():
        yield path
    else:
        yield from _walk(path, set())


def repository_of(path: Path) -> str | None:
    """The ``owner/name`` of the repository in whose cache a file lies; None where it lies in none."""
    for parent in (path, *path.parents):
        parts = parent.name.split("--")
        if len(parts) == 3 and parts[0] == "models":
            return f"{parts[1]}/{parts[2]}"
    return None


def _walk(folder: Path, seen: set[Path]) -> Iterator[Path]:
    real = folder.resolve()
    if real in seen:
        return
    seen.add(real)
    if _is_repository(folder):
        snapshot = _snapshot(folder)
        if snapshot is not None:
            yield from _walk(snapshot, seen)
        return
    parts = _parts(folder)
    if parts is not None:
        yield folder
    skipped = _SKIPPED if parts is None else _SKIPPED | parts
    files, folders = _inside(folder)
    yield from (path for path in files if path.suffix.lower() in (".safetensors", *PICKLES))
    for path in folders:
        if not path.name.startswith(".") and path.name not in skipped:
            yield from _walk(path, seen)


def _parts(folder: Path) -> frozenset[str] | None:
    """The components that a diffusers folder names; None where it is none."""
    try:
        table = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return frozenset(table) if isinstance(table, dict) else None


def _is_repository(folder: Path) -> bool:
    return folder.name.startswith("models--") and (folder / "snapshots").is_dir()


def _snapshot(repository: Path) -> Path | None:
    snapshots = repository / "snapshots"
    try:
        named = snapshots / (repository / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        named = snapshots
    if named.parent == snapshots and named.is_dir():
        return named
    return max(_folders(snapshots), key=lambda path: (path.stat().st_mtime_ns, path.name), default=None)


def _folders(path: Path) -> list[Path]:
    return _inside(path)[1]


def _inside(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files and the folders in a folder; what may not be looked at, like another user's, is left out."""
    files, folders = [], []
    with contextlib.suppress(OSError):
        for path in sorted(folder.iterdir()):
            with contextlib.suppress(OSError):
                if path.is_dir():
                    folders.append(path)
                elif path.is_file():
                    files.append(path)
    return files, folders
