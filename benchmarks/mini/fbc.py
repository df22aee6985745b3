"""Whether the subject takes up the light of a background.

Each scene gets the background of its true target, the prompt is empty. The error is the RMSE in sRGB to the target,
over the subject (weighted with the matte), of the result and of the foreground left as it is. *Ratio*: mean error of
the results over mean error of the untouched. So that exposure alone decides nothing, the same is reported after each
picture got the gain in linear light that brings it nearest to the target.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from benchmarks.mini.figures import Line, linear, mean, median, outcome, rms, share, srgb
from benchmarks.mini.relight import Ask
from benchmarks.mini.run import Run
from benchmarks.scenes import Sample, tone_map
from benchmarks.scenes.primitives import Array
from benchmarks.scenes.samples import Bytes

MOST = 0.75


def measure(run: Run) -> dict[str, Any]:
    """Each scene in front of its target's background."""
    scenes = []
    for case, pictures in run.relit(lambda case: {"result": Ask(case, background=case.background)}):
        scenes.append(figures(case, pictures["result"]))
        columns = {"input": case.input, "fbc background": case.background, "fbc result": pictures["result"]}
        run.sheet.keep(case.seed, columns)
    lines = _lines(scenes, "", "", MOST) + _lines(scenes, "_gained", ", after the best gain for both", None)
    return outcome(scenes, lines)


def figures(case: Sample, result: Bytes) -> dict[str, Any]:
    """``seed`` and the errors ``result``, ``untouched``, ``result_gained``, ``untouched_gained`` (RMSE, 0..1)."""
    inside = case.matte > 0
    target, weight = srgb(case.target)[inside], case.matte[inside]
    found: dict[str, Any] = {"seed": case.seed}
    for name, picture in (("result", result), ("untouched", case.foreground)):
        found[name] = rms(srgb(picture)[inside], target, weight)
        found[f"{name}_gained"] = best_gained(picture[inside], target, weight)
    return found


def best_gained(picture: Bytes, target: Array, weight: Array) -> float:
    """The smallest RMSE that any gain in linear light, of -3 to 3 stops, gives; never above that without."""
    light = linear(picture)
    error = minimize_scalar(
        lambda stops: rms(tone_map(light, float(np.exp2(stops))), target, weight),
        bounds=(-3, 3),
        method="bounded",
        options={"xatol": 0.01},
    )
    return min(float(error.fun), rms(srgb(picture), target, weight))


def _lines(scenes: list[dict[str, Any]], key: str, words: str, most: float | None) -> list[Line]:
    pairs = [(scene[f"result{key}"], scene[f"untouched{key}"]) for scene in scenes]
    ratio = mean(ours for ours, _ in pairs) / mean(theirs for _, theirs in pairs)
    return [
        Line(f"error to the true render over the untouched subject's{words}", ratio, most, most=True),
        Line(f"median ratio{words}", median(ours / theirs for ours, theirs in pairs)),
        Line(f"scenes nearer to the truth than untouched{words}", share(a < b for a, b in pairs), unit="%"),
    ]
