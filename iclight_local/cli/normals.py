"""``iclight normals``: a normal map from four lights."""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from iclight_local.cli.output import progress_bar, show_result
from iclight_local.cli.parser import Parser, add_common, add_fields, given
from iclight_local.cli.relight import SETTINGS, add_output, output_of
from iclight_local.imaging.encode import check_writable, encode, write
from iclight_local.request import RelightRequest
from iclight_local.result import NormalsResult
from iclight_local.settings import Settings, load_settings

SUMMARY = "Estimate the normal map of a picture's subject, with model fbc and four lights."
SIDES = ("left", "right", "bottom", "top")
SET_BY_THE_RUNS = ("subject_image", "background_image", "background_flip", "light_source", "model", "number_of_images")
"""Knobs that are no options here: the four runs set them."""


def add_arguments(parser: Parser) -> None:
    """Declare the options: the knobs that the four runs do not set themselves."""
    parser.add_argument("subject_image", metavar="PICTURE", help="The picture: a file, a URL or a data URI.")
    add_output(parser, "normals")
    parser.add_argument(
        "--parts", action="store_true", help="Write the four relit pictures and their ratios beside the normal map."
    )
    knobs = [name for name in RelightRequest.model_fields if name not in SET_BY_THE_RUNS]
    add_fields(parser.add_argument_group("the sampling"), RelightRequest, knobs)
    add_common(parser, *SETTINGS)


def run(parsed: argparse.Namespace) -> int:
    """Estimate, write, tell."""
    request = RelightRequest(**given(parsed, RelightRequest))
    target, output_format = output_of(parsed, request, "normals")
    paths = [target, *(_part(target, kind, side) for kind in ("ratio", "relit") for side in SIDES)]
    if not parsed.parts:
        paths = paths[:1]
    for path in paths:
        check_writable(path, overwrite=parsed.overwrite)
    settings = load_settings(given(parsed, Settings))
    from iclight_local.assemble import engine_from

    engine = engine_from(settings)
    with progress_bar() as progress:
        result = engine.normals(request, progress=progress)
    encoded = [
        encode(
            picture,
            output_format=output_format,
            quality=request.output_quality,
            record=result.run.record_of(0),
            exif=result.run.exif,
        )
        for picture in _pictures(result)[: len(paths)]
    ]
    for path, data in zip(paths, encoded, strict=True):
        write(path, data, overwrite=parsed.overwrite)
    show_result(paths, result.run, as_json=parsed.json)
    return 0


def _part(target: Path, kind: str, side: str) -> Path:
    return target.with_stem(f"{target.stem}_{kind}_{side}")


def _pictures(result: NormalsResult) -> list[Image.Image]:
    """The normal map, the four ratios, the four relit pictures: the order of the paths."""
    return [result.normal, *(result.ratios[side] for side in SIDES), *(result.relit[side] for side in SIDES)]
