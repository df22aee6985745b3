"""Whether the segmenter finds the subject.

The inputs of the scenes, as photographed on their own backgrounds. IoU: pixels in which both the found and the true
matte are above 0.5, over those in which either is. A picture in which no subject was found counts as 0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.mini.figures import Line, mean, outcome, percentile
from benchmarks.mini.run import Run
from benchmarks.mini.trial import Trial
from benchmarks.scenes import Sample
from benchmarks.scenes.primitives import Array
from iclight_local.errors import NoSubject

LEAST = 0.95


def measure(run: Run) -> dict[str, Any]:
    """The segmenter on each scene's input; without a segmenter the section is left out, with the reason."""
    from iclight_local.segmenters.rembg_session import open_segmenter

    name = chosen(run.trial)
    if name is None:
        return {"skipped": "no --segmenter was given, and there is no ONNX file in the bundle"}
    segmenter = open_segmenter(name)
    scenes = []
    for case in run.cases():
        try:
            matte = segmenter.segment(case.input)
        except NoSubject:
            matte = np.zeros_like(case.matte)
        scenes.append(figures(case, matte))
    ious = [scene["iou"] for scene in scenes]
    lines = [
        Line("segmenter: mean IoU", mean(ious), LEAST),
        Line("segmenter: lowest tenth of IoU below", percentile(ious, 10)),
        Line("segmenter: mean absolute error of the matte", mean(scene["mae"] for scene in scenes)),
    ]
    return outcome(scenes, lines)


def figures(case: Sample, matte: Array) -> dict[str, Any]:
    """``seed``, ``iou`` 0..1 and ``mae``, the mean absolute difference of the mattes over the frame."""
    found, true = matte > 0.5, case.matte > 0.5
    return {
        "seed": case.seed,
        "iou": float((found & true).sum() / max(int((found | true).sum()), 1)),
        "mae": float(np.abs(matte - case.matte).mean()),
    }


def chosen(trial: Trial) -> str | None:
    """The segmenter that was named, else the bundle's ONNX file, else None."""
    if trial.segmenter is not None or trial.bundle is None:
        return trial.segmenter
    return next((str(path) for path in sorted(Path(trial.bundle).rglob("*.onnx"))), None)
