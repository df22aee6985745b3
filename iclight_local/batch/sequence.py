"""Frames of a sequence: all from one seed, each finished with the light that it has in the mean of its neighbours.

A frame is finished when the frames that it depends on are sampled. Their lights stay in the ledger, so that a batch
that was stopped goes on as if it had not been.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np
from PIL import Image

from iclight_local.batch.output import Output
from iclight_local.batch.work import Prepared, Ready, Worker, surviving
from iclight_local.engines.base import Engine
from iclight_local.imaging.flicker import flicker
from iclight_local.imaging.light_ratio import LightRatio, light_ratio
from iclight_local.imaging.steadying import Neighbour, Window, steadied
from iclight_local.request import RelightRequest
from iclight_local.result import RelightResult

FRAME_SEED = 12345
"""The seed of all frames where none is named: any would do, as long as it is the same in each run."""
WINDOW = Window()
"""Which frames a frame's light is the mean of."""


class Lights(Protocol):
    """Where the lights of frames are kept, by the frames' numbers; a ledger is one."""

    def frame(self, number: int) -> bytes | None:
        """The light that the model gave a frame, or None where it made none."""
        ...

    def keep_frame(self, number: int, made: bytes) -> None:
        """Keep the light that the model gave a frame."""
        ...

    def keep_steadied(self, number: int, steadied: bytes) -> None:
        """Keep the light of a frame after it was steadied."""
        ...


class FrameWorker(Worker):
    """Carries groups of frames out, in the order of the sequence.

    Args:
        engine: this machine's.
        output: where results go.
        lights: where the frames' lights are kept.
    """

    def __init__(self, engine: Engine, output: Output, lights: Lights) -> None:
        super().__init__(engine, output)
        self._lights = lights
        self._held: deque[Ready] = deque()

    def seed(self, request: RelightRequest, contents: Mapping[str, bytes]) -> int:
        """One for all frames."""
        return FRAME_SEED

    def sampled(self, ready: Ready) -> list[Ready]:
        """The groups whose frames all have their neighbours now."""
        group, rows = ready
        for index, each in enumerate(rows):
            if isinstance(each, Prepared) and each.part.made is not None:
                failed = surviving([each], lambda each=each: self._measure(each))  # type: ignore[misc]
                rows[index] = each if failed is None else failed[0]
        self._held.append((group, rows))
        newest = ready[0].rows[-1].number
        found = []
        while self._held and self._held[0][0].rows[-1].number + WINDOW.radius <= newest:
            found.append(self._held.popleft())
        return found

    def _measure(self, frame: Prepared) -> None:
        seen, matte = frame.part.seen()
        own = light_ratio(seen, np.asarray(frame.part.made[0]), matte)
        self._lights.keep_frame(frame.row.number, own.to_bytes())

    def rest(self) -> list[Ready]:
        """The last frames, which have no neighbours after them."""
        found = list(self._held)
        self._held.clear()
        return found

    def result(self, prepared: Prepared) -> RelightResult:
        """The frame's result, from the model's picture in its steadied light."""
        part, number = prepared.part, prepared.row.number
        own = self._light(number)
        if part.made is None or own is None:
            # It failed, and says so itself.
            return super().result(prepared)
        near = [offset for offset in range(-WINDOW.radius, WINDOW.radius + 1) if offset]
        lights = [(offset, self._light(number + offset)) for offset in near]
        neighbours = [Neighbour(offset, light) for offset, light in lights if light is not None]
        seen, matte = part.seen()
        made = steadied(np.asarray(part.made[0]), matte, own, neighbours, WINDOW)
        part.made = [Image.fromarray(made)]
        self._lights.keep_steadied(number, light_ratio(seen, made, matte).to_bytes())
        result = super().result(prepared)
        told = {"frame": number, "neighbours": [each.offset for each in neighbours], "sigma": WINDOW.sigma}
        return replace(result, record={**result.record, "kind": "frame", "sequence": told})

    def _light(self, number: int) -> LightRatio | None:
        kept = self._lights.frame(number)
        return None if kept is None else LightRatio.from_bytes(kept)


def measured_flicker(lights: Callable[[], Iterator[tuple[int, bytes, bytes]]]) -> tuple[float, float] | None:
    """The flicker of a sequence's light on its subject before and after steadying, EV; None where there is none.

    Args:
        lights: reads each frame's number and its lights, as the model made it and steadied, in the order of the frames.
    """

    def read(which: int) -> Iterator[LightRatio | None]:
        before = None
        for number, *kept in lights():
            if before is not None and number != before + 1:
                yield None
            before = number
            yield LightRatio.from_bytes(kept[which])

    found = flicker(read(0)), flicker(read(1))
    return None if found[0] is None or found[1] is None else (found[0], found[1])
