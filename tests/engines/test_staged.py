"""A relight in stages: overlapped, and in halves where memory ends."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from iclight_local.engines.fallback import Candidate, FallbackEngine
from iclight_local.engines.local import LocalEngine
from iclight_local.errors import Cancelled, EngineError, InvalidRequest, OutOfMemory
from iclight_local.pipelines.offloading import CardMemory
from iclight_local.request import RelightRequest
from iclight_local.result import Progress, RelightResult
from tests.engines.relights import BACKGROUND, asked, local, pixels
from tests.fake_engine import FakeEngine
from tests.segmenters.onnx_models import bright_disc

PATIENCE_S = 20.0


def same(result: RelightResult, other: RelightResult) -> bool:
    """Whether two results are the same, byte for byte, and tell the same of themselves."""
    pictures = zip(result.images, other.images, strict=True)
    return (result.record, result.measures, result.exif) == (other.record, other.measures, other.exif) and all(
        np.array_equal(pixels(one), pixels(two)) for one, two in pictures
    )


class Halted:
    """A request that is sampled for as long as a test likes, in a thread of its own."""

    def __init__(self, engine: LocalEngine) -> None:
        self.engine, self.part = engine, engine.staged().prepare(asked(steps=1), progress=self._told)
        self._began, self._go = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=engine.staged().sample, args=([self.part],))

    def __enter__(self) -> Halted:
        self._thread.start()
        assert self._began.wait(PATIENCE_S)
        return self

    def __exit__(self, *failure: object) -> None:
        self.go_on()

    def go_on(self) -> None:
        self._go.set()
        self._thread.join(PATIENCE_S)

    def _told(self, progress: Progress) -> None:
        if progress.stage == "lowres":
            self._began.set()
            # Longer than anybody in a test waits for it.
            self._go.wait(3 * PATIENCE_S)


class TestOverlap:
    def test_results_are_those_of_relights_alone(self, net: Path) -> None:
        engine = local(segmenter=str(net))
        disc = Image.fromarray(bright_disc())
        requests = [
            asked(disc, steps=1, fit="input", keep="all"),
            asked(disc, steps=1, light="#ff8800 left", background_mode="transparent"),
            asked(steps=1, background_image=BACKGROUND, background_flip=True, fit="pad"),
            asked(matte=Path("nowhere.png")),
        ]
        alone = [engine.relight(request) for request in requests[:-1]]
        threads: set[int] = set()
        stages = engine.staged()

        def told(progress: Progress) -> None:
            if progress.stage in ("lowres", "highres"):
                threads.add(torch.get_num_threads())

        with ThreadPoolExecutor(3) as pool:
            prepared = [pool.submit(stages.prepare, request, progress=told) for request in requests]
            finished: list[Future[RelightResult]] = []
            for future in prepared:
                if future.exception(PATIENCE_S) is None:
                    stages.sample([future.result()])
                    finished.append(pool.submit(stages.finish, future.result()))
            wait(finished)
        assert [same(each.result(), one) for each, one in zip(finished, alone, strict=True)] == [True] * 3
        assert isinstance(prepared[-1].exception(), InvalidRequest)
        assert threads == {1}
        assert torch.get_num_threads() == 1

    def test_nobody_but_who_samples_waits_for_who_samples(self, net: Path) -> None:
        engine = local(segmenter=str(net))
        stages = engine.staged()
        ready = stages.prepare(asked())
        stages.sample([ready])
        with Halted(engine) as halted, ThreadPoolExecutor(1) as pool:
            finished = pool.submit(stages.finish, ready)
            assert finished.result(PATIENCE_S).seed == 5
            prepared = pool.submit(stages.prepare, asked(Image.fromarray(bright_disc())))
            assert prepared.result(PATIENCE_S).scene is not None
            other = pool.submit(stages.sample, [prepared.result()])
            assert not wait([other], 0.2).done, "one samples at a time"
            halted.go_on()
            other.result(PATIENCE_S)

    def test_on_a_small_card_a_subject_is_cut_out_before_or_after(
        self, net: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = local(segmenter=str(net))
        stages = engine.staged()
        stages.prepare(asked(Image.fromarray(bright_disc())))
        monkeypatch.setattr(CardMemory, "is_small", True)
        with Halted(engine) as halted, ThreadPoolExecutor(2) as pool:
            waiting = pool.submit(stages.prepare, asked(Image.fromarray(bright_disc())))
            assert pool.submit(stages.prepare, asked()).result(PATIENCE_S).failure is None
            assert not wait([waiting], 0.2).done
            halted.go_on()
            assert waiting.result(PATIENCE_S).scene is not None

    def test_the_time_that_a_part_waits_is_no_stages(self, net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        engine, clock = local(segmenter=str(net)), [0.0]

        class Waiting:
            def __enter__(self) -> None:
                clock[0] += 60

            def __exit__(self, *failure: object) -> None:
                clock[0] += 1

        monkeypatch.setattr("iclight_local.engines.run.time", SimpleNamespace(perf_counter=lambda: clock[0]))
        monkeypatch.setattr(engine, "segmenting", Waiting())
        timings = engine.staged().prepare(asked(Image.fromarray(bright_disc()))).run.timings
        assert (timings["decode"], timings["segment"]) == (1, 0)


class Limited:
    """A UNet that takes only so many pictures at once, and notes how many each call brought."""

    def __init__(self, engine: LocalEngine, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[int] = []
        self.left: list[weakref.ref[Any]] = []
        self.most, self._forward = most, engine.load("fc").unet.forward
        monkeypatch.setattr(engine.load("fc").unet, "forward", self._limited)

    def _limited(self, latents: Any, *args: Any, **knobs: Any) -> Any:
        assert all(each() is None for each in self.left), "what a failed call held is given back"
        held = latents.clone()
        # Twice as many as pictures, because guidance runs.
        self.calls.append(len(latents) // 2)
        if len(latents) > 2 * self.most:
            self.left.append(weakref.ref(held))
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")
        return self._forward(latents, *args, **knobs)


def of_seeds(*seeds: int) -> list[RelightRequest]:
    return [asked(seed=seed, steps=1) for seed in seeds]


def together(engine: LocalEngine, requests: list[RelightRequest]) -> list[Any]:
    return engine.relight_together(requests, progress=[None] * len(requests))


class TestMemory:
    def test_what_is_too_much_is_halved_and_remembered(
        self, shared: LocalEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = local()
        limited = Limited(engine, 2, monkeypatch)
        requests = of_seeds(1, 2, 3, 4)
        for calls in ([4, 2, 2, 2, 2], [2, 2, 2, 2]):
            limited.calls.clear()
            found = together(engine, requests)
            assert limited.calls == calls
            assert [each.seed for each in found] == [1, 2, 3, 4]
        limited.calls.clear()
        together(engine, [asked(seed=seed, steps=1, width=128) for seed in (1, 2, 3, 4)])
        assert limited.calls == [4, 2, 2, 2, 2], "of other shapes nothing is known yet"
        assert np.abs(pixels(found[2].images[0]).astype(int) - pixels(shared.relight(requests[2]).images[0])).max() <= 1

    def test_down_to_one_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        engine = local()
        limited = Limited(engine, 1, monkeypatch)
        assert [each.seed for each in together(engine, of_seeds(1, 2, 3, 4))] == [1, 2, 3, 4]
        assert limited.calls == [4, 2, *[1] * 8]
        limited.most = 0
        assert [type(each) for each in together(engine, of_seeds(1, 2))] == [OutOfMemory] * 2

    def test_another_failure_is_each_ones_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        engine = local()
        limited = Limited(engine, 9, monkeypatch)
        forward, failing = engine.load("fc").unet.forward, iter([True, False, True])

        def fail(*args: Any, **knobs: Any) -> Any:
            if next(failing, False):
                raise RuntimeError("unspecified launch failure")
            return forward(*args, **knobs)

        monkeypatch.setattr(engine.load("fc").unet, "forward", fail)
        first, second, third, fourth = together(engine, of_seeds(1, 2, 3, 4))
        assert limited.calls[:3] == [1, 1, 1], "each alone"
        assert isinstance(second, EngineError) and "launch failure" in str(second)
        assert (first.seed, third.seed, fourth.seed) == (1, 3, 4)

    def test_a_part_lets_go(self, shared: LocalEngine) -> None:
        stages = shared.staged()
        part = stages.prepare(asked())
        with pytest.raises(ValueError, match="Only what was sampled"):
            stages.finish(part)
        assert part.source is not None and part.scene is not None
        left = [weakref.ref(each) for each in (part.source, part.scene)]
        stages.sample([part])
        assert left[1]() is None and left[0]() is not None
        made = part.made
        stages.sample([part])
        assert part.made is made, "it has its pictures"
        stages.finish(part)
        assert left[0]() is None and part.made is None and part.run.finished == []
        with pytest.raises(ValueError, match="Only what was sampled"):
            stages.finish(part)

    def test_who_is_cancelled_is_told_so_in_the_end(self, shared: LocalEngine) -> None:
        def stop(progress: Progress) -> None:
            if progress.step == 1:
                raise Cancelled("Enough.")

        stages = shared.staged()
        parts = [stages.prepare(asked(seed=6), progress=stop), stages.prepare(asked())]
        stages.sample(parts)
        with pytest.raises(Cancelled, match="Enough"):
            stages.finish(parts[0])
        assert parts[0].source is None and parts[0].made is None
        assert stages.finish(parts[1]).seed == 5


class TestMade:
    def test_others_may_be_put_in_their_place(self, shared: LocalEngine) -> None:
        part = shared.staged().prepare(asked(keep="none"))
        shared.staged().sample([part])
        part.made = [Image.new("RGB", (64, 64), (9, 99, 199))]
        assert pixels(part.finish().images[0])[0, 0].tolist() == [9, 99, 199]

    @pytest.mark.parametrize("fit", ["crop", "pad", "input"])
    def test_what_it_was_made_from_lies_over_it(self, fit: str, shared: LocalEngine) -> None:
        wide = Image.new("RGBA", (200, 100), (250, 10, 10, 255))
        wide.paste((10, 10, 250, 0), (100, 0, 200, 100))
        part = shared.staged().prepare(asked(wide, fit=fit, width=64, height=64, highres_scale=2))
        picture, matte = part.seen()
        assert (picture.shape, picture.dtype, matte.shape, matte.dtype) == ((128, 128, 3), "u1", (128, 128), "f4")
        left, right = (picture[64, 10], matte[64, 10]), (picture[64, 118], matte[64, 118])
        assert (left[0].tolist(), left[1], right[0].tolist(), right[1]) == ([250, 10, 10], 1, [10, 10, 250], 0)
        corner = [250, 10, 10] if fit == "crop" else [127, 127, 127]
        assert picture[0, 0].tolist() == corner
        part.fail(EngineError("No."))
        with pytest.raises(ValueError, match="Nothing is left"):
            part.seen()


class TestWhole:
    @pytest.fixture(params=[FakeEngine, lambda: FallbackEngine([Candidate("fake", FakeEngine, hosted=False)])])
    def stages(self, request: pytest.FixtureRequest) -> Iterator[Any]:
        make: Callable[[], Any] = request.param
        return make().staged()

    def test_the_work_is_done_where_others_sample(self, stages: Any) -> None:
        told: list[Progress] = []
        first, second = stages.prepare(asked(), progress=told.append), stages.prepare(asked(seed=6))
        assert told == []
        stages.sample([first])
        count = len(told)
        stages.sample([first, second])
        assert (count > 0, len(told)) == (True, count), "the first is not relit again"
        assert [stages.finish(each).seed for each in (first, second)] == [5, 6]
        with pytest.raises(ValueError, match="only once"):
            stages.finish(first)
        stages.sample([])

    def test_failures_wait_for_the_end(self) -> None:
        engine = FakeEngine(error=EngineError("No."))
        part = engine.staged().prepare(asked())
        engine.staged().sample([part])
        with pytest.raises(EngineError, match="No"):
            engine.staged().finish(part)
        assert engine.batches == [1]
