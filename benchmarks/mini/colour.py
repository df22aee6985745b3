"""Whether words of colour move the subject's colour the asked way.

Each scene is compared with itself under :data:`NATURAL`, made from the same noise. Warm and sunset: ``warmth``, the
logarithm of red to blue in the subject's mean linear colour, is higher. Cool: it is lower. Neon may be of any hue, so
the *chroma of the mean light* is higher: the subject's mean linear colour is divided by its mean albedo, and the chroma
is 1 - smallest / largest channel of that (0 white .. 1 pure).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.mini.figures import Line, linear, median, outcome, share
from benchmarks.mini.relight import Ask
from benchmarks.mini.run import Run
from benchmarks.scenes import Sample, warmth
from benchmarks.scenes.primitives import Array
from benchmarks.scenes.samples import Bytes

NATURAL = "natural lighting"
WORDS = {"warm": "warm light", "sunset": "sunset over sea", "cool": "cool light", "neon": "neon light, city"}
LEAST = 0.95


def measure(run: Run) -> dict[str, Any]:
    """Each scene under :data:`NATURAL` and under each of :data:`WORDS`."""
    prompts = {"natural": NATURAL, **WORDS}
    scenes = []
    for case, pictures in run.relit(lambda case: {name: Ask(case, words) for name, words in prompts.items()}):
        scenes.append(figures(case, pictures))
        run.sheet.keep(case.seed, pictures)
    return outcome(scenes, _lines(scenes))


def figures(case: Sample, pictures: Mapping[str, Bytes]) -> dict[str, Any]:
    """Colours of a scene's pictures, and how far each word moved them the asked way.

    Args:
        case: the scene.
        pictures: results by word; ``natural`` is what the others are compared with.

    Returns:
        ``seed``, ``warmth`` and ``chroma`` by word, and ``moved`` by word: above 0 is the asked way.
    """
    lights = {name: linear(picture) for name, picture in pictures.items()}
    warm = {name: warmth(light, case.matte) for name, light in lights.items()}
    pure = {name: chroma(light, case) for name, light in lights.items()}
    moved = {name: warm[name] - warm["natural"] for name in ("warm", "sunset")}
    moved["cool"] = warm["natural"] - warm["cool"]
    moved["neon"] = pure["neon"] - pure["natural"]
    return {"seed": case.seed, "warmth": warm, "chroma": pure, "moved": moved}


def chroma(light: Array, case: Sample) -> float:
    """Chroma 0..1 of the mean light on the subject, its paint divided out."""
    weight = case.matte[..., None]
    mean = (light * weight).sum((0, 1)) / ((case.albedo * weight).sum((0, 1)) + np.float32(1e-6))
    return float(1 - mean.min() / max(float(mean.max()), 1e-9))


def _lines(scenes: list[dict[str, Any]]) -> list[Line]:
    lines = []
    for word, prompt in WORDS.items():
        moves = [scene["moved"][word] for scene in scenes]
        lines.append(
            Line(f"{word} ({prompt!r}) moves the colour the asked way", share(m > 0 for m in moves), LEAST, "%")
        )
        lines.append(Line(f"{word}: median move", median(moves)))
    every = [all(scene["moved"][word] > 0 for word in WORDS) for scene in scenes]
    return [*lines, Line("all four words at once", share(every), unit="%")]
