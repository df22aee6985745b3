"""The memory that this process may have: the machine's, or what a container leaves of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import psutil

GROUPS = Path("/proc/self/cgroup")
"""Names this process's own control groups, on Linux."""
MOUNTED = Path("/sys/fs/cgroup")
"""Where control groups tell their limits."""


def own_memory() -> int:
    """Bytes of main memory: the machine's, or the least of the limits of this process's control groups.

    It depends on how the machine is set up alone, not on what is free of it.
    """
    limits = [limit for file in _limit_files() if (limit := _limit(file)) is not None]
    return min([int(psutil.virtual_memory().total), *limits])


def _limit_files() -> Iterator[Path]:
    """Files of limits, of version 2 and of version 1, from the process's own group to the outermost one.

    In a container a group may have the name that it has outside, and lie at the root nevertheless.
    """
    try:
        lines = GROUPS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, name = MOUNTED, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = MOUNTED / "memory", "memory.limit_in_bytes"
        else:
            continue
        own = PurePosixPath(path)
        for group in (own, *own.parents):
            yield root / group.relative_to("/") / name


def _limit(file: Path) -> int | None:
    """The bytes that a file names; None where it names none, or is not there."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None
