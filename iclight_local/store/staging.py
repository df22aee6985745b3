"""Folders that appear whole or not at all: built beside their place, then renamed."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from iclight_local.errors import EngineError, InvalidRequest

if sys.platform != "win32":
    import fcntl

SPARE_BYTES = 50_000_000
"""So much of a disk stays free."""
_SUFFIX = ".staging"
_LOCK = "lock"
_ASIDE = "aside"
"""A list of what was set aside, one path a line; its number is its name in the folder ``old``."""


class Staging:
    """A hidden folder on the same disk as the final place.

    Attributes:
        new: where new things are built. It lies so deep that nothing in it is taken for a bundle.
        undoing: whether moves are being taken back, or that was interrupted.
    """

    def __init__(self, parent: Path, folder: Path) -> None:
        self.new = folder / "new"
        self._parent = parent
        self._folder = folder
        self._moves: list[tuple[Path, Path]] = []
        self.undoing = False
        self.new.mkdir()
        (folder / "old").mkdir()

    def put(self, staged: Path, final: Path, *, overwrite: bool) -> None:
        """Give something built in ``new`` its final name; what stands there is set aside and goes at the end.

        Raises:
            InvalidRequest: something stands there and may not be replaced.
        """
        if os.path.lexists(final):
            if not overwrite:
                raise InvalidRequest(f"{final} exists already: choose another name, or add --overwrite.")
            self.set_aside(final)
        self._move(staged, final)

    def set_aside(self, path: Path) -> None:
        """Move something out of the way; it is deleted at the end, or put back when anything fails."""
        number = len(self._moves)
        with (self._folder / _ASIDE).open("a", encoding="utf-8") as file:
            file.write(f"{number} {path.relative_to(self._parent)}\n")
        self._move(path, self._folder / "old" / str(number))

    def undo(self) -> None:
        """Take every move back, the last one first."""
        self.undoing = True
        while self._moves:
            source, target = self._moves.pop()
            if os.path.lexists(target):
                target.rename(source)
        self.undoing = False

    def _move(self, source: Path, target: Path) -> None:
        # Noted first: an interrupt that arrives behind the rename must find it in the list.
        self._moves.append((source, target))
        try:
            source.rename(target)
        except OSError:
            self._moves.pop()
            raise


@contextlib.contextmanager
def staging(parent: Path) -> Iterator[Staging]:
    """A staging folder in ``parent``, which is made if need be; whatever happens, nothing of it stays.

    What a killed process left behind there is cleared away first, and what it had set aside is put back.
    """
    created = [path for path in (parent, *parent.parents) if not path.exists()]
    folder = parent / f".iclight-{secrets.token_hex(8)}{_SUFFIX}"
    lock, stage = None, None
    try:
        parent.mkdir(parents=True, exist_ok=True)
        clear_leftovers(parent)
        folder.mkdir()
        lock = _hold(folder)
        stage = Staging(parent, folder)
        try:
            yield stage
        except BaseException:
            stage.undo()
            raise
    finally:
        # What could not be put back stays for the next one, which puts it back: it is somebody's bundle.
        if stage is None or not stage.undoing:
            _remove(folder)
        if lock is not None:
            lock.close()
        for path in created:
            # Only where nothing came to stay in it.
            with contextlib.suppress(OSError):
                path.rmdir()


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except KeyboardInterrupt:
        # Gigabytes take a moment to go, and half of them shall not stay.
        shutil.rmtree(folder, ignore_errors=True)
        raise


def clear_leftovers(parent: Path) -> None:
    """Remove the staging folders of processes that were killed, and put back what they had set aside."""
    if sys.platform == "win32":
        return
    for folder in parent.glob(f".iclight-*{_SUFFIX}"):
        with contextlib.suppress(OSError), (folder / _LOCK).open("rb") as lock:
            # The system lets go of a lock when its process ends, however it ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _restore(parent, folder)
            shutil.rmtree(folder, ignore_errors=True)


def check_space(needed: int, folder: Path) -> None:
    """Check that so many bytes fit on the disk of a folder, with some to spare.

    Raises:
        EngineError: they do not.
    """
    free = shutil.disk_usage(folder).free
    if needed + SPARE_BYTES > free:
        raise EngineError(
            f"{needed / 1e9:.2f} GB are needed in {folder} and {free / 1e9:.2f} GB are free there: "
            "free some space, or choose another disk."
        )


def _restore(parent: Path, folder: Path) -> None:
    if not (folder / _ASIDE).is_file():
        return
    for line in (folder / _ASIDE).read_text(encoding="utf-8").splitlines():
        number, _, place = line.partition(" ")
        kept, final = folder / "old" / number, parent / place
        if os.path.lexists(kept) and not os.path.lexists(final):
            kept.rename(final)


def _hold(folder: Path) -> IO[bytes] | None:
    if sys.platform == "win32":
        return None
    waiting = folder / f"{_LOCK}.new"
    lock = waiting.open("wb")
    with contextlib.suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Under its final name only when it is held, so that nobody finds it free before.
        waiting.rename(folder / _LOCK)
    return lock
