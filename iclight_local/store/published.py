"""Whether a file on this machine is one that the manifest knows, by its size first and then by its sha256."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from iclight_local.headers import read_header
from iclight_local.layouts.identify import identify
from iclight_local.store.entries import Entry, File
from iclight_local.store.hashes import file_hashes
from iclight_local.store.manifest import Manifest

ROUNDING = 0.01
"""A page's rounded size is at most so far from the exact one, as a share of it."""


@dataclass(frozen=True, slots=True)
class Published:
    """One file of the manifest, and the entry it belongs to."""

    entry: Entry
    file: File


def size_fits(file: File, size: int) -> bool:
    """Whether a file of ``size`` bytes can be this one; with a rounded size about, with none at all always."""
    if file.size is not None:
        return size == file.size
    return file.about is None or abs(size - file.about) <= ROUNDING * file.about


def candidates(path: Path, manifest: Manifest) -> list[Published]:
    """The published files of known hash that this one can be, by its size; of unknown size only by the name, too."""
    size = path.stat().st_size
    return [
        Published(entry, file)
        for entry in manifest.entries.values()
        for file in entry.files
        if file.sha256 is not None
        and size_fits(file, size)
        and (file.size is not None or file.about is not None or PurePosixPath(file.path).name == path.name)
    ]


def fitting(entries: Iterable[Entry], saved_as: str, size: int) -> Published | None:
    """The published file of a place whose size is known and fits."""
    return next(
        (
            Published(entry, file)
            for entry in entries
            for file in entry.files
            if file.saved_as == saved_as and (file.size, file.about) != (None, None) and size_fits(file, size)
        ),
        None,
    )


def offsets_by_place(path: Path, manifest: Manifest) -> Published | None:
    """The published offsets that a file must be, by its name, its size and how it stores them.

    A name alone tells nothing: offsets in other keys lie under the same names.

    Raises:
        WeightsError: the file is damaged.
    """
    found = identify(read_header(path))
    if found.kind != "offsets-diffusers" or found.dtypes != ("F16",):
        return None
    entries = (entry for entry in manifest.entries.values() if entry.kind == "offsets")
    return fitting(entries, path.name, path.stat().st_size)


def recognise(paths: Iterable[Path], manifest: Manifest, home: Path) -> dict[Path, Published]:
    """Which of the files are published ones, by their sha256; a file whose size fits none is not read at all.

    Args:
        paths: files that are there.
        manifest: what is published.
        home: where the hashes are remembered.
    """
    possible = {path: found for path in paths if (found := candidates(path, manifest))}
    hashes = file_hashes(list(possible), home)
    known: dict[Path, Published] = {}
    for path, found in possible.items():
        match = next((one for one in found if one.file.sha256 == hashes[path]), None)
        if match is not None:
            known[path] = match
    return known
