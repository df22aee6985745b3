"""Engines one after another: what falls through, what does not, and what is told of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from iclight_local.engines.base import Engine
from iclight_local.engines.fallback import Candidate, FallbackEngine
from iclight_local.errors import (
    AnswerLost,
    Cancelled,
    EngineError,
    ICLightError,
    InvalidRequest,
    NoSubject,
    OutOfMemory,
    Unsupported,
    WeightsError,
)
from iclight_local.request import RelightRequest
from iclight_local.result import Progress
from tests.fake_engine import FakeEngine, picture
from tests.providers.hostile_provider import PNG, hostile
from tests.providers.hosting import remote
from tests.server.live import serving


def candidate(name: str, error: ICLightError | None = None, *, hosted: bool = True) -> Candidate:
    return Candidate(name, lambda: FakeEngine(error=error, name=name), hosted)


def unopened(name: str, error: ICLightError) -> Candidate:
    def fail() -> Engine:
        raise error

    return Candidate(name, fail, hosted=False)


def asked(**knobs: Any) -> RelightRequest:
    return RelightRequest(subject_image=PNG, seed=4, **knobs)


def calls(found: Candidate) -> int:
    return len(found.engine.requests) if isinstance(found.engine, FakeEngine) else 0


def test_the_first_that_can() -> None:
    first, second = candidate("local", hosted=False), candidate("segmind-ic-light")
    result = FallbackEngine([first, second]).relight(asked())
    assert (result.engine, result.warnings, "instead_of" in result.record) == ("local", (), False)
    assert second.engine is None, "nobody else was opened"


@pytest.mark.parametrize(
    "make",
    [
        lambda error: candidate("local", error, hosted=False),
        lambda error: unopened("local", error),
    ],
    ids=["relighting", "opening"],
)
@pytest.mark.parametrize("kind", [OutOfMemory, WeightsError, Unsupported])
def test_what_another_could_do(kind: type[ICLightError], make: Callable[[ICLightError], Candidate]) -> None:
    error = kind("Looked in /home/jane/weights.")
    result = FallbackEngine([make(error), candidate("photoroom")]).relight(asked())
    assert result.engine == "photoroom" and result.images[0].tobytes() == picture(4, 0).tobytes()
    assert result.warnings == ("local did not relight this: Looked in /home/jane/weights.",)
    assert result.record["instead_of"] == [{"engine": "local", "error": kind.__name__}]
    assert "jane" not in str(result.record)


@pytest.mark.parametrize("kind", [InvalidRequest, NoSubject, Cancelled, EngineError])
def test_what_nobody_else_is_asked_for(kind: type[ICLightError]) -> None:
    hosted = candidate("photoroom")
    with pytest.raises(kind, match=r"^It is so\.$"):
        FallbackEngine([candidate("local", kind("It is so."), hosted=False), hosted]).relight(asked())
    assert hosted.engine is None


def test_a_provider_that_fails() -> None:
    failing = [candidate("photoroom", EngineError("It broke.")), candidate("pixeldojo", Unsupported("No credits."))]
    result = FallbackEngine([*failing, candidate("local", hosted=False)]).relight(asked())
    assert result.engine == "local"
    assert [each["engine"] for each in result.record["instead_of"]] == ["photoroom", "pixeldojo"]
    assert len(result.warnings) == 2


@pytest.mark.parametrize("kind", [InvalidRequest, Cancelled])
def test_a_provider_to_whom_the_request_is_wrong(kind: type[ICLightError]) -> None:
    last = candidate("pixeldojo")
    with pytest.raises(kind):
        FallbackEngine([candidate("photoroom", kind("No.")), last]).relight(asked())
    assert last.engine is None


def test_what_may_be_paid_for_is_not_paid_for_elsewhere() -> None:
    lost, other = candidate("photoroom", AnswerLost("It may have charged.")), candidate("pixeldojo")
    with pytest.raises(AnswerLost, match="may have charged"):
        FallbackEngine([lost, other]).relight(asked())
    assert calls(other) == 0 and calls(lost) == 1
    free = candidate("local", hosted=False)
    result = FallbackEngine([lost, other, free]).relight(asked())
    assert result.engine == "local" and calls(other) == 0
    assert result.warnings == ("photoroom did not relight this: It may have charged.",)


def test_nobody_can() -> None:
    engine = FallbackEngine(
        [unopened("local", WeightsError("No weights.")), candidate("photoroom", EngineError("It broke."))]
    )
    with pytest.raises(WeightsError) as caught:
        engine.relight(asked())
    assert str(caught.value) == ("local did not relight this: No weights. photoroom did not relight this: It broke.")
    with pytest.raises(WeightsError, match=r"^No weights\.$"):
        FallbackEngine([unopened("local", WeightsError("No weights."))]).relight(asked())


def test_several_together_fall_each_for_itself() -> None:
    class Picky(FakeEngine):
        def relight(self, request: RelightRequest, *, progress: Any = None) -> Any:
            if request.prompt == "big":
                raise OutOfMemory("Too big.")
            if request.prompt == "bad":
                raise InvalidRequest("Bad.")
            return super().relight(request, progress=progress)

    first, second = Candidate("local", lambda: Picky(name="local"), False), candidate("photoroom")
    engine = FallbackEngine([first, second])
    outcomes = engine.relight_together([asked(), asked(prompt="big"), asked(prompt="bad")], progress=[None] * 3)
    kinds = [each if isinstance(each, ICLightError) else each.engine for each in outcomes]
    assert kinds[:2] == ["local", "photoroom"] and isinstance(kinds[2], InvalidRequest)
    assert first.engine is not None and first.engine.batches == [3]  # type: ignore[attr-defined]
    assert second.engine is not None and second.engine.batches == [1]  # type: ignore[attr-defined]
    assert engine.batch_key(asked()) == FakeEngine().batch_key(asked())
    assert FallbackEngine([unopened("local", WeightsError("No weights.")), second]).batch_key(asked()) is None
    engine.close()
    assert first.engine.closed and second.engine.closed  # type: ignore[attr-defined]


def test_normals_of_whoever_can() -> None:
    failing = candidate("local", OutOfMemory("Too big."), hosted=False)
    assert FallbackEngine([failing, candidate("other")]).normals(asked()).run.engine == "other"
    with pytest.raises(OutOfMemory):
        FallbackEngine([failing, candidate("photoroom", Unsupported("No normals."))]).normals(asked())
    with pytest.raises(InvalidRequest):
        FallbackEngine([candidate("local", InvalidRequest("Bad."), hosted=False), candidate("other")]).normals(asked())


def test_behind_a_server(tmp_path: Path) -> None:
    """A job of the server that its own engine cannot do, made by a provider that tells no seed."""
    with hostile() as provider:
        local = candidate("local", OutOfMemory("Too big."), hosted=False)
        hosted = Candidate("photoroom", lambda: remote("photoroom", provider.url, tmp_path), True)
        with serving(tmp_path / "jobs", engine=FallbackEngine([local, hosted])) as live:
            fields = {"imageFile": PNG, "lighting.mode": "ai.auto", "removeBackground": "false"}
            reply = live.form("/v2/edit", {**fields, "referenceBox": "originalImage"})
        assert reply.status == 200 and reply.image.size == (48, 32), reply.data
        assert provider.paid_calls == 1


def test_a_job_that_was_interrupted_is_not_sent_again(tmp_path: Path) -> None:
    with hostile() as provider:

        def engine() -> FallbackEngine:
            local = candidate("local", OutOfMemory("Too big."), hosted=False)
            return FallbackEngine(
                [local, Candidate("photoroom", lambda: remote("photoroom", provider.url, tmp_path), True)]
            )

        with serving(tmp_path / "jobs", engine=engine(), start=False) as live:
            job = live.form("/relight/jobs", {"subject_image": PNG}).json["id"]
            assert live.service.store.begin(job)
        # The server is gone in the middle of it, and comes back.
        with serving(tmp_path / "jobs", engine=engine()) as live:
            while (told := live.get(f"/relight/jobs/{job}").json)["state"] in ("queued", "running"):
                time.sleep(0.01)
            assert told["state"] == "failed" and "it is not sent again" in told["error"], told
            again = live.form("/relight/jobs", {"subject_image": PNG}).json["id"]
            while (told := live.get(f"/relight/jobs/{again}").json)["state"] in ("queued", "running"):
                time.sleep(0.01)
            assert told["state"] == "done", told
        assert provider.paid_calls == 1


class Slow(FakeEngine):
    """Notes how many are asked for at once, and waits a moment for more."""

    most = now = 0

    def relight(self, request: RelightRequest, *, progress: Any = None) -> Any:
        self.now += 1
        self.most = max(self.most, self.now)
        time.sleep(0.1)
        self.now -= 1
        return super().relight(request, progress=progress)


@pytest.mark.parametrize(("hosted", "most"), [(True, 1), (False, 3)])
def test_a_provider_is_asked_one_thing_at_a_time(hosted: bool, most: int) -> None:
    slow = Slow()
    engine = FallbackEngine([Candidate("photoroom", lambda: slow, hosted)])
    asking: list[FallbackEngine] = [engine, engine.alone("photoroom"), engine]
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda each: each.relight(asked()), asking))
    assert slow.most == most
    assert len(slow.requests) == 3


def test_who_waits_for_others_there_can_be_cancelled() -> None:
    only = candidate("photoroom")

    def stop(progress: Progress) -> None:
        assert (progress.stage, progress.step) == ("queue", 0)
        raise Cancelled("Enough.")

    with only.turn, pytest.raises(Cancelled):
        FallbackEngine([only]).relight(asked(), progress=stop)
    assert calls(only) == 0
    assert FallbackEngine([only]).relight(asked()).engine == "photoroom", "its turn is free"


def test_it_is_an_engine() -> None:
    assert isinstance(FallbackEngine([candidate("local")]), Engine)
