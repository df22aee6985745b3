"""Runs accepted jobs, one after another, on one engine."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from iclight_local.dialects import find_dialect
from iclight_local.dialects.base import Asked, State
from iclight_local.engines.base import Engine
from iclight_local.errors import Cancelled, EngineError, ICLightError, InvalidRequest, Unsupported
from iclight_local.jobs.base import Job, Outcome
from iclight_local.jobs.order import fair_order
from iclight_local.jobs.store import JobStore
from iclight_local.result import Progress

_log = logging.getLogger(__name__)
_SWEEP_S = 60.0
_FETCHERS = 4

Fetch = Callable[[str], bytes]
Listener = Callable[[Job], None]


class QueueFull(ICLightError):
    """No more jobs are taken now."""


@dataclass
class _Waiting:
    """A queued job: who sent it, and whether its pictures are all here."""

    owner: str
    ready: bool


class Runner:
    """A bounded queue in front of one engine, with one thread that works it off.

    Pictures that lie elsewhere are fetched by other threads while a job waits, so that a slow host delays its own job
    alone.
    """

    def __init__(self, store: JobStore, engine: Engine, fetch: Fetch, *, most_waiting: int) -> None:
        """Take up what ``store`` holds; nothing runs before :meth:`start`.

        Args:
            store: the jobs.
            engine: what relights.
            fetch: gets the bytes of a URL, or raises InvalidRequest.
            most_waiting: jobs that may wait; beyond it :meth:`submit` refuses.
        """
        self._store, self._engine, self._fetch, self._most = store, engine, fetch, most_waiting
        self._changed = threading.Condition()
        self._waiting: dict[str, _Waiting] = {}
        self._served: dict[str, int] = {}
        self._turn = 0
        self._running: str | None = None
        self._progress = 0.0
        self._stopping = self._hurry = False
        self._listeners: list[Listener] = []
        self._fetchers = ThreadPoolExecutor(_FETCHERS, thread_name_prefix="fetch")
        self._thread = threading.Thread(target=self._work, name="relight", daemon=True)
        for job in store.of_state("queued"):
            self._enqueue(job)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self, grace: float) -> None:
        """Take no more jobs, and end the running one; after ``grace`` seconds it goes back to the queue."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(grace)
            self._hurry = True
            self._thread.join()
        self._fetchers.shutdown(cancel_futures=True)

    @property
    def accepts(self) -> bool:
        """Whether jobs are taken and worked off."""
        return self._thread.is_alive() and not self._stopping

    def listen(self, listener: Listener) -> None:
        """Have every job that ended told, from the thread that ended it."""
        self._listeners.append(listener)

    def submit(self, owner: str, dialect: str, asked: Asked) -> Job:
        """Accept a call: from now on it is not lost.

        Raises:
            QueueFull: too many jobs wait.
        """
        with self._changed:
            if self._stopping or len(self._waiting) >= self._most:
                raise QueueFull(f"{len(self._waiting)} jobs wait and no more are taken now: try again later.")
            job = self._store.add(owner, dialect, asked)
            self._enqueue(job)
            self._changed.notify_all()
        return job

    def cancel(self, job: Job) -> bool:
        """Cancel a job that waits or runs; False where it had ended."""
        done = self._store.cancel(job.id)
        if done:
            with self._changed:
                self._waiting.pop(job.id, None)
            self._tell(job.id)
        return done

    def place(self, job_id: str) -> tuple[int, float]:
        """How many jobs come before this one, and how much of it is done (0 to 1)."""
        with self._changed:
            if self._running == job_id:
                return 0, self._progress
            if job_id not in self._waiting:
                return 0, 0.0
            return self._order().index(job_id) + (self._running is not None), 0.0

    def load(self) -> tuple[int, int]:
        """How many jobs wait and how many run."""
        with self._changed:
            return len(self._waiting), int(self._running is not None)

    def _enqueue(self, job: Job) -> None:
        lacking = self._store.lacking(job)
        self._waiting[job.id] = _Waiting(job.owner, ready=not lacking)
        if lacking:
            self._fetchers.submit(self._get, job, lacking)

    def _get(self, job: Job, lacking: dict[str, str]) -> None:
        """Fetch a job's pictures; runs in a thread of its own, so nothing may leave it unseen."""
        try:
            for name, url in lacking.items():
                self._store.keep_fetched(job, name, self._fetch(url))
        except ICLightError as error:
            if self._store.fail(job.id, str(error), at_fault=True, before=("queued",)):
                with self._changed:
                    self._waiting.pop(job.id, None)
                self._tell(job.id)
        except Exception:  # noqa: BLE001  # the thread has to outlive whatever it was
            _log.exception("fetching for job %s", job.id)
            self._give_up(job.id)
        with self._changed:
            if job.id in self._waiting:
                self._waiting[job.id].ready = True
                self._changed.notify_all()

    def _order(self) -> list[str]:
        return fair_order(((job, each.owner) for job, each in self._waiting.items()), self._served)

    def _next(self) -> str | None:
        """Wait for a job whose pictures are here, and take it; None when it is time to stop."""
        with self._changed:
            while True:
                if self._stopping:
                    return None
                ready = next((job for job in self._order() if self._waiting[job].ready), None)
                if ready is not None:
                    self._turn += 1
                    self._served[self._waiting.pop(ready).owner] = self._turn
                    self._running, self._progress = ready, 0.0
                    return ready
                self._changed.wait(_SWEEP_S)
                self._sweep()

    def _sweep(self) -> None:
        if self._store.expire():
            self._waiting = {job: each for job, each in self._waiting.items() if self._store.get(job) is not None}

    def _work(self) -> None:
        swept = time.monotonic()
        while (job_id := self._next()) is not None:
            try:
                if self._store.begin(job_id):
                    self._run(job_id)
            except Exception:  # noqa: BLE001  # the thread has to outlive whatever it was
                _log.exception("job %s", job_id)
                self._give_up(job_id)
            with self._changed:
                self._running = None
                if time.monotonic() - swept > _SWEEP_S:
                    self._sweep()
                    swept = time.monotonic()

    def _run(self, job_id: str) -> None:
        job = self._store.get(job_id)
        if job is None:
            return
        try:
            ended = self._store.finish(job_id, self._relit(job))
        except Cancelled:
            # Somebody cancelled it, who told its listeners; or the server goes down and will do it again.
            self._store.requeue(job_id)
            return
        except (InvalidRequest, Unsupported) as error:
            ended = self._store.fail(job_id, str(error), at_fault=True)
        except EngineError as error:
            _log.error("job %s: %s", job_id, error)
            ended = self._store.fail(job_id, str(error), at_fault=False)
        if ended:
            self._tell(job_id)

    def _relit(self, job: Job) -> Outcome:
        dialect = find_dialect(job.dialect)
        request = dialect.request(job.asked, self._store.pictures(job))
        result = self._engine.relight(request, progress=lambda progress: self._step(job.id, progress))
        delivered = dialect.deliver(job.asked, request, result)
        seeds = tuple([result.seed] * len(delivered))
        return Outcome(tuple((each.data, each.media_type) for each in delivered), seeds)

    def _step(self, job_id: str, progress: Progress) -> None:
        self._progress = progress.step / progress.steps if progress.steps else 0.0
        found = self._store.get(job_id)
        if self._hurry or found is None or found.state != "running":
            raise Cancelled("The job was cancelled.")

    def _give_up(self, job_id: str) -> None:
        """End a job at which this program failed, and not the engine."""
        before: tuple[State, ...] = ("queued", "running")
        if self._store.fail(job_id, "The server failed at this job; its log says why.", at_fault=False, before=before):
            with self._changed:
                self._waiting.pop(job_id, None)
            self._tell(job_id)

    def _tell(self, job_id: str) -> None:
        job = self._store.get(job_id)
        if job is not None:
            for listener in self._listeners:
                listener(job)
