"""A stepper and loops for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from golden_pictures import SMALL

from iclight_local.imaging.fit import UInt8Array
from iclight_local.pipelines.iclight import ICLightPipeline
from iclight_local.pipelines.loops import Loop, Settle
from iclight_local.pipelines.memory import Work
from iclight_local.pipelines.offloading import CardMemory
from iclight_local.pipelines.placement import choose_placement
from iclight_local.pipelines.stepping import Stepper

PATIENCE_S = 30
KNOBS = {**SMALL, "height": 64, "highres_scale": 1, "highres_denoise": 1.0}
"""Both passes are of one size; a loop of n steps makes 2n calls of two rows."""


class World:
    """A stepper, and loops for it."""

    def __init__(self, pipe: ICLightPipeline, foreground: UInt8Array) -> None:
        self.pipe, self.foreground = pipe, foreground
        self.memory = CardMemory(choose_placement("cpu"), "auto")
        self.stepper = Stepper(self.memory, lambda: None)

    def loop(self, **knobs: Any) -> Loop[Any]:
        pipe = knobs.pop("pipe", self.pipe)
        work = knobs.pop("work", Work(64 * 64, 1, guided=True))

        def begin(settle: Settle) -> Any:
            settle()
            return pipe.steps(self.foreground, **{**KNOBS, **knobs})

        return Loop(pipe, work, begin)

    def alone(self, **knobs: Any) -> Any:
        return self.pipe(self.foreground, **{**KNOBS, **knobs}).images

    def run(self, *loops: Loop[Any]) -> list[Any]:
        self.stepper.run(loops)
        return [None if loop.error is not None else loop.outcome().images for loop in loops]

    def in_thread(self, loop: Loop[Any]) -> threading.Thread:
        """Run a loop in a thread of its own; it waits in the queue when this returns."""
        thread = threading.Thread(target=self.stepper.run, args=([loop],))
        thread.start()
        deadline = time.monotonic() + PATIENCE_S
        while loop not in self.stepper._queue:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        return thread


def same(found: Any, expected: Any, levels: float = 1) -> bool:
    pairs = zip(found, expected, strict=True)
    return all(np.abs(one - other).max() * 255 <= levels for one, other in pairs)


def at_step(step: int, act: Callable[[], Any]) -> Callable[..., dict[str, Any]]:
    def callback(pipe: Any, index: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        if index + 1 == step:
            act()
        return tensors

    return callback
