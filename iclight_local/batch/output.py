"""Where a batch's results go: a folder of this machine, or an address that fsspec knows."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from iclight_local.batch.places import absolute, exists, is_local, join, write_all
from iclight_local.imaging.write import remove_temporaries

OWN_FOLDER = ".iclight"
"""Folder in the output that holds the ledger; of an output elsewhere it is kept in the owner's ``home``."""


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
        """The output that a user names."""
        folder = os.path.expanduser(out) if is_local(out) else out  # noqa: PTH111  # a place, not a path
        return cls(absolute(folder, os.getcwd()), offline)  # noqa: PTH109

    def place(self, name: str) -> str:
        """The place of a result."""
        return join(self.folder, name)

    def has(self, name: str) -> bool:
        """Whether something is there under a result's name."""
        return exists(self.place(name), offline=self.offline)

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write a row's files over whatever is there: their names are claimed; raises as ``places.write_all``."""
        write_all(self.folder, files, overwrite=True, offline=self.offline)

    def ledger(self, home: Path) -> Path:
        """Where its ledger is."""
        if is_local(self.folder):
            return Path(self.folder, OWN_FOLDER, "batch.sqlite")
        return home / "batches" / hashlib.sha256(self.folder.encode()).hexdigest()[:24] / "batch.sqlite"

    def sweep(self, names: Iterable[str]) -> None:
        """Remove what a killed run left half-written where the results of these names go."""
        if not is_local(self.folder):
            # Elsewhere files are put whole.
            return
        for folder in {Path(self.place(name)).parent for name in names}:
            with contextlib.suppress(OSError):
                remove_temporaries(folder)
