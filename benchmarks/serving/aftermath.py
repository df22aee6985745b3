"""What a server left on the disk, looked at without its own code, which would tidy up first."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.serving.marks import read

_GRACE_S = 1.0


def under_way(jobs: Path) -> set[str]:
    """What a killed server was in the middle of.

    Args:
        jobs: its folder of jobs.
    """
    with _copy(jobs) as base:
        states = Counter(str(state) for (state,) in base.execute("SELECT state FROM jobs"))
        running = [row[0] for row in base.execute("SELECT id FROM jobs WHERE state = 'running'")]
        known = {row[0] for row in base.execute("SELECT id FROM jobs")}
    folders = {folder.name: folder for folder in (jobs / "pictures").iterdir()}
    found = {f"jobs {state}" for state in ("queued", "running") if states[state]}
    if any(list((jobs / "pictures" / job).glob("out-*")) for job in running):
        found.add("a result being written")
    if any((jobs / "pictures").glob("*/*.part")):
        found.add("a picture being fetched")
    strays = [list(folder.glob("*")) for name, folder in folders.items() if name not in known]
    if any(not any(file.name.startswith("out-") for file in files) for files in strays):
        found.add("a job being accepted")
    if any(any(file.name.startswith("out-") for file in files) for files in strays):
        found.add("an old job being removed")
    return found


def left_in(jobs: Path) -> dict[str, Any]:
    """What is on the disk.

    Args:
        jobs: the folder of a server that has ended.

    Returns:
        ``integrity``: what SQLite says; ``states``: how many jobs are in each; ``over``: how many should have been
        removed; ``strays``: folders of no job; ``damaged``: results of jobs that are done and not the picture sent.
    """
    with _copy(jobs) as base:
        rows = base.execute("SELECT id, state, expires, outputs FROM jobs").fetchall()
        (integrity,) = base.execute("PRAGMA integrity_check").fetchone()
    pictures = jobs / "pictures"
    done = [job for job, state, _, _ in rows if state == "done"]
    sent = {job: read((pictures / job / "in-subject_image").read_bytes()) for job in done}
    made = {job: read((pictures / job / "out-0").read_bytes()) for job in done}
    return {
        "integrity": integrity,
        "states": dict(Counter(str(state) for _, state, _, _ in rows)),
        "over": sum(expires < time.time() - _GRACE_S for _, _, expires, _ in rows),
        "strays": len({folder.name for folder in pictures.iterdir()} - {row[0] for row in rows}),
        "damaged": sum(made[job] is None or made[job] != sent[job] for job in done),
    }


@contextmanager
def _copy(jobs: Path) -> Iterator[sqlite3.Connection]:
    with tempfile.TemporaryDirectory() as folder:
        for file in jobs.glob("jobs.sqlite*"):
            shutil.copy(file, folder)
        with closing(sqlite3.connect(Path(folder) / "jobs.sqlite")) as base:
            yield base
