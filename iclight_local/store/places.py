"""Where each published thing lies on this machine: written by ``pull``, looked at by ``list`` and ``verify``."""

from __future__ import annotations

from pathlib import Path

from iclight_local.errors import InvalidRequest
from iclight_local.segmenters.rembg_session import looked_in
from iclight_local.store.bundles import DEFAULT, bundle_folder
from iclight_local.store.entries import Entry, File

SHARED = {"lora": "loras", "vae": "taesd"}
"""Folders beside the bundles, for what all of them can use, by the kind of entry."""


def place(entry: Entry, home: Path, bundle: str = DEFAULT) -> Path:
    """The folder below which an entry's files lie under the names that they are saved as.

    Args:
        entry: what is to lie there.
        home: the folder of weights, cache and settings; rembg's models lie in rembg's own.
        bundle: the name of the bundle that a base or offsets belong to.

    Raises:
        InvalidRequest: it is a segmenter that this version does not know.
    """
    if entry.kind == "segmenter":
        return looked_in(entry.name)[0].parent
    weights = bundle_folder(home)
    if entry.kind in SHARED:
        return weights / SHARED[entry.kind]
    return weights / bundle / "base" if entry.kind == "base" else weights / bundle


def file_places(entry: Entry, file: File, home: Path, bundle: str = DEFAULT) -> list[Path]:
    """Where a file of an entry can be, best first; a segmenter's also where older versions of rembg keep it."""
    first = place(entry, home, bundle) / file.saved_as
    older = looked_in(entry.name)[1:] if entry.kind == "segmenter" else []
    return [first, *older]


def file_place(entry: Entry, file: File, home: Path, bundle: str = DEFAULT) -> Path:
    """Where a file of an entry is; where it is not there at all, where it belongs."""
    places = file_places(entry, file, home, bundle)
    return next((path for path in places if path.is_file()), places[0])


def check_bundle_name(name: str) -> str:
    """A name that a new bundle can have, unchanged.

    Raises:
        InvalidRequest: it is no name of a folder, or one that is kept for other things.
    """
    if name == "" or name != Path(name).name or name.startswith(".") or "\\" in name or name in SHARED.values():
        raise InvalidRequest(f"A bundle cannot be called {name!r}: give a plain name, like {DEFAULT}.")
    return name
