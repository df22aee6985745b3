"""What the commands share in showing and writing: names, files, progress, JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from iclight_local.result import Progress, ProgressCallback, RelightResult


def numbered(path: Path, count: int) -> list[Path]:
    """Names of ``count`` results: the name itself for one, ``name_0`` and so on for several."""
    return [path] if count == 1 else [path.with_stem(f"{path.stem}_{index}") for index in range(count)]


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object."""
    print(json.dumps(value, indent=1))


def show_result(paths: list[Path], result: RelightResult, *, as_json: bool) -> None:
    """Tell where the results lie, with seed and times; warnings go to the error stream."""
    for warning in result.warnings:
        print(f"iclight: warning: {warning}", file=sys.stderr)
    timings = {stage: round(seconds, 3) for stage, seconds in result.timings.items()}
    if as_json:
        print_json(
            {
                "images": [str(path) for path in paths],
                "seed": result.seed,
                "engine": result.engine,
                "timings": timings,
                "peak_memory": result.peak_memory,
                "warnings": list(result.warnings),
                "record": dict(result.record),
            }
        )
        return
    for path in paths:
        print(path)
    spent = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in timings.items() if seconds >= 0.05)
    print(f"seed {result.seed}; {spent}; peak memory {result.peak_memory / 1e9:.2f} GB", file=sys.stderr)


@contextmanager
def progress_bar() -> Iterator[ProgressCallback | None]:
    """A bar on a terminal, nothing in a pipe."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(total=1, desc="start", leave=False, bar_format="{desc:>8} {bar:30} {n_fmt}/{total_fmt} {elapsed}") as bar:
        yield _advance(bar)


def _advance(bar: Any) -> Callable[[Progress], None]:
    def advance(progress: Progress) -> None:
        bar.total = max(1, progress.steps)
        bar.n = progress.step
        bar.set_description_str(progress.stage, refresh=True)

    return advance
