"""Photoroom's spelling: every documented name, the official example, exposure, size, colour and density."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from iclight_local.dialects import find_dialect
from iclight_local.dialects.base import Asked, Call, Link
from iclight_local.dialects.photoroom import (
    DIALECT,
    account_refusal,
    account_v1,
    account_v2,
    headers,
)
from iclight_local.dialects.photoroom_fields import HONOURED, OTHERS
from iclight_local.errors import InvalidRequest, Unsupported
from iclight_local.plan import plan_of
from iclight_local.request import RelightRequest
from iclight_local.result import RelightResult

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


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return buffer.getvalue()


def grey(level: int, size: tuple[int, int] = (96, 64)) -> Image.Image:
    return Image.new("RGB", size, (level, level, level))


def read(data: bytes = b"picture", /, **fields: Any) -> Asked:
    return DIALECT.read(Call({"lighting.mode": "ai.auto", **fields}, {"imageFile": data}))


def requested(image: Image.Image | bytes, **fields: Any) -> RelightRequest:
    data = image if isinstance(image, bytes) else png(image)
    return DIALECT.request(read(data, **fields), {"subject_image": data})


def delivered(image: Image.Image, **fields: Any) -> tuple[Image.Image, str]:
    asked = read(**fields)
    request = RelightRequest(subject_image=b"picture")
    [found] = DIALECT.deliver(asked, request, RelightResult([image], 1, {"secret": 1}, "fake", exif=b"Exif\0\0MM"))
    assert b"secret" not in found.data
    return Image.open(io.BytesIO(found.data)), found.media_type


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
        *[({"referenceBox": "subjectBox"}, "referenceBox subjectBox")],
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


@pytest.mark.parametrize("mode", ["ai.auto", "ai.preserve-hue-and-saturation"])
def test_the_engine_works_small_and_keeps_the_picture(mode: str) -> None:
    request = requested(grey(60, (1000, 750)), **{"lighting.mode": mode, "removeBackground": "false"})
    expected = {
        **{"model": "fc", "fit": "input", "keep": "detail" if mode == "ai.auto" else "colour", "steps": 20, "cfg": 1.8},
        **{"background_mode": "keep", "light_strength": 0.6, "background_strength": 0.6, "light_source": "none"},
        **{"width": 768, "height": 576, "number_of_images": 1, "exposure": 0.18},
    }
    assert {name: getattr(request, name) for name in expected} == expected
    assert max(plan_of(request).highres.width, plan_of(request).highres.height) == 768


def test_a_cut_out_stands_before_nothing() -> None:
    request = requested(grey(60))
    assert (request.background_mode, request.background_strength, request.output_format) == ("transparent", 0, None)


@pytest.mark.parametrize(
    ("size", "frame"),
    [
        *[((3500, 3500), (768, 768)), ((300, 200), (512, 320)), ((600, 600), (576, 576)), ((200, 300), (320, 512))],
        *[((3000, 10), (768, 192)), ((10, 3000), (192, 768))],
    ],
)
def test_the_frame_has_the_picture_s_shape(size: tuple[int, int], frame: tuple[int, int]) -> None:
    request = requested(grey(150, size))
    assert (request.width, request.height) == frame


def test_the_seed_follows_from_the_bytes() -> None:
    first, again, other = (requested(grey(level)).seed for level in (60, 60, 61))
    assert first == again != other


@pytest.mark.parametrize(
    ("level", "exposure", "strength"),
    [(40, 0.18, 0.6), (110, 0.18, 0.6), (130, None, 0.3), (190, None, 0.3), (220, 0.55, 0.6)],
)
def test_only_a_badly_exposed_picture_is_exposed(level: int, exposure: float | None, strength: float) -> None:
    request = requested(grey(level), removeBackground="false")
    assert (request.exposure, request.light_strength, request.background_strength) == (exposure, strength, strength)


@pytest.mark.parametrize(("around", "subject"), [(255, 40), (5, 150)])
def test_a_bright_or_dark_surrounding_is_no_wrong_exposure(around: int, subject: int) -> None:
    image = grey(around)
    image.paste(grey(subject, (60, 40)), (18, 12))
    assert requested(image).exposure is None


@pytest.mark.parametrize(
    ("fields", "segmented", "exposure"),
    [
        ({"keepExistingAlphaChannel": "never"}, True, None),
        ({}, True, None),
        ({"keepExistingAlphaChannel": "auto"}, False, 0.18),
        ({"removeBackground": "false"}, False, 0.18),
    ],
)
def test_an_alpha_channel_counts_where_it_is_asked_for(
    fields: dict[str, str], segmented: bool, exposure: float | None
) -> None:
    image = grey(200).convert("RGBA")
    image.putalpha(0)
    image.paste((30, 30, 30, 255), (30, 20, 60, 40))
    request = requested(image, **fields)
    if segmented:
        assert isinstance(request.subject_image, Image.Image)
        assert request.subject_image.mode == "RGB"
    else:
        assert request.subject_image == png(image)
    assert request.exposure == exposure


@pytest.mark.parametrize("size", [(3501, 10), (10, 3501)])
def test_a_picture_of_more_than_3500_pixels_is_refused(size: tuple[int, int]) -> None:
    sentence = rf"^imageFile must have at most 3500 x 3500 pixels with lighting.mode, not {size[0]} x {size[1]}$"
    with pytest.raises(InvalidRequest, match=sentence):
        requested(grey(90, size))


def test_a_picture_turned_by_exif_is_measured_upright() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    buffer = io.BytesIO()
    grey(150, (600, 300)).save(buffer, "jpeg", exif=exif)
    request = requested(buffer.getvalue())
    assert (request.width, request.height) == (320, 576)


def test_no_picture_is_told_with_the_name_of_the_field() -> None:
    with pytest.raises(InvalidRequest, match=r"^imageFile"):
        requested(b"no picture at all")
    with pytest.raises(InvalidRequest, match=r"^imageFile"):
        requested(png(grey(9))[:60])
    asked = DIALECT.read(Call({"lighting.mode": "ai.auto", "imageUrl": "https://h/p"}))
    with pytest.raises(InvalidRequest, match=r"^imageUrl must have at most 30 MB"):
        DIALECT.request(asked, {"subject_image": b"x" * (31 << 20)})


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        *[({}, (400, 300)), ({"maxWidth": "200"}, (200, 150)), ({"maxHeight": "100"}, (133, 100))],
        *[({"maxWidth": "200", "maxHeight": "30"}, (40, 30)), ({"maxWidth": "9000", "maxHeight": "301"}, (400, 300))],
        *[({"maxWidth": "1"}, (1, 1)), ({"maxWidth": "199.9"}, (199, 149))],
    ],
)
def test_a_picture_is_shrunk_and_never_enlarged(fields: dict[str, str], size: tuple[int, int]) -> None:
    assert delivered(grey(90, (400, 300)), **fields)[0].size == size


@pytest.mark.parametrize(
    ("spoken", "kind"), [("", "PNG"), ("png", "PNG"), ("jpeg", "JPEG"), ("jpg", "JPEG"), ("webp", "WEBP")]
)
@pytest.mark.parametrize("dpi", ["", "72", "300", "299.5"])
def test_format_and_density(spoken: str, kind: str, dpi: str) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8)
    image = Image.fromarray(pixels).resize((64, 64))
    found, media_type = delivered(image, **{"export.format": spoken, "export.dpi": dpi})
    found.load()
    assert (found.format, media_type) == (kind, f"image/{kind.lower()}")
    if kind == "PNG":
        assert np.array_equal(np.asarray(found), np.asarray(image))
    if kind == "WEBP":
        read_dpi = found.getexif().get(ExifTags.Base.XResolution)
        assert found.getexif().get(ExifTags.Base.ResolutionUnit) == (2 if dpi else None)
    else:
        read_dpi = found.info.get("dpi", (None,))[0]
    # Pillow takes a JPEG that says nothing for one of 72.
    assert read_dpi in (None, 72) if not dpi else abs(float(read_dpi) - float(dpi)) <= 0.51


def test_a_cut_out_in_every_format() -> None:
    image = Image.new("RGBA", (40, 40), (200, 20, 20, 0))
    image.paste((200, 20, 20, 255), (8, 8, 32, 32))
    assert delivered(image)[0].getpixel((0, 0))[3] == 0
    assert delivered(image, **{"export.format": "webp"})[0].convert("RGBA").getpixel((0, 0))[3] == 0
    flat = delivered(image, **{"export.format": "jpg"})[0]
    assert min(flat.getpixel((0, 0))) > 250


@pytest.mark.parametrize(
    ("colour", "mode", "corner"),
    [("0000FF", "RGB", (0, 0, 255)), ("blue", "RGB", (0, 0, 255)), ("0000FF80", "RGBA", (0, 0, 255, 128))],
)
@pytest.mark.parametrize("cut_out", ["true", "false"])
def test_a_colour_lies_where_the_picture_is_transparent(colour: str, mode: str, corner: Any, cut_out: str) -> None:
    image = Image.new("RGBA", (40, 40), (200, 20, 20, 0))
    image.paste((200, 20, 20, 255), (8, 8, 32, 32))
    found, _ = delivered(image, **{"background.color": colour, "removeBackground": cut_out})
    assert found.mode == mode
    assert found.getpixel((0, 0)) == corner
    assert found.convert("RGB").getpixel((20, 20)) == (200, 20, 20)
    assert delivered(grey(7), **{"background.color": colour})[0].mode == "RGB"


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
