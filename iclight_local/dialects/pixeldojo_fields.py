"""What one call of PixelDojo may say: one table, from which both its reading and its published schema are made."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from iclight_local.dialects.base import Call
from iclight_local.dialects.values import MAX_PROMPT, number, present, shown, text, whole, word
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.addresses import parse_target
from iclight_local.plan import FRAME_MULTIPLE
from iclight_local.request import Knobs
from iclight_local.sentences import MAX_SEED

SIZES = (256, 1024)
"""Smallest and largest ``width`` and ``height`` in pixels, after rounding to multiples of 64."""

Kind = Literal["picture", "text", "url", "word", "whole", "number", "pixels"]


@dataclass(frozen=True)
class Field:
    """One thing that a call may say.

    Attributes:
        name: as the API spells it.
        kind: how it is read.
        about: one line for the schema.
        default: what holds where it is missing; None: nothing does.
        bounds: the least and the largest number.
        words: what it is one of.
        alias: another spelling; ``name`` wins.
    """

    name: str
    kind: Kind
    about: str
    default: Any = None
    bounds: tuple[float, float] = (0, 0)
    words: tuple[str, ...] = ()
    alias: str | None = None


RATIOS = ("1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3")
HERE = "magic-lighting"
"""The ``model_type`` that is this machine's engine."""
MODEL_TYPES = (HERE, "nano-banana-pro", "nano-banana-2", "qwen-image-edit")
FIELDS = (
    Field("subject_image", "picture", "The picture to relight: an http(s) URL or a data URI."),
    Field("prompt", "text", "The light and the scene that are wanted.", ""),
    Field("light_source", "text", "left, right, top, bottom or none; other words join the prompt.", "none"),
    Field("model_type", "word", f"Only {HERE} runs here.", HERE, words=MODEL_TYPES),
    Field("number_of_images", "whole", "Pictures of one job.", 1, (1, 12)),
    Field("aspectRatio", "word", "Shape of a result without a size.", "1:1", words=RATIOS, alias="aspect_ratio"),
    Field("negative_prompt", "text", "What to steer away from.", Knobs.model_fields["negative_prompt"].default),
    Field("appended_prompt", "text", "Joins every prompt.", "best quality"),
    Field("output_format", "word", "File format of the results.", "png", words=("png", "jpg", "webp")),
    Field("width", "pixels", "Width of the result; rounded to a multiple of 64.", None, SIZES),
    Field("height", "pixels", "Height of the result; rounded to a multiple of 64.", None, SIZES),
    Field("steps", "whole", "Denoising steps of each pass.", 25, (10, 50)),
    Field("cfg", "number", "Guidance scale.", 2.0, (1, 32)),
    Field("highres_scale", "number", "Size of the result over that of the lowres pass.", 1.5, (1, 3)),
    Field("highres_denoise", "number", "Denoise strength of the highres pass.", 0.5, (0.1, 1)),
    Field("lowres_denoise", "number", "Denoise strength of the lowres pass.", 0.9, (0.1, 1)),
    Field("output_quality", "whole", "Quality of jpg and webp.", 100, (1, 100)),
    Field("seed", "whole", "The same seed gives the same pictures; random where it is missing.", None, (0, MAX_SEED)),
    Field("webhook_url", "url", "Where the ended job is posted to."),
)
"""Every field, in the order of the API's documentation."""

_URL = re.compile(r"https?://[^\s/?#]+\S*", re.IGNORECASE)


def rounded(pixels: float) -> int:
    """The nearest multiple of 64 pixels."""
    return round(pixels / FRAME_MULTIPLE) * FRAME_MULTIPLE


def value_of(call: Call, field: Field) -> Any:
    """What a call says of a field that is no picture, else its default; a plain JSON value.

    Raises:
        InvalidRequest: it is not what the field takes.
    """
    name = field.name
    if field.alias is not None and present(call, name) is None and present(call, field.alias) is not None:
        name = field.alias
    return _READERS[field.kind](call, name, field)


def _read_text(call: Call, name: str, field: Field) -> str | None:
    # An empty text is an answer here: no words to append, nothing to steer away from.
    return "" if call.fields.get(name) == "" and field.default else text(call, name, field.default)


def _read_url(call: Call, name: str, _: Field) -> str | None:
    url = text(call, name)
    if url is None:
        return None
    if not _URL.fullmatch(url.strip()):
        raise InvalidRequest(f"{name} must be an http(s) URL, not {shown(url)}")
    try:
        parse_target(url.strip(), "webhook", ("http", "https"))
    except InvalidRequest as error:
        raise InvalidRequest(f"{name}: {error}") from None
    return url.strip()


def _read_pixels(call: Call, name: str, field: Field) -> int | None:
    low, high = field.bounds
    found = whole(call, name, None, 0, 2**31)
    if found is None or low <= rounded(found) <= high:
        return None if found is None else rounded(found)
    raise InvalidRequest(f"{name} must be between {low:g} and {high:g}, not {shown(call.fields[name])}")


_READERS: dict[Kind, Callable[[Call, str, Field], Any]] = {
    "text": _read_text,
    "url": _read_url,
    "word": lambda call, name, field: word(call, name, field.default, field.words),
    "whole": lambda call, name, field: whole(call, name, field.default, int(field.bounds[0]), int(field.bounds[1])),
    "number": lambda call, name, field: number(call, name, field.default, *field.bounds),
    "pixels": _read_pixels,
}


def _schema(field: Field) -> dict[str, Any]:
    low, high = field.bounds
    # Half a step beyond the range still rounds into it.
    slack = FRAME_MULTIPLE // 2
    kinds: dict[Kind, dict[str, Any]] = {
        "picture": {"type": "string", "format": "uri", "pattern": "^([Hh][Tt][Tt][Pp][Ss]?://|[Dd][Aa][Tt][Aa]:)"},
        "text": {"type": "string", "maxLength": MAX_PROMPT},
        "url": {"type": "string", "format": "uri", "maxLength": MAX_PROMPT, "pattern": r"^https?://[^\s/?#]+\S*$"},
        "word": {"enum": list(field.words)},
        "whole": {"type": "integer", "minimum": int(low), "maximum": int(high)},
        "number": {"type": "number", "minimum": low, "maximum": high},
        "pixels": {
            "anyOf": [
                {"type": "integer", "minimum": int(low) - slack, "maximum": int(high) + slack},
                {"type": "string", "pattern": "^[0-9]{3,4}$"},
            ]
        },
    }
    told = {} if field.default is None else {"default": field.default}
    return {"description": field.about, **kinds[field.kind], **told}


def request_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a call; sizes as texts are bounded by the reading alone."""
    properties: dict[str, Any] = {}
    for field in FIELDS:
        properties[field.name] = _schema(field)
        if field.alias is not None:
            properties[field.alias] = {**_schema(field), "deprecated": True}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": [field.name for field in FIELDS if field.kind == "picture"],
    }
