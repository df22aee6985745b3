"""Jobs run at the same time, each for itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
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
    """Waits to be let go, and fails for seeds that it was told.

    Attributes:
        running: seeds that run now.
        met: pairs of seeds that ran at the same time.
        most: how many ran at the same time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.faults: dict[int | None, BaseException] = {}
        self.running: set[int | None] = set()
        self.met: set[frozenset[int | None]] = set()
        self.most = 0
        self._changed = threading.Condition()
        self._free: set[int] | None = set()

    def let_go(self, *seeds: int) -> None:
        """Let these seeds end; without any, all of them."""
        with self._changed:
            self._free = {*self._free, *seeds} if seeds and self._free is not None else None
            self._changed.notify_all()

    def wait_for(self, running: Callable[[set[int | None]], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: running(self.running), 20), self.running

    def relight(self, request: Any, *, progress: Any = None) -> Any:
        with self._changed:
            self.met |= {frozenset((other, request.seed)) for other in self.running}
            self.running.add(request.seed)
            self.most = max(self.most, len(self.running))
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._free is None or request.seed in self._free, 20)
        try:
            result = super().relight(request, progress=progress)
            if request.seed in self.faults:
                raise self.faults[request.seed]
            return result
        finally:
            with self._changed:
                self.running.discard(request.seed)


@pytest.fixture
def engine() -> Halting:
    return Halting()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    store = JobStore(tmp_path / "jobs")
    yield store
    store.close()


class Queue:
    """A runner whose first job waits in the engine, so that others come while it runs."""

    def __init__(self, store: JobStore, engine: Halting, together: int = 3) -> None:
        self.store, self.engine = store, engine
        self.runner = Runner(store, engine, refuse, Bounds(waiting=50, together=together))
        self.runner.start()
        self.first = self.add(0)
        engine.wait_for(lambda running: running == {0})

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
        self.engine.let_go()
        assert not left or done.wait(20)
        self.runner.stop(5)

    @property
    def waiting(self) -> list[str]:
        return [job.id for state in ("queued", "running") for job in self.store.of_state(state)]  # type: ignore[arg-type]

    def state(self, job_id: str) -> tuple[str, str | None]:
        job = self.store.get(job_id)
        assert job is not None
        return job.state, job.error


def test_as_many_run_at_once_as_may(store: JobStore, engine: Halting) -> None:
    queue = Queue(store, engine)
    jobs = [queue.add(seed, steps=seed) for seed in (1, 2, 3, 4)]
    engine.wait_for(lambda running: running == {0, 1, 2})
    assert queue.runner.load() == (2, 3)
    assert [queue.runner.place(job)[0] for job in (queue.first, *jobs)] == [0, 0, 0, 3, 4]
    queue.work_off()
    assert engine.most == 3
    assert sorted(request.seed for request in engine.requests) == [0, 1, 2, 3, 4]
    assert queue.runner.load() == (0, 0)


def test_a_job_joins_as_soon_as_another_has_ended(store: JobStore, engine: Halting) -> None:
    queue = Queue(store, engine, together=2)
    short, next_one = queue.add(1), queue.add(2)
    engine.wait_for(lambda running: running == {0, 1})
    engine.let_go(1)
    engine.wait_for(lambda running: running == {0, 2})
    assert queue.state(short)[0] == "done"
    assert [queue.state(job)[0] for job in (queue.first, next_one)] == ["running"] * 2
    queue.work_off()


def test_one_at_a_time_where_that_is_asked(store: JobStore, engine: Halting) -> None:
    queue = Queue(store, engine, together=1)
    queue.add(1), queue.add(2)
    queue.work_off()
    assert engine.most == 1
    assert [request.seed for request in engine.requests] == [0, 1, 2]


def test_owners_take_turns(store: JobStore, engine: Halting) -> None:
    queue = Queue(store, engine, together=1)
    for seed in (1, 2, 3):
        queue.add(seed)
    queue.add(10, owner="bob")
    queue.work_off()
    assert [request.seed for request in engine.requests] == [0, 10, 1, 2, 3]


def test_each_ends_for_itself(store: JobStore, engine: Halting) -> None:
    engine.faults = {1: InvalidRequest("No subject."), 2: EngineError("The device failed.")}
    queue = Queue(store, engine)
    wrong, failed, fine = (queue.add(seed) for seed in (1, 2, 3))
    queue.work_off()
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


@pytest.mark.parametrize("fell", [0, 1, 3])
def test_what_ran_when_the_server_fell_runs_alone(store: JobStore, engine: Halting, fell: int) -> None:
    jobs = [store.add("ann", "house", Asked({"seed": seed}, {"subject_image": PICTURE})) for seed in range(4)]
    store.begin(jobs[fell].id)
    assert store.recover() == 1
    runner, left = Runner(store, engine, refuse, Bounds(waiting=50, together=3)), threading.Semaphore(0)
    runner.listen(lambda job: left.release())
    runner.start()
    before = set(range(min(fell, 3))) if fell else {0}
    engine.wait_for(lambda running: running == before)
    # Who could begin beside it has all the time for it.
    threading.Event().wait(0.1)
    assert engine.running == before
    engine.let_go()
    assert all(left.acquire(timeout=20) for _ in jobs)
    runner.stop(5)
    assert not any(fell in pair for pair in engine.met)
    assert len(store.of_state("done")) == len(jobs)
    assert [request.seed for request in engine.requests].index(fell) == fell


def test_what_cannot_be_written_is_taken_up_again(
    store: JobStore, engine: Halting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iclight_local.jobs.runner._SWEEP_S", 0.05)
    full = iter([True, True])

    def fails(*_: Any, **__: Any) -> bool:
        if next(full, False):
            raise OSError(28, "No space left on device")
        return finish(*_, **__)

    finish = store.finish
    monkeypatch.setattr(store, "finish", fails)
    monkeypatch.setattr(store, "fail", lambda *_, **__: fails())
    queue = Queue(store, engine)
    engine.let_go()
    for _ in range(400):
        if queue.state(queue.first)[0] == "done":
            break
        threading.Event().wait(0.02)
    assert queue.state(queue.first)[0] == "done"
    queue.runner.stop(5)
