"""What is told of a running job, and how it hears that it shall end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iclight_local.dialects.base import Asked
from iclight_local.jobs import runner as runners
from iclight_local.jobs.runner import Bounds, Runner
from iclight_local.jobs.store import JobStore
from iclight_local.result import Progress
from tests.fake_engine import FakeEngine
from tests.server.live import PICTURE, refuse


class Telling(FakeEngine):
    """Goes through stages, and waits after each until the test has looked."""

    def __init__(self, stages: list[Progress]) -> None:
        super().__init__()
        self.stages = stages
        self.seen, self.looked = threading.Semaphore(0), threading.Semaphore(0)
        self.steps = 0

    def relight(self, request: Any, *, progress: Any = None) -> Any:
        for stage in self.stages:
            progress(stage)
            self.steps += 1
            self.seen.release()
            assert self.looked.acquire(timeout=20)
        return super().relight(request)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    store = JobStore(tmp_path / "jobs")
    yield store
    store.close()


def running(store: JobStore, engine: FakeEngine) -> tuple[Runner, Any]:
    runner = Runner(store, engine, refuse, Bounds(waiting=5, together=1))
    runner.start()
    return runner, runner.submit("ann", "house", Asked({"seed": 1}, {"subject_image": PICTURE}))


def state(store: JobStore, job: Any) -> str:
    found = store.get(job.id)
    assert found is not None
    return found.state


def test_a_conversion_is_no_part_of_the_job(store: JobStore) -> None:
    stages = [("load", 0, 4), ("convert", 7, 8), ("lowres", 1, 4), ("highres", 4, 4), ("remote", 0, 1), ("fetch", 1, 1)]
    engine = Telling([Progress(*each) for each in stages])
    runner, job = running(store, engine)
    told = []
    for _ in stages:
        assert engine.seen.acquire(timeout=20)
        told.append(runner.place(job.id)[1])
        engine.looked.release()
    assert told == [0, 0, 0.25, 1, 0, 1]
    runner.stop(20)
    assert runner.ended


def test_between_steps_nothing_is_read_from_the_disk(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Telling([Progress("lowres", step, 50) for step in range(50)])
    runner, job = running(store, engine)
    assert engine.seen.acquire(timeout=20)
    monkeypatch.setattr(JobStore, "_one", lambda *_: pytest.fail("it was read"))
    for _ in range(49):
        engine.looked.release()
        assert engine.seen.acquire(timeout=20)
    monkeypatch.undo()
    engine.looked.release()
    runner.stop(20)
    assert runner.ended
    assert state(store, job) == "done"


def test_a_cancelled_one_ends_at_its_next_step(store: JobStore) -> None:
    engine = Telling([Progress("lowres", step, 50) for step in range(50)])
    runner, job = running(store, engine)
    assert engine.seen.acquire(timeout=20)
    assert runner.cancel(job)
    engine.looked.release()
    runner.stop(20)
    assert runner.ended
    assert (engine.steps, state(store, job)) == (1, "cancelled")
    assert runner._execution.cancelled == set(), "nothing is kept of it"
    # After a restart it is cancelled on the disk.
    store.recover()
    assert Runner(store, engine, refuse, Bounds(waiting=5, together=1)).load() == (0, 0)


def test_one_in_the_middle_of_a_long_step_is_put_back_nevertheless(
    store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runners, "LAST_STEP_S", 0.1)
    engine = Telling([Progress("lowres", 0, 2)])
    runner, job = running(store, engine)
    assert engine.seen.acquire(timeout=20)
    began = time.monotonic()
    runner.stop(0.1)
    assert not runner.ended
    assert time.monotonic() - began < 10
    assert state(store, job) == "queued"
    engine.looked.release()
    runner.stop(20)
    assert runner.ended
    assert state(store, job) == "queued", "what came of it too late counts for nothing"


def test_warnings_are_logged_once(store: JobStore, caplog: pytest.LogCaptureFixture) -> None:
    runner, job = running(store, FakeEngine(warnings=("One.", "Two.", "One.")))
    while state(store, job) != "done":
        time.sleep(0.01)
    runner.stop(20)
    assert runner.ended
    logged = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert logged == [f"job {job.id}: One.", f"job {job.id}: Two."]
