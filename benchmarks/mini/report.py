"""Runs the sections and keeps what they found: JSON after each of them, the sheet, and a table at the end."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.environment import describe
from benchmarks.mini import autoencoder, colour, direction, faithful, fbc, normals, segmenter
from benchmarks.mini.relight import Relighter
from benchmarks.mini.run import Run
from benchmarks.mini.trial import SECTIONS, Trial

SCHEMA = 1
MEASURES: dict[str, Callable[[Run], dict[str, Any]]] = {
    "direction": direction.measure,
    "words": direction.measure_words,
    "colour": colour.measure,
    "faithful": faithful.measure,
    "autoencoder": autoencoder.measure,
    "fbc": fbc.measure,
    "normals": normals.measure,
    "segmenter": segmenter.measure,
}


def run_sections(
    trial: Trial, only: Sequence[str], out: Path, sheet: Path | None = None, relighter: Relighter | None = None
) -> dict[str, Any]:
    """Measure the sections, in the order of :data:`~benchmarks.mini.trial.SECTIONS`.

    After each section the JSON and the sheet are written anew, so that a run that is killed loses one section. A JSON
    that is there already and is of the same trial and the same weights keeps the sections that are not measured now.

    Args:
        trial: what to measure.
        only: names of sections.
        out: JSON file.
        sheet: PNG file.
        relighter: who makes the pictures; None: the bundle's pipelines, or true renders where the trial has no bundle.

    Returns:
        What was written: ``schema``, ``experiment``, ``weights`` (hashes) and ``sections``; each of those has its
        ``environment``, its ``seconds``, the ``lines`` of the summary and the raw values of every scene.

    Raises:
        ValueError: an unknown section.
    """
    unknown = sorted(set(only) - set(SECTIONS))
    if unknown:
        raise ValueError(f"There is no section {', '.join(unknown)}; sections are {', '.join(SECTIONS)}.")
    _set_threads(trial)
    run = Run(trial, relighter)
    result = {"schema": SCHEMA, "experiment": asdict(trial), "weights": trial.hashes(), "sections": {}}
    result["sections"] = _earlier(out, result)
    for name in SECTIONS:
        if name in only:
            began = perf_counter()
            environment = describe(trial.device)
            found = MEASURES[name](run)
            taken = round(perf_counter() - began, 1)
            print(f"{name}: {taken} s", file=sys.stderr, flush=True)
            result["sections"][name] = {"environment": environment, "seconds": taken, **found}
            _write(out, result)
            if sheet is not None:
                run.sheet.write(sheet)
    return result


def table(result: Mapping[str, Any]) -> str:
    """The summary as text: each figure with what is asked of it, and whether that is met."""
    sections = result["sections"]
    rows = [("section", "figure", "asked", "found", "")]
    for name in (name for name in SECTIONS if name in sections):
        if "skipped" in sections[name]:
            rows.append((name, f"left out: {sections[name]['skipped']}", "", "", ""))
        for line in sections[name].get("lines", ()):
            asked = "" if line["bound"] is None else ("<= " if line["most"] else ">= ") + _amount(line["bound"], line)
            verdict = {None: "", True: "met", False: "MISSED"}[line["met"]]
            rows.append((name, line["what"], asked, _amount(line["figure"], line), verdict))
    widths = [max(len(row[place]) for row in rows) for place in range(5)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _amount(value: float, line: Mapping[str, Any]) -> str:
    unit = line["unit"]
    if unit == "%":
        return f"{100 * value:.1f} %"
    return f"{value:.3f}" if unit == "" else f"{value:.1f} {unit}"


def _earlier(out: Path, result: Mapping[str, Any]) -> dict[str, Any]:
    """Sections of a JSON of the same experiment and weights."""
    if not out.exists():
        return {}
    before = json.loads(out.read_text())
    same = all(before.get(key) == result[key] for key in ("schema", "experiment", "weights"))
    return before["sections"] if same else {}


def _write(out: Path, result: Mapping[str, Any]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    part.write_text(json.dumps(result, indent=1) + "\n")
    part.replace(out)


def _set_threads(trial: Trial) -> None:
    if trial.threads is not None:
        import torch

        torch.set_num_threads(trial.threads)
