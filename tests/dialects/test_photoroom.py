"""Photoroom's spelling: every value of every honoured name, refusals and accounts."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from PIL import Image

from iclight_local.dialects import find_dialect
from iclight_local.dialects.base import Call
from iclight_local.dialects.photoroom import (
    DIALECT,
    account_refusal,
    account_v1,
    account_v2,
)
from iclight_local.dialects.photoroom_fields import HONOURED, NEEDS, PICTURES
from iclight_local.dialects.photoroom_values import colour
from iclight_local.errors import InvalidRequest
from tests.dialects.photoroom_calls import read

SIDES = ("Top", "Right", "Bottom", "Left")
METADATA = ("never", "xmp", "exifSubset", "exifSubsetWithXmpCompatibility")
SHADOWS = ("soft", "hard", "floating", "preset-soft", "preset-hard", "auto-with-overrides")
DIRECTIONS = ("behind", "behindLeft", "left", "frontLeft", "front", "frontRight", "right", "behindRight")
SPACINGS = ("margin", "padding", *(f"{kind}{side}" for kind in ("margin", "padding") for side in SIDES))
GOOD: list[tuple[str, Any, Any]] = [
    *[("background.blur.mode", value, value) for value in ("gaussian", "bokeh")],
    *[("background.blur.radius", value, float(value)) for value in ("0", "0.01", "5e-2", ".03")],
    *[("background.color", spoken, None) for spoken in ("", "transparent", "FF000000")],
    *[("background.color", spoken, "ff0000ff") for spoken in ("FF0000", "#ff0000", "f00", "red", "Red", "FF0000FF")],
    *[("background.color", "#FF0000EE", "ff0000ee")],
    *[("background.expandPrompt", value, True) for value in ("auto", "ai.auto", '{"mode": "ai.auto"}')],
    *[("background.expandPrompt", value, False) for value in ("never", "ai.never", {"mode": "ai.never"})],
    *[("background.expandPrompt.mode", value, value == "ai.auto") for value in ("ai.auto", "ai.never")],
    *[("background.guidance.scale", value, float(value)) for value in ("0", "0.6", "1")],
    *[("background.negativePrompt", "a crowd", "a crowd"), ("background.prompt", "a beach", "a beach")],
    *[("background.scaling", value, value) for value in ("fit", "fill")],
    *[("background.seed", *each) for each in (("0", 0), ("25.0", 25), (str(2**63 - 1), 2**63 - 1))],
    *[("export.dpi", value, float(value)) for value in ("72", "1200", "300.5")],
    *[("export.format", value, value) for value in ("png", "jpeg", "jpg", "webp")],
    *[("horizontalAlignment", value, value) for value in ("left", "center", "right")],
    *[("ignorePaddingAndSnapOnCroppedSides", value, value == "true") for value in ("true", "false")],
    *[("keepExistingAlphaChannel", value, value) for value in ("auto", "never")],
    *[("lighting.mode", value, value) for value in ("ai.auto", "ai.preserve-hue-and-saturation")],
    *[(name, value, value) for name in SPACINGS for value in ("0", "0.49", "49%", "10.5%", "100px")],
    *[("padding", 0.1, "0.1"), ("margin", 0, "0")],
    *[(name, value, float(value)) for name in ("maxWidth", "maxHeight") for value in ("1", "2000", "99.5")],
    *[("outline.blurRadius", value, float(value)) for value in ("0", "0.025")],
    *[
        ("outline.color", "00ff0080", "00ff0080"),
        ("outline.color", "lime", "00ff00ff"),
    ],
    *[("outline.width", value, float(value)) for value in ("0", "0.1")],
    *[("outputSize", value, value) for value in ("auto", "originalImage", "croppedSubject", "200x400")],
    *[("preserveMetadata", value, value) for value in METADATA],
    *[("referenceBox", value, value) for value in ("subjectBox", "originalImage")],
    *[("removeBackground", value, value.lower() == "true") for value in ("true", "false", "TRUE", "False")],
    *[("scaling", value, value) for value in ("fit", "fill")],
    *[("shadow.directionOverride", name, 45 * place) for place, name in enumerate(DIRECTIONS)],
    *[("shadow.directionOverride", "360", 360), ("shadow.directionOverride", "12.5", 12.5)],
    *[(f"shadow.{name}Override", value, float(value)) for name in ("intensity", "softness") for value in ("0", "1")],
    *[("shadow.mode", f"ai.{value}", f"ai.{value}") for value in SHADOWS],
    *[("shadow.spreadOverride", *each) for each in (("short", 10), ("medium", 45), ("long", 90), ("0", 0))],
    *[("shadow.subjectPoseOverride", *each) for each in (("flatlay", 0), ("upright", 90), ("45", 45))],
    *[("verticalAlignment", value, value) for value in ("top", "center", "bottom")],
]
BAD: list[tuple[str, Any]] = [
    *[("background.blur.mode", "box"), ("background.blur.radius", "0.06"), ("background.blur.radius", "-0.01")],
    *[("background.color", value) for value in ("reddish", "#ff00", "rgb(1,2,3)", "#gggggg", "##f00", 3)],
    *[("background.expandPrompt", value) for value in ("yes", "{", '{"mode": 1}', '{"mode": "auto", "a": 1}', {}, 1)],
    *[("background.expandPrompt", value) for value in ([1], '{"mode": []}', {"mode": {}}, "{" * 100_000)],
    *[("background.expandPrompt.mode", value) for value in ("on", "true", ["auto"])],
    *[("background.guidance.scale", "1.1"), ("background.guidance.scale", "-0.1"), ("background.scaling", "stretch")],
    *[("background.negativePrompt", 3), ("background.prompt", 3), ("background.prompt", "a" * 2001)],
    *[("background.seed", value) for value in ("-1", "1.5", str(2**63), "many")],
    *[("export.dpi", value) for value in ("71", "1201", "many")],
    *[("export.format", value) for value in ("avif", "PNG")],
    *[(name, "maybe") for name in ("ignorePaddingAndSnapOnCroppedSides", "removeBackground")],
    *[("keepExistingAlphaChannel", "always"), ("lighting.mode", "ai.optimize-portrait"), ("lighting.mode", "auto")],
    *[(name, value) for name in SPACINGS for value in ("0.5", "50%", "-1", "wide", "1em", True)],
    *[(name, value) for name in ("maxWidth", "maxHeight") for value in ("0", "-1", "wide", "1000001")],
    *[("horizontalAlignment", "top"), ("verticalAlignment", "left"), ("scaling", "stretch")],
    *[("outline.blurRadius", "0.03"), ("outline.color", "0f08"), ("outline.width", "0.2")],
    *[("outputSize", value) for value in ("200", "200x", "big", "200 x 400", "0x10", "30001x1", "8000x8000")],
    *[("preserveMetadata", "all"), ("referenceBox", "box"), ("shadow.mode", "ai"), ("shadow.mode", "soft")],
    *[("shadow.directionOverride", value) for value in ("up", "361", "-1", "Left")],
    *[("shadow.intensityOverride", "2"), ("shadow.softnessOverride", "-1")],
    *[("shadow.spreadOverride", "91"), ("shadow.subjectPoseOverride", "flat")],
]
COMPANIONS: dict[str, dict[str, str]] = {
    "background.blur.radius": {"background.blur.mode": "bokeh"},
    "background.scaling": {"background.imageUrl": "https://h/p"},
    "background.guidance.scale": {"background.prompt": "a beach", "background.guidance.imageUrl": "https://h/p"},
    **{name: {"outline.color": "red"} for name in ("outline.blurRadius", "outline.width")},
    **{
        name: {"background.prompt": "a beach"}
        for name in HONOURED
        if name in NEEDS and name.startswith("background.") and NEEDS[name] == ("background.prompt",)
    },
    **{name: {"shadow.mode": "ai.auto-with-overrides"} for name in HONOURED if name.endswith("Override")},
}
"""What a name needs beside it to change anything."""


@pytest.mark.parametrize(("name", "value", "expected"), GOOD)
def test_a_good_value_is_read(name: str, value: Any, expected: Any) -> None:
    asked = read(**COMPANIONS.get(name, {}), **{name: value})
    assert asked.values[name] == expected
    assert asked.ignored == ()
    assert json.loads(json.dumps(asked.values)) == asked.values


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_refused_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidRequest, match=rf"^{re.escape(name)} "):
        read(**COMPANIONS.get(name, {}), **{name: value})


def test_every_honoured_name_is_tried() -> None:
    assert {name for name, *_ in GOOD} == set(HONOURED) == {name for name, _ in BAD}


@pytest.mark.parametrize("name", HONOURED)
def test_an_empty_value_is_none(name: str) -> None:
    for nothing in ("", "  "):
        assert read(**{name: nothing}) == read()


def test_what_a_name_needs_is_honoured_itself() -> None:
    assert NEEDS.keys() <= HONOURED.keys() | PICTURES.keys()
    assert {name for names in NEEDS.values() for name in names} <= HONOURED.keys() | PICTURES.keys()


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        *[("invalid", 400), ("too_large", 400), ("unsupported", 400), ("unauthorized", 403), ("not_found", 404)],
        *[("not_allowed", 405), ("busy", 429), ("failed", 500), ("late", 504)],
    ],
)
def test_refusals(fault: Any, status: int) -> None:
    answer = DIALECT.refusal(fault, "Why.")
    code = {"code": "unsupported_locally"} if fault == "unsupported" else {}
    message = "Unauthorized" if fault == "unauthorized" else "Why."
    assert (answer.status, answer.body) == (status, {"error": {"message": message, **code}})


def test_accounts() -> None:
    available = account_v1().body["credits"]["available"]
    assert available > 0
    assert account_v1().body == {"credits": {"available": available, "subscription": available}}
    assert account_v2().body == {"images": {"available": available, "subscription": available}, "plan": "local"}
    missing = account_refusal("unauthorized", "x", given=False)
    assert (missing.status, missing.body) == (400, {"error": {"message": "apiKey: Required"}})
    wrong = account_refusal("unauthorized", "x", given=True)
    assert (wrong.status, wrong.body) == (403, {"error": {"message": "Unauthorized"}})
    assert account_refusal("busy", "x", given=False).status == 429


def test_it_is_found_by_its_name() -> None:
    assert find_dialect("photoroom") is DIALECT


def test_a_name_that_pillow_has_used_is_a_name_still() -> None:
    call = Call({"background.color": "tomato"}, {})
    before = colour(call, "background.color")
    Image.new("RGB", (1, 1), "tomato")
    assert colour(call, "background.color") == before == "ff6347ff"
