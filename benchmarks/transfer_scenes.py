"""The scenes of the transfer's benchmark: subjects under two lights at full size, with fine paint or as they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.scenes import (
    Hemisphere,
    Light,
    Scene,
    draw_background,
    draw_lighting,
    draw_scene,
    expose,
    over,
    stream,
    to_bytes,
    tone_map,
)
from benchmarks.scenes.primitives import Array
from benchmarks.scenes.samples import Bytes
from benchmarks.scenes.textures import noise
from iclight_local.imaging.fit import resize

KINDS = ("painted", "unmodified")
PRINT = 12
"""Pixels from the line to the top of a letter such as d; a capital has 11, an x 9."""
POINTS = 16
"""Size at which Pillow's own font is as high as that."""
_WORDS = "light matte gain Studio NET WEIGHT 250 g shake well before use keep dry No. 4711 fine print batch 0815"


@dataclass(frozen=True)
class Carrying:
    """Everything that decides what is measured.

    Attributes:
        scenes: scenes, each of them painted and unmodified.
        first: seed of the first scene.
        size: side in pixels of the originals.
        small: side in pixels of the relit pictures.
        megapixels: sizes of the pictures whose cost is measured, 3:2.
        runs: of each size, each in a process of its own.
    """

    scenes: int = 12
    first: int = 0
    size: int = 2048
    small: int = 512
    megapixels: tuple[float, ...] = (6, 12, 24)
    runs: int = 3


@dataclass(frozen=True)
class Case:
    """One subject under two lights; pictures are sRGB bytes, truth is in front of the original's background."""

    original: Bytes
    truth: Bytes
    relit: Bytes
    matte: Array
    words: str


def cases(seed: int, size: int, small: int) -> Iterator[tuple[str, Case]]:
    """The scene of a seed, painted and unmodified, under the same two lights.

    Args:
        seed: of the split "test".
        size: side in pixels of the original and the truth.
        small: side in pixels of the relit picture.
    """
    rng = stream(seed, "test")
    scene = draw_scene(rng, size, "test")
    lighting = draw_lighting(rng)
    fill = rng.uniform(0.35, 0.75)
    key = Light(rng.uniform(-80, 80), rng.uniform(5, 60), (1.0, 1.0, 1.0), 1 - fill, rng.uniform(0.3, 1))
    own = (key, Hemisphere((fill * 1.15,) * 3, (fill * 0.85,) * 3))
    level = rng.uniform(0.14, 0.34)
    behind = draw_background("clutter", rng, own, size, "", "test").radiance
    scenery = draw_background(lighting.backdrop, rng, lighting.lights, size, "", "test").radiance
    for kind in KINDS:
        subject = painted(scene, seed) if kind == "painted" else scene
        front, lit = subject.relight(own), subject.relight(lighting.lights)
        exposure, lit_exposure = expose(front, subject, level), expose(lit, subject, lighting.level)
        behind_it = tone_map(behind, exposure)
        relit = to_bytes(tone_map(over(lit, subject.matte, scenery), lit_exposure))
        yield (
            kind,
            Case(
                original=to_bytes(tone_map(over(front, subject.matte, behind), exposure)),
                truth=to_bytes(over(tone_map(lit, lit_exposure), subject.matte, behind_it)),
                relit=resize(relit, small, small),
                matte=subject.matte,
                words=scene.words,
            ),
        )


def painted(scene: Scene, seed: int) -> Scene:
    """The scene with fine paint in the place of relief: grain of every size, and lines of print."""
    rng = np.random.default_rng(seed)
    paint = (0.6 + 0.8 * noise(rng, scene.size, 0.35)) * (1 - 0.8 * _print(rng, scene.size))
    albedo = np.where(scene.matte[..., None] > 0, np.clip(scene.albedo * paint[..., None], 0.01, 0.95), 0)
    appearance = replace(scene.appearance, albedo=albedo.astype(np.float32))
    return replace(scene, appearance=appearance, normal=scene.surface.normal)


def _print(rng: np.random.Generator, size: int) -> Array:
    """Ink 0..1 of lines of words whose letters are ``PRINT`` pixels high."""
    page = Image.new("L", (size, size), 0)
    pen = ImageDraw.Draw(page)
    font = ImageFont.load_default(POINTS)
    top = int(rng.integers(0, 2 * PRINT))
    while top < size:
        pen.text((int(rng.integers(-200, 0)), top), " ".join(rng.choice(_WORDS.split(), 60)), fill=255, font=font)
        top += int(PRINT * rng.choice([1.8, 2.2, 6]))
    return np.asarray(page, np.float32) / 255
