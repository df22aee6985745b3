"""Hostile calls: a wrong type in every field of every API."""

from __future__ import annotations

from typing import Any

from iclight_local.dialects.photoroom_fields import HONOURED
from iclight_local.dialects.photoroom_outside import OTHERS
from iclight_local.dialects.photoroom_values import anything
from iclight_local.dialects.pixeldojo_fields import FIELDS
from iclight_local.fields import knob_fields
from iclight_local.request import RelightRequest
from tests.server.hostile import (
    API,
    HOUSE,
    IC_LIGHT,
    PHOTOROOM,
    PICTURE,
    PIXELDOJO,
    PROPER,
    RELIGHTING_V2,
    Hostile,
    part,
    sent_form,
    sent_json,
)

_OBJECTS: dict[str, Any] = {"an empty list": [], "a list": [1], "an object": {"a": {"b": [1]}}}
_NO_NUMBER: dict[str, Any] = {
    **_OBJECTS,
    "a word": "many",
    "true": True,
    "an endless number": float("1e999"),
    "a huge number": 10**40,
    "a huge text of digits": "9" * 3000 + "x",
    "far below": -(10**9),
    "digits of another script": "\u0663",
    "NaN as text": "NaN",
    "hexadecimal": "0x10",
}
WRONG: dict[str, dict[str, Any]] = {
    "text": {**_OBJECTS, "a number": 5, "false": False, "half a letter": "\ud800", "too long": "a" * 2001},
    "number": _NO_NUMBER,
    "whole": {**_NO_NUMBER, "a fraction": 20.5, "a fraction as text": "20.5"},
    "word": {**_OBJECTS, "a number": 5, "true": True, "another word": "sideways", "half a letter": "\udfff"},
    "boolean": {**_OBJECTS, "a number": 5, "a word": "perhaps"},
    "picture": {
        **_OBJECTS,
        "a number": 5,
        "true": True,
        "a path": "/etc/passwd",
        "a path upwards": "../../etc/passwd",
        "a file's URL": "file:///etc/passwd",
        "data that is no base64": "data:image/png,abc",
        "data without a comma": "data:image/png;base64",
    },
    "url": {
        **_OBJECTS,
        "a number": 5,
        "a path": "/etc/passwd",
        "a file's URL": "file:///etc/passwd",
        "a script": "javascript:alert(1)",
        "no host": "http://",
        "half a letter": "\ud800",
    },
}
"""By kind of field what is none of it."""


def _house() -> dict[str, str]:
    kinds: dict[type, str] = {str: "text", int: "whole", float: "number", bool: "boolean", object: "picture"}
    return {each.name: "word" if each.choices else kinds[each.type] for each in knob_fields(RelightRequest)}


def _photoroom() -> dict[str, str]:
    """Names that are read; each has a kind whose wrong values are wrong for all of them."""
    return dict.fromkeys((*HONOURED, *(name for name, each in OTHERS.items() if each.check != anything)), "photoroom")


KINDS: dict[str, dict[str, str]] = {
    HOUSE: _house(),
    IC_LIGHT: {
        "subject_image": "picture",
        **dict.fromkeys(("prompt", "appended_prompt", "negative_prompt"), "text"),
        **dict.fromkeys(("cfg", "lowres_denoise", "highres_scale", "highres_denoise"), "number"),
        **dict.fromkeys(("steps", "number_of_images", "seed", "width", "height", "output_quality"), "whole"),
        **dict.fromkeys(("light_source", "output_format"), "word"),
    },
    RELIGHTING_V2: {
        "image": "picture",
        "output_compression": "whole",
        **dict.fromkeys(("light_direction", "light_type", "light_temperature", "light_intensity"), "word"),
        **dict.fromkeys(("background", "output_format", "quality", "size"), "word"),
    },
    PIXELDOJO: {
        **{each.name: "whole" if each.kind == "pixels" else each.kind for each in FIELDS},
        **{each.alias: each.kind for each in FIELDS if each.alias is not None},
    },
    PHOTOROOM: _photoroom(),
}
"""What each field of an API takes."""
WRONG["photoroom"] = {name: WRONG["text"][name] for name in ("an empty list", "a list", "an object", "half a letter")}
"""What none of its fields takes: numbers and words are told as text there."""


def wrong_types() -> list[Hostile]:
    """Every field with every kind of value that it does not take, in JSON."""
    return [
        sent_json(f"{API[path]} {field}: {what}", path, {**PROPER[path], field: value}, says=field)
        for path, fields in KINDS.items()
        for field, kind in fields.items()
        for what, value in WRONG[kind].items()
    ]


def wrong_texts() -> list[Hostile]:
    """The same in a form, where there are texts alone: each field that is no text, with one that says nothing."""
    junk = "\u0663 <script>\x00%00../..'\"; DROP TABLE jobs"
    found = []
    for path, fields in KINDS.items():
        base = [part(name, value) for name, value in PROPER[path].items() if isinstance(value, str)]
        for field, kind in fields.items():
            if kind not in ("text", "photoroom"):
                parts = [each for each in base if f'name="{field}"'.encode() not in each]
                found.append(
                    sent_form(f"{API[path]} {field}: junk in a form", path, [*parts, part(field, junk)], says=field)
                )
    for field in (name for name in HONOURED if name not in ("background.prompt", "background.negativePrompt")):
        parts = [part("imageFile", PICTURE, "a.png"), part("lighting.mode", "ai.auto"), part(field, junk)]
        parts = parts if field != "lighting.mode" else [parts[0], parts[2]]
        found.append(sent_form(f"photoroom {field}: junk in a form", PHOTOROOM, parts, says=field))
    return found
