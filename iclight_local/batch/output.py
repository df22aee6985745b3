"""Where a batch's results go: a folder of this machine, or an address that fsspec knows."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from iclight_local.batch.places import absolute, exists, filesystem, is_local, join, read, stamp, write_all
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.write import remove_temporaries

MARK = "batch-"
"""In the names of a batch's half-written files, so that nobody else's are swept away."""
OWN_FOLDER, LEDGER_FILE = ".iclight", "batch.sqlite"
"""Folder in the output, and the ledger in it; of an output elsewhere it is kept in the owner's ``home``."""


@dataclass(frozen=True)
class Output:
    """A batch's output; made of plain values, so that it can travel to another process.

    Attributes:
        folder: an absolute place.
        offline: whether a folder that is not on this machine is refused.
    """

    folder: str
    offline: bool = False

    @classmethod
    def at(cls, out: str, *, offline: bool) -> Output:
        """The output that a user names.

        Raises:
            InvalidRequest: it can be none, or the package for such addresses is missing.
        """
        if "\0" in out:
            raise InvalidRequest("The output's name holds a NUL character: give the name of a folder.")
        folder = os.path.expanduser(out) if is_local(out) else out  # noqa: PTH111  # a place, not a path
        place = absolute(folder, os.getcwd())  # noqa: PTH109
        if not is_local(place):
            # What lacks its driver is told now, and not by every row.
            filesystem(place, offline=offline)
        return cls(place, offline)

    @property
    def is_here(self) -> bool:
        """Whether it is a folder of this machine."""
        return is_local(self.folder)

    def place(self, name: str) -> str:
        """The place of a result."""
        return join(self.folder, name)

    def is_result(self, place: str, names: Iterable[str]) -> bool:
        """Whether a picture lies where a result of one of these names would go."""
        if not is_local(place) or not self.is_here:
            return place in map(self.place, names)
        # Looking links up takes its time, and nearly never has to be done.
        alike = [name for name in names if name.rpartition("/")[2] == Path(place).name]
        return os.path.realpath(place) in [os.path.realpath(self.place(name)) for name in alike]

    def has(self, name: str) -> bool:
        """Whether something is there under a result's name."""
        return exists(self.place(name), offline=self.offline)

    def stamp(self, name: str) -> str:
        """What tells cheaply whether a result is still the same; the same for all of an output elsewhere."""
        return stamp(self.place(name)) if self.is_here else ""

    def sha256(self, name: str) -> str:
        """Of a result's bytes."""
        return hashlib.sha256(read(self.place(name), offline=self.offline)).hexdigest()

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write a row's files over whatever is there: their names are claimed; raises as ``places.write_all``."""
        write_all(self.folder, files, overwrite=True, offline=self.offline, mark=MARK)

    def ledger(self, home: Path) -> Path:
        """Where its ledger is."""
        if self.is_here:
            return Path(self.folder, OWN_FOLDER, LEDGER_FILE)
        return home / "batches" / hashlib.sha256(self.folder.encode()).hexdigest()[:24] / LEDGER_FILE

    @property
    def is_shared(self) -> bool:
        """Whether this process finds the output that its ledger is for: a local folder holds it."""
        return not self.is_here or is_output(self.folder)

    def sweep(self, folders: Iterable[str]) -> None:
        """Remove what killed processes left half-written.

        Nobody may be writing there: this process holds the ledger. Folders of another output are left alone, above or
        below this one, because whoever has that one's ledger may be at them.

        Args:
            folders: as :func:`folders_of` gives them.
        """
        if not self.is_here:
            # Elsewhere files are put whole.
            return
        own, anothers = Path(os.path.realpath(self.folder)), cache(is_output)
        for name in folders:
            folder = Path(os.path.realpath(self.place(name)))
            if not any(anothers(str(each)) for each in (folder, *folder.parents) if each != own):
                with contextlib.suppress(OSError):
                    remove_temporaries(folder, MARK)


def is_output(folder: str, *, offline: bool = False) -> bool:
    """Whether a folder is the output of a batch: its ledger lies there. A home has such a folder, too."""
    return exists(join(folder, f"{OWN_FOLDER}/{LEDGER_FILE}"), offline=offline)


def folders_of(names: Iterable[str]) -> set[str]:
    """The folders that results of these names lie in, relative to the output; itself is empty."""
    return {name.rpartition("/")[0] for name in names}


def sidecar_of(name: str) -> str:
    """The name of what is said of a result, beside it."""
    return f"{name}.json"
