"""Jobs on disk: a SQLite database for what is known of them, a folder each for pictures.

A job is there once :meth:`JobStore.add` returned, whatever happens to the process or the machine then: its pictures are
on the disk before its row is, and every change is one transaction. A result is there once its row says so. Of a job
whose caller waits for the result, and was promised nothing before it, that holds for the end of the process alone: to
wait for the disk three times would cost such a call more than all else that a server does.
"""

from __future__ import annotations

import json
import logging
import secrets
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iclight_local.dialects.base import Asked, Link, State
from iclight_local.errors import EngineError
from iclight_local.jobs.base import Job, Outcome
from iclight_local.jobs.disk import JOBS, opened, sync, write_surely

_log = logging.getLogger(__name__)
ATTEMPTS = 8
"""How often a job may begin; one that brings the process down each time is not tried for ever.

Not fewer: a server that is killed at random moments meets the same job several times.
"""


@dataclass(frozen=True)
class Lifetimes:
    """Seconds for which things are kept: of a job that nobody ran, and of what ended."""

    waiting: float = 24 * 3600.0
    ended: float = 24 * 3600.0


class JobStore:
    """All jobs of one server; may be used from several threads, by one process at a time."""

    def __init__(
        self, folder: Path, lifetimes: Lifetimes | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """Open the jobs of ``folder``, which is made where it is not there.

        Raises:
            EngineError: another process has it open, or it was written by another version.
        """
        self._folder, self._clock = folder, clock
        self._lifetimes = lifetimes if lifetimes is not None else Lifetimes()
        self._lock = threading.RLock()
        self._awaited: set[str] = set()
        self._files.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._base = opened(folder / "jobs.sqlite", JOBS)

    @property
    def folder(self) -> Path:
        """Where everything lies; no other process has it open."""
        return self._folder

    def close(self) -> None:
        """Close the database; what runs is found again by :meth:`recover`."""
        with self._lock:
            self._base.close()

    def add(self, owner: str, dialect: str, asked: Asked, *, awaited: bool = False) -> Job:
        """Keep a call as a queued job; ``awaited``: its caller waits for the result, and knows of no job before."""
        now, job_id, secret = self._clock(), secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        folder = self._files / job_id
        uploaded = {name: data for name, data in asked.pictures.items() if isinstance(data, bytes)}
        folder.mkdir(mode=0o700)
        if awaited:
            self._awaited.add(job_id)
        self._write(job_id, {f"in-{name}": data for name, data in uploaded.items()})
        told = {
            "values": dict(asked.values),
            "links": {name: link.url for name, link in asked.pictures.items() if isinstance(link, Link)},
            "uploads": sorted(uploaded),
            "ignored": asked.ignored,
            "provider": asked.provider,
        }
        with self._change(surely=not awaited) as base:
            base.execute(
                "INSERT INTO jobs (id, secret, owner, dialect, asked, state, created, expires) "
                "VALUES (?, ?, ?, ?, ?, 'queued', ?, ?)",
                (job_id, secret, owner, dialect, json.dumps(told), now, now + self._lifetimes.waiting),
            )
        return self._found(job_id)

    def promise(self, job_id: str) -> None:
        """Keep a job as surely as any: its caller waits no longer, and was told of it."""
        self._awaited.discard(job_id)

    def get(self, job_id: str) -> Job | None:
        """A job by its id, or None."""
        return self._one("id", job_id)

    def by_secret(self, secret: str) -> Job | None:
        """A job by the secret of its results, or None."""
        return self._one("secret", secret)

    def of_state(self, state: State) -> list[Job]:
        """All jobs of a state, in the order of their coming."""
        with self._lock:
            rows = self._base.execute("SELECT * FROM jobs WHERE state = ? ORDER BY number", (state,)).fetchall()
        return [_job(row) for row in rows]

    def of_owner(self, owner: str, most: int) -> list[Job]:
        """An owner's newest jobs, the newest first."""
        with self._lock:
            rows = self._base.execute(
                "SELECT * FROM jobs WHERE owner = ? ORDER BY number DESC LIMIT ?", (owner, most)
            ).fetchall()
        return [_job(row) for row in rows]

    def lacking(self, job: Job) -> dict[str, str]:
        """URLs of the pictures that have yet to be fetched, by name."""
        links = {name: link.url for name, link in job.asked.pictures.items() if isinstance(link, Link)}
        return {name: url for name, url in links.items() if not self._input(job, name).exists()}

    def keep_fetched(self, job: Job, name: str, data: bytes) -> None:
        """Keep a picture that was fetched, so that it is fetched once."""
        part = self._input(job, name).with_suffix(".part")
        try:
            write_surely(part, data)
            part.replace(self._input(job, name))
        except FileNotFoundError:
            # Cancelled and removed meanwhile: nobody waits for the picture.
            _log.debug("job %s is gone", job.id)

    def pictures(self, job: Job) -> dict[str, bytes]:
        """The bytes of all pictures of a call, uploaded or fetched."""
        return {name: self._input(job, name).read_bytes() for name in job.asked.pictures}

    def output(self, job: Job, index: int) -> Path | None:
        """The file of a result; None where there is no such result."""
        if job.state != "done" or not 0 <= index < len(job.outputs):
            return None
        return self._files / job.id / f"out-{index}"

    def begin(self, job_id: str, *, surely: bool = False) -> bool:
        """Take a queued job; False where somebody cancelled or took it.

        Args:
            job_id: which.
            surely: on the disk, because a run may be paid for; else the end of the machine may take it back.
        """
        with self._change(surely=surely) as base:
            changed = base.execute(
                "UPDATE jobs SET state = 'running', started = ?, attempts = attempts + 1 "
                "WHERE id = ? AND state = 'queued'",
                (self._clock(), job_id),
            )
            return changed.rowcount == 1

    def finish(self, job_id: str, outcome: Outcome) -> bool:
        """Keep the results of a running job; False where it was cancelled meanwhile."""
        self._write(job_id, {f"out-{index}": each.data for index, each in enumerate(outcome.pictures)})
        known = {
            "outputs": [each.media_type for each in outcome.pictures],
            "headers": [dict(each.headers) for each in outcome.pictures],
            "seeds": list(outcome.seeds),
        }
        return self._end(job_id, "done", {name: json.dumps(values) for name, values in known.items()})

    def fail(self, job_id: str, sentence: str, *, at_fault: bool, before: tuple[State, ...] = ("running",)) -> bool:
        """End a job with one sentence; False where it was in none of the states ``before``."""
        return self._end(job_id, "failed", {"error": sentence, "at_fault": int(at_fault)}, before)

    def cancel(self, job_id: str) -> bool:
        """Cancel a job that waits or runs; False where it ended before."""
        return self._end(job_id, "cancelled", {}, ("queued", "running"))

    def requeue(self, job_id: str, *, counted: bool = False) -> bool:
        """Put a running job back, as a server that goes down does; ``counted``: what it did is not forgotten."""
        with self._change() as base:
            changed = base.execute(
                "UPDATE jobs SET state = 'queued', started = NULL, attempts = attempts - ? "
                "WHERE id = ? AND state = 'running'",
                (0 if counted else 1, job_id),
            )
            return changed.rowcount == 1

    def untold(self, dialect: str) -> list[Job]:
        """Jobs of a dialect that ended, and of which :meth:`told` was not called, in the order of their coming."""
        with self._lock:
            rows = self._base.execute(
                "SELECT * FROM jobs WHERE dialect = ? AND told = 0 AND ended IS NOT NULL ORDER BY number", (dialect,)
            ).fetchall()
        return [_job(row) for row in rows]

    def told(self, job_id: str) -> None:
        """Keep that whoever wanted to know of a job's end was told, or could not be."""
        with self._change() as base:
            base.execute("UPDATE jobs SET told = 1 WHERE id = ?", (job_id,))

    def recover(self) -> int:
        """Queue what ran when the last process ended, and remove what no job knows.

        Returns:
            How many jobs were queued again.
        """
        with self._change() as base:
            base.execute(
                "UPDATE jobs SET state = 'failed', ended = ?, expires = ?, "
                "error = 'The server went down each time it ran this job.' "
                "WHERE state = 'running' AND attempts >= ?",
                (self._clock(), self._clock() + self._lifetimes.ended, ATTEMPTS),
            )
            again = base.execute("UPDATE jobs SET state = 'queued', started = NULL WHERE state = 'running'").rowcount
            known = {row["id"] for row in base.execute("SELECT id FROM jobs")}
        for folder in self._files.iterdir():
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)
        return again

    def expire(self) -> int:
        """Remove what is older than its lifetime; running jobs stay. Returns how many were removed."""
        with self._change() as base:
            rows = base.execute(
                "DELETE FROM jobs WHERE expires < ? AND state != 'running' RETURNING id", (self._clock(),)
            ).fetchall()
        for row in rows:
            shutil.rmtree(self._files / row["id"], ignore_errors=True)
        return len(rows)

    def is_whole(self) -> bool:
        """Whether SQLite finds the database intact."""
        with self._lock:
            return bool(self._base.execute("PRAGMA integrity_check").fetchone()[0] == "ok")

    def _input(self, job: Job, name: str) -> Path:
        return self._files / job.id / f"in-{name}"

    @property
    def _files(self) -> Path:
        return self._folder / "pictures"

    def _end(
        self, job_id: str, state: State, values: Mapping[str, Any], before: tuple[State, ...] = ("running",)
    ) -> bool:
        now = self._clock()
        # The names of columns are this module's own.
        columns = "".join(f", {name} = ?" for name in values)
        marks = ", ".join("?" * len(before))
        with self._change(surely=job_id not in self._awaited) as base:
            self._awaited.discard(job_id)
            changed = base.execute(
                f"UPDATE jobs SET state = ?, ended = ?, expires = ?{columns} WHERE id = ? AND state IN ({marks})",
                (state, now, now + self._lifetimes.ended, *values.values(), job_id, *before),
            )
            return changed.rowcount == 1

    def _one(self, column: str, value: str) -> Job | None:
        with self._lock:
            row = self._base.execute(f"SELECT * FROM jobs WHERE {column} = ?", (value,)).fetchone()
        return None if row is None else _job(row)

    def _found(self, job_id: str) -> Job:
        job = self.get(job_id)
        if job is None:
            raise EngineError(f"The job {job_id} is gone from {self._folder}.")
        return job

    def _write(self, job_id: str, files: Mapping[str, bytes]) -> None:
        """Write files into a job's folder."""
        folder = self._files / job_id
        if job_id in self._awaited:
            for name, data in files.items():
                (folder / name).write_bytes(data)
            return
        for name, data in files.items():
            write_surely(folder / name, data)
        sync(folder)

    @contextmanager
    def _change(self, *, surely: bool = True) -> Iterator[sqlite3.Connection]:
        """One transaction; ``surely``: it is on the disk when the block is left, and not only out of the process."""
        with self._lock:
            self._base.execute(f"PRAGMA synchronous = {'FULL' if surely else 'NORMAL'}")
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield self._base
            except BaseException:
                self._base.execute("ROLLBACK")
                raise
            self._base.execute("COMMIT")


def _job(row: sqlite3.Row) -> Job:
    told = json.loads(row["asked"])
    pictures: dict[str, bytes | Link] = {name: Link(url) for name, url in told["links"].items()}
    pictures.update(dict.fromkeys(told["uploads"], b""))
    return Job(
        id=row["id"],
        secret=row["secret"],
        owner=row["owner"],
        dialect=row["dialect"],
        asked=Asked(told["values"], pictures, tuple(told["ignored"]), told.get("provider")),
        state=row["state"],
        created=row["created"],
        expires=row["expires"],
        started=row["started"],
        ended=row["ended"],
        attempts=row["attempts"],
        outputs=tuple(json.loads(row["outputs"])),
        headers=tuple(json.loads(row["headers"])),
        seeds=tuple(json.loads(row["seeds"])),
        error=row["error"],
        at_fault=bool(row["at_fault"]),
    )
