"""Pictures that browsers put on the page: each owner's own, in a folder that no other user of the machine reads."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iclight_local.errors import EngineError

GONE = "A picture is no longer here: drop it again."
FILES = 64
"""Files that one owner has at most; the painted layers of an editor are sent anew with every relight."""
TOTAL_BYTES = 4 * 2**30
TOTAL_FILES = 4096
LIFETIME_S = 25 * 3600.0
"""Gradio removes what it used after a day; what it never used goes after this."""


@dataclass(frozen=True)
class _File:
    path: Path
    used: float
    size: int


class Uploads:
    """Files by owner; the least lately used go first where there are too many.

    Args:
        folder: of these files alone: it is emptied by :meth:`clear`.
        most: bytes of all files together.
    """

    def __init__(self, folder: Path, most: int = TOTAL_BYTES) -> None:
        self.folder, self._most = folder.resolve(), most
        self._lock = threading.Lock()
        self._shared: frozenset[Path] = frozenset()

    def open(self) -> None:
        """Make the folder, empty.

        Raises:
            EngineError: it cannot be written.
        """
        self.clear()
        try:
            self.folder.mkdir(parents=True, mode=0o700)
        except OSError as error:
            raise EngineError(f"{self.folder} cannot be made ({error.strerror}): mend its rights.") from None

    def share(self) -> None:
        """Have every owner see what lies here now: the page's own pictures."""
        self._shared = frozenset(path for path in self.folder.rglob("*") if path.is_file())

    def clear(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def keep(self, owner: str, name: str, data: bytes) -> Path:
        """Keep a file, and make room for it.

        Args:
            owner: whose it is.
            name: it ends so; not a user's own words.
            data: its bytes.

        Raises:
            EngineError: the disk is full.
        """
        place = self._of(owner) / secrets.token_hex(16)
        try:
            with self._lock:
                self._make_room(owner, len(data))
                place.parent.mkdir(mode=0o700, exist_ok=True)
                place.mkdir(mode=0o700)
            (place / name).write_bytes(data)
        except OSError as error:
            shutil.rmtree(place, ignore_errors=True)
            raise EngineError(f"The picture could not be kept ({error.strerror}): free some space.") from None
        return place / name

    def own(self, owner: str, path: str) -> Path | None:
        """A file of this owner's or of the page, which is used now; None where it is anything else, or not there."""
        found = Path(os.path.normpath(path))
        if found in self._shared:
            return found
        try:
            if len(found.parents) < 2 or found.parents[1] != self._of(owner) or found.is_symlink():
                return None
            os.utime(found)
        except (OSError, ValueError):
            return None
        return found

    def known(self, owner: str, path: Any) -> str:
        """A path as :meth:`own` has it; where it is None a path at which nothing is."""
        found = self.own(owner, path) if isinstance(path, str) else None
        return str(self._of(owner) / "none" / "none" if found is None else found)

    def _of(self, owner: str) -> Path:
        return self.folder / hashlib.sha256(owner.encode()).hexdigest()[:32]

    def _make_room(self, owner: str, size: int) -> None:
        own, now = self._of(owner), time.time()
        files = self._files()
        mine = sum(file.path.parents[1] == own for file in files)
        left, total = len(files), sum(file.size for file in files)
        for file in files:
            is_mine = file.path.parents[1] == own
            crowded = total + size > self._most or left >= TOTAL_FILES or (is_mine and mine >= FILES)
            if crowded or now - file.used > LIFETIME_S:
                _remove(file.path)
                left, total, mine = left - 1, total - file.size, mine - is_mine

    def _files(self) -> Sequence[_File]:
        """All files, the least lately used first."""
        found = []
        for path in self.folder.glob("*/*/*"):
            try:
                facts = path.stat()
            except OSError:
                # Removed by another call meanwhile.
                continue
            found.append(_File(path, facts.st_mtime, facts.st_size))
        return sorted(found, key=lambda file: file.used)


def _remove(path: Path) -> None:
    shutil.rmtree(path.parent, ignore_errors=True)
    # Of an owner who has others it stays.
    with contextlib.suppress(OSError):
        path.parents[1].rmdir()
