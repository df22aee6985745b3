"""``iclight sheet``: one picture under many lights, side by side."""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path

from PIL import Image

from iclight_local.cli.output import check_outputs, encode_results, output_of, progress_bar, show_result
from iclight_local.cli.parser import Parser, add_common, add_fields, given
from iclight_local.cli.relight import SETTINGS
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.files import decode
from iclight_local.imaging.frame import as_photographed
from iclight_local.imaging.sheet import grid
from iclight_local.imaging.write import write_all
from iclight_local.light import parse_lights
from iclight_local.plan import plan_of
from iclight_local.request import RelightRequest
from iclight_local.result import RelightResult
from iclight_local.settings import Settings, load_settings

SUMMARY = "Relight one picture under many lights and lay the results out on one sheet, with captions."
LIGHTS = "left, right, top, bottom"
COLUMNS, MOST_COLUMNS = 5, 20
SET_HERE = ("subject_image", "light", "light_source", "light_map", "light_reference", "number_of_images")
"""Parameters that the command takes otherwise than ``iclight relight``."""


def add_arguments(parser: Parser) -> None:
    """Declare the options: the lights, the layout, and every knob that is the same for all pictures."""
    parser.add_argument("subject_image", metavar="PICTURE", help="The picture: a file, a URL or a data URI.")
    parser.add_argument(
        "--lights",
        metavar="TEXT",
        default=LIGHTS,
        help=f"The lights, as --light of iclight relight takes each, with commas between them (default: {LIGHTS}).",
    )
    parser.add_argument("--columns", metavar="N", default=str(COLUMNS), help=f"Pictures in a row (default: {COLUMNS}).")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="Where the sheet goes (default: PICTURE-sheet.png here)."
    )
    parser.add_argument("--overwrite", action="store_true", help="Replace a file that is there already.")
    parser.add_argument("--parts", action="store_true", help="Write the single pictures beside the sheet.")
    knobs = [name for name in RelightRequest.model_fields if name not in SET_HERE]
    add_fields(parser.add_argument_group("the same for all pictures"), RelightRequest, knobs)
    add_common(parser, *SETTINGS)


def run(parsed: argparse.Namespace) -> int:
    """Relight under every light with one seed, lay out, write, tell."""
    lights = _lights(parsed.lights)
    columns = _columns(parsed.columns)
    requests = [RelightRequest(**given(parsed, RelightRequest), light=light) for light in lights]
    target, output_format = output_of(parsed, requests[0], "sheet")
    paths = [target, *_parts(target, lights)] if parsed.parts else [target]
    check_outputs(paths, requests[0], output_format, overwrite=parsed.overwrite)
    seeded = plan_of(requests[0])
    settings = load_settings(given(parsed, Settings))
    from iclight_local.assemble import engine_from

    engine = engine_from(settings, [seeded.model])
    results = []
    for request in requests:
        with progress_bar() as progress:
            results.append(engine.relight(request.model_copy(update={"seed": seeded.seed}), progress=progress))
    whole = _together(results, lights)
    original = decode(requests[0].subject_image, offline=settings.offline)
    before = Image.fromarray(as_photographed(original, whole.images[0].size))
    page = grid([before, *(result.images[0] for result in results)], ["as photographed", *lights], columns)
    pages = zip(paths, [page, *(result.images[0] for result in results)], [whole, *results], strict=False)
    encoded: dict[Path, bytes] = {}
    for path, picture, result in pages:
        encoded |= encode_results({path: picture}, result, requests[0], output_format=output_format)
    write_all(encoded, overwrite=parsed.overwrite)
    show_result(paths, whole, as_json=parsed.json)
    return 0


def _lights(text: str) -> list[str]:
    """The lights, each checked.

    Raises:
        InvalidRequest: there is none, one cannot be understood, or nothing stands beside a comma.
    """
    lights = [light.strip() for light in text.split(",")]
    if not any(lights):
        raise InvalidRequest(f"--lights is empty: lights with commas between them are needed, like {LIGHTS}.")
    if "" in lights:
        raise InvalidRequest(
            f"--lights is {text!r}, and there is no light at place {lights.index('') + 1} of {len(lights)}: "
            "name one there, or take the comma out."
        )
    for light in lights:
        parse_lights(light)
    return lights


def _columns(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_COLUMNS:
        raise InvalidRequest(f"--columns is {text}, but must be a whole number from 1 to {MOST_COLUMNS}.")
    return int(text)


def _parts(target: Path, lights: list[str]) -> list[Path]:
    """Where the single pictures go: the sheet's name with each light's words.

    Raises:
        InvalidRequest: two lights are one.
    """
    found: dict[Path, str] = {}
    for light in lights:
        words = re.sub(r"[^a-z0-9.-]+", "-", light.lower()).strip("-")
        path = target.with_stem(f"{target.stem}_{words}")
        if path in found:
            raise InvalidRequest(
                f"--lights names {found[path]!r} and {light!r}, and --parts would write both to {path.name}: "
                "leave one of them out."
            )
        found[path] = light
    return list(found)


def _together(results: list[RelightResult], lights: list[str]) -> RelightResult:
    """One result for the sheet: the first's record with all lights, everybody's times and warnings."""
    first = results[0]
    stages = dict.fromkeys(stage for result in results for stage in result.timings)
    return replace(
        first,
        record={**first.record, "kind": "sheet", "lights": lights},
        timings={stage: sum(result.timings.get(stage, 0.0) for result in results) for stage in stages},
        peak_memory=max(result.peak_memory for result in results),
        warnings=tuple(dict.fromkeys(warning for result in results for warning in result.warnings)),
        measures=(),
    )
