"""A model that only a provider has is asked of it, where the owner allows that."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iclight_local.dialects.base import Asked
from iclight_local.engines.fallback import Candidate, FallbackEngine
from iclight_local.errors import Cancelled, WeightsError
from iclight_local.jobs.execution import Execution
from iclight_local.jobs.runner import Bounds, Runner
from iclight_local.jobs.store import JobStore
from tests.fake_engine import FakeEngine, picture
from tests.server.live import PICTURE, Live, refuse, serving

NAME = "pixeldojo-nano-banana-pro"
BODY = {
    "subject_image": "data:image/png;base64," + base64.b64encode(PICTURE).decode(),
    "model_type": "nano-banana-pro",
    "prompt": "dusk",
    "seed": 7,
}


@pytest.fixture
def engines() -> tuple[FakeEngine, FakeEngine]:
    return FakeEngine(), FakeEngine(name="remote")


@pytest.fixture
def chain(engines: tuple[FakeEngine, FakeEngine]) -> FallbackEngine:
    here, there = engines
    return FallbackEngine([Candidate("local", lambda: here, hosted=False), Candidate(NAME, lambda: there, hosted=True)])


@pytest.fixture
def forwarding(tmp_path: Path, chain: FallbackEngine) -> Iterator[Live]:
    with serving(tmp_path / "jobs", engine=chain) as live:
        yield live


def ended(live: Live, job: str) -> dict[str, Any]:
    for _ in range(400):
        found: dict[str, Any] = live.get(f"/api/v1/jobs/{job}").json
        if found["status"] not in ("pending", "processing"):
            break
        time.sleep(0.02)
    return found


def run(live: Live, **more: Any) -> Any:
    return live.json("/api/v1/models/image-relighting/run", {**BODY, **more})


def test_nobody_is_asked_who_is_not_allowed(live: Live) -> None:
    reply = run(live)
    assert (reply.status, reply.json["error"]["code"]) == (400, "invalid_request")
    assert reply.json["error"]["message"] == "model_type 'nano-banana-pro' is not available on this server"


def test_the_provider_alone_is_asked(forwarding: Live, engines: tuple[FakeEngine, FakeEngine]) -> None:
    here, there = engines
    found = ended(forwarding, run(forwarding).json["jobId"])
    assert found["status"] == "completed"
    image = forwarding.get(found["output"]["images"][0]).image
    assert (image.size, image.tobytes()) == (picture(7, 0).size, picture(7, 0).tobytes())
    assert not here.requests and there.requests[0].prompt == "dusk"
    assert run(forwarding, model_type="qwen-image-edit").status == 400


def test_this_machine_keeps_what_it_can_do(forwarding: Live, engines: tuple[FakeEngine, FakeEngine]) -> None:
    here, there = engines
    assert ended(forwarding, run(forwarding, model_type="magic-lighting").json["jobId"])["status"] == "completed"
    assert len(here.requests) == 1 and not there.requests


@pytest.mark.parametrize("fell", [True, False])
def test_what_may_be_paid_for_is_not_sent_again(
    fell: bool, tmp_path: Path, chain: FallbackEngine, engines: tuple[FakeEngine, FakeEngine]
) -> None:
    store = JobStore(tmp_path / "jobs")
    asked = Asked({**DEFAULTS, "given": ["prompt"]}, {"subject_image": PICTURE}, provider=NAME)
    job = store.add("ann", "pixeldojo", asked)
    if fell:
        store.begin(job.id)
        store.recover()
    Execution(store, chain, lambda job: None).run(job.id)
    found = store.get(job.id)
    assert found is not None
    assert (found.state, len(engines[1].requests)) == (("failed", 0) if fell else ("done", 1))
    assert not engines[0].requests
    store.close()


class Breaking(FakeEngine):
    """A provider's engine that is asked, and brings no picture for the seeds that it was told."""

    def __init__(self, broken: dict[int, BaseException]) -> None:
        super().__init__(name="remote")
        self.broken = broken

    def relight(self, request: Any, *, progress: Any = None) -> Any:
        self.error = self.broken.get(request.seed)
        return super().relight(request, progress=progress)


def fallen_back(there: FakeEngine) -> FallbackEngine:
    """This machine lacks its weights, so that everything goes to the provider."""
    here = FakeEngine(error=WeightsError("There are none."))
    return FallbackEngine([Candidate("local", lambda: here, hosted=False), Candidate(NAME, lambda: there, hosted=True)])


def test_a_server_that_is_stopped_in_the_middle_does_not_pay_twice(tmp_path: Path) -> None:
    store, there = JobStore(tmp_path / "jobs"), Breaking({1: Cancelled("Enough.")})
    job = store.add("ann", "house", Asked({"seed": 1}, {"subject_image": PICTURE}))
    for _ in range(2):
        Execution(store, fallen_back(there), lambda job: None).run(job.id)
    found = store.get(job.id)
    assert found is not None and found.state == "failed" and "charged" in str(found.error)
    assert len(there.requests) == 1
    store.close()


def test_an_error_of_the_program_does_not_pay_twice(tmp_path: Path) -> None:
    store, there = JobStore(tmp_path / "jobs"), Breaking({2: ZeroDivisionError()})
    jobs = [store.add("ann", "house", Asked({"seed": seed}, {"subject_image": PICTURE})) for seed in (1, 2)]
    execution = Execution(store, fallen_back(there), lambda job: None)
    for job in [*jobs, *jobs]:
        execution.run(job.id)
    assert [request.seed for request in there.requests] == [1, 2]
    assert [len(store.of_state(state)) for state in ("done", "failed")] == [1, 1]
    store.close()


def test_an_end_that_could_not_be_written_does_not_pay_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iclight_local.jobs.runner._SWEEP_S", 0.05)
    store, there = JobStore(tmp_path / "jobs"), Breaking({})
    full = iter([True, True])

    def written(*how: Any, **told: Any) -> bool:
        if next(full, False):
            raise OSError(28, "No space left on device")
        return ended(*how, **told)

    ended = store._end
    monkeypatch.setattr(store, "_end", written)
    runner, over = Runner(store, fallen_back(there), refuse, Bounds(waiting=5, together=2)), threading.Event()
    runner.listen(lambda job: over.set())
    runner.start()
    runner.submit("ann", "house", Asked({"seed": 1}, {"subject_image": PICTURE}))
    assert over.wait(20)
    runner.stop(5)
    assert len(there.requests) == 1 and len(store.of_state("failed")) == 1
    store.close()


def test_a_provider_that_is_allowed_no_longer(tmp_path: Path) -> None:
    store, engine = JobStore(tmp_path / "jobs"), FakeEngine()
    asked = Asked({**DEFAULTS, "given": []}, {"subject_image": PICTURE}, provider=NAME)
    job = store.add("ann", "pixeldojo", asked)
    execution = Execution(store, engine, lambda job: None)
    assert not execution.asks(NAME)
    execution.run(job.id)
    found = store.get(job.id)
    assert found is not None and found.state == "failed" and "not allowed" in str(found.error)
    assert not engine.requests
    store.close()


DEFAULTS = {"prompt": "dusk", "light_source": "none", "output_format": "png", "width": 1024, "height": 1024}
