"""The stage a background is drawn on: the grid, the light's side and colours, and the brushes."""

from __future__ import annotations

import numpy as np

from benchmarks.scenes.lights import Hemisphere, Light, Lights, describe
from benchmarks.scenes.primitives import Array, vector
from benchmarks.scenes.textures import BANK, sample, tile
from benchmarks.scenes.tone import luminance


class Stage:
    """What a backdrop needs to know: the grid, where the light comes from, and its colours."""

    def __init__(self, rng: np.random.Generator, lights: Lights, size: int, split: str) -> None:
        self.rng, self.size, self.split, self.lights = rng, size, split, lights
        middle = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(2 / size) - 1
        self.x, self.y = middle[None, :], -middle[:, None]
        lamps = [light for light in lights if isinstance(light, Light)]
        self.lamps = sorted(lamps, key=lambda light: -light.intensity)
        self.key = self.lamps[0].radiance if self.lamps else vector(0.5, 0.5, 0.5)
        self.fill = sum((light.radiance for light in lights if isinstance(light, Hemisphere)), vector(0, 0, 0))
        truth = describe(lights)
        self.direction = truth.direction
        angle = np.radians(truth.angle if truth.angle is not None else 90.0)
        self.side = (float(np.cos(angle)), float(np.sin(angle)))
        self.sided = truth.direction in ("left", "right", "top", "bottom")
        self.floor = np.zeros((size, size), np.float32)

    def black(self) -> Array:
        """An empty picture."""
        return np.zeros((self.size, self.size, 3), np.float32)

    def ramp(self, least: float = 0.0) -> Array:
        """``[H, W]``: 1 on the lit side falling to ``least``; a glow in the middle for light from behind."""
        if self.direction == "back":
            return least + (1 - least) * np.exp(-1.2 * (self.x**2 + (self.y - 0.2) ** 2))
        if not self.sided:
            return np.float32(least + (1 - least) * 0.6) + 0.1 * self.y + 0 * self.x
        place = 0.5 + 0.5 * (self.x * self.side[0] + self.y * self.side[1])
        return least + (1 - least) * np.clip(place, 0, 1) ** np.float32(1.4)

    def pattern(self, name: str, scale: float = 0.5, stretch: float = 1.0) -> Array:
        """A random tile of a pattern, 0..1, over the frame."""
        u, v = self.rng.uniform(0, 1, 2).astype(np.float32)
        values = tile(name, self.split, int(self.rng.integers(BANK)))
        return sample(
            values, (self.x * np.float32(scale) + u) + 0 * self.y, self.y * np.float32(scale * stretch) + v + 0 * self.x
        )

    def spot(self, x: float, y: float, radius: float) -> Array:
        """A round glow, 1 at its centre."""
        return np.exp(-((self.x - x) ** 2 + (self.y - y) ** 2) / np.float32(radius**2))

    def rectangle(self, left: float, right: float, bottom: float, top: float, soft: float = 0.02) -> Array:
        """Coverage of a rectangle with soft edges."""
        across_ = np.clip(np.minimum(self.x - left, right - self.x) / soft + 0.5, 0, 1)
        return np.asarray(across_ * np.clip(np.minimum(self.y - bottom, top - self.y) / soft + 0.5, 0, 1))

    def towards(self, least: float, most: float) -> tuple[float, float]:
        """A random point on the lit side, ``least``..``most`` from the middle."""
        reach = self.rng.uniform(least, most)
        if self.direction == "back" or not self.sided:
            return float(self.rng.normal(0, 0.25)), float(self.rng.uniform(0.1, 0.5))
        return self.side[0] * reach, float(np.clip(self.side[1] * reach + self.rng.normal(0, 0.1), -0.9, 0.95))

    def tint(self, most: float = 0.35) -> Array:
        """A random, muted paint, ``[3]`` reflectance."""
        shade = self.rng.uniform(0.12, 0.5)
        return np.clip(shade * (1 + self.rng.uniform(-most, most, 3)), 0.03, 0.8).astype(np.float32)


def lit(stage: Stage, paint: Array, least: float = 0.25) -> Array:
    """A wall of ``paint`` ``[3]`` or ``[H, W, 3]`` under the stage's light."""
    ramp = stage.ramp(least)[..., None]
    return paint * (stage.key * ramp * np.float32(0.75) + stage.fill)


def floored(stage: Stage, picture: Array, paint: Array, horizon: float) -> Array:
    """Put a floor below ``horizon`` (y), lit like the wall, and remember where it is."""
    below = np.clip((horizon - stage.y) / np.float32(0.04) + 0.5, 0, 1) + 0 * stage.x
    stage.floor = below.astype(np.float32)
    grain = stage.pattern("streaky", 0.5, 3) * 0.3 + 0.85
    ground = lit(stage, paint * grain[..., None], 0.35)
    return np.asarray(picture + (ground - picture) * below[..., None])


def blurred(picture: Array, radius: int) -> Array:
    """Out of focus: two passes of a box of ``2 radius + 1`` pixels."""
    for _ in range(2 if radius > 0 else 0):
        for axis in (0, 1):
            width = [(0, 0)] * 3
            width[axis] = (radius + 1, radius)
            total = np.cumsum(np.pad(picture, width, mode="edge"), axis=axis, dtype=np.float32)
            span = 2 * radius + 1
            head = np.take(total, range(span, total.shape[axis]), axis=axis)
            picture = (head - np.take(total, range(0, total.shape[axis] - span), axis=axis)) / np.float32(span)
    return picture


def leaning(stage: Stage, radiance: Array) -> Array:
    """Dim the far side until the lit half is clearly the brighter one."""
    if not stage.sided:
        return radiance
    bright = luminance(radiance)
    place = np.clip(stage.x * stage.side[0] + stage.y * stage.side[1], -1, 1)
    for _ in range(4):
        near, far = float(bright[place > 0].mean()), float(bright[place <= 0].mean())
        if near > 1.3 * far:
            break
        factor = 1 + np.float32(0.45) * place
        radiance, bright = radiance * factor[..., None], bright * factor
    return radiance
