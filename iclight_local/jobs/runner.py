"""Runs accepted jobs on one engine, several at once: a job joins those that run as soon as there is room."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from iclight_local.dialects.base import Asked
from iclight_local.engines.base import Engine
from iclight_local.errors import ICLightError
from iclight_local.jobs.base import Job
from iclight_local.jobs.execution import Execution
from iclight_local.jobs.order import fair_order
from iclight_local.jobs.store import JobStore
from iclight_local.result import Progress

_log = logging.getLogger(__name__)
_SWEEP_S = 60.0
_FETCHERS = 16
LAST_STEP_S = 20.0
"""Seconds in which jobs that were told to go back to the queue have to come to the end of their step."""

Fetch = Callable[[str], bytes]
Listener = Callable[[Job], None]


class QueueFull(ICLightError):
    """No more jobs are taken now."""


@dataclass
class _Waiting:
    """A queued job.

    Attributes:
        owner: who sent it.
        ready: whether its pictures are all here.
        alone: whether it ran when a process went down. It may be why it did, and shall take no others with it.
    """

    owner: str
    ready: bool
    alone: bool


@dataclass(frozen=True)
class Bounds:
    """How many jobs there may be at once.

    Attributes:
        waiting: that are queued; beyond it :meth:`Runner.submit` refuses.
        together: that run at the same time.
    """

    waiting: int
    together: int


class Runner:
    """A bounded queue in front of one engine, with a thread for each job that may run at the same time.

    Pictures that lie elsewhere are fetched by other threads while a job waits, so that a slow host delays its own job
    alone.
    """

    def __init__(self, store: JobStore, engine: Engine, fetch: Fetch, bounds: Bounds) -> None:
        """Take up what ``store`` holds; nothing runs before :meth:`start`.

        Args:
            store: the jobs.
            engine: what relights.
            fetch: gets the bytes of a URL, or raises InvalidRequest.
            bounds: how many jobs there may be.
        """
        self._store, self._fetch, self._bounds = store, fetch, bounds
        self._execution = Execution(store, engine, self._tell)
        self._changed = threading.Condition()
        self._waiting: dict[str, _Waiting] = {}
        self._served: dict[str, int] = {}
        self._turn = 0
        self._coming = 0
        self._running: list[str] = []
        self._alone: str | None = None
        self._swept = time.monotonic()
        self._stopping = False
        self._listeners: list[Listener] = []
        self._fetchers = ThreadPoolExecutor(_FETCHERS, thread_name_prefix="fetch")
        self._threads = [
            threading.Thread(target=self._work, name=f"relight {number}", daemon=True)
            for number in range(bounds.together)
        ]
        for job in store.of_state("queued"):
            self._enqueue(job)

    def start(self) -> None:
        """Begin to work."""
        for thread in self._threads:
            thread.start()

    def stop(self, grace: float) -> None:
        """Take no more jobs, and end the running ones; after ``grace`` seconds they go back to the queue.

        One may be in the middle of a step that takes minutes, as where a compiler runs. It is queued again, and not
        waited for.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        _join(self._threads, grace)
        self._execution.hurry()
        _join(self._threads, LAST_STEP_S)
        with self._changed:
            for job_id in self._running:
                self._execution.put_back(job_id)
        self._fetchers.shutdown(cancel_futures=True)

    @property
    def ended(self) -> bool:
        """Whether no job uses the engine, nor will."""
        return not any(thread.is_alive() for thread in self._threads)

    @property
    def accepts(self) -> bool:
        """Whether jobs are taken and worked off."""
        return all(thread.is_alive() for thread in self._threads) and not self._stopping

    def listen(self, listener: Listener) -> None:
        """Have every job that ended told, from the thread that ended it."""
        self._listeners.append(listener)

    def submit(self, owner: str, dialect: str, asked: Asked, *, awaited: bool = False) -> Job:
        """Accept a call: from now on it is not lost; ``awaited`` as in :meth:`JobStore.add`.

        Raises:
            QueueFull: too many jobs wait.
        """
        with self._changed:
            if self._stopping or len(self._waiting) + self._coming >= self._bounds.waiting:
                raise QueueFull(f"{len(self._waiting)} jobs wait and no more are taken now: try again later.")
            self._coming += 1
        job = None
        try:
            # Not under the lock: while pictures are brought to the disk, nobody could even ask for a job's place.
            job = self._store.add(owner, dialect, asked, awaited=awaited)
        finally:
            with self._changed:
                self._coming -= 1
                # A sweep may have found it before.
                if job is not None and job.id not in self._waiting and job.id not in self._running:
                    self._enqueue(job)
                    self._changed.notify_all()
        return job

    def asks(self, provider: str) -> bool:
        """Whether the owner allows that pictures are sent to a hosted provider."""
        return self._execution.asks(provider)

    def cancel(self, job: Job) -> bool:
        """Cancel a job that waits or runs; False where it had ended."""
        done = self._store.cancel(job.id)
        if done:
            with self._changed:
                self._waiting.pop(job.id, None)
                if job.id in self._running:
                    self._execution.cancelled.add(job.id)
            self._tell(job.id)
        return done

    def place(self, job_id: str) -> tuple[int, float]:
        """How many jobs come before this one, and how much of it is done (0 to 1)."""
        with self._changed:
            if job_id not in self._waiting:
                return 0, self._execution.progress(job_id)
            return self._order().index(job_id) + len(self._running), 0.0

    def preview(self, job_id: str) -> Progress | None:
        """A running job's newest progress that brought a preview; None where there was none."""
        return self._execution.preview(job_id)

    def load(self) -> tuple[int, int]:
        """How many jobs wait and how many run."""
        with self._changed:
            return len(self._waiting), len(self._running)

    def _enqueue(self, job: Job) -> None:
        lacking = self._store.lacking(job)
        self._waiting[job.id] = _Waiting(job.owner, ready=not lacking, alone=job.attempts > 0)
        if lacking:
            self._fetchers.submit(self._get, job, lacking)

    def _get(self, job: Job, lacking: dict[str, str]) -> None:
        """Fetch a job's pictures; runs in a thread of its own, so nothing may leave it unseen."""
        try:
            for name, url in lacking.items():
                if self._stopping:
                    # It is fetched when the server comes back; each one could hold its end up for its whole time.
                    return
                self._store.keep_fetched(job, name, self._fetch(url))
        except ICLightError as error:
            if self._store.fail(job.id, str(error), at_fault=True, before=("queued",)):
                with self._changed:
                    self._waiting.pop(job.id, None)
                self._tell(job.id)
        except Exception:  # noqa: BLE001  # the thread has to outlive whatever it was
            _log.exception("fetching for job %s", job.id)
            with self._changed:
                self._waiting.pop(job.id, None)
            self._execution.give_up(job.id)
        with self._changed:
            if job.id in self._waiting:
                self._waiting[job.id].ready = True
                self._changed.notify_all()

    def _order(self) -> list[str]:
        return fair_order(((job, each.owner) for job, each in self._waiting.items()), self._served)

    def _next(self) -> str | None:
        """Wait for a job whose pictures are here, and take it; None when it is time to stop."""
        with self._changed:
            while not self._stopping:
                ready = next((job for job in self._order() if self._waiting[job].ready), None)
                if ready is not None and self._may_begin(ready):
                    self._take(ready)
                    return ready
                self._changed.wait(_SWEEP_S)
                self._sweep()
            return None

    def _may_begin(self, job_id: str) -> bool:
        """Whether a job may begin now; who has to be alone waits for all, and nobody begins before or beside it."""
        return self._alone is None and not (self._waiting[job_id].alone and self._running)

    def _take(self, job_id: str) -> None:
        job = self._waiting.pop(job_id)
        self._turn += 1
        self._served[job.owner] = self._turn
        self._running.append(job_id)
        if job.alone:
            self._alone = job_id

    def _leave(self, job_id: str) -> None:
        with self._changed:
            self._running.remove(job_id)
            self._execution.cancelled.discard(job_id)
            if self._alone == job_id:
                self._alone = None
            self._sweep()
            self._changed.notify_all()

    def _sweep(self) -> None:
        """Now and then: forget what expired, and take up what lies where a full disk took no word of it."""
        if time.monotonic() - self._swept < _SWEEP_S:
            return
        self._swept = time.monotonic()
        try:
            if self._store.expire():
                self._waiting = {job: each for job, each in self._waiting.items() if self._store.get(job) is not None}
            for job in self._store.of_state("running"):
                if job.id not in self._running:
                    self._store.requeue(job.id, counted=True)
            for job in self._store.of_state("queued"):
                if job.id not in self._waiting and job.id not in self._running:
                    self._enqueue(job)
        except (OSError, sqlite3.Error):
            _log.exception("looking through the jobs")

    def _work(self) -> None:
        while (job_id := self._next()) is not None:
            try:
                self._execution.run(job_id)
            except Exception:  # noqa: BLE001  # the thread has to outlive whatever it was
                _log.exception("job %s", job_id)
            self._leave(job_id)

    def _tell(self, job_id: str) -> None:
        job = self._store.get(job_id)
        if job is not None:
            for listener in self._listeners:
                listener(job)


def _join(threads: list[threading.Thread], seconds: float) -> None:
    """Wait for threads, for so long in all."""
    deadline = time.monotonic() + seconds
    for thread in threads:
        # One that never began cannot be joined.
        if thread.is_alive():
            thread.join(max(0.0, deadline - time.monotonic()))
