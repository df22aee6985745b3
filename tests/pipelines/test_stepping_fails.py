"""Many loops at once: what fails in one leaves the others, and the models rest before anybody is told."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from golden_pictures import load_pipe, unet_calls
from stepped import PATIENCE_S, World, at_step, same

from iclight_local.errors import Cancelled, EngineError, OutOfMemory
from iclight_local.imaging.fit import UInt8Array
from iclight_local.pipelines import stepping
from iclight_local.pipelines.compiled import COMPILED, Compiler, way_of_last_call
from iclight_local.pipelines.iclight import ICLightPipeline
from iclight_local.pipelines.memory import Measures


@pytest.fixture
def world(fc: ICLightPipeline, foreground: UInt8Array) -> World:
    return World(fc, foreground)


class TestResting:
    def test_nobody_comes_before_the_models_rest(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        told: list[str] = []
        entered = threading.Event()

        def alone() -> None:
            with world.stepper.alone():
                told.append("alone")
                entered.set()

        thread = threading.Thread(target=alone)

        def rest() -> None:
            thread.start()
            assert not entered.wait(0.2)
            told.append("rested")

        monkeypatch.setattr(world.memory, "rest", rest)
        world.run(world.loop())
        assert entered.wait(PATIENCE_S)
        thread.join(PATIENCE_S)
        assert told == ["rested", "alone"]

    def test_who_has_its_picture_keeps_it(
        self, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def rest() -> None:
            raise RuntimeError("CUDA error: unspecified launch failure")

        monkeypatch.setattr(world.memory, "rest", rest)
        (found,) = world.run(world.loop())
        assert same(found, world.alone(), 0)
        assert "unspecified launch failure" in caplog.text
        with world.stepper.alone():
            pass


@pytest.fixture
def failing(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What the next calls of the UNet raise, one after another; a number: more rows than that are too much memory."""
    world.pipe = load_pipe("fc")
    forward, faults = world.pipe.unet.forward, list[Any]()

    def fail(latents: Any, *args: Any, **knobs: Any) -> Any:
        fault = None if not faults else faults[0] if isinstance(faults[0], int) else faults.pop(0)
        if isinstance(fault, int) and len(latents) > fault:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")
        if isinstance(fault, BaseException):
            raise fault
        return forward(latents, *args, **knobs)

    monkeypatch.setattr(world.pipe.unet, "forward", fail)
    yield faults


class TestFailing:
    def test_one_that_is_cancelled_leaves_the_others(self, world: World) -> None:
        def stop() -> None:
            raise Cancelled("Enough.")

        gone, stays = world.loop(steps=4, callback_on_step_end=at_step(2, stop)), world.loop(seed=6, steps=4)
        with unet_calls(world.pipe) as sizes:
            _, found = world.run(gone, stays)
        assert sizes == [4] * 2 + [2] * 6
        assert isinstance(gone.error, Cancelled)
        assert same(found, world.alone(seed=6, steps=4))

    def test_one_that_cannot_begin_leaves_the_others(self, world: World) -> None:
        wrong, fine = world.loop(steps=0), world.loop()
        _, found = world.run(wrong, fine)
        assert wrong.error is not None and "steps" in str(wrong.error)
        assert same(found, world.alone(), 0)
        with pytest.raises(type(wrong.error)):
            wrong.outcome()

    def test_too_much_together_is_halved_and_remembered_for_a_while(
        self, world: World, failing: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stepping, "_AGAIN", 3)
        failing.append(4)
        for expected in ([8, 4, 4] + [4] * 6, [4] * 8, [4] * 8, [8] * 4):
            with unet_calls(world.pipe) as sizes:
                found = world.run(*(world.loop(seed=seed) for seed in range(4)))
            assert sizes == expected
            if world.stepper._rests == 3:
                failing.clear()
        assert same(found[3], world.alone(seed=3))

    def test_what_is_remembered_keeps_no_models(self, world: World, failing: list[Any]) -> None:
        failing.append(2)
        world.run(world.loop(), world.loop(seed=6))
        assert len(world.stepper._limits) == 1
        world.memory.forget()
        gone = weakref.ref(world.pipe)
        world.pipe = None  # type: ignore[assignment]
        gc.collect()
        assert gone() is None and not world.stepper._limits

    def test_too_much_for_a_compiled_call_is_halved(
        self, world: World, failing: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(torch, "compile", lambda function, **options: function)
        monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "unused")
        compiler = Compiler(tmp_path, hurried=True)
        compiler.settle(world.pipe, Measures())
        failing.append(4)
        with unet_calls(world.pipe) as sizes:
            found = world.run(*(world.loop(seed=seed) for seed in range(4)))
        assert sizes == [8, 8, 4, 4] + [4] * 6, "compiled, plainly, and in halves"
        assert compiler.failure is None and way_of_last_call(world.pipe) == COMPILED
        failing.clear()
        assert same(found[3], world.alone(seed=3))

    def test_too_much_alone_ends_one(self, world: World, failing: list[Any]) -> None:
        failing.append(2)
        large, small = world.loop(number_of_images=2), world.loop(seed=6)
        _, found = world.run(large, small)
        assert isinstance(large.error, OutOfMemory)
        assert same(found, world.alone(seed=6))

    def test_another_error_is_each_ones_own(self, world: World, failing: list[Any]) -> None:
        failing += [RuntimeError("launch failure"), None, RuntimeError("launch failure")]
        loops = [world.loop(seed=seed) for seed in (1, 2, 3, 4)]
        with unet_calls(world.pipe) as sizes:
            found = world.run(*loops)
        assert sizes[:5] == [8, 2, 2, 2, 2]
        assert [type(loop.error) for loop in loops] == [type(None), EngineError, type(None), type(None)]
        assert same(found[3], world.alone(seed=4))

    def test_an_error_of_the_program_is_one_loops(self, world: World) -> None:
        broken, fine = world.loop(callback_on_step_end=at_step(1, lambda: 1 // 0)), world.loop(seed=6)
        _, found = world.run(broken, fine)
        assert isinstance(broken.error, ZeroDivisionError)
        assert same(found, world.alone(seed=6))

    def test_who_leads_may_be_interrupted(self, world: World, failing: list[Any]) -> None:
        late, threads = world.loop(seed=6), list[threading.Thread]()
        failing += [None, None, None, KeyboardInterrupt()]
        first = world.loop(steps=6, callback_on_step_end=at_step(1, lambda: threads.append(world.in_thread(late))))
        with pytest.raises(KeyboardInterrupt):
            world.run(first)
        threads[0].join(PATIENCE_S)
        assert first.ended and first.result is None
        assert same(late.outcome().images, world.alone(seed=6))
        assert world.stepper._going == []
