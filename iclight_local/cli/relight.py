"""``iclight relight``: one picture in, one or more relit pictures out."""

from __future__ import annotations

import argparse
from pathlib import Path

from iclight_local.cli.output import numbered, progress_bar, show_result
from iclight_local.cli.parser import Parser, add_common, add_fields, given
from iclight_local.imaging.encode import check_writable, encode, format_for, write
from iclight_local.request import OutputOptions, RelightRequest
from iclight_local.result import RelightResult
from iclight_local.settings import Settings, load_settings

SUMMARY = "Relight the subject of a picture."
SETTINGS = ("weights", "device", "precision", "segmenter", "allow_noncommercial", "offline")


def add_arguments(parser: Parser) -> None:
    """Declare the options: every knob, and where the result goes."""
    parser.add_argument("subject_image", metavar="PICTURE", help="The picture: a file, a URL or a data URI.")
    add_output(parser, "relit")
    knobs = [name for name in RelightRequest.model_fields if name != "subject_image"]
    add_fields(parser.add_argument_group("the light and the sampling"), RelightRequest, knobs)
    add_common(parser, *SETTINGS)


def add_output(parser: Parser, suffix: str) -> None:
    """Declare ``-o`` and ``--overwrite``."""
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help=f"Where the result goes (default: PICTURE-{suffix}.png here)."
    )
    parser.add_argument("--overwrite", action="store_true", help="Replace a file that is there already.")


def run(parsed: argparse.Namespace) -> int:
    """Relight, write, tell."""
    request = RelightRequest(**given(parsed, RelightRequest))
    target, output_format = output_of(parsed, request, "relit")
    paths = numbered(target, request.number_of_images)
    for path in paths:
        check_writable(path, overwrite=parsed.overwrite)
    settings = load_settings(given(parsed, Settings))
    from iclight_local.assemble import engine_from

    engine = engine_from(settings)
    with progress_bar() as progress:
        result = engine.relight(request, progress=progress)
    _write(paths, result, request, output_format, overwrite=parsed.overwrite)
    show_result(paths, result, as_json=parsed.json)
    return 0


def output_of(parsed: argparse.Namespace, options: OutputOptions, suffix: str) -> tuple[Path, str]:
    """Where the result goes and in which format: by the name's suffix, else as asked, else PNG."""
    if parsed.output is not None:
        return parsed.output, format_for(parsed.output, options.output_format)
    output_format = "png" if options.output_format is None else options.output_format
    named = len(parsed.subject_image) < 200 and parsed.subject_image[:5].lower() != "data:"
    stem = Path(parsed.subject_image).stem if named else "picture"
    return Path(f"{stem}-{suffix}.{output_format}"), output_format


def _write(
    paths: list[Path], result: RelightResult, request: RelightRequest, output_format: str, *, overwrite: bool
) -> None:
    """Encode all the pictures first, so that a picture that cannot be encoded leaves nothing behind."""
    encoded = [
        encode(
            image,
            output_format=output_format,
            quality=request.output_quality,
            record=result.record_of(index),
            exif=result.exif,
        )
        for index, image in enumerate(result.images)
    ]
    for path, data in zip(paths, encoded, strict=True):
        write(path, data, overwrite=overwrite)
