"""What the commands share in showing and writing: names, files, progress, JSON."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from iclight_local.engines.writing import check_room, encoded
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.encode import format_for
from iclight_local.imaging.write import check_writable, write_all
from iclight_local.request import OutputOptions, RelightRequest
from iclight_local.result import Progress, ProgressCallback, RelightResult

MAX_NAME = 200
"""Longest text that is still taken for the name of a file."""


def numbered(path: Path, count: int) -> list[Path]:
    """Names of ``count`` results: the name itself for one, ``name_0`` and so on for several."""
    return [path] if count == 1 else [path.with_stem(f"{path.stem}_{index}") for index in range(count)]


def output_of(parsed: argparse.Namespace, options: OutputOptions, suffix: str) -> tuple[Path, str]:
    """Where the result goes and in which format: by the name's suffix, else as asked, else PNG.

    Raises:
        InvalidRequest: the name is a folder's, or its suffix is unknown or contradicts the format.
    """
    if parsed.output is None:
        output_format = "png" if options.output_format is None else options.output_format
        named = len(parsed.subject_image) < MAX_NAME and parsed.subject_image[:5].lower() != "data:"
        stem = Path(parsed.subject_image).stem if named else "picture"
        return Path(f"{stem}-{suffix}.{output_format}"), output_format
    return output_at(parsed.output, options)


def output_at(output: str, options: OutputOptions) -> tuple[Path, str]:
    """A named output and its format; raises as :func:`output_of` does."""
    path = Path(output).expanduser()
    if output.endswith(("/", os.sep)) or not path.name or path.is_dir():
        raise InvalidRequest(f"The output {output or 'that is empty'} is a folder: name a file, like out.png.")
    return path, format_for(path, options.output_format)


def write_results(
    files: Mapping[Path, Image.Image], result: RelightResult, options: OutputOptions, *, overwrite: bool, **how: Any
) -> None:
    """Encode pictures as :func:`encode_results` does, and write all of them or none."""
    write_all(encode_results(files, result, options, **how), overwrite=overwrite)


def encode_results(
    files: Mapping[Path, Image.Image],
    result: RelightResult,
    options: OutputOptions,
    *,
    output_format: str,
    first: int = 0,
) -> dict[Path, bytes]:
    """Encode pictures with their record.

    Args:
        files: the pictures by their names, in the order of their numbers.
        result: whose record and EXIF go into them.
        options: the quality.
        output_format: ``png``, ``jpeg`` or ``webp``.
        first: the number of the first picture.
    """
    data, warnings = encoded(list(files.values()), result, options, output_format=output_format, first=first)
    show_warnings(warnings)
    return dict(zip(files, data, strict=True))


def check_outputs(paths: list[Path], request: RelightRequest, output_format: str, *, overwrite: bool) -> None:
    """Check before the expensive work that the results can be written and that their record has room.

    Raises:
        InvalidRequest: a name is taken or cannot be written, the format knows no transparency and it was asked for, or
            the prompts are too long for a JPEG.
    """
    for path in paths:
        check_writable(path, overwrite=overwrite)
    check_room(request, output_format)


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object."""
    print(json.dumps(value, indent=1))


def show_warnings(warnings: Iterable[str]) -> None:
    """Print warnings to the error stream."""
    for warning in warnings:
        _tell(f"iclight: warning: {warning}")


def show_result(paths: list[Path], result: RelightResult, *, as_json: bool) -> None:
    """Tell where the results lie, with seed and times; warnings go to the error stream."""
    show_warnings(result.warnings)
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
                "measures": [dict(each) for each in result.measures],
                "record": dict(result.record),
            }
        )
        return
    for path in paths:
        print(path)
    spent = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in timings.items() if seconds >= 0.05)
    told = [part for part in (_made(result), spent, _memory(result)) if part]
    if told:
        _tell("; ".join(told))


def _made(result: RelightResult) -> str:
    """Who made a result, where that was not this machine, and from which seed."""
    provider = result.record.get("engine", {}).get("provider")
    if provider is None:
        return "" if result.seed is None else f"seed {result.seed}"
    seed = "no seed is known" if result.seed is None else f"seed {result.seed}"
    bill = result.record.get("bill", {})
    cost = f" for {bill['cost']:g} credits" if "cost" in bill else ""
    left = f", {bill['remaining']:g} left" if "remaining" in bill else ""
    return f"made by {provider}{cost}{left}; {seed}"


def _memory(result: RelightResult) -> str:
    return f"peak memory {result.peak_memory / 1e9:.2f} GB" if result.peak_memory else ""


def _tell(line: str) -> None:
    """A line for the reader beside the output; nothing where the error stream is closed."""
    if sys.stderr is not None:
        print(line, file=sys.stderr)


@contextmanager
def progress_bar() -> Iterator[ProgressCallback | None]:
    """A bar on a terminal, nothing in a pipe."""
    if sys.stderr is None or not sys.stderr.isatty():
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
