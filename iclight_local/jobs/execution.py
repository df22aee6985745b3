"""What a worker does with a job that it took: relight, keep what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from iclight_local.dialects import find_dialect
from iclight_local.engines.base import Engine
from iclight_local.engines.editing import edit
from iclight_local.engines.fallback import FallbackEngine
from iclight_local.errors import Cancelled, EngineError, InvalidRequest, Unsupported
from iclight_local.jobs.base import Job, Outcome
from iclight_local.jobs.store import JobStore
from iclight_local.request import EditRequest, RelightRequest
from iclight_local.result import Progress, ProgressCallback, RelightResult

_log = logging.getLogger(__name__)


class Execution:
    """Carries jobs out on one engine.

    Attributes:
        cancelled: running jobs that end at their next step, because somebody cancelled them.

    Args:
        store: the jobs.
        engine: what relights.
        tell: called with the id of each job that ended.
    """

    def __init__(self, store: JobStore, engine: Engine, tell: Callable[[str], None]) -> None:
        self._store, self._engine, self._tell = store, engine, tell
        self._progress: dict[str, float] = {}
        self._previews: dict[str, Progress] = {}
        self._hurry = False
        self.cancelled: set[str] = set()

    def hurry(self) -> None:
        """Have whatever runs go back to the queue at its next step."""
        self._hurry = True

    def progress(self, job_id: str) -> float:
        """How much of a running job is done, 0 to 1."""
        return self._progress.get(job_id, 0.0)

    def preview(self, job_id: str) -> Progress | None:
        """The newest progress of a running job that brought a preview."""
        return self._previews.get(job_id)

    def asks(self, provider: str) -> bool:
        """Whether a provider is among the engines."""
        return isinstance(self._engine, FallbackEngine) and provider in self._engine.hosted

    @property
    def _pays(self) -> bool:
        """Whether a run may be paid for, so that none is forgotten."""
        return isinstance(self._engine, FallbackEngine) and bool(self._engine.hosted)

    def run(self, job_id: str) -> None:
        """Carry a queued job out; from several threads at once."""
        job = self._store.get(job_id)
        if job is None or not self._store.begin(job_id, surely=self._pays):
            return
        self._progress[job_id] = 0.0
        try:
            with self._ending(job):
                request = self._request(job)
                self._keep(job, request, self._result(job, request))
        finally:
            del self._progress[job_id]
            self._previews.pop(job_id, None)

    def put_back(self, job_id: str) -> None:
        """Queue a running job again, whatever its thread does."""
        self._store.requeue(job_id, counted=self._pays)

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
            self.put_back(job.id)
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

    def _engine_for(self, job: Job) -> Engine:
        """The engine; of one that hands on to providers only what is free, where the job was begun before.

        Raises:
            Unsupported: the job is for a provider that its owner does not allow, or no longer.
        """
        provider, engine = job.asked.provider, self._engine
        if provider is not None and not self.asks(provider):
            raise Unsupported(f"The provider {provider} is not allowed on this server.")
        if not isinstance(engine, FallbackEngine):
            return engine
        if provider is not None:
            engine = engine.alone(provider)
        return engine.unpaid() if job.attempts else engine

    def _result(self, job: Job, request: RelightRequest) -> RelightResult:
        engine, watched = self._engine_for(job), self._watch(job.id)
        task = find_dialect(job.dialect).task
        if task == "cut_out":
            return engine.cut_out(request, progress=watched)
        if task == "normals":
            return engine.normals(request, progress=watched).run
        if isinstance(request, EditRequest):
            return edit(engine, request, progress=watched)
        return engine.relight(request, progress=watched)

    def _keep(self, job: Job, request: RelightRequest, result: RelightResult) -> None:
        for warning in dict.fromkeys(result.warnings):
            _log.warning("job %s: %s", job.id, warning)
        delivered = find_dialect(job.dialect).deliver(job.asked, request, result)
        seeds = () if result.seed is None else (result.seed,) * len(delivered)
        if self._store.finish(job.id, Outcome(tuple(delivered), seeds)):
            self._tell(job.id)

    def _request(self, job: Job) -> RelightRequest:
        return find_dialect(job.dialect).request(job.asked, self._store.pictures(job))

    def _watch(self, job_id: str) -> ProgressCallback:
        def told(progress: Progress) -> None:
            self._progress[job_id] = _share(progress)
            if progress.preview is not None:
                self._previews[job_id] = progress
            # Not read from the disk: this is called between everybody's steps.
            if self._hurry or job_id in self.cancelled:
                raise Cancelled("The job was cancelled.")

        return told


def _share(progress: Progress) -> float:
    """How much of a job is done; a conversion has steps of its own, and comes before those of the job."""
    return progress.step / progress.steps if progress.steps and progress.stage != "convert" else 0.0
