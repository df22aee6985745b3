"""``iclight edit``: a picture cut out, lit, placed, and given a background, an outline and a shadow."""

from __future__ import annotations

import argparse

from iclight_local.cli.output import check_outputs, numbered, output_of, progress_bar, show_result, write_results
from iclight_local.cli.parser import Parser, add_common, add_fields, given
from iclight_local.cli.preview import preview_path, settings_with_preview, with_preview
from iclight_local.cli.relight import SETTINGS, add_output
from iclight_local.plan import plan_of
from iclight_local.request import EditRequest, Placing, RelightRequest
from iclight_local.settings import load_settings

SUMMARY = "Cut a subject out, light it, place it, and put a background, an outline and a shadow around it."
BACKGROUND = (
    *("background_mode", "background_image", "background_colour", "background_scaling"),
    *("background_blur", "background_blur_radius"),
)
"""Options of what stands behind the subject, those of a relight among them."""
FILE = ("output_format", "output_quality", "dpi", "metadata")
"""Options of the file."""
SET_BY_EDIT = ("subject_image", "fit", "contact_shadow")
"""Knobs of a relight that an edit leaves no choice of."""


def add_arguments(parser: Parser) -> None:
    """Declare the options by what they are about."""
    parser.add_argument("subject_image", metavar="PICTURE", help="The picture: a file, a URL or a data URI.")
    add_output(parser, "edited")
    for title, names in groups().items():
        add_fields(parser.add_argument_group(title), EditRequest, names)
    add_common(parser, *SETTINGS, "providers", "remote_seconds")


def groups() -> dict[str, list[str]]:
    """The options by what they are about, for the help and the manual."""
    light = [name for name in RelightRequest.model_fields if name not in (*SET_BY_EDIT, *BACKGROUND, *FILE, "matte")]
    place = [name for name in Placing.model_fields if name not in RelightRequest.model_fields]
    around = [name for name in EditRequest.model_fields if name.startswith(("outline_", "shadow"))]
    return {
        "the cut-out": ["matte", "own_alpha"],
        "the place": place,
        "the background": list(BACKGROUND),
        "outline and shadow": around,
        "the file": list(FILE),
        "the light, where one is asked for, and the sampling": light,
    }


def run(parsed: argparse.Namespace) -> int:
    """Edit, write, tell."""
    request = EditRequest(**given(parsed, EditRequest))
    target, output_format = output_of(parsed, request, "edited")
    paths = numbered(target, request.number_of_images if request.relit else 1)
    check_outputs(paths, request, output_format, overwrite=parsed.overwrite)
    preview = preview_path(parsed, paths)
    named = {} if parsed.providers is None else {"local_first": False}
    settings = load_settings({**settings_with_preview(parsed), **named})
    from iclight_local.assemble import engine_from
    from iclight_local.engines.editing import edit

    engine = engine_from(settings, [plan_of(request).model] if request.relit else [])
    with progress_bar() as progress:
        result = edit(engine, request, progress=with_preview(preview, progress))
    files = dict(zip(paths, result.images, strict=False))
    write_results(files, result, request, output_format=output_format, overwrite=parsed.overwrite)
    show_result(list(files), result, as_json=parsed.json)
    return 0
