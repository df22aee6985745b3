"""Scenes rendered once and kept on disk as plain arrays, so that training reads and never waits."""

from __future__ import annotations

import json
import multiprocessing
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.scenes.lights import SIDES, Hemisphere, Light, Lights
from benchmarks.scenes.render import over
from benchmarks.scenes.samples import Sample, expose, lit_again, on_grey, sample
from benchmarks.scenes.tone import LUMINANCE, to_bytes, tone_map
from iclight_local.imaging.lightmap import BACKGROUND_RAMP, light_map
from iclight_local.imaging.matte import NORMALS_SIGMA, composite_on_grey

PICTURES = ("foreground", "target", "background", "other", "other_background", "part", "rest", "input")
"""Pictures of a scene: ``other`` is the subject under a second lighting; ``part`` and ``rest`` share the lights of
``target`` between them, so that in linear light they add up to it."""
SHARD = 64
"""Scenes in one file."""
RAMP_AMBIENT = 0.12
"""Share of the light from all around where a side is asked for."""
DIRECTIONS = 32
"""Directions of an environment of lights."""

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Scenes:
    """A folder of rendered scenes of one size."""

    folder: Path

    @cached_property
    def shards(self) -> list[Path]:
        """The shards that are complete, in order."""
        return sorted(self.folder.glob("*.json"))

    @cached_property
    def facts(self) -> list[dict[str, Any]]:
        """One record for each scene: texts, ramps, environments."""
        return [fact for shard in self.shards for fact in json.loads(shard.read_text())]

    def pictures(self, name: str) -> list[Bytes]:
        """One memory-mapped array ``[n, S, S, 3]`` for each shard."""
        return [np.load(shard.with_name(f"{shard.stem}.{name}.npy"), mmap_mode="r") for shard in self.shards]

    def mattes(self) -> list[Bytes]:
        """One memory-mapped array ``[n, S, S]`` for each shard."""
        return self.pictures("matte")


@dataclass(frozen=True)
class Order:
    """What to render.

    Attributes:
        count: scenes; rounded up to whole shards.
        size: pixels of a side.
        first: seed of the first.
        split: ``train``, or ``test`` for scenes that training never sees.
        ramped: subjects lit from one side before the light map of that side, in place of whole scenes.
        shard: scenes in one file.
    """

    count: int
    size: int
    first: int = 0
    split: str = "train"
    ramped: bool = False
    shard: int = SHARD


