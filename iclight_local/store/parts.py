"""Files on their way: parts beside their final place, which outlive whatever interrupts them."""

from __future__ import annotations

import errno
import hashlib
import io
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from huggingface_hub.utils import WeakFileLock

from iclight_local.errors import EngineError
from iclight_local.store.entries import Entry
from iclight_local.store.places import place

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

FOLDER = ".partial"
"""Where parts lie, below the folder that the whole file goes to, so that moving it there is a rename."""
LOCK = "lock"
PATIENCE_S = 0.5
"""Seconds after which the user is told that another pull is waited for."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_log = logging.getLogger(__name__)


class Part(io.FileIO):
    """A part, open for writing behind what it has; where a write fails, what was written stays.

    Attributes:
        needed: the bytes of the whole file; None where nobody says.
    """

    def __init__(self, path: Path, needed: int | None, advance: Callable[[int], None]) -> None:
        super().__init__(path, "ab")
        self.needed = needed
        self._path = path
        self._advance = advance
        if needed is not None and self.tell() > needed:
            self.empty()

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all of the data and tell how far the part is.

        Raises:
            EngineError: the disk is full or fails.
        """
        rest = memoryview(data).cast("B")
        count = len(rest)
        try:
            while len(rest):
                rest = rest[super().write(rest) :]
        except OSError as error:
            raise self._refused(error) from error
        self._advance(self.tell())
        return count

    def empty(self) -> None:
        """Begin anew."""
        self.seek(0)
        self.truncate()

    def settle(self) -> None:
        """Have everything on the disk before the part can get its final name."""
        try:
            os.fsync(self.fileno())
        except OSError as error:
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> EngineError:
        has = self.tell()
        if error.errno not in _FULL:
            return EngineError(f"{self._path} could not be written ({error.strerror}).")
        more = f"{self.needed - has:,} more bytes" if self.needed is not None else "more room"
        return EngineError(
            f"The disk of {self._path.parent.parent} is full ({error.strerror}): make room for {more} and run the same "
            f"command again, which goes on behind the {has:,} bytes that are kept."
        )


def parts_folder(entry: Entry, home: Path, bundle: str) -> Path:
    """Where the parts of an entry lie; those of a base outside of it, because a bundle is one that has a base."""
    folder = place(entry, home, bundle)
    return (folder.parent if entry.kind == "base" else folder) / FOLDER


def digests(path: Path, forms: set[int]) -> dict[int, str]:
    """Hashes of a file by their number of digits: 64 is sha256, 40 is git's sha1."""
    hashes = {64: hashlib.sha256(), 40: hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)}
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            for form in forms:
                hashes[form].update(chunk)
    return {form: hashes[form].hexdigest() for form in forms}


def put_in_place(part: Path, final: Path) -> None:
    """Give a whole part its final name."""
    final.parent.mkdir(parents=True, exist_ok=True)
    part.replace(final)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Have a folder of parts to oneself; where another process has it, say so and wait.

    Raises:
        EngineError: the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EngineError(
            f"{folder.parent} cannot be written ({error.strerror}): mend that, or take another --home."
        ) from error
    with ExitStack() as stack:
        try:
            stack.enter_context(WeakFileLock(folder / LOCK, timeout=PATIENCE_S))
        except TimeoutError:
            _log.info("Another `iclight weights pull` is writing to %s: waiting for it.", folder.parent)
            stack.enter_context(WeakFileLock(folder / LOCK))
        yield
