"""A bundle out of an archive: every byte is compared with the archive's own list, and nothing strange is taken."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from iclight_local.errors import InvalidRequest, WeightsError
from iclight_local.store.bundles import Bundle, bundle_folder, check_bundle
from iclight_local.store.hashes import remember_hashes
from iclight_local.store.packing import CHUNK, Archive, OnBytes
from iclight_local.store.packlist import (
    BLOCK,
    LIST_NAME,
    MAX_LIST_BYTES,
    Packed,
    PackList,
    archive_size,
    padding,
    read_list,
)
from iclight_local.store.places import check_bundle_name
from iclight_local.store.staging import check_space, staging

_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"PK": "zip", b"\x28\xb5": "zstd"}
_KINDS = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.DIRTYPE: "a folder",
}


class Refused(Exception):
    """What is wrong with an archive, as the second half of a sentence."""


@dataclass(frozen=True, slots=True)
class Unpack:
    """What is asked for.

    Attributes:
        archive: the file.
        name: the bundle's name; None for the one in the archive.
        home: the folder whose ``weights`` hold the bundles.
        overwrite: replace a bundle of that name.
    """

    archive: Path
    name: str | None
    home: Path
    overwrite: bool


def unpack(asked: Unpack, told: OnBytes) -> Archive:
    """Unpack an archive into a bundle, which appears whole or not at all.

    Args:
        asked: the archive and where its bundle goes.
        told: is called while bytes are unpacked.

    Raises:
        WeightsError: it is no archive of a bundle, a damaged one, or holds anything that its list does not name.
        InvalidRequest: a bundle of that name is there, or the name is none.
        EngineError: the disk has no room.
    """
    if not asked.archive.is_file():
        raise WeightsError(f"{asked.archive} is no file: an archive from `iclight weights bundle` was needed.")
    with asked.archive.open("rb") as file, _as_sentence(asked.archive):
        listed = read_start(file)
        final = _final(asked, listed)
        with staging(final.parent) as stage:
            check_space(listed.total, final.parent)
            built = stage.new / final.name
            built.mkdir()
            for packed in listed.files:
                _unpack_file(file, packed, built / packed.path, told)
            _read_end(file)
            problem = check_bundle(Bundle(final.name, built))
            if problem is not None:
                raise Refused(f"holds no whole bundle: {problem.replace(str(built), final.name).rstrip('.')}")
            stage.put(built, final, overwrite=asked.overwrite)
    remember_hashes({final / packed.path: packed.sha256 for packed in listed.files}, asked.home)
    return Archive(final, listed)


def read_start(file: BinaryIO) -> PackList:
    """Read the list of an archive and compare the archive's size with it; the file then stands behind the list.

    Raises:
        Refused: it is no archive of a bundle, or of another size than its list says.
    """
    size = os.fstat(file.fileno()).st_size
    start = file.read(BLOCK)
    kind = next((name for magic, name in _COMPRESSED.items() if start.startswith(magic)), None)
    if kind is not None:
        raise Refused(f"is compressed ({kind}), and a plain tar was needed")
    info = _member(start, f"a tar that begins with {LIST_NAME}")
    if info.name != LIST_NAME:
        raise Refused(f"begins with {info.name[:100]!r}, and not with {LIST_NAME}")
    if info.size > MAX_LIST_BYTES:
        raise Refused(f"has a list of {info.size} bytes, and at most {MAX_LIST_BYTES} were expected")
    encoded = _exactly(file, info.size)
    try:
        listed = read_list(encoded)
    except WeightsError as error:
        raise Refused(f"cannot be trusted, {error}") from None
    _zeros(file, padding(info.size))
    expected = archive_size(listed, info.size)
    if size != expected:
        what = "truncated" if size < expected else "larger than its list says"
        raise Refused(f"is {what} ({size} bytes, and {expected} were expected)")
    return listed


def _final(asked: Unpack, listed: PackList) -> Path:
    final = bundle_folder(asked.home) / check_bundle_name(listed.name if asked.name is None else asked.name)
    if os.path.lexists(final) and not asked.overwrite:
        raise InvalidRequest(f"{final} exists already: choose another name with --name, or add --overwrite.")
    return final


@contextlib.contextmanager
def _as_sentence(archive: Path) -> Iterator[None]:
    try:
        yield
    except Refused as fault:
        raise WeightsError(
            f"{archive} {fault}; nothing was unpacked: copy it again, or make it again with `iclight weights bundle`."
        ) from None


def _unpack_file(file: BinaryIO, packed: Packed, target: Path, told: OnBytes) -> None:
    info = _member(file.read(BLOCK), packed.path)
    if info.name != packed.path:
        raise Refused(f"holds {info.name[:100]!r} where its list says {packed.path}")
    if info.size != packed.size:
        raise Refused(f"holds {packed.path} with {info.size} bytes, and its list says {packed.size}")
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, left = hashlib.sha256(), packed.size
    with target.open("xb") as unpacked:
        while left:
            chunk = _exactly(file, min(CHUNK, left))
            digest.update(chunk)
            unpacked.write(chunk)
            left -= len(chunk)
            told(len(chunk))
        unpacked.flush()
        os.fsync(unpacked.fileno())
    if digest.hexdigest() != packed.sha256:
        raise Refused(f"is damaged: {packed.path} has another sha256 than its list says")
    _zeros(file, padding(packed.size))


def _member(block: bytes, wanted: str) -> tarfile.TarInfo:
    """The header of a plain file.

    Raises:
        Refused: it is none; the sentence says what is there instead.
    """
    if len(block) == BLOCK and not any(block):
        raise Refused(f"ends where {wanted} was needed")
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, ValueError):
        raise Refused(f"is no tar or a damaged one: {wanted} was needed") from None
    if info.type != tarfile.REGTYPE:
        kind = _KINDS.get(info.type, f"a member of the kind {info.type!r}")
        raise Refused(f"holds {kind} ({info.name[:100]!r}) where {wanted} was needed")
    if info.linkname or info.size < 0:
        raise Refused(f"has a strange header for {info.name[:100]!r}")
    return info


def _read_end(file: BinaryIO) -> None:
    while chunk := file.read(CHUNK):
        if any(chunk):
            raise Refused("holds more than its list says")


def _zeros(file: BinaryIO, count: int) -> None:
    if any(_exactly(file, count)):
        raise Refused("has something hidden between its files")


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise Refused("is truncated")
    return data
