"""``iclight light``: the light map alone, without a model."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from iclight_local.cli.output import output_at, print_json
from iclight_local.cli.parser import Parser, add_common, add_fields, given
from iclight_local.engines.subject import Segment, Subject, decode_subject
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.asked_light import asked_light, light_picture
from iclight_local.imaging.encode import encode
from iclight_local.imaging.files import decode_matte
from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.imaging.light_shapes import framed, framed_matte
from iclight_local.imaging.lightmap import BACKGROUND_RAMP, INITIAL_LATENT_RAMP
from iclight_local.imaging.write import check_writable, write
from iclight_local.light import describe, parse_lights
from iclight_local.light.words import EXAMPLE
from iclight_local.plan import plan_of
from iclight_local.request import RelightRequest
from iclight_local.segmenters.base import Segmenter
from iclight_local.segmenters.choice import choose_segmenter
from iclight_local.settings import Settings, load_settings

SUMMARY = "Draw a light map without a model, alone or behind the subject of a picture."
OUTPUT = "light.png"
KNOBS = ("light", "light_source", "light_map", "light_reference", "matte", "model", "width", "height")
SETTINGS = ("home", "segmenter", "allow_noncommercial", "offline")
NO_LIGHT = f"No light was asked for: add --light TEXT, like {EXAMPLE!r}, or a picture of the light."
_log = logging.getLogger(__name__)


class Seen(NamedTuple):
    """The subject as the light map sees it: its pixels where a picture was given, and its matte where one is needed."""

    rgb: UInt8Array | None
    matte: FloatArray | None
    matte_source: str | None


NOTHING = Seen(None, None, None)


def add_arguments(parser: Parser) -> None:
    """Declare the options: the light in all its forms, and where the picture goes."""
    parser.add_argument(
        "subject_image",
        metavar="PICTURE",
        nargs="?",
        help="The picture whose subject light from behind shines around, and which a preview shows.",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help=f"Where the picture goes (default: {OUTPUT} here).")
    parser.add_argument(
        "--preview", action="store_true", help="Show the subject of PICTURE before the map, instead of the map alone."
    )
    parser.add_argument("--overwrite", action="store_true", help="Replace a file that is there already.")
    add_fields(parser.add_argument_group("the light"), RelightRequest, KNOBS)
    add_common(parser, *SETTINGS)


def run(parsed: argparse.Namespace) -> int:
    """Draw, write, tell."""
    request = _request(parsed)
    target, output_format = output_at(OUTPUT if parsed.output is None else parsed.output, request)
    check_writable(target, overwrite=parsed.overwrite)
    settings = load_settings(given(parsed, Settings))
    model = plan_of(request).model
    seen = _seen(parsed, request, settings)
    bounds = BACKGROUND_RAMP if model == "fbc" else INITIAL_LATENT_RAMP
    size = request.width, request.height
    drawn = asked_light(request, light_picture(request, offline=settings.offline), size, bounds, seen.matte)
    if drawn is None:
        raise InvalidRequest(NO_LIGHT)
    picture = _before(drawn, seen) if parsed.preview else drawn
    data = encode(picture, output_format=output_format, quality=request.output_quality)
    write(target, data, overwrite=parsed.overwrite)
    if parsed.json:
        print_json(_facts(target, request, model, seen))
    else:
        print(target)
    return 0


def _request(parsed: argparse.Namespace) -> RelightRequest:
    """The request, checked as one for a relight is.

    Raises:
        InvalidRequest: a bad knob, or no light.
    """
    values = given(parsed, RelightRequest)
    if not {"light", "light_source", "light_map", "light_reference"} & values.keys():
        raise InvalidRequest(NO_LIGHT)
    if parsed.subject_image is None:
        if parsed.preview:
            raise InvalidRequest("--preview shows a subject before the light, and no picture was named: add PICTURE.")
        # A request has a picture; where the map alone is wanted, nobody looks at it.
        values["subject_image"] = Image.new("RGB", (1, 1))
    return RelightRequest(**values)


def _seen(parsed: argparse.Namespace, request: RelightRequest, settings: Settings) -> Seen:
    """What the map has to know of the subject; nothing is decoded or segmented that it does not look at."""
    lights = () if request.light is None else parse_lights(request.light)
    if not parsed.preview and not any(light.behind for light in lights):
        return NOTHING
    if parsed.subject_image is not None:
        subject = _decoded(request, settings)
        return Seen(subject.picture.rgb, subject.matte, subject.matte_source)
    if request.matte is not None:
        return Seen(None, decode_matte(request.matte, offline=settings.offline).values, "given")
    return NOTHING


def _decoded(request: RelightRequest, settings: Settings) -> Subject:
    subject = decode_subject(request, _segment(settings), offline=settings.offline)
    for warning in subject.warnings:
        _log.warning("warning: %s", warning)
    return subject


def _segment(settings: Settings) -> Segment:
    def segment(rgb: UInt8Array) -> tuple[FloatArray, Segmenter]:
        choice = choose_segmenter(settings.segmenter)
        found = choice.segment(rgb, allow_noncommercial=settings.allow_noncommercial)
        if choice.notice is not None:
            _log.warning("warning: %s", choice.notice)
        return found

    return segment


def _before(drawn: UInt8Array, seen: Seen) -> UInt8Array:
    """The subject before the map; the map alone where no picture was given."""
    if seen.rgb is None:
        return drawn
    height, width = drawn.shape[:2]
    matte = framed_matte(seen.matte, width, height)[..., None]
    subject = framed(seen.rgb, width, height)
    return np.asarray(np.rint(drawn * (1 - matte) + subject * matte), np.uint8)


def _facts(target: Path, request: RelightRequest, model: str, seen: Seen) -> dict[str, object]:
    return {
        "images": [str(target)],
        "light": None if request.light is None else describe(parse_lights(request.light)),
        "light_source": request.light_source,
        "model": model,
        "width": request.width,
        "height": request.height,
        "matte": seen.matte_source,
    }
