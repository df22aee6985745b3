"""Archives of bundles, right ones and all kinds of wrong ones."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iclight_local.store.bundles import Bundle
from iclight_local.store.packing import Archive, pack
from iclight_local.store.unpacking import Unpack, unpack
from tests.cli.commands import BUNDLE

BLOCK, RECORD = 512, 10240
FIRST = "iclight-bundle.json"
GOLDEN = Bundle("sd15", BUNDLE)


@dataclass(frozen=True)
class Member:
    """A member as it is written, whatever its list says of it."""

    name: str
    data: bytes = b""
    type: bytes = tarfile.REGTYPE
    link: str = ""
    size: int | None = None

    def encode(self) -> bytes:
        info = tarfile.TarInfo(self.name)
        info.type, info.linkname, info.mode = self.type, self.link, 0o644
        info.size = len(self.data) if self.size is None else self.size
        return info.tobuf(tarfile.GNU_FORMAT) + padded(self.data, BLOCK)


def padded(data: bytes, unit: int) -> bytes:
    return data + bytes(-len(data) % unit)


def listed(members: Sequence[Member], **more: Any) -> dict[str, Any]:
    """The right list for some members."""
    files = [
        {"path": member.name, "size": len(member.data), "sha256": hashlib.sha256(member.data).hexdigest()}
        for member in members
    ]
    return {"format": 1, "name": "sd15", "files": files, **more}


def write_archive(path: Path, members: Sequence[Member], table: object | None = None) -> Path:
    """A tar of a list and members; by default with the right list."""
    text = json.dumps(listed(members) if table is None else table).encode()
    body = b"".join(member.encode() for member in (Member(FIRST, text), *members))
    path.write_bytes(padded(body + bytes(2 * BLOCK), RECORD))
    return path


def bundle_members(folder: Path) -> list[Member]:
    """The files of a bundle, in the order of an archive."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return [Member(name, (folder / name).read_bytes()) for name in names]


def packed(path: Path, home: Path, bundle: Bundle = GOLDEN, **how: Any) -> Archive:
    return pack(bundle, path, home, **{"overwrite": False, "commercial": False, "told": lambda _: None, **how})


def unpacked(path: Path, home: Path, **how: Any) -> Path:
    return unpack(
        Unpack(**{"archive": path, "name": None, "home": home, "overwrite": False, **how}), lambda _: None
    ).path
