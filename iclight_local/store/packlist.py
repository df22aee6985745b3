"""The list that an archive of a bundle begins with, and the plain tar around it: one shape and no other."""

from __future__ import annotations

import json
import re
import tarfile
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from iclight_local.errors import WeightsError
from iclight_local.store.contents import PICKLES
from iclight_local.store.fields import Damage, Fields

FORMAT = 1
LIST_NAME = "iclight-bundle.json"
"""Name of the first member."""
MAX_LIST_BYTES = 1_000_000
MAX_FILES = 500
BLOCK = 512
RECORD = 10240
"""A tar is padded to a whole number of records."""
_MAX_PATH = 100
"""Longest name that a tar's header holds."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+() -]*")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Packed:
    """One file of an archive.

    Attributes:
        path: where it lies in the bundle, with forward slashes.
        size: its bytes.
        sha256: its hash.
        licence: its licence, where the manifest knows it; else None.
    """

    path: str
    size: int
    sha256: str
    licence: str | None = None


@dataclass(frozen=True, slots=True)
class PackList:
    """What an archive holds, in its order.

    Attributes:
        name: the bundle's name.
        files: every file, sorted by its path.
    """

    name: str
    files: tuple[Packed, ...]

    @property
    def total(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def encode(self) -> bytes:
        """The list as it is written, the same bytes for the same bundle."""
        table = {"format": FORMAT, "name": self.name, "files": [asdict(file) for file in self.files]}
        return (json.dumps(table, indent=1) + "\n").encode()


def check_name(name: str) -> str | None:
    """What is wrong with a bundle's name in an archive; None where nothing is."""
    return None if _NAME.fullmatch(name) else "is no name of a bundle (letters, digits, dots and dashes)"


def check_path(path: str) -> str | None:
    """What is wrong with the path of a file in an archive; None where nothing is."""
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts:
        return "leads out of its folder"
    if not parts or path != "/".join(parts) or len(path) >= _MAX_PATH or not all(map(_PART.fullmatch, parts)):
        return "is no plain relative path"
    if any(_RESERVED.fullmatch(part) or part.endswith((".", " ")) for part in parts):
        return "is no name that every system can have"
    if PurePosixPath(path).suffix.lower() in PICKLES:
        return "is a pickle, which can run code while it is read"
    return None


def read_list(data: bytes) -> PackList:
    """Read and check an archive's list.

    Raises:
        WeightsError: it is damaged, or lists what no bundle holds.
    """
    try:
        table = json.loads(data)
        if not isinstance(table, dict):
            raise ValueError
        return _parse(Fields(table, "its list"))
    except (ValueError, RecursionError):
        raise WeightsError(f"its {LIST_NAME} is no valid JSON") from None
    except Damage as damage:
        raise WeightsError(str(damage)) from None


def _parse(fields: Fields) -> PackList:
    version = fields.optional_bytes("format")
    if version != FORMAT:
        raise Damage(fields.where, "format", f"is {version}, and this version reads format {FORMAT}")
    name = fields.text("name")
    fault = check_name(name)
    if fault is not None:
        raise Damage(fields.where, "name", f"{name[:80]!r} {fault}")
    tables = fields.tables("files")
    fields.end()
    if not 0 < len(tables) <= MAX_FILES:
        raise Damage(fields.where, "files", f"are {len(tables)}, and a bundle has 1 to {MAX_FILES}")
    files = [_packed(table, f"its list, file number {number}") for number, table in enumerate(tables, 1)]
    # Without regard to capitals, as the disks of macOS and Windows see names.
    paths = {file.path.casefold() for file in files}
    folders = {str(parent) for path in paths for parent in PurePosixPath(path).parents}
    if len(paths) < len(files) or paths & folders:
        raise Damage(fields.where, "files", "name one place twice")
    if LIST_NAME.casefold() in paths:
        raise Damage(fields.where, "files", "name the list itself")
    return PackList(name, tuple(files))


def _packed(table: dict[str, Any], where: str) -> Packed:
    # A file may be empty, and Fields takes sizes from 1 on.
    size = table.get("size")
    if type(size) is not int or size < 0:
        raise Damage(where, "size", "is no number of bytes")
    if table.get("licence", "") is None:
        table = {key: value for key, value in table.items() if key != "licence"}
    fields = Fields({key: value for key, value in table.items() if key != "size"}, where)
    path = fields.text("path")
    fault = check_path(path)
    if fault is not None:
        raise Damage(where, "path", f"{path[:120]!r} {fault}")
    sha256 = fields.optional_digest("sha256", 64)
    if sha256 is None:
        raise Damage(where, "sha256", "is missing")
    packed = Packed(path, size, sha256, fields.optional_text("licence"))
    fields.end()
    return packed


def header(path: str, size: int) -> bytes:
    """The tar header of a member; the same for the same name and size everywhere."""
    info = tarfile.TarInfo(path)
    info.size = size
    info.mode = 0o644
    return info.tobuf(tarfile.GNU_FORMAT)


def padding(size: int, unit: int = BLOCK) -> int:
    """Bytes of zeros that follow so many bytes, up to a whole number of units."""
    return -size % unit


def archive_size(listed: PackList, list_bytes: int) -> int:
    """Bytes of a whole archive."""
    members = [list_bytes, *(file.size for file in listed.files)]
    size = sum(BLOCK + member + padding(member) for member in members) + 2 * BLOCK
    return size + padding(size, RECORD)
