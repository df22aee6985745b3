"""Sequences whose steady light is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from PIL import Image

from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.imaging.light_ratio import LightRatio, light_ratio
from iclight_local.imaging.linear import luminance, to_linear, to_srgb
from iclight_local.imaging.steadying import Neighbour, Window, steadied

SIDE = 96
Y, X = np.mgrid[:SIDE, :SIDE].astype(np.float32)
LAMP = (1.6 - 1.2 * X / SIDE)[..., None]
"""A fixed light from the left."""


@dataclass(frozen=True)
class Frame:
    """Original, relit picture and matte."""

    seen: UInt8Array
    made: UInt8Array
    matte: FloatArray

    @cached_property
    def light(self) -> LightRatio:
        return light_ratio(self.seen, self.made, self.matte)


def painted(seed: int = 0) -> FloatArray:
    """Blotches of paint with fine grain, linear."""
    rng = np.random.default_rng(seed)
    blotches = Image.fromarray(rng.integers(40, 200, (9, 9, 3), dtype=np.uint8))
    smooth = to_linear(np.asarray(blotches.resize((SIDE, SIDE), Image.Resampling.BICUBIC)))
    return smooth * rng.uniform(0.7, 1.0, (SIDE, SIDE, 1)).astype(np.float32) * np.float32(0.5)


def disc(middle: float = SIDE / 2, radius: float = 28.0) -> FloatArray:
    return np.clip(radius + 0.5 - np.hypot(X - middle, Y - SIDE / 2), 0, 1).astype(np.float32)


def flickering(count: int, seed: int = 0) -> FloatArray:
    """Factors of red, green and blue by chance: up to 0.3 stops up or down, and a tint."""
    rng = np.random.default_rng(seed)
    return (2 ** rng.uniform(-0.3, 0.3, (count, 1)) * np.exp(rng.normal(0, 0.05, (count, 3)))).astype(np.float32)


def still(factors: FloatArray, paint: FloatArray | None = None) -> list[Frame]:
    """A still subject before a still background, one frame for each factor (n, or n x 3)."""
    paint = painted() if paint is None else paint
    return [Frame(to_srgb(paint), to_srgb(paint * LAMP * factor), disc()) for factor in factors]


def moving(factors: FloatArray, pace: float = 3.0) -> list[Frame]:
    """A disc that goes to the right under the fixed light; the light on the grey background does not flicker."""
    frames = []
    for index, factor in enumerate(factors):
        matte = disc(14 + pace * index, 20)
        paint, cover = np.roll(painted(), round(pace * index), 1), matte[..., None]
        seen = to_srgb(cover * paint + (1 - cover) * np.float32(0.2))
        frames.append(Frame(seen, to_srgb(cover * paint * LAMP * factor + (1 - cover) * np.float32(0.1)), matte))
    return frames


def made_steady(frames: Sequence[Frame], window: Window | None = None) -> list[Frame]:
    lights, window = [frame.light for frame in frames], Window() if window is None else window
    return [
        replace(frame, made=steadied(frame.made, frame.matte, lights[t], around(lights, t), window))
        for t, frame in enumerate(frames)
    ]


def around(lights: Sequence[LightRatio], t: int) -> list[Neighbour]:
    """All other frames, as seen from frame ``t``."""
    return [Neighbour(other - t, light) for other, light in enumerate(lights) if other != t]


def brightness(frames: Sequence[Frame]) -> FloatArray:
    """Mean luminance of each relit picture."""
    return np.array([luminance(to_linear(frame.made)).mean() for frame in frames], np.float32)


def error(frames: Sequence[Frame], truth: Sequence[Frame]) -> FloatArray:
    """Mean difference of each relit subject from the true one, in grey levels."""
    away = [np.abs(one.made.astype(float) - other.made).mean(-1) for one, other in zip(frames, truth, strict=True)]
    return np.array([each[frame.matte > 0].mean() for each, frame in zip(away, frames, strict=True)], np.float32)


def farthest(frames: Sequence[Frame], truth: Sequence[Frame]) -> int:
    """The largest difference of any value, in grey levels."""
    return max(int(np.abs(a.made.astype(int) - b.made).max()) for a, b in zip(frames, truth, strict=True))