def render(folder: Path, order: Order) -> Scenes:
    """Render scenes on all cores; shards that are there are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    starts = range(order.first, order.first + order.count, order.shard)
    work = [(folder, start, order) for start in starts if not (folder / f"{start:07d}.json").exists()]
    if work:
        with multiprocessing.get_context("spawn").Pool(min(os.cpu_count() or 1, len(work))) as pool:
            for _ in pool.imap_unordered(_shard, work):
                pass
    return Scenes(folder)


def _shard(work: tuple[Path, int, Order]) -> None:
    folder, start, order = work
    draw = ramped_scene if order.ramped else whole_scene
    drawn = [draw(seed, order.size, order.split) for seed in range(start, start + order.shard)]
    for name in drawn[0].pictures:
        np.save(folder / f"{start:07d}.{name}.npy", np.stack([one.pictures[name] for one in drawn]))
    # Written last and renamed: a shard whose record is there is whole.
    record = folder / f"{start:07d}.json"
    record.with_suffix(".tmp").write_text(json.dumps([one.facts for one in drawn]))
    record.with_suffix(".tmp").rename(record)


@dataclass(frozen=True)
class Drawn:
    """One scene: its pictures (``matte`` too) as bytes, and the facts about them."""

    pictures: dict[str, Bytes]
    facts: dict[str, Any]


def whole_scene(seed: int, size: int, split: str) -> Drawn:
    """A scene with the pictures of ``PICTURES``."""
    first = sample(seed, size, split)
    second = lit_again(first, 1)
    share = np.random.default_rng([seed, 7]).beta(0.5, 0.5, len(first.lights))
    part = tuple(light.dimmed(float(s)) for light, s in zip(first.lights, share, strict=True))
    rest = tuple(light.dimmed(float(1 - s)) for light, s in zip(first.lights, share, strict=True))
    pictures = {
        "foreground": on_grey(first.input, first.matte),
        "target": first.target,
        "background": first.background,
        "other": second.target,
        "other_background": second.background,
        "part": under_part(first, part),
        "rest": under_part(first, rest),
        "input": first.input,
        "matte": to_bytes(first.matte),
    }
    facts = {
        "seed": seed,
        "exposure": first.exposure,
        "target": _facts(first, first.lights),
        "other": _facts(second, second.lights),
        "part": environment(part, first.exposure).round(4).tolist(),
        "rest": environment(rest, first.exposure).round(4).tolist(),
    }
    return Drawn(pictures, facts)


def ramped_scene(seed: int, size: int, split: str) -> Drawn:
    """A subject as photographed (``foreground``) and lit from one side before the light map of that side (``target``).

    A wall of light somewhat before the subject, and a little light from all around: of the lights tried, the one from
    which the four-light method gets the truest normals (5 degrees off in the median, on true renders at 128 pixels).
    The exposure is that of the subject in even light, so that four sides have one mean.
    """
    first = sample(seed, size, split)
    side = SIDES[int(np.random.default_rng([seed, 5]).integers(len(SIDES)))]
    azimuth, elevation = {"left": (-65, 0), "right": (65, 0), "top": (0, 65), "bottom": (0, -65)}[side]
    around = (RAMP_AMBIENT,) * 3
    lights = (Light(azimuth, elevation, intensity=1 - RAMP_AMBIENT, softness=1.0), Hemisphere(around, around))
    even = first.scene.relight((Hemisphere((1.0,) * 3, (1.0,) * 3),))
    exposure = 2 * expose(even, first.scene, 0.25)
    ramp = light_map(side, size, size, BACKGROUND_RAMP)
    lit = to_bytes(tone_map(first.scene.relight(lights), exposure)).astype(np.float32)
    target = over(lit, first.matte, ramp.astype(np.float32))
    lifted = NORMALS_SIGMA if seed % 2 else 0.0
    foreground = composite_on_grey(first.input, first.matte, lifted)
    return Drawn(
        {"foreground": foreground, "target": target.astype(np.uint8), "matte": to_bytes(first.matte)},
        {"seed": seed, "side": side},
    )


def _facts(which: Sample, lights: Lights) -> dict[str, Any]:
    return {
        "prompt": which.prompt.text,
        "ramp": which.ramp,
        "environment": environment(lights, which.exposure).round(4).tolist(),
    }


def under_part(which: Sample, lights: Lights) -> Bytes:
    """The sample under a part of its lights, its background dimmed by as much; the parts of a whole add up to it."""
    whole = sum(float(light.radiance @ LUMINANCE) for light in which.lights)
    share = sum(float(light.radiance @ LUMINANCE) for light in lights) / whole
    picture = over(which.scene.relight(lights), which.matte, which.backdrop.radiance * np.float32(share))
    return to_bytes(tone_map(picture, which.exposure))


def environment(lights: Lights, exposure: float) -> NDArray[np.float32]:
    """Lights as exposed radiance from ``DIRECTIONS`` directions, ``[D, 3]``; linear in the lights.

    The directions are a Fibonacci lattice; a lamp spreads over its neighbours, wider where it is softer.
    """
    index = np.arange(DIRECTIONS) + 0.5
    y = 1 - 2 * index / DIRECTIONS
    turn = np.pi * (1 + 5**0.5) * index
    flat = np.sqrt(1 - y * y)
    towards = np.stack([np.cos(turn) * flat, y, np.sin(turn) * flat], -1)
    total = np.zeros((DIRECTIONS, 3))
    for light in lights:
        if isinstance(light, Hemisphere):
            up = (y[:, None] + 1) / 2
            total += (np.asarray(light.sky) * up + np.asarray(light.ground) * (1 - up)) / DIRECTIONS
        elif isinstance(light, Light):
            near = np.exp((towards @ light.direction - 1) * (12 - 9 * light.softness))
            total += near[:, None] / near.sum() * light.radiance
    return np.asarray(total * exposure, np.float32)
