"""``iclight normals``: a normal map from four lights."""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from iclight_local.cli.output import check_outputs, output_of, progress_bar, show_result, write_results
from iclight_local.cli.parser import Parser, add_common, add_fields, given
from iclight_local.cli.preview import preview_path, settings_with_preview, with_preview
from iclight_local.cli.relight import SETTINGS, add_output
from iclight_local.plan import SET_BY_NORMALS, make_normals_plan
from iclight_local.request import RelightRequest
from iclight_local.result import SIDES, NormalsResult
from iclight_local.settings import load_settings

SUMMARY = "Estimate the normal map of a picture's subject, with model fbc and four lights."


def add_arguments(parser: Parser) -> None:
    """Declare the options: the knobs that the four runs do not set themselves."""
    parser.add_argument("subject_image", metavar="PICTURE", help="The picture: a file, a URL or a data URI.")
    add_output(parser, "normals")
    parser.add_argument(
        "--parts", action="store_true", help="Write the four relit pictures and their ratios beside the normal map."
    )
    knobs = [name for name in RelightRequest.model_fields if name not in ("subject_image", *SET_BY_NORMALS)]
    add_fields(parser.add_argument_group("the sampling"), RelightRequest, knobs)
    add_common(parser, *SETTINGS)


def run(parsed: argparse.Namespace) -> int:
    """Estimate, write, tell."""
    request = RelightRequest(**given(parsed, RelightRequest))
    target, output_format = output_of(parsed, request, "normals")
    paths = [target, *(_part(target, kind, side) for kind in ("ratio", "relit") for side in SIDES)]
    if not parsed.parts:
        paths = paths[:1]
    check_outputs(paths, request, output_format, overwrite=parsed.overwrite)
    preview = preview_path(parsed, paths)
    settings = load_settings(settings_with_preview(parsed))
    from iclight_local.assemble import engine_from

    engine = engine_from(settings, [make_normals_plan(request).model])
    with progress_bar() as progress:
        result = engine.normals(request, progress=with_preview(preview, progress))
    files = dict(zip(paths, _pictures(result), strict=False))
    write_results(files, result.run, request, output_format=output_format, overwrite=parsed.overwrite)
    show_result(paths, result.run, as_json=parsed.json)
    return 0


def _part(target: Path, kind: str, side: str) -> Path:
    return target.with_stem(f"{target.stem}_{kind}_{side}")


def _pictures(result: NormalsResult) -> list[Image.Image]:
    """The normal map, the four ratios, the four relit pictures: the order of the paths."""
    return [result.normal, *(result.ratios[side] for side in SIDES), *(result.relit[side] for side in SIDES)]
