"""What the worker does with jobs that it took: relight them together, keep what came of each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager

from iclight_local.dialects import find_dialect
from iclight_local.engines.base import Engine
from iclight_local.engines.editing import edit_key, edit_together
from iclight_local.engines.fallback import FallbackEngine
from iclight_local.errors import Cancelled, EngineError, InvalidRequest, Unsupported
from iclight_local.jobs.base import Job, Outcome
from iclight_local.jobs.store import JobStore
from iclight_local.request import EditRequest, RelightRequest
from iclight_local.result import Progress, ProgressCallback, RelightResult

_log = logging.getLogger(__name__)


class Execution:
    """Carries jobs out on one engine.

    Args:
        store: the jobs.
        engine: what relights.
        tell: called with the id of each job that ended.
    """

    def __init__(self, store: JobStore, engine: Engine, tell: Callable[[str], None]) -> None:
        self._store, self._engine, self._tell = store, engine, tell
        self._progress: dict[str, float] = {}
        self._hurry = False

    def hurry(self) -> None:
        """Have whatever runs go back to the queue at its next step."""
        self._hurry = True

    def progress(self, job_id: str) -> float:
        """How much of a running job is done, 0 to 1."""
        return self._progress.get(job_id, 0.0)

    def asks(self, provider: str) -> bool:
        """Whether a provider is among the engines."""
        return isinstance(self._engine, FallbackEngine) and provider in self._engine.hosted

    @property
    def _pays(self) -> bool:
        """Whether a run may be paid for, so that none is forgotten."""
        return isinstance(self._engine, FallbackEngine) and bool(self._engine.hosted)

    def key(self, job_id: str) -> Hashable | None:
        """What a queued job has to agree in with others to be run together with them; None: it runs alone."""
        job = self._store.get(job_id)
        # What ran when a process went down may be why it did: it shall take no others with it.
        if job is None or job.attempts or job.asked.provider or find_dialect(job.dialect).task == "cut_out":
            return None
        try:
            request = self._request(job)
            if isinstance(request, EditRequest):
                return edit_key(self._engine, request)
            return self._engine.batch_key(request)
        except Exception:  # noqa: BLE001  # told when it runs
            return None

    def run(self, job_ids: Sequence[str]) -> None:
        """Carry queued jobs out, in one batch where there are several; each ends for itself."""
        known = [job for job in map(self._store.get, job_ids) if job is not None]
        begun = [job for job in known if self._store.begin(job.id, surely=self._pays)]
        requests: dict[str, RelightRequest] = {}
        for job in begun:
            with self._ending(job):
                requests[job.id] = self._request(job)
        jobs = [job for job in begun if job.id in requests]
        self._progress = dict.fromkeys(requests, 0.0)
        for job, outcome in zip(jobs, self._outcomes(jobs, requests), strict=True):
            with self._ending(job):
                if isinstance(outcome, Exception):
                    raise outcome
                self._keep(job, requests[job.id], outcome)

    def give_up(self, job_id: str) -> None:
        """End a job at which this program failed, and not the engine."""
        sentence = "The server failed at this job; its log says why."
        if self._store.fail(job_id, sentence, at_fault=False, before=("queued", "running")):
            self._tell(job_id)

    @contextmanager
    def _ending(self, job: Job) -> Iterator[None]:
        """Whatever a block raises ends its job, and no other."""
        try:
            yield
        except Cancelled:
            # Somebody cancelled it, who told its listeners; or the server goes down and will do it again.
            self._store.requeue(job.id, counted=self._pays)
        except (InvalidRequest, Unsupported) as error:
            if self._store.fail(job.id, str(error), at_fault=True):
                self._tell(job.id)
        except EngineError as error:
            _log.error("job %s: %s", job.id, error)
            if self._store.fail(job.id, str(error), at_fault=False):
                self._tell(job.id)
        except Exception:  # noqa: BLE001  # the worker has to outlive whatever it was
            _log.exception("job %s", job.id)
            self.give_up(job.id)

    def _engine_for(self, jobs: Sequence[Job], *, again: bool) -> Engine:
        """The engine; of one that hands on to providers only what is free, where a job was begun before, or ``again``.

        Raises:
            Unsupported: a job is for a provider that its owner does not allow, or no longer.
        """
        provider, engine = jobs[0].asked.provider, self._engine
        if provider is not None and not self.asks(provider):
            raise Unsupported(f"The provider {provider} is not allowed on this server.")
        if not isinstance(engine, FallbackEngine):
            return engine
        if provider is not None:
            engine = engine.alone(provider)
        return engine.unpaid() if again or any(job.attempts for job in jobs) else engine

    def _outcomes(
        self, jobs: Sequence[Job], requests: dict[str, RelightRequest], *, again: bool = False
    ) -> list[RelightResult | Exception]:
        """What became of each; an error of this program says nothing of whose it was, so that each is tried alone."""
        if not jobs:
            return []
        try:
            engine, asked = self._engine_for(jobs, again=again), [requests[job.id] for job in jobs]
            watched = [self._watch(job.id) for job in jobs]
            if [find_dialect(job.dialect).task for job in jobs] == ["cut_out"]:
                return [engine.cut_out(asked[0], progress=watched[0])]
            # Jobs that are done together are of one kind: their keys tell.
            edits = [request for request in asked if isinstance(request, EditRequest)]
            if edits:
                return [*edit_together(engine, edits, progress=watched)]
            return [*engine.relight_together(asked, progress=watched)]
        except Exception as error:  # noqa: BLE001  # told by whoever ends the job
            if len(jobs) == 1:
                return [error]
            _log.exception("jobs %s together", ", ".join(job.id for job in jobs))
            return [outcome for job in jobs for outcome in self._outcomes([job], requests, again=True)]

    def _keep(self, job: Job, request: RelightRequest, result: RelightResult) -> None:
        delivered = find_dialect(job.dialect).deliver(job.asked, request, result)
        seeds = () if result.seed is None else (result.seed,) * len(delivered)
        if self._store.finish(job.id, Outcome(tuple(delivered), seeds)):
            self._tell(job.id)

    def _request(self, job: Job) -> RelightRequest:
        return find_dialect(job.dialect).request(job.asked, self._store.pictures(job))

    def _watch(self, job_id: str) -> ProgressCallback:
        def told(progress: Progress) -> None:
            self._progress[job_id] = progress.step / progress.steps if progress.steps else 0.0
            found = self._store.get(job_id)
            if self._hurry or found is None or found.state != "running":
                raise Cancelled("The job was cancelled.")

        return told
