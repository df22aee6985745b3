"""Figures over all pictures: medians, percentiles, costs, and everything over the first contestant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from iclight_local.bench.contestants import Price
from iclight_local.bench.quality import AGREES

OVER_FIRST = ("cold_s", "p50_s", "p95_s", "per_hour", "cost_1000", "peak_memory")
"""Figures of which a ratio to the first contestant means something."""


def summarise(result: Mapping[str, Any]) -> dict[str, Any]:
    """The summary of a bench, from its raw values alone.

    Returns:
        For each contestant: ``answered`` of ``asked`` warm runs; ``cold_s``; ``p50_s``, ``p95_s`` and ``mean_s``
        (seconds of warm runs, linear between neighbours); ``per_hour`` (pictures, one request after the other);
        ``cost_1000`` (dollars); ``peak_memory`` (bytes on this machine; None where none was told); ``same`` (whether
        all runs of each picture gave the same pixels); the medians over the pictures of the figures of quality;
        ``light_agrees`` (share of the pictures whose light comes from the side that was asked for); ``ratios`` over
        the first contestant; and ``failures`` (its sentences, each once, with how often). None is not known.
    """
    names = list(result["contestants"])
    found = {name: _of(result, name) for name in names}
    first = found[names[0]] if names else {}
    for each in found.values():
        each["ratios"] = {name: _ratio(each[name], first[name]) for name in OVER_FIRST}
    return found


def _of(result: Mapping[str, Any], name: str) -> dict[str, Any]:
    contestant = result["contestants"][name]
    cold = contestant.get("cold", {})
    answers = [picture["answers"][name] for picture in result["pictures"]]
    runs = [run for answer in answers for run in answer["runs"]]
    done = [run for run in runs if "error" not in run]
    seconds = [run["seconds"] for run in done]
    images = sum(run["images"] for run in done)
    each = sum(seconds) / images if images else None
    price = Price(**contestant["price"]).of(each) if each is not None else None
    measured = [answer["figures"] for answer in answers if answer["figures"] is not None]
    errors = [figures["light_error"] for figures in measured if figures["light_error"] is not None]
    return {
        "answered": len(done),
        "asked": len(runs),
        "cold_s": cold["seconds"] if cold and "error" not in cold else None,
        "p50_s": percentile(seconds, 50),
        "p95_s": percentile(seconds, 95),
        "mean_s": None if not seconds else sum(seconds) / len(seconds),
        "per_hour": None if not each else 3600 / each,
        "cost_1000": None if price is None else 1000 * price,
        "peak_memory": _peak(cold, done),
        "same": _same(answers),
        **{figure: _median(figures[figure] for figures in measured) for figure in FIGURES},
        "light_agrees": sum(error < AGREES for error in errors) / len(errors) if errors else None,
        "failures": _failures([cold, *contestant.get("warmup", []), *runs]),
    }


FIGURES = (
    "misalignment", "delta_e_inside", "delta_e_outside", "detail", "light_error",
    "truth_rmse", "truth_rmse_exposed", "truth_delta_e",
)  # fmt: skip
"""Figures of quality that are summed up as medians."""


def percentile(values: Sequence[float], part: float) -> float | None:
    """The value that ``part`` percent of the values stay below; None of none."""
    return float(np.percentile(values, part)) if values else None


def _median(values: Iterable[float | None]) -> float | None:
    return percentile([value for value in values if value is not None], 50)


def _ratio(value: float | None, first: float | None) -> float | None:
    return None if value is None or not first else value / first


def _peak(cold: Mapping[str, Any], done: Sequence[Mapping[str, Any]]) -> int | None:
    """Of the fresh process where there was one: this one holds the bench's own pictures, too."""
    if cold.get("fresh_process") and "peak_memory" in cold:
        done = [cold]
    peaks = [run["peak_memory"] for run in done if run["peak_memory"] > 0]
    return max(peaks) if peaks else None


def _same(answers: Sequence[Mapping[str, Any]]) -> bool | None:
    """None where no picture was made twice."""
    pixels = [[run["pixels"] for run in answer["runs"] if "pixels" in run] for answer in answers]
    several = [each for each in pixels if len(each) > 1]
    return all(len(set(each)) == 1 for each in several) if several else None


def _failures(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    counts: dict[tuple[str, str], int] = {}
    for run in runs:
        if "error" in run:
            key = (run["error"]["type"], run["error"]["message"])
            counts[key] = counts.get(key, 0) + 1
    return [{"type": kind, "message": message, "times": times} for (kind, message), times in counts.items()]
