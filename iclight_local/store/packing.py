"""A bundle as one archive for a machine without a network: a list with hashes first, then the files, uncompressed."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from iclight_local.checkpoints import COMPONENTS, component_files
from iclight_local.errors import EngineError, InvalidRequest, WeightsError
from iclight_local.store.bundles import BASE_FOLDER, PULL, Bundle, check_bundle
from iclight_local.store.contents import bundle_files, is_dangling, is_weights
from iclight_local.store.entries import Entry, require_commercial
from iclight_local.store.hashes import file_hashes
from iclight_local.store.manifest import Manifest, load_manifest
from iclight_local.store.packlist import (
    BLOCK,
    LIST_NAME,
    RECORD,
    Packed,
    PackList,
    archive_size,
    check_name,
    check_path,
    header,
    padding,
)
from iclight_local.store.published import Published, recognise
from iclight_local.store.staging import check_space

CHUNK = 1 << 20
"""Bytes that are read at once."""
OWN_LICENCE = "Apache-2.0, this project's own"
"""That of the embedded bundle."""
OnBytes = Callable[[int], object]
"""Is told how many bytes more are done."""


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive that was written or unpacked.

    Attributes:
        path: the archive, or the bundle that came out of it.
        listed: what it holds.
    """

    path: Path
    listed: PackList


def pack(bundle: Bundle, target: Path, home: Path, *, overwrite: bool, commercial: bool, told: OnBytes) -> Archive:
    """Write a bundle into one archive, whole or not at all; the same bundle gives the same bytes.

    Args:
        bundle: what to pack; links in it are followed.
        target: the archive's name.
        home: where hashes are remembered.
        overwrite: replace an archive of that name.
        commercial: refuse files whose licence forbids commercial use or is not known.
        told: is called while bytes are written.

    Raises:
        WeightsError: the bundle is damaged, holds a pickle, or a licence is not what was asked for.
        InvalidRequest: the archive exists, or its folder does not.
        EngineError: the disk has no room, or a file changed while it was packed.
    """
    if os.path.lexists(target) and (target.is_dir() or not overwrite):
        cure = "name a file in it" if target.is_dir() else "choose another name, or add --overwrite"
        raise InvalidRequest(f"{target} exists already: {cure}.")
    if not target.parent.is_dir():
        raise InvalidRequest(f"{target} cannot be written: {target.parent} is no folder; create it or choose another.")
    listed = list_bundle(bundle, home, commercial=commercial)
    check_space(archive_size(listed, len(listed.encode())), target.parent)
    temporary = target.parent / f".iclight-{secrets.token_hex(8)}.tmp"
    try:
        with temporary.open("xb") as file:
            _write(file, bundle.path, listed, told)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return Archive(target, listed)


def list_bundle(bundle: Bundle, home: Path, *, commercial: bool) -> PackList:
    """What an archive of a bundle will hold.

    Raises:
        WeightsError: as `pack`.
    """
    problem = check_bundle(bundle)
    if problem is not None:
        raise WeightsError(problem)
    fault = check_name(bundle.name)
    if fault is not None:
        raise WeightsError(f"{bundle.name!r} {fault}: rename its folder.")
    files = bundle_files(bundle.path)
    for path in files:
        name = path.relative_to(bundle.path).as_posix()
        fault = check_path(name)
        if fault is not None:
            raise WeightsError(f"{name} in {bundle.path} {fault}, so it cannot be packed: {_cure(bundle, path)}.")
        if is_dangling(path):
            raise WeightsError(f"{path} links to {path.readlink()}, which is not there: import or pull it again.")
    licences = _licences(bundle, files, home, commercial=commercial)
    hashes = file_hashes(files, home)
    return PackList(
        bundle.name,
        tuple(
            Packed(path.relative_to(bundle.path).as_posix(), path.stat().st_size, hashes[path], licences.get(path))
            for path in sorted(files, key=lambda path: path.relative_to(bundle.path).as_posix())
        ),
    )


def _cure(bundle: Bundle, path: Path) -> str:
    """What to do about a file that cannot be packed; the base needs its own."""
    if is_weights(path) and path.is_relative_to(bundle.path / BASE_FOLDER):
        return f"convert it to safetensors, or pull another base (`{PULL} --into OTHER`)"
    return "remove or rename it"


def _licences(bundle: Bundle, files: list[Path], home: Path, *, commercial: bool) -> dict[Path, str]:
    if bundle.embedded:
        return dict.fromkeys(files, OWN_LICENCE)
    manifest = load_manifest()
    known = recognise(files, manifest, home)
    entries = {path: found.entry for path, found in known.items()}
    base = _base_entry(bundle, known, manifest)
    if base is not None:
        entries.update({path: base for path in files if path.is_relative_to(bundle.path / BASE_FOLDER)})
    if commercial:
        for path in filter(is_weights, files):
            if path not in entries:
                raise WeightsError(
                    f"The licence of {path} is unknown, the manifest does not know this file: leave out --commercial, "
                    "or take what `iclight weights licences --commercial` lists."
                )
            require_commercial(entries[path])
    return {path: entry.licence for path, entry in entries.items()}


def _base_entry(bundle: Bundle, known: Mapping[Path, Published], manifest: Manifest) -> Entry | None:
    """The one published base that all three components come from; its configs and words come from it, too."""
    if not bundle.base.is_dir():
        return None
    weights = [path for name in COMPONENTS for path in component_files(bundle.base / name)]
    names = {known[path].entry.name if path in known else "" for path in weights}
    return manifest.entries.get(names.pop()) if len(names) == 1 else None


def _write(file: BinaryIO, folder: Path, listed: PackList, told: OnBytes) -> None:
    encoded = listed.encode()
    written = file.write(header(LIST_NAME, len(encoded))) + file.write(encoded)
    written += file.write(bytes(padding(len(encoded))))
    for packed in listed.files:
        written += file.write(header(packed.path, packed.size))
        _copy(folder / packed.path, file, packed, told)
        written += packed.size + file.write(bytes(padding(packed.size)))
    written += file.write(bytes(2 * BLOCK))
    file.write(bytes(padding(written, RECORD)))


def _copy(path: Path, file: BinaryIO, packed: Packed, told: OnBytes) -> None:
    digest, left = hashlib.sha256(), packed.size
    with path.open("rb") as source:
        while left and (chunk := source.read(min(CHUNK, left))):
            digest.update(chunk)
            file.write(chunk)
            left -= len(chunk)
            told(len(chunk))
    if left or digest.hexdigest() != packed.sha256:
        raise EngineError(
            f"{path} is not what its hash says: it changed meanwhile or its disk fails; "
            "`iclight weights verify --full` tells more."
        )
