"""Many loops at once: each gives the picture that it gives alone."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from golden_pictures import unet_calls
from stepped import PATIENCE_S, World, at_step, same

from iclight_local.imaging.fit import UInt8Array
from iclight_local.pipelines.iclight import ICLightPipeline
from iclight_local.pipelines.memory import Work

LONG = "long words " * 18
DIFFERENT: list[dict[str, Any]] = [
    {},
    {"steps": 5, "seed": 4},
    {"steps": 3, "seed": 5, "light_source": "left", "lowres_denoise": 0.6, "highres_denoise": 0.5},
    {"seed": 6, "cfg": 1},
    {"seed": 7, "cfg": 4, "prompt": "sunset over sea", "negative_prompt": "dull"},
    {"seed": 8, "number_of_images": 2},
    {"seed": 9, "prompt": LONG},
    {"seed": 10, "height": 128},
    {"seed": 11, "cache_interval": 2},
    {"seed": 12, "cache_interval": 2, "steps": 3, "cfg_until": 0.5},
    {"seed": 13, "cfg_until": 0.5},
]


@pytest.fixture
def world(fc: ICLightPipeline, foreground: UInt8Array) -> World:
    return World(fc, foreground)


def runs(sizes: list[int]) -> list[int]:
    """A list without repetitions."""
    return [size for size, _ in itertools.groupby(sizes)]


class TestSharing:
    def test_each_is_as_it_is_alone(self, world: World) -> None:
        expected = []
        with unet_calls(world.pipe) as apart:
            expected = [world.alone(**knobs) for knobs in DIFFERENT]
        with unet_calls(world.pipe) as together:
            found = world.run(*(world.loop(**knobs) for knobs in DIFFERENT))
        assert [same(one, other) for one, other in zip(found, expected, strict=True)] == [True] * len(DIFFERENT)
        assert sum(together) == sum(apart), "no row is predicted twice"
        assert (len(together), len(apart)) == (23, 44), "of the plain kind"
        assert max(together) == 8

    def test_a_lone_loop_is_bit_for_bit_a_call(self, world: World) -> None:
        (found,) = world.run(world.loop(light_source="left"))
        assert same(found, world.alone(light_source="left"), 0)

    def test_calls_have_a_power_of_two_of_rows(self, world: World) -> None:
        with unet_calls(world.pipe) as sizes:
            found = world.run(*(world.loop(seed=seed, steps=3) for seed in range(3)))
        assert sizes == [4] * 9, "and nobody is left behind"
        assert same(found[2], world.alone(seed=2, steps=3))

    def test_what_is_large_is_not_shared_on_the_cpu(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("iclight_local.pipelines.offloading.SHARED_ON_THE_CPU", 64 * 1664 - 1)
        with unet_calls(world.pipe) as sizes:
            world.run(world.loop(), world.loop())
        assert sizes == [2] * 8

    def test_a_run_for_itself_is_the_same_each_time(self, world: World) -> None:
        found = []
        for _ in range(2):
            with unet_calls(world.pipe) as sizes:
                found.append((world.run(*(world.loop(**knobs) for knobs in DIFFERENT)), sizes))
        (one, calls), (other, others) = found
        assert calls == others
        assert all(same(a, b, 0) for a, b in zip(one, other, strict=True))

    def test_what_cannot_share_takes_turns(self, world: World, fbc: ICLightPipeline) -> None:
        seen: list[tuple[int, int]] = []

        def note(module: Any, args: Any) -> None:
            seen.append((args[0].shape[1], args[0].shape[2]))

        hooks = [pipe.unet.register_forward_pre_hook(note) for pipe in (world.pipe, fbc)]
        world.run(world.loop(), world.loop(height=128), world.loop(pipe=fbc, light_source="left"))
        for hook in hooks:
            hook.remove()
        assert seen == [(8, 8), (8, 16), (12, 8)] * 4


class TestComing:
    def test_one_joins_in_the_middle_and_leaves(self, world: World) -> None:
        late, threads = world.loop(seed=6), list[threading.Thread]()
        first = world.loop(steps=6, callback_on_step_end=at_step(2, lambda: threads.append(world.in_thread(late))))
        with unet_calls(world.pipe) as sizes:
            (found,) = world.run(first)
        threads[0].join(PATIENCE_S)
        assert sizes == [2] * 2 + [4] * 4 + [2] * 6
        assert same(found, world.alone(steps=6))
        assert same(late.outcome().images, world.alone(seed=6))

    def test_who_leads_hands_over(self, world: World) -> None:
        late, threads = world.loop(steps=6), list[threading.Thread]()
        first = world.loop(seed=6, callback_on_step_end=at_step(1, lambda: threads.append(world.in_thread(late))))
        (found,) = world.run(first)
        assert not late.ended, "nobody waits for another's loop"
        threads[0].join(PATIENCE_S)
        assert same(found, world.alone(seed=6))
        assert same(late.outcome().images, world.alone(steps=6))

    def test_from_many_threads(self, world: World) -> None:
        with unet_calls(world.pipe) as sizes, ThreadPoolExecutor(6) as pool:
            found = list(pool.map(lambda seed: world.run(world.loop(seed=seed, steps=4))[0], range(6)))
        assert sum(sizes) == 6 * 16
        assert all(same(each, world.alone(seed=seed, steps=4)) for seed, each in enumerate(found))

    def test_nobody_overtakes_who_has_to_wait(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """As on a card, where other measures change what runs."""
        monkeypatch.setattr(
            world.memory, "goes_beside", lambda pipe, work, going: all(other == work for _, other in going)
        )
        began: list[int] = []
        other = Work(128 * 128, 1, guided=True)
        loops = [
            world.loop(steps=1 + number, work=work, callback_on_step_end=at_step(1, lambda n=number: began.append(n)))
            for number, work in enumerate((None, None, other, None))
            for work in [Work(64 * 64, 1, guided=True) if work is None else work]
        ]
        with unet_calls(world.pipe) as sizes:
            world.run(*loops)
        assert began == [0, 1, 2, 3]
        assert runs(sizes) == [4, 2], "the third and the fourth alone"

    def test_alone_waits_and_is_waited_for(self, world: World) -> None:
        told: list[str] = []
        entered, leave = threading.Event(), threading.Event()

        def alone() -> None:
            with world.stepper.alone():
                told.append("alone")
                entered.set()
                assert leave.wait(PATIENCE_S)

        thread = threading.Thread(target=alone)

        def come() -> None:
            thread.start()
            while not world.stepper._queue:
                time.sleep(0.001)
            told.append("came")

        world.run(world.loop(callback_on_step_end=at_step(1, come)))
        told.append("ended")
        assert entered.wait(PATIENCE_S)
        waiting = world.in_thread(world.loop(callback_on_step_end=at_step(1, lambda: told.append("later"))))
        time.sleep(0.05)
        assert told == ["came", "ended", "alone"]
        leave.set()
        waiting.join(PATIENCE_S)
        thread.join(PATIENCE_S)
        assert told[-1] == "later"
