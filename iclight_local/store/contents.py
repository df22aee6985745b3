"""Which files a bundle consists of: what the engine reads, and none of what else may lie beside it."""

from __future__ import annotations

from pathlib import Path

from iclight_local.checkpoints import COMPONENTS, component_files
from iclight_local.errors import WeightsError
from iclight_local.store.bundles import BASE_FOLDER

PICKLES = (".ckpt", ".pt", ".pth", ".bin")
"""Suffixes of files that can run code while they are read."""
_TEXTS = (".json", ".txt")
_BESIDE = ("model_index.json", "LICENSE", "LICENCE", "NOTICE", "README")
"""What the names of texts that go with a base or a bundle begin with."""
_TEXT_FOLDERS = ("scheduler", "tokenizer", *COMPONENTS)


def is_weights(path: Path) -> bool:
    """Whether a file holds weights, and no config, words or licence."""
    return path.suffix in (".safetensors", ".onnx", *PICKLES)


def base_files(base: Path) -> list[Path]:
    """The files of a diffusers folder that an SD1.5 base is loaded from, with its licence; sorted.

    Raises:
        WeightsError: a component holds no weights, or those it names are missing.
    """
    found = [path for path in base.iterdir() if path.is_file() and _is_text(path)]
    for name in _TEXT_FOLDERS:
        if (base / name).is_dir():
            found += [path for path in (base / name).iterdir() if path.is_file() and path.suffix in _TEXTS]
    weights = [path for name in COMPONENTS for path in component_files(base / name)]
    for path in weights:
        if not path.is_file():
            raise WeightsError(f"{path} is not there, and an index names it: fetch or copy {base} again.")
    return sorted({*found, *weights})


def bundle_files(folder: Path) -> list[Path]:
    """The files of a bundle, and links to files that are gone; sorted.

    Raises:
        WeightsError: its base is incomplete.
    """
    base = folder / BASE_FOLDER
    files = [path for path in folder.iterdir() if path.is_file() or is_dangling(path)]
    beside = [path for path in files if is_weights(path) or _is_text(path)]
    return sorted([*beside, *(base_files(base) if base.is_dir() else [])])


def is_dangling(path: Path) -> bool:
    """Whether a link leads to nothing, as after another program's folder was moved."""
    return path.is_symlink() and not path.exists()


def _is_text(path: Path) -> bool:
    return path.name.startswith(_BESIDE) and path.suffix in ("", ".md", *_TEXTS)
