"""What Photoroom's parameters ask of each other, and what its published clients send."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from PIL import Image

from iclight_local.dialects.base import Asked, Call, Link
from iclight_local.dialects.photoroom import DIALECT
from iclight_local.errors import InvalidRequest, Unsupported
from iclight_local.result import RelightResult
from tests.dialects.photoroom_calls import BLUE, RED, cut_out, delivered, grey, png, read, requested

PHOTO = grey(90, (80, 40))
KEPT = {"removeBackground": "false"}
OVERRIDES = {
    "shadow.directionOverride": "left",
    "shadow.intensityOverride": "0.5",
    "shadow.softnessOverride": "0.5",
    "shadow.spreadOverride": "long",
    "shadow.subjectPoseOverride": "flatlay",
}
CLIENTS: dict[str, dict[str, Any]] = {
    "the documented relight": {
        **{"referenceBox": "originalImage", "maxWidth": "2000", "maxHeight": "2000"},
        **{"removeBackground": "false", "lighting.mode": "ai.auto"},
    },
    "an extension that sends every field": {
        **{"background.color": "", "background.prompt": "", "outputSize": "auto", "padding": "0.1", "margin": "0"},
        **{"removeBackground": "true", "shadow.mode": "", "lighting.mode": "", "export.format": "png"},
    },
    "an extension that keeps the background": {
        **{"background.color": "", "background.prompt": "", "removeBackground": "false", "lighting.mode": "ai.auto"},
        "ignorePaddingAndSnapOnCroppedSides": "false",
    },
    "a marketplace listing": {
        **{"background.color": "FFFFFF", "outputSize": "1000x1000", "padding": "10%", "export.format": "jpg"},
        **{"shadow.mode": "ai.soft", "lighting.mode": "ai.auto"},
    },
    "a sticker": {"outline.color": "white", "outline.width": "0.05", "outputSize": "croppedSubject", "padding": "10%"},
    "largest sizes with the picture's own": {"outputSize": "originalImage", "maxWidth": "40"},
    "largest sizes with the subject's": {"outputSize": "croppedSubject", "maxHeight": "10"},
    "largest sizes with auto": {"outputSize": "auto", "maxWidth": "40", "maxHeight": "40"},
}
REFUSED: list[tuple[dict[str, Any], str]] = [
    *[
        ({"outputSize": "200x400", name: "100"}, f"{name} can only be provided if outputSize is auto, originalImage or")
        for name in ("maxWidth", "maxHeight")
    ],
    *[
        ({**KEPT, name: value}, f"{name} can't be provided if removeBackground is false")
        for name, value in {
            "background.imageUrl": "https://h/p",
            "background.imageFile": b"x",
            "background.prompt": "a beach",
            "background.guidance.imageUrl": "https://h/p",
            "background.guidance.imageFile": b"x",
            "background.guidance.scale": "0.5",
        }.items()
    ],
    *[
        ({"background.prompt": "a beach", name: value}, f"background.prompt can't be provided together with {name}")
        for name, value in {"background.imageUrl": "https://h/p", "background.imageFile": b"x"}.items()
    ],
    *[
        ({"shadow.mode": f"ai.{mode}", name: value}, f"{name} can only be provided if shadow.mode is ai.auto-with-over")
        for mode in ("soft", "hard", "floating", "preset-soft", "preset-hard")
        for name, value in OVERRIDES.items()
    ],
    *[
        (
            {f"{name}Url": "https://h/p", f"{name}File": b"x"},
            f"{name}Url: must not be provided together with {name}File",
        )
        for name in ("image", "background.image", "background.guidance.image")
    ],
    *[({name: "aGk="}, f"{name}: must be a file of a POST request") for name in ("imageFile", "background.imageFile")],
    *[
        ({name: value}, f"{name} must be an http")
        for name in ("background.imageUrl", "background.guidance.imageUrl")
        for value in ("ftp://h/p", "data:image/png;base64,aGk=", "aGk=", b"x")
    ],
    ({"background.imageFile": b""}, "background.imageFile is an empty file"),
    ({"background.imageFile": b"x" * (30 * 2**20 + 1)}, "background.imageFile must have at most 30 MB, not 30.0"),
]


def call_of(fields: dict[str, Any], *, query: bool = False) -> Call:
    files = {name: value for name, value in fields.items() if isinstance(value, bytes)}
    picture = {"imageUrl": "https://h/main.png"} if query else {}
    given = {"imageFile": b"picture"} if not query and "imageFile" not in fields else {}
    words = {name: value for name, value in fields.items() if name not in files}
    return Call({**picture, **words}, {**given, **files}, query)


@pytest.mark.parametrize("name", CLIENTS)
def test_what_published_clients_send_is_taken(name: str) -> None:
    found = delivered(cut_out(), **CLIENTS[name])
    assert "pr-unsupported-attributes" not in found.headers
    assert found.image.size[0] in (80, 1000, 20, 10, 40)


@pytest.mark.parametrize(("fields", "sentence"), REFUSED)
def test_what_contradicts_itself_is_refused_by_its_name(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{re.escape(sentence)}"):
        DIALECT.read(call_of(fields))
    if not any(isinstance(value, bytes) for value in fields.values()) and "imageFile" not in fields:
        with pytest.raises(InvalidRequest, match=f"^{re.escape(sentence)}"):
            DIALECT.read(call_of(fields, query=True))


@pytest.mark.parametrize("box", ["subjectBox", "originalImage"])
@pytest.mark.parametrize("snap", ["true", "false"])
def test_placing_says_nothing_where_the_background_stays(box: str, snap: str) -> None:
    found = delivered(PHOTO, **KEPT, referenceBox=box, ignorePaddingAndSnapOnCroppedSides=snap, padding="10%")
    assert found.headers == {}
    assert found.data == delivered(PHOTO, **KEPT, padding="10%").data


@pytest.mark.parametrize("mode", ["ai.auto-with-overrides", "", None])
def test_overrides_of_a_shadow_go_with_its_own_mode_alone(mode: str | None) -> None:
    given = {} if mode is None else {"shadow.mode": mode}
    told = read(**given, **OVERRIDES).ignored
    assert told == (() if mode else tuple(OVERRIDES))


@pytest.mark.parametrize(
    ("fields", "expanded"),
    [
        ({}, False),
        *[({"background.expandPrompt": word}, True) for word in ("auto", "ai.auto", '{"mode": "ai.auto"}')],
        *[({"background.expandPrompt": word}, False) for word in ("never", "ai.never", '{"mode":"never"}', "")],
        ({"background.expandPrompt": {"mode": "ai.auto"}}, True),
        ({"background.expandPrompt.mode": "ai.auto"}, True),
        ({"background.expandPrompt.mode": "ai.never"}, False),
        # The part by itself is the newer spelling.
        ({"background.expandPrompt": "auto", "background.expandPrompt.mode": "ai.never"}, False),
        ({"background.expandPrompt": "never", "background.expandPrompt.mode": "ai.auto"}, True),
    ],
)
def test_a_prompt_is_expanded_where_that_is_asked(fields: dict[str, Any], expanded: bool) -> None:
    prompt = requested(PHOTO, **{"background.prompt": " a beach ", **fields}).prompt
    words = "a beach, photorealistic product photo, natural light, soft shadow"
    assert prompt == (words if expanded else "a beach")


@pytest.mark.parametrize("spoken", ["00f", "0000ff", "0000FFFF", "#00F", "#0000ff", "#0000ffff", "blue", " Blue "])
@pytest.mark.parametrize("name", ["background.color", "outline.color"])
def test_a_colour_in_every_form(name: str, spoken: str) -> None:
    found = delivered(cut_out(), **{name: spoken, "referenceBox": "originalImage", "outline.width": "0.1"})
    assert found.image.convert("RGBA").getpixel((28, 20)) == (0, 0, 255, 255)


@pytest.mark.parametrize("spoken", ["transparent", "TRANSPARENT", "", "00000000", "ffffff00"])
def test_no_colour_in_every_form(spoken: str) -> None:
    found = delivered(cut_out(), **{"background.color": spoken, "outline.color": spoken})
    assert found.data == delivered(cut_out()).data


def test_a_background_by_its_address_goes_with_a_file() -> None:
    asked = DIALECT.read(Call({"background.imageUrl": "https://h/b.png"}, {"imageFile": b"x"}))
    assert asked.pictures == {"subject_image": b"x", "background_image": Link("https://h/b.png")}
    assert asked.ignored == ()


@pytest.mark.parametrize("name", ["imageFile", "background.imageFile", "background.guidance.imageFile"])
def test_a_query_brings_no_files(name: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{name}: must be a file of a POST request$"):
        DIALECT.read(call_of({name: "photo.png"}, query=True))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (Call({}), "imageFile: must be provided"),
        (Call({}, query=True), "imageUrl: must be provided"),
        (Call({"imageUrl": ""}, query=True), "imageUrl: must be provided"),
        (Call({"imageUrl": "ftp://h/p"}), "imageUrl must be"),
        (Call({"imageUrl": "data:image/png;base64,aGk="}), "imageUrl must be an http"),
        (Call({}, {"imageFile": b""}), "imageFile is an empty file"),
        (Call({}, {"imageFile": b"x" * (30 * 2**20 + 1)}), "imageFile must have at most 30 MB, not 30.0"),
        # The value comes before the picture that is missing.
        (Call({"padding": "wide"}), "padding must be"),
    ],
)
def test_the_picture_has_to_come_one_way(call: Call, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{sentence}"):
        DIALECT.read(call)


def test_a_picture_out_of_words_is_not_made_here() -> None:
    with pytest.raises(Unsupported, match=r"^imageFromPrompt.prompt is not supported by this server$"):
        DIALECT.read(Call({"imageFromPrompt.prompt": "a red car"}))


@pytest.mark.parametrize("query", [True, False])
def test_a_link_is_left_to_be_fetched(query: bool) -> None:
    asked = DIALECT.read(Call({"imageUrl": "https://h/p.jpg"}, query=query))
    assert asked.pictures == {"subject_image": Link("https://h/p.jpg")}


@pytest.mark.parametrize("size", [(3501, 10), (10, 3501)])
def test_only_a_light_has_a_largest_picture(size: tuple[int, int]) -> None:
    sentence = rf"^imageFile must have at most 3500 x 3500 pixels with lighting.mode, not {size[0]} x {size[1]}$"
    with pytest.raises(InvalidRequest, match=sentence):
        requested(grey(90, size))
    assert requested(grey(90, size), **{"lighting.mode": ""}).subject_image == png(grey(90, size))


@pytest.mark.parametrize("name", ["background.imageFile", "background.guidance.imageFile"])
def test_every_picture_is_told_by_its_field(name: str) -> None:
    fields = {"background.prompt": "a beach"} if "guidance" in name else {}
    with pytest.raises(InvalidRequest, match=f"^{name}"):
        delivered(grey(9), **fields, **{name: b"no picture at all"})
    link = name.replace("File", "Url")
    asked = DIALECT.read(Call({**fields, link: "https://h/p"}, {"imageFile": png(grey(9))}))
    knob = "light_map" if "guidance" in name else "background_image"
    with pytest.raises(InvalidRequest, match=rf"^{link} must have at most 30 MB, not 31.0$"):
        DIALECT.request(asked, {"subject_image": png(grey(9)), knob: b"x" * (31 << 20)})


def test_a_shadow_needs_something_to_fall_on() -> None:
    opaque = grey(200).convert("RGBA")
    jpeg = io.BytesIO()
    grey(90).save(jpeg, "jpeg")
    for picture in (PHOTO, opaque, jpeg.getvalue()):
        with pytest.raises(InvalidRequest, match=r"^shadow.mode can't be provided if removeBackground is false"):
            delivered(picture, **KEPT, **{"shadow.mode": "ai.soft"})
    assert delivered(cut_out(), **KEPT, **{"shadow.mode": "ai.soft"}).pixels[..., 3].any()


@pytest.mark.parametrize("mode", ["ai.auto", "ai.preserve-hue-and-saturation"])
def test_a_light_goes_with_everything(mode: str) -> None:
    """Whatever comes beside it, the light is that of the picture in its own frame."""
    found = delivered(cut_out(), **{"lighting.mode": mode, **CLIENTS["a sticker"]})
    [asked] = found.asked
    assert asked.keep == ("detail" if mode == "ai.auto" else "colour")
    assert isinstance(asked.subject_image, bytes)
    assert found.at(10, 10) == (*BLUE, 255)
    assert delivered(cut_out(), **CLIENTS["a sticker"]).at(10, 10) == (*RED, 255)


def test_a_picture_that_says_nothing_is_cut_out_and_fills_its_frame() -> None:
    image = Image.new("RGB", (80, 40), RED)
    found = delivered(image)
    assert (found.image.size, found.image.mode, found.media_type) == ((80, 40), "RGBA", "image/png")
    assert found.box == (0, 0, 40, 40)


def test_a_job_that_an_earlier_version_accepted_is_done() -> None:
    """It has the names that were known then, and ``source`` in place of ``sources``."""
    values = {"lighting.mode": "ai.auto", "removeBackground": False, "keepExistingAlphaChannel": None}
    values |= {"export.format": "jpeg", "source": "imageFile"}
    data = png(grey(60))
    request = DIALECT.request(Asked(values, {"subject_image": b""}), {"subject_image": data})
    assert (request.behind, request.kept, request.metadata) == ("keep", "detail", "none")
    [found] = DIALECT.deliver(Asked(values, {}), request, RelightResult([grey(9)], 1, {}, "fake"))
    assert found.media_type == "image/jpeg"
