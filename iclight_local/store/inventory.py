"""What of the published weights is here and what is missing, told without reading gigabytes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from iclight_local.checkpoints import COMPONENTS, component_files
from iclight_local.errors import WeightsError
from iclight_local.request import ModelName
from iclight_local.segmenters.rembg_session import looked_in
from iclight_local.store.bundles import DEFAULT, Bundle, offsets_path
from iclight_local.store.entries import Entry, Kind
from iclight_local.store.hashes import remembered_hashes
from iclight_local.store.manifest import Manifest
from iclight_local.store.places import file_place
from iclight_local.store.published import candidates, offsets_by_place

TOLD_BY = Literal["sha256", "name and size"]
EXTRAS: dict[Kind, str] = {"segmenter": "Segmenters", "lora": "LoRAs", "vae": "Small VAEs"}
"""What lies beside the bundles, by the kind of entry."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a bundle, and what the manifest knows of it.

    Attributes:
        name: ``base``, ``vae`` or a model.
        entry: what it is published as; None where nothing is known of it.
        told_by: how that was told; None where it was not.
        unread: whether its sha256 could tell more and has not been made yet.
    """

    name: str
    entry: Entry | None
    told_by: TOLD_BY | None
    unread: bool


@dataclass(frozen=True, slots=True)
class Extra:
    """Something published that lies beside the bundles.

    Attributes:
        entry: what it is.
        files: where it lies; empty where it is missing.
    """

    entry: Entry
    files: tuple[Path, ...]

    @property
    def size(self) -> int:
        """Bytes on this machine."""
        return sum(path.stat().st_size for path in self.files)


def loaded_files(bundle: Bundle) -> list[Path]:
    """The weights that relighting with any of a bundle's models loads, as far as they are there."""
    return [path for paths in _parts(bundle).values() for path in paths]


def missing_entries(bundle: Bundle, manifest: Manifest) -> dict[str, Entry]:
    """What a bundle lacks of what is published: ``base``, or a model."""
    needed = manifest.bundles.get(DEFAULT)
    if needed is None:
        return {}
    missing = {} if bundle.base.exists() else {"base": needed.bases[0]}
    for model in get_args(ModelName):
        name = offsets_path(bundle.path, model).name
        for entry in needed.offsets:
            if model not in bundle.models and name in [file.saved_as for file in entry.files]:
                missing[model] = entry
    return missing


def known_parts(bundle: Bundle, manifest: Manifest, home: Path) -> list[Part]:
    """What the manifest knows of a bundle's parts: by a sha256 that is remembered; of IC-Light's files also by place.

    All bases of one precision have the same size, so that without a hash nothing is known of one.
    """
    return [_known(name, paths, manifest, home) for name, paths in _parts(bundle).items() if paths]


def extras(manifest: Manifest, home: Path) -> list[Extra]:
    """Segmenters, LoRAs and small VAEs, here or missing; in the manifest's order."""
    return [
        Extra(entry, tuple(_extra_files(entry, home))) for entry in manifest.entries.values() if entry.kind in EXTRAS
    ]


def _parts(bundle: Bundle) -> dict[str, list[Path]]:
    models = bundle.models
    parts = {"base": list(_base_weights(bundle))}
    parts |= {"vae": []} if bundle.vae is None else {"vae": [bundle.vae]}
    return parts | {model: [offsets_path(bundle.path, model)] for model in models}


def _base_weights(bundle: Bundle) -> Iterator[Path]:
    if bundle.base.is_file():
        yield bundle.base
        return
    for name in COMPONENTS:
        with contextlib.suppress(WeightsError, OSError):
            yield from (path for path in component_files(bundle.base / name) if path.is_file())


def _known(name: str, paths: list[Path], manifest: Manifest, home: Path) -> Part:
    hashes = remembered_hashes(paths, home)
    possible = {path: candidates(path, manifest) for path in paths}
    unread = any(found for path, found in possible.items() if path not in hashes)
    found = {
        next((one.entry.name for one in possible[path] if one.file.sha256 == hashes.get(path)), None) for path in paths
    }
    entry = manifest.entries.get(found.pop() or "") if len(found) == 1 else None
    if entry is not None:
        return Part(name, entry, "sha256", unread=False)
    if unread and name in get_args(ModelName):
        with contextlib.suppress(WeightsError, OSError):
            placed = offsets_by_place(paths[0], manifest)
            if placed is not None:
                return Part(name, placed.entry, "name and size", unread)
    return Part(name, None, None, unread)


def _extra_files(entry: Entry, home: Path) -> list[Path]:
    if entry.made_from is not None:
        return [path for path in looked_in(entry.name) if path.is_file()][:1]
    places = [file_place(entry, file, home) for file in entry.files]
    return places if all(path.is_file() for path in places) else []
