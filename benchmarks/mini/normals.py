"""How far the normals of the four-light method are from the true ones.

``estimate_normals`` of the pipeline with the true matte, an empty prompt and the model fbc. The angle is that to the
scene's normals *with* their relief where the matte is above 0.9: the median over a scene's pixels, then over the
scenes; and the median over the pixels of all scenes, a scene as heavy as its subject is large. Axes: x right, y up, z
to the viewer. Beside it stand the angles to the smooth geometry, and those of a map that faces the viewer everywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.mini.figures import INSIDE, Line, median, outcome
from benchmarks.mini.relight import as_levels
from benchmarks.mini.run import Run
from benchmarks.scenes import Sample
from benchmarks.scenes.primitives import Array
from benchmarks.scenes.samples import Bytes

MOST = 25.0
BINS = np.arange(0, 181)
"""Edges in degrees of the histogram by which the pixels of all scenes are pooled."""


def measure(run: Run) -> dict[str, Any]:
    """The four-light normals of each scene."""
    scenes = []
    for case in run.cases():
        found = run.relighter.normals(case)
        scenes.append(figures(case, found))
        run.sheet.keep(case.seed, {"input": case.input, "normals": found, "true normals": as_levels(case.normal)})
    lines = [
        Line("median angle error, median of the scenes", median(s["degrees"] for s in scenes), MOST, "deg", most=True),
        Line("median over the pixels of all scenes", pooled([scene["histogram"] for scene in scenes]), unit="deg"),
        Line("to the smooth geometry", median(scene["degrees_smooth"] for scene in scenes), unit="deg"),
        Line("a map that faces the viewer everywhere", median(scene["degrees_flat"] for scene in scenes), unit="deg"),
    ]
    return outcome(scenes, lines)


def figures(case: Sample, found: Bytes) -> dict[str, Any]:
    """Angles of a normal map to the truth.

    Returns:
        ``seed``; medians in degrees: ``degrees``, ``degrees_smooth`` (geometry without relief), ``degrees_flat`` (of
        a map that faces the viewer); ``histogram``: pixels of each whole degree 0..179 of ``degrees``.
    """
    inside = case.matte > INSIDE
    vectors = found[inside].astype(np.float32) / np.float32(127.5) - 1
    errors = angles(vectors, case.normal[inside])
    facing = np.broadcast_to(np.array([0, 0, 1], np.float32), vectors.shape)
    return {
        "seed": case.seed,
        "degrees": float(np.median(errors)),
        "degrees_smooth": float(np.median(angles(vectors, case.scene.surface.normal[inside]))),
        "degrees_flat": float(np.median(angles(facing, case.normal[inside]))),
        "histogram": np.histogram(errors, BINS)[0].tolist(),
    }


def angles(first: Array, second: Array) -> Array:
    """Degrees between vectors ``[N, 3]`` of any length."""
    lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    cosine = (first * second).sum(-1) / np.maximum(lengths, 1e-6)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def pooled(histograms: list[list[int]]) -> float:
    """The median of all pixels, to half a degree."""
    total = np.cumsum(np.sum(histograms, axis=0))
    return float(np.searchsorted(total, total[-1] / 2) + 0.5)
