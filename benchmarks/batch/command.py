"""``python -m benchmarks batch``: one of the experiments of a batch, written to a file."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from benchmarks.batch import crashes, million, poison, speed

EXPERIMENTS: dict[str, tuple[type, Callable[[Any, Path], dict[str, Any]], str]] = {
    "crashes": (crashes.Crashes, crashes.measure, "killed at random moments and resumed, against one that was not"),
    "poison": (poison.Poison, poison.measure, "5 % of rows that cannot be relit, of ten kinds"),
    "million": (million.Million, million.measure, "a manifest of a million rows, of which few run"),
    "speed": (speed.Speed, speed.measure, "against one process a picture, and against a plain loop"),
}
"""Each experiment: what it takes, what measures it, and what it is."""


def add_batch_options(parser: argparse.ArgumentParser) -> None:
    """Declare the experiment, the file and what differs from the usual."""
    known = "; ".join(f"{name}: {words}" for name, (_, _, words) in EXPERIMENTS.items())
    parser.add_argument("experiment", choices=EXPERIMENTS, help=known.replace("%", "%%"))
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help="such as pictures=100")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure, and write all values."""
    kind, measure, _ = EXPERIMENTS[options.experiment]
    given = dict(pair.split("=", 1) for pair in options.set)
    usual = kind()
    values = {
        field.name: _like(getattr(usual, field.name), given.pop(field.name))
        for field in fields(usual)
        if field.name in given
    }
    if given:
        raise SystemExit(f"{options.experiment} has no {', '.join(given)}: {', '.join(f.name for f in fields(usual))}.")
    with tempfile.TemporaryDirectory(prefix="iclight-batch-") as folder:
        result = measure(kind(**values), Path(folder))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({name: value for name, value in result.items() if name != "environment"}, indent=1))
    print(f"All values: {options.out}")
    return 0


def _like(usual: Any, text: str) -> Any:
    if isinstance(usual, tuple):
        return tuple(text.split(","))
    return type(usual)(text)
