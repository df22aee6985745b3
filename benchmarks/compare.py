"""`iclight_local` against plain diffusers: the same weights, seeds and machine, in turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.environment import busy_seconds, cuda_peak_mib, describe, resident_mib
from benchmarks.sides import SIDES, Experiment, Relight, Timing, load, timed

SCHEMA = 1
QUIET = 0.05
"""A run is quiet where everything else on the machine took less than this part of the run's time."""
OURS, PLAIN = SIDES


def compare(experiment: Experiment) -> dict[str, Any]:
    """Run the whole protocol of ``benchmarks/README.md``.

    Returns:
        Plain values for one JSON file: ``experiment``, ``environment``, ``cold``, ``steady``, ``memory`` and
        ``difference``. Every ratio is iclight_local over plain: below 1, iclight_local needs less.
    """
    read_through(Path(experiment.bundle))
    fresh = {side: run_fresh(side, experiment) for side in SIDES}
    _set_threads(experiment)
    environment = describe(experiment.device)
    relights = {side: load(side, experiment) for side in SIDES}
    for relight in relights.values():
        relight(experiment.seed)
    timings, differences = run_pairs(experiment, relights)
    return {
        "schema": SCHEMA,
        "experiment": asdict(experiment),
        "environment": environment,
        "cold": _cold(fresh),
        "steady": steady(timings),
        "memory": _memory(fresh),
        "difference": {
            "levels_max": max(each["levels_max"] for each in differences),
            "levels_mean": float(np.mean([each["levels_mean"] for each in differences])),
            "pairs": differences,
        },
    }


def run_pairs(
    experiment: Experiment, relights: dict[str, Relight]
) -> tuple[dict[str, list[Timing]], list[dict[str, float]]]:
    """Relight in turns, each pair with its own seed.

    Returns:
        Timings of each side, one for each pair, and the difference of each pair's pictures.
    """
    timings: dict[str, list[Timing]] = {side: [] for side in SIDES}
    differences = []
    for index in range(experiment.runs):
        pictures = {}
        for side in SIDES:
            relight, seed = relights[side], experiment.seed + index
            taken, pictures[side] = timed(experiment, lambda relight=relight, seed=seed: relight(seed))
            timings[side].append(taken)
        differences.append(difference(pictures[OURS], pictures[PLAIN]))
    return timings, differences


def steady(timings: dict[str, list[Timing]]) -> dict[str, Any]:
    """Raw values of all runs; medians and ratios of the pairs that nothing else disturbed.

    Without a quiet pair there is no median and no ratio: they are None.
    """
    pairs = list(zip(timings[OURS], timings[PLAIN], strict=True))
    quiet = [index for index, pair in enumerate(pairs) if all(_is_quiet(each) for each in pair)]
    result: dict[str, Any] = {"quiet_pairs": quiet}
    for name in Timing._fields:
        values = {side: [getattr(each, name) for each in timings[side]] for side in SIDES}
        result[name] = {"values": values} if name == "others_cpu_s" else _ratios(values, quiet)
    return result


def difference(ours: list[Image.Image], theirs: list[Image.Image]) -> dict[str, float]:
    """Largest and mean absolute difference of two lists of pictures, in grey levels of 0..255."""
    distance = np.abs(_stack(ours) - _stack(theirs))
    return {"levels_max": int(distance.max()), "levels_mean": float(distance.mean())}


def run_fresh(side: str, experiment: Experiment) -> dict[str, Any]:
    """Start one side in a process of its own, whose start and memory are nobody else's.

    Raises:
        RuntimeError: that process failed; the message is the end of what it wrote.
    """
    command = [sys.executable, "-m", "benchmarks", "side", side, json.dumps(asdict(experiment))]
    root = str(Path(__file__).parents[1])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path})
    if done.returncode:
        raise RuntimeError(f"{side} failed in its own process:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure_fresh(side: str, experiment: Experiment) -> dict[str, Any]:
    """What a fresh process measures of itself: seconds of import, load and first relight, and its memory.

    Args:
        side: one of :data:`benchmarks.sides.SIDES`.
        experiment: what to run once.
    """
    marks, cpu, busy = [perf_counter()], process_time(), busy_seconds()
    _set_threads(experiment)
    _import_side(side)
    marks.append(perf_counter())
    imported, _ = resident_mib()
    relight = load(side, experiment)
    marks.append(perf_counter())
    loaded, load_peak = resident_mib()
    first, _ = timed(experiment, lambda: relight(experiment.seed))
    _, peak = resident_mib()
    import_s, load_s = (end - start for start, end in pairwise(marks))
    return {
        "import_s": import_s,
        "load_s": load_s,
        "first_s": first.wall_s,
        "total_s": import_s + load_s + first.wall_s,
        "others_cpu_s": max(0.0, busy_seconds() - busy - (process_time() - cpu)),
        "imported_mib": imported,
        "loaded_mib": loaded,
        "load_peak_mib": load_peak,
        "peak_mib": peak,
        "cuda_peak_mib": cuda_peak_mib(experiment.device),
    }


def read_through(bundle: Path) -> None:
    """Read every file of ``bundle`` once, so that neither side pays for a cold disk."""
    for path in sorted(bundle.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                while file.read(2**24):
                    pass


def _import_side(side: str) -> None:
    """Import what a side is made of, and nothing of the other."""
    if side == OURS:
        from iclight_local import ICLightPipeline  # noqa: F401
    else:
        import benchmarks.plain  # noqa: F401


def _set_threads(experiment: Experiment) -> None:
    if experiment.threads is not None:
        import torch

        torch.set_num_threads(experiment.threads)


def _stack(pictures: list[Image.Image]) -> np.ndarray[Any, Any]:
    return np.stack([np.asarray(picture, dtype=np.int16) for picture in pictures])


def _cold(fresh: dict[str, dict[str, Any]]) -> dict[str, Any]:
    names = ("import_s", "load_s", "first_s", "total_s", "others_cpu_s")
    values = {side: {name: fresh[side][name] for name in names} for side in SIDES}
    quiet = all(each["others_cpu_s"] < QUIET * each["total_s"] for each in values.values())
    ratio = values[OURS]["total_s"] / values[PLAIN]["total_s"]
    return {**values, "quiet": quiet, "ratio_total": ratio if quiet else None}


def _is_quiet(run: Timing) -> bool:
    return run.others_cpu_s < QUIET * run.wall_s


def _ratios(values: dict[str, list[float]], quiet: list[int]) -> dict[str, Any]:
    """Raw values, the ratio of each pair, and the medians of the pairs with an index in ``quiet``."""
    ratios = [ours / theirs for ours, theirs in zip(values[OURS], values[PLAIN], strict=True)]
    medians = {side: median(values[side][index] for index in quiet) if quiet else None for side in SIDES}
    return {
        "values": values,
        "median": medians,
        "ratios": ratios,
        "ratio_median": median(ratios[index] for index in quiet) if quiet else None,
    }


def _memory(fresh: dict[str, dict[str, Any]]) -> dict[str, Any]:
    names = ("imported_mib", "loaded_mib", "load_peak_mib", "peak_mib", "cuda_peak_mib")
    values = {side: {name: fresh[side][name] for name in names} for side in SIDES}
    measured = "peak_mib" if values[OURS]["cuda_peak_mib"] is None else "cuda_peak_mib"
    return {**values, "ratio_peak": values[OURS][measured] / values[PLAIN][measured]}
