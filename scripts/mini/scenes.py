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

from benchmarks.scenes.lights import Hemisphere, Light, Lights
from benchmarks.scenes.render import over
from benchmarks.scenes.samples import Sample, lit_again, on_grey, sample
from benchmarks.scenes.tone import LUMINANCE, to_bytes, tone_map

PICTURES = ("foreground", "target", "background", "other", "other_background", "part", "rest", "input")
"""Pictures of a scene: ``other`` is the subject under a second lighting; ``part`` and ``rest`` share the lights of
``target`` between them, so that in linear light they add up to it."""
SHARD = 64
"""Scenes in one file."""
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


def render(folder: Path, count: int, size: int, first: int = 0) -> Scenes:
    """Render ``count`` scenes (rounded up to whole shards) on all cores; shards that are there are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    starts = range(first, first + count, SHARD)
    work = [(folder, start, size) for start in starts if not (folder / f"{start:07d}.json").exists()]
    if work:
        with multiprocessing.get_context("spawn").Pool(min(os.cpu_count() or 1, len(work))) as pool:
            for _ in pool.imap_unordered(_shard, work):
                pass
    return Scenes(folder)


def _shard(work: tuple[Path, int, int]) -> None:
    folder, start, size = work
    pictures = {name: np.zeros((SHARD, size, size, 3), np.uint8) for name in PICTURES}
    mattes, facts = np.zeros((SHARD, size, size), np.uint8), []
    for index in range(SHARD):
        shown, fact, matte = _scene(start + index, size)
        for name, picture in shown.items():
            pictures[name][index] = picture
        mattes[index] = (matte * 255 + 0.5).astype(np.uint8)
        facts.append(fact)
    for name, array in {**pictures, "matte": mattes}.items():
        np.save(folder / f"{start:07d}.{name}.npy", array)
    # Written last and renamed: a shard whose record is there is whole.
    record = folder / f"{start:07d}.json"
    record.with_suffix(".tmp").write_text(json.dumps(facts))
    record.with_suffix(".tmp").rename(record)


def _scene(seed: int, size: int) -> tuple[dict[str, Bytes], dict[str, Any], NDArray[np.float32]]:
    first = sample(seed, size)
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
    }
    facts = {
        "seed": seed,
        "target": _facts(first, first.lights),
        "other": _facts(second, second.lights),
        "part": environment(part, first.exposure).round(4).tolist(),
        "rest": environment(rest, first.exposure).round(4).tolist(),
    }
    return pictures, facts, first.matte


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
