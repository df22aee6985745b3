"""Folders of weights outside of a ComfyUI's own, as its ``extra_model_paths.yaml`` names them.

Read as ComfyUI's ``utils/extra_config.py`` reads it: sections of entries, each a text with one folder a line, below the
section's ``base_path`` where it has one, and below the file's own folder.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iclight_local.errors import WeightsError
from iclight_local.headers import shown

NAME = "extra_model_paths.yaml"
_BASE = "base_path"
_OTHERS = frozenset((_BASE, "is_default", "custom_nodes"))
"""Entries that name no folders of weights; ``is_default`` only says which folder is listed first."""
_CURE = "mend it, or import a folder of weights by its own path"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What one such file names.

    Attributes:
        file: the file.
        folders: the folders that are there, each once, in the file's order.
        missing: those that are not there.
    """

    file: Path
    folders: tuple[Path, ...]
    missing: tuple[Path, ...]

    @property
    def description(self) -> str:
        """What it names, in plain words without a full stop."""
        there = f"{_count(self.folders)}, looked at, too" if self.folders else ""
        gone = f"{_count(self.missing)} that cannot be found, like {str(self.missing[0])!r}" if self.missing else ""
        named = ", and ".join(part for part in (there, gone) if part)
        return f"{self.file} names {named if named else 'no folder of weights'}"


def files_elsewhere(path: Path) -> list[Path]:
    """Such files in a folder, in the folders in it, and beside it where it is a ComfyUI's ``models``."""
    folders = [path]
    if path.absolute().name == "models":
        folders.append(path.absolute().parent)
    with contextlib.suppress(OSError):
        folders += [inner for inner in sorted(path.glob("*/")) if not inner.name.startswith(".")]
    return [folder / NAME for folder in folders if _is_file(folder / NAME)]


def find_elsewhere(path: Path) -> list[Elsewhere]:
    """What the files name that belong to a tree of weights.

    Raises:
        WeightsError: one cannot be read, or does not have ComfyUI's form.
    """
    return [_named_by(file) for file in files_elsewhere(path)]


def _named_by(file: Path) -> Elsewhere:
    folders = list(dict.fromkeys(_folders(file)))
    there = [folder for folder in folders if _is_folder(folder)]
    return Elsewhere(file, tuple(there), tuple(folder for folder in folders if folder not in there))


def _folders(file: Path) -> Iterator[Path]:
    for section, entries in _table(file, _parsed(file), "the whole").items():
        texts = {
            name: _text(file, f"{section}.{name}", value) for name, value in _table(file, entries, section).items()
        }
        root = file.absolute().parent / _expanded(texts.get(_BASE, ""))
        for name, text in texts.items():
            lines = [] if name in _OTHERS else [line.strip() for line in text.splitlines()]
            # Links on the way are kept, so that a folder is called what the file calls it.
            yield from (Path(os.path.normpath(root / line)) for line in lines if line)


def _parsed(file: Path) -> Any:
    """What stands in the file: texts, lists and mappings, whatever a text looks like, and None where nothing stands."""
    import yaml  # few have such a file

    try:
        return yaml.load(file.read_bytes(), Loader=yaml.BaseLoader)
    except OSError as error:
        raise WeightsError(f"{file} cannot be read ({error.strerror}): {_CURE}.") from None
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f" (line {mark.line + 1})"
        raise WeightsError(f"{file} is no valid YAML{line}: {_CURE}.") from None


def _table(file: Path, value: Any, what: str) -> dict[str, Any]:
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        kind = "a list" if isinstance(value, list) else "a text"
        raise WeightsError(f"{file} is not as ComfyUI has it: {shown(what)} is {kind}, not names with values: {_CURE}.")
    return value


def _text(file: Path, what: str, value: Any) -> str:
    if not isinstance(value, str):
        raise WeightsError(f"{file} is not as ComfyUI has it: {shown(what)} is no text with a folder a line: {_CURE}.")
    return value


def _expanded(base: str) -> Path:
    path = Path(os.path.expandvars(base.strip()))
    with contextlib.suppress(RuntimeError, ValueError):  # Nobody here has that name, or can have it.
        return path.expanduser()
    return path


def _is_folder(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return path.is_dir()
    return False


def _is_file(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return path.is_file()
    return False


def _count(folders: tuple[Path, ...]) -> str:
    return f"{len(folders)} folder{'s' if len(folders) > 1 else ''}"
