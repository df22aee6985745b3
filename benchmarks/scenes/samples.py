"""One training sample, or one case of a test: everything known about a relit picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.scenes.backgrounds import BACKDROPS, Background, draw_background
from benchmarks.scenes.lights import SIDES, Gobo, Hemisphere, Light, Lights
from benchmarks.scenes.primitives import Array
from benchmarks.scenes.prompts import Lighting, Prompt, draw_lighting, sample_prompt
from benchmarks.scenes.render import Scene, draw_scene, over
from benchmarks.scenes.tone import luminance, to_bytes, tone_map

Bytes = NDArray[np.uint8]

SPLITS = {"train": 1, "test": 2}
"""Splits and the number that opens their random streams: no stream of one can be a stream of the other."""

GREY = 127
"""What stands behind a foreground, as in the original."""


@dataclass(frozen=True)
class Sample:
    """A subject under two lights.

    Pictures are sRGB bytes ``[S, S, 3]``:
        ``input`` under a random other light on its own background; ``foreground`` the input's subject on grey 127;
        ``target`` relit, on a background that fits; ``background`` the target's background without the subject.
    Truth: ``matte`` ``[S, S]`` 0..1, ``albedo`` and ``normal`` of ``scene``, ``lights`` (linear), ``exposure`` with
    which ``tone_map(radiance, exposure)`` is ``target``, ``prompt`` with its direction and temperature.
    ``ramp``: left, right, top, bottom or none: the initial light map that would ask for this target.
    """

    seed: int
    split: str
    scene: Scene
    input: Bytes
    foreground: Bytes
    target: Bytes
    background: Bytes
    prompt: Prompt
    ramp: str
    lighting: Lighting
    exposure: float
    backdrop: Background

    @property
    def matte(self) -> Array:
        """Coverage ``[S, S]``, 0..1."""
        return self.scene.matte

    @property
    def albedo(self) -> Array:
        """Linear ``[S, S, 3]``, 0..1."""
        return self.scene.albedo

    @property
    def normal(self) -> Array:
        """Unit vectors ``[S, S, 3]``: x right, y up, z to the viewer."""
        return self.scene.normal

    @property
    def lights(self) -> Lights:
        """The target's lights."""
        return self.lighting.lights

    def relit(self, lights: Lights) -> Bytes:
        """The subject under other lights, on the target's background and with its exposure."""
        picture = over(self.scene.relight(lights), self.matte, self.backdrop.radiance)
        return to_bytes(tone_map(picture, self.exposure))


def stream(seed: int, split: str) -> np.random.Generator:
    """The random stream of a sample.

    Raises:
        ValueError: unknown split, or a negative seed.
    """
    if split not in SPLITS or seed < 0:
        raise ValueError(f"No seed {seed} in split {split!r}; splits are {', '.join(SPLITS)}, seeds start at 0.")
    return np.random.default_rng([seed, SPLITS[split]])


def sample(seed: int, size: int, split: str = "train") -> Sample:
    """The sample of a seed, ``size`` x ``size`` pixels; the same on every call."""
    rng = stream(seed, split)
    scene = draw_scene(rng, size, split)
    lit = _light(rng, scene, split)
    original = _input(rng, scene, split)
    return Sample(seed=seed, split=split, scene=scene, input=original, foreground=on_grey(original, scene.matte), **lit)


def lit_again(first: Sample, number: int) -> Sample:
    """The same subject, photographed the same way, under the ``number``-th (1, 2, ...) other lighting."""
    rng = np.random.default_rng([first.seed, SPLITS[first.split], number])
    return replace(first, **_light(rng, first.scene, first.split))


def _light(rng: np.random.Generator, scene: Scene, split: str) -> dict[str, Any]:
    """Everything about a sample that its lighting decides."""
    lighting = draw_lighting(rng)
    name = lighting.term("scene")
    backdrop = draw_background(lighting.backdrop, rng, lighting.lights, scene.size, name, split)
    front = scene.relight(lighting.lights)
    exposure = expose(front, scene, lighting.level)
    ground = backdrop.radiance * (1 - cast_shadow(scene, backdrop))[..., None]
    prompt = sample_prompt(rng, lighting, backdrop, scene.words)
    return {
        "target": to_bytes(tone_map(over(front, scene.matte, ground), exposure)),
        "background": to_bytes(tone_map(backdrop.radiance, exposure)),
        "prompt": prompt,
        "ramp": prompt.direction if prompt.direction in SIDES else "none",
        "lighting": lighting,
        "exposure": exposure,
        "backdrop": backdrop,
    }


