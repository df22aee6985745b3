"""``iclight relight``: one picture in, one or more relit pictures out."""

from __future__ import annotations

import argparse

from iclight_local.cli.output import check_outputs, numbered, output_of, progress_bar, show_result, write_results
from iclight_local.cli.parser import Parser, add_common, add_fields, given
from iclight_local.cli.preview import add_preview, preview_path, settings_with_preview, with_preview
from iclight_local.plan import plan_of
from iclight_local.request import RelightRequest
from iclight_local.settings import load_settings

SUMMARY = "Relight the subject of a picture."
SETTINGS = (
    "home", "weights", "device", "precision", "vram", "compile", "lora", "preset", "preview_every", "segmenter",
    "allow_noncommercial", "offline",
)  # fmt: skip


def add_arguments(parser: Parser) -> None:
    """Declare the options: every knob, and where the result goes."""
    parser.add_argument("subject_image", metavar="PICTURE", help="The picture: a file, a URL or a data URI.")
    add_output(parser, "relit")
    knobs = [name for name in RelightRequest.model_fields if name != "subject_image"]
    add_fields(parser.add_argument_group("the light and the sampling"), RelightRequest, knobs)
    add_common(parser, *SETTINGS, "providers", "remote_seconds")


def add_output(parser: Parser, suffix: str) -> None:
    """Declare ``-o``, ``--overwrite`` and ``--preview``."""
    parser.add_argument(
        "-o", "--output", metavar="FILE", help=f"Where the result goes (default: PICTURE-{suffix}.png here)."
    )
    parser.add_argument("--overwrite", action="store_true", help="Replace a file that is there already.")
    add_preview(parser)


def run(parsed: argparse.Namespace) -> int:
    """Relight, write, tell."""
    request = RelightRequest(**given(parsed, RelightRequest))
    target, output_format = output_of(parsed, request, "relit")
    paths = numbered(target, request.number_of_images)
    check_outputs(paths, request, output_format, overwrite=parsed.overwrite)
    preview = preview_path(parsed, paths)
    # Who names a provider here wants the picture from it; the settings' own are for what this machine cannot do.
    named = {} if parsed.providers is None else {"local_first": False}
    settings = load_settings({**settings_with_preview(parsed), **named})
    from iclight_local.assemble import engine_from

    engine = engine_from(settings, [plan_of(request).model])
    with progress_bar() as progress:
        result = engine.relight(request, progress=with_preview(preview, progress))
    # A provider may have made fewer than were asked for.
    files = dict(zip(paths, result.images, strict=False))
    write_results(files, result, request, output_format=output_format, overwrite=parsed.overwrite)
    show_result(list(files), result, as_json=parsed.json)
    return 0
