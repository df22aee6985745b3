"""Photoroom's spelling: every documented name, the official example, refusals and accounts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from PIL import Image

from iclight_local.dialects import find_dialect
from iclight_local.dialects.base import Call, Link
from iclight_local.dialects.photoroom import (
    DIALECT,
    account_refusal,
    account_v1,
    account_v2,
    headers,
)
from iclight_local.dialects.photoroom_fields import HONOURED, OTHERS, colour
from iclight_local.errors import InvalidRequest, Unsupported
from tests.dialects.photoroom_calls import read

OFFICIAL = {
    **{"referenceBox": "originalImage", "maxWidth": "2000", "maxHeight": "2000"},
    **{"removeBackground": "false", "lighting.mode": "ai.auto"},
}
GOOD: list[tuple[str, str, Any]] = [
    *[("background.color", spoken, None) for spoken in ("", "transparent", "FF000000")],
    *[("background.color", spoken, "ff0000ff") for spoken in ("FF0000", "#ff0000", "f00", "red", "Red", "FF0000FF")],
    *[("background.color", "#FF0000EE", "ff0000ee")],
    *[("export.dpi", value, float(value)) for value in ("72", "1200", "300.5")],
    *[("export.format", value, value) for value in ("png", "jpeg", "jpg", "webp")],
    *[("ignorePaddingAndSnapOnCroppedSides", value, value == "true") for value in ("true", "false")],
    *[("keepExistingAlphaChannel", value, value) for value in ("auto", "never")],
    *[("lighting.mode", value, value) for value in ("ai.auto", "ai.preserve-hue-and-saturation")],
    *[(name, value, float(value)) for name in ("maxWidth", "maxHeight") for value in ("1", "2000", "99.5")],
    *[("outputSize", value, value) for value in ("auto", "originalImage")],
    *[("preserveMetadata", "never", "never"), ("referenceBox", "originalImage", "originalImage")],
    *[("referenceBox", "subjectBox", "subjectBox")],
    *[("removeBackground", value, value.lower() == "true") for value in ("true", "false", "TRUE")],
]
BAD: list[tuple[str, Any]] = [
    *[("background.color", value) for value in ("reddish", "#ff00", "rgb(1,2,3)", "#gggggg", 3)],
    *[("export.dpi", value) for value in ("71", "1201", "many")],
    *[("export.format", value) for value in ("avif", "PNG")],
    *[(name, "maybe") for name in ("ignorePaddingAndSnapOnCroppedSides", "removeBackground")],
    *[("keepExistingAlphaChannel", "always"), ("lighting.mode", "ai.optimize-portrait"), ("lighting.mode", "auto")],
    *[(name, value) for name in ("maxWidth", "maxHeight") for value in ("0", "-1", "wide")],
    *[("outputSize", value) for value in ("200", "200x", "big", "200 x 400")],
    *[("preserveMetadata", "all"), ("referenceBox", "box")],
]
BAD_OTHERS: list[tuple[str, Any]] = [
    *[("background.blur.mode", "box"), ("background.blur.radius", "0.06"), ("background.guidance.scale", "2")],
    *[("background.seed", "-1"), ("background.seed", "1.5"), ("background.scaling", "stretch")],
    *[("beautify.mode", "ai.shoe"), ("describeAnyChange.mode", "on"), ("editWithAI.mode", "on"), ("expand.mode", "on")],
    *[("flatLay.mode", "on"), ("flatLay.size", "HUGE"), ("ghostMannequin.size", "HUGE"), ("imageFromPrompt.size", "1")],
    *[("horizontalAlignment", "top"), ("verticalAlignment", "left"), ("scaling", "stretch")],
    *[(name, value) for name in ("padding", "marginTop") for value in ("0.5", "50%", "-1", "wide", "1em", True)],
    *[("outline.blurRadius", "0.03"), ("outline.color", "reddish"), ("outline.width", "0.2")],
    *[("segmentation.mode", "all"), ("shadow.mode", "ai"), ("shadow.directionOverride", "up")],
    *[("shadow.directionOverride", "361"), ("shadow.intensityOverride", "2"), ("shadow.softnessOverride", "-1")],
    *[("shadow.spreadOverride", "91"), ("shadow.subjectPoseOverride", "flat"), ("textRemoval.mode", "ai")],
    *[("uncrop.mode", "on"), ("upscale.mode", "ai"), ("upscale.downscaleIfNeeded", "yes")],
    *[("virtualModel.mode", "on"), ("virtualModel.pose", "flying"), ("virtualModel.quality", "best")],
    *[("virtualModel.size", "HUGE"), ("background.expandPrompt.mode", "auto"), ("background.prompt", 3)],
]
VALUES = {
    **{
        "background.blur.mode": "bokeh",
        "background.guidance.imageUrl": "https://h/p",
        "background.imageUrl": "https://h/p",
    },
    **{"background.guidance.imageFile": "x", "background.imageFile": "x", "beautify.mode": "ai.food", "layers": "{}"},
    **{"horizontalAlignment": "center", "verticalAlignment": "top", "scaling": "fill", "outline.color": "red"},
    **{"segmentation.mode": "ignoreSalientObject", "shadow.mode": "ai.soft", "textRemoval.mode": "ai.all"},
    **{"upscale.mode": "ai.fast", "shadow.directionOverride": "left", "shadow.spreadOverride": "45"},
    **{"shadow.subjectPoseOverride": "upright", "upscale.downscaleIfNeeded": "never", "virtualModel.pose": "back"},
    **{"virtualModel.quality": "premium", "background.scaling": "fit", "background.expandPrompt.mode": "ai.auto"},
    **{"flatLay.size": "SQUARE_HD", "ghostMannequin.size": "SQUARE_HD", "imageFromPrompt.size": "SQUARE_HD"},
    **{"virtualModel.size": "SQUARE_HD", "background.blur.radius": "0", "outline.blurRadius": "0.01"},
}


def value_for(name: str) -> str:
    """A good value of a name that is not honoured."""
    if name in VALUES:
        return VALUES[name]
    return "ai.auto" if name.endswith(".mode") else "7" if name.endswith(".seed") else "0.1"


@pytest.mark.parametrize(("name", "value", "expected"), GOOD)
def test_a_good_value_is_read(name: str, value: str, expected: Any) -> None:
    asked = read(**{name: value})
    assert asked.values[name] == expected
    assert asked.ignored == ()
    assert json.loads(json.dumps(asked.values)) == asked.values


@pytest.mark.parametrize(("name", "value"), BAD + BAD_OTHERS)
def test_a_bad_value_is_refused_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidRequest, match=rf"^{name} "):
        read(**{name: value})


def test_every_honoured_name_is_tried() -> None:
    assert {name for name, *_ in GOOD} == set(HONOURED) == {name for name, _ in BAD}


def test_the_official_example_is_accepted() -> None:
    asked = DIALECT.read(Call(OFFICIAL, {"imageFile": b"picture"}))
    assert asked.pictures == {"subject_image": b"picture"}
    assert (asked.values["removeBackground"], asked.values["maxWidth"], asked.ignored) == (False, 2000.0, ())


@pytest.mark.parametrize("box", ["subjectBox", "originalImage"])
@pytest.mark.parametrize("snap", ["true", "false"])
def test_placing_says_nothing_where_the_background_stays(box: str, snap: str) -> None:
    assert not read(removeBackground="false", referenceBox=box, ignorePaddingAndSnapOnCroppedSides=snap).ignored


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        *[
            ({"outputSize": "croppedSubject"}, "outputSize croppedSubject"),
            ({"outputSize": "200x400"}, "outputSize 200x400"),
        ],
        *[({"preserveMetadata": value}, f"preserveMetadata {value}") for value in ("xmp", "exifSubset")],
    ],
)
def test_a_value_that_is_not_honoured_is_refused_by_name(fields: dict[str, str], named: str) -> None:
    with pytest.raises(Unsupported, match=rf"^{named} is not supported by this server$"):
        read(**fields)


@pytest.mark.parametrize("name", [name for name, other in OTHERS.items() if other.needs is None])
def test_a_documented_name_that_is_not_honoured_is_refused(name: str) -> None:
    with pytest.raises(Unsupported, match=rf"^{name} is not supported by this server$"):
        read(**{name: value_for(name)})
    assert read(**{name: ""}).ignored == ()


@pytest.mark.parametrize(("name", "needs"), [(name, other.needs) for name, other in OTHERS.items() if other.needs])
def test_a_name_that_changes_nothing_alone_is_told(name: str, needs: str) -> None:
    asked = read(**{name: value_for(name)})
    assert headers(asked) == {"pr-unsupported-attributes": f"Unsupported attributes: {name}"}
    with pytest.raises(Unsupported, match=rf"^{needs} is not supported"):
        read(**{name: value_for(name), needs: value_for(needs)})


@pytest.mark.parametrize(
    ("name", "value"),
    [("padding", "0"), ("marginLeft", "0%"), ("scaling", "fit"), ("segmentation.mode", "keepSalientObject")],
)
def test_a_value_that_changes_nothing_is_taken(name: str, value: str) -> None:
    assert read(**{name: value}).ignored == ()


@pytest.mark.parametrize(
    "name",
    ["virtualModel.model.preset.name", "editWithAI.additionalImages.a.imageUrl", "background.inner", "sizeWidth"],
)
def test_parts_of_inert_objects_and_unknown_names_are_told(name: str) -> None:
    assert read(**{name: "x"}).ignored == (name,)


def test_files_of_other_names() -> None:
    files = {"imageFile": b"x", "editWithAI.additionalImages.a.imageFile": b"y"}
    assert DIALECT.read(Call({"lighting.mode": "ai.auto"}, files)).ignored == (
        "editWithAI.additionalImages.a.imageFile",
    )
    with pytest.raises(Unsupported, match=r"^background.imageFile is not"):
        DIALECT.read(Call({"lighting.mode": "ai.auto"}, {"imageFile": b"x", "background.imageFile": b"y"}))
    with pytest.raises(Unsupported, match=r"^layers.a.text is not"):
        read(**{"layers.a.text": "hello"})


def test_headers_hold_no_letters_that_a_header_cannot() -> None:
    asked = read(**{"a\r\nset-cookie: x": "1", "имя": "2", **{f"n{index:02}": "1" for index in range(30)}})
    [value] = headers(asked).values()
    assert value.isascii()
    assert value.isprintable()
    assert value.endswith("and 12 more")
    assert headers(read()) == {}


def test_without_a_lighting_mode_nothing_is_done() -> None:
    with pytest.raises(Unsupported, match=r"^lighting.mode: must be provided"):
        DIALECT.read(Call({"removeBackground": "true"}, {"imageFile": b"x"}))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (Call({}), "imageFile: must be provided"),
        (Call({}, query=True), "imageUrl: must be provided"),
        (Call({"imageUrl": ""}, query=True), "imageUrl: must be provided"),
        (
            Call({"imageUrl": "https://h/p"}, {"imageFile": b"x"}),
            "imageUrl: must not be provided together with imageFile",
        ),
        (Call({"imageUrl": "ftp://h/p"}), "imageUrl must be"),
        (Call({"imageUrl": "data:image/png;base64,aGk="}), "imageUrl must be an http"),
        (Call({"imageFile": "aGk="}), "imageFile: must be a file of a POST request"),
        (Call({}, {"imageFile": b""}), "imageFile is an empty file"),
        (Call({}, {"imageFile": b"x" * (30 * 2**20 + 1)}), "imageFile must have at most 30 MB, not 30.0"),
    ],
)
def test_the_picture_has_to_come_one_way(call: Call, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{sentence}"):
        DIALECT.read(Call({"lighting.mode": "ai.auto", **call.fields}, call.files, call.query))


@pytest.mark.parametrize("query", [True, False])
def test_a_link_is_left_to_be_fetched(query: bool) -> None:
    asked = DIALECT.read(Call({"lighting.mode": "ai.auto", "imageUrl": "https://h/p.jpg"}, query=query))
    assert asked.pictures == {"subject_image": Link("https://h/p.jpg")}


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
