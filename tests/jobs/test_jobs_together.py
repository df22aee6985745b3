"""Jobs that wait together run together."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from iclight_local.dialects.base import Asked
from iclight_local.errors import Cancelled, EngineError, InvalidRequest
from iclight_local.jobs.runner import Bounds, Runner
from iclight_local.jobs.store import JobStore
from tests.fake_engine import FakeEngine
from tests.server.live import PICTURE, refuse


class Halting(FakeEngine):
    """Waits to be let go, and fails for seeds that it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.go, self.began = threading.Event(), threading.Event()
        self.faults: dict[int | None, BaseException] = {}

    def relight_together(self, requests: Sequence[Any], *, progress: Sequence[Any]) -> list[Any]:
        self.began.set()
        assert self.go.wait(20)
        if len(requests) > 1 and any(isinstance(self.faults.get(each.seed), ZeroDivisionError) for each in requests):
            raise ZeroDivisionError
        return super().relight_together(requests, progress=progress)

    def relight(self, request: Any, *, progress: Any = None) -> Any:
        self.error = self.faults.get(request.seed)
        return super().relight(request, progress=progress)


@pytest.fixture
def engine() -> Halting:
    return Halting()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    store = JobStore(tmp_path / "jobs")
    yield store
    store.close()


class Queue:
    """A runner whose first job waits in the engine, so that the others queue up behind it."""

    def __init__(self, store: JobStore, engine: Halting, together: int = 3) -> None:
        self.store, self.engine = store, engine
        self.runner = Runner(store, engine, refuse, Bounds(waiting=50, together=together))
        self.runner.start()
        self.first = self.add(0)
        assert engine.began.wait(20)

    def add(self, seed: int, owner: str = "ann", **values: Any) -> str:
        asked = Asked({"seed": seed, **values}, {"subject_image": PICTURE})
        return self.runner.submit(owner, "house", asked).id

    def work_off(self) -> None:
        left, done = set(self.waiting), threading.Event()

        def ended(job: Any) -> None:
            left.discard(job.id)
            if not left:
                done.set()

        self.runner.listen(ended)
        self.engine.go.set()
        assert not left or done.wait(20)
        self.runner.stop(5)

    @property
    def waiting(self) -> list[str]:
        return [job.id for state in ("queued", "running") for job in self.store.of_state(state)]  # type: ignore[arg-type]

    def state(self, job_id: str) -> tuple[str, str | None]:
        job = self.store.get(job_id)
        assert job is not None
        return job.state, job.error


def test_those_that_fit_run_together(store: JobStore, engine: Halting) -> None:
    queue = Queue(store, engine)
    for seed in (1, 2, 3, 4, 5):
        queue.add(seed, **({"steps": 3} if seed == 2 else {}))
    assert queue.runner.load() == (5, 1)
    queue.work_off()
    # The first alone; 1, 3 and 4 in one batch, which 2 does not fit; then 2, then 5.
    assert engine.batches == [1, 3, 1, 1]
    assert [request.seed for request in engine.requests] == [0, 1, 3, 4, 2, 5]


def test_one_at_a_time_where_that_is_asked(store: JobStore, engine: Halting) -> None:
    queue = Queue(store, engine, together=1)
    queue.add(1), queue.add(2)
    queue.work_off()
    assert engine.batches == [1, 1, 1]


def test_turns_are_taken_in_a_batch_too(store: JobStore, engine: Halting) -> None:
    queue = Queue(store, engine)
    for seed in (1, 2, 3):
        queue.add(seed)
    queue.add(10, owner="bob")
    queue.work_off()
    assert [request.seed for request in engine.requests] == [0, 10, 1, 2, 3]
    assert engine.batches == [1, 3, 1]


def test_each_ends_for_itself(store: JobStore, engine: Halting) -> None:
    engine.faults = {1: InvalidRequest("No subject."), 2: EngineError("The device failed.")}
    queue = Queue(store, engine)
    wrong, failed, fine = (queue.add(seed) for seed in (1, 2, 3))
    queue.work_off()
    assert engine.batches == [1, 3]
    assert queue.state(wrong) == ("failed", "No subject.")
    assert queue.state(failed) == ("failed", "The device failed.")
    assert queue.state(fine) == ("done", None)
    assert [store.get(job).at_fault for job in (wrong, failed)] == [True, False]  # type: ignore[union-attr]


def test_an_error_of_the_program_is_one_jobs(store: JobStore, engine: Halting) -> None:
    engine.faults = {2: ZeroDivisionError()}
    queue = Queue(store, engine)
    before, broken, after = (queue.add(seed) for seed in (1, 2, 3))
    queue.work_off()
    assert [queue.state(job)[0] for job in (before, broken, after)] == ["done", "failed", "done"]
    assert queue.state(broken)[1] == "The server failed at this job; its log says why."
    assert queue.runner.load() == (0, 0)


def test_one_that_is_cancelled_leaves_the_others(store: JobStore, engine: Halting) -> None:
    queue = Queue(store, engine)
    gone, stays = queue.add(1), queue.add(2)
    engine.faults = {1: Cancelled("Enough.")}
    job = store.get(gone)
    assert job is not None and queue.runner.cancel(job)
    queue.work_off()
    assert (queue.state(gone)[0], queue.state(stays)[0]) == ("cancelled", "done")


@pytest.mark.parametrize(("fell", "batches"), [(0, [1, 2]), (1, [2, 1])])
def test_what_ran_when_the_server_fell_runs_alone(
    store: JobStore, engine: Halting, fell: int, batches: list[int]
) -> None:
    jobs = [store.add("ann", "house", Asked({"seed": seed}, {"subject_image": PICTURE})) for seed in range(3)]
    store.begin(jobs[fell].id)
    assert store.recover() == 1
    engine.go.set()
    runner, left = Runner(store, engine, refuse, Bounds(waiting=50, together=3)), threading.Semaphore(0)
    runner.listen(lambda job: left.release())
    runner.start()
    assert all(left.acquire(timeout=20) for _ in jobs)
    runner.stop(5)
    assert engine.batches == batches
    assert len(store.of_state("done")) == len(jobs)


def test_what_cannot_be_written_is_taken_up_again(
    store: JobStore, engine: Halting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iclight_local.jobs.runner._SWEEP_S", 0.05)
    engine.go.set()
    full = iter([True, True])

    def fails(*_: Any, **__: Any) -> bool:
        if next(full, False):
            raise OSError(28, "No space left on device")
        return finish(*_, **__)

    finish = store.finish
    monkeypatch.setattr(store, "finish", fails)
    monkeypatch.setattr(store, "fail", lambda *_, **__: fails())
    queue = Queue(store, engine)
    for _ in range(400):
        if queue.state(queue.first)[0] == "done":
            break
        threading.Event().wait(0.02)
    assert queue.state(queue.first)[0] == "done"
    queue.runner.stop(5)