def expose(front: Array, scene: Scene, level: float) -> float:
    """The exposure at which the subject's mean luminance is about ``level``; dark things stay darker."""
    weight = scene.matte / scene.matte.sum()
    bright = float((luminance(front) * weight).sum())
    paint = float((luminance(scene.albedo) * weight).sum())
    return level / max(bright, 1e-4) * float(np.clip(np.sqrt(paint / 0.22), 0.5, 1.5))


def on_grey(picture: Bytes, matte: Array) -> Bytes:
    """The subject on grey 127, as the original's demos prepare it: ``127 + (picture - 127) * matte``."""
    mixed = GREY + (picture.astype(np.float32) - GREY) * matte[..., None]
    return (mixed + 0.5).astype(np.uint8)


def cast_shadow(scene: Scene, backdrop: Background) -> Array:
    """Share 0..1 of the light that the subject takes from the floor, ``[S, S]``: a contact patch and a cast shadow.

    The floor is seen at a low angle, so the shadow is the matte laid flat: squashed in y, slanted away from the lamp.
    """
    shade = np.zeros_like(scene.matte)
    lamps = [light for light in backdrop.lights if isinstance(light, Light)]
    rows = np.flatnonzero(scene.matte.max(1) > 0.5)
    if not scene.stands or not backdrop.floor.any() or not lamps or len(rows) == 0:
        return shade
    foot, size = int(rows[-1]), scene.size
    y, x = np.mgrid[:size, :size].astype(np.float32)
    power = sum(lamp.intensity for lamp in lamps)
    for lamp in lamps:
        direction = lamp.direction
        if direction[1] < 0.05:
            continue
        away = float(np.clip(-direction[0] / direction[1], -2.5, 2.5))
        flat = 0.22 + 0.2 * abs(float(direction[2]))
        high = np.abs(foot - y) / flat * np.where((y - foot) * direction[2] <= 0, 1, 1.6)
        column = (x - away * high * 0.8).astype(np.int32)
        row = (foot - high).astype(np.int32)
        known = (column >= 0) & (column < size) & (row >= 0)
        dark = np.where(known, scene.matte[np.maximum(row, 0), np.clip(column, 0, size - 1)], 0)
        shade += dark * np.exp(-high / (0.5 * size)) * np.float32(0.75 * lamp.intensity / power)
    span = np.flatnonzero(scene.matte[max(foot - size // 24, 0) : foot + 1].max(0) > 0.5)
    if len(span) > 0:
        middle, half = (span[0] + span[-1]) / 2, (span[-1] - span[0]) / 2 + size / 32
        patch = np.exp(-(((x - middle) / half) ** 2) * 1.5 - ((y - foot + 1) / (size / 28)) ** 2)
        shade = np.maximum(shade, np.float32(0.7) * patch)
    return (shade * backdrop.floor).astype(np.float32)


def _input(rng: np.random.Generator, scene: Scene, split: str) -> Bytes:
    """The subject as it was photographed: any light, any background, a camera's faults."""
    lights = _any_lights(rng)
    front = scene.relight(lights)
    kind = str(rng.choice(["clutter", "outdoors", "room", "gradient", *BACKDROPS]))
    behind = draw_background(kind, rng, lights, scene.size, "", split)
    linear = over(front, scene.matte, behind.radiance)
    exposure = expose(front, scene, rng.uniform(0.14, 0.34))
    balance = np.exp(rng.normal(0, 0.1, 3)).astype(np.float32)
    picture = tone_map(linear * balance, exposure)
    grey = picture.mean(-1, keepdims=True)
    picture = grey + (picture - grey) * np.float32(rng.uniform(0.75, 1.15))
    contrast = np.float32(rng.uniform(0.8, 1.1))
    picture = 0.45 + (picture - 0.45) * contrast
    picture += rng.standard_normal(picture.shape).astype(np.float32) * np.float32(rng.uniform(0, 0.012))
    return to_bytes(picture)


def _any_lights(rng: np.random.Generator) -> Lights:
    """Mostly the flat light of ordinary photographs, else any lighting of the grammar."""
    if rng.random() < 0.5:
        return draw_lighting(rng).lights
    share = rng.uniform(0.35, 0.75)
    key = Light(rng.uniform(-80, 80), rng.uniform(5, 60), (1.0, 1.0, 1.0), 1 - share, rng.uniform(0.3, 1))
    if rng.random() < 0.15:
        key = Light(key.azimuth, key.elevation, key.colour, key.intensity, 0.1, Gobo("leaves", rng.uniform(1, 2)))
    return (key, Hemisphere((share * 1.15,) * 3, (share * 0.85,) * 3))
