"""Photoroom's pictures: exposure and frame of the request, size, colour, place and density of the result."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from iclight_local.dialects.base import Call
from iclight_local.dialects.photoroom import (
    DIALECT,
)
from iclight_local.errors import InvalidRequest
from iclight_local.plan import plan_of
from tests.dialects.photoroom_calls import delivered, grey, png, requested


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
    assert (request.behind, request.background_strength, request.output_format) == ("transparent", 0, None)


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
        ({"keepExistingAlphaChannel": ""}, True, None),
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
    [asked] = delivered(image, **{"lighting.mode": "ai.auto", **fields}).asked
    if segmented:
        assert isinstance(asked.subject_image, Image.Image)
        assert asked.subject_image.mode == "RGB"
    else:
        assert asked.subject_image == png(image)
    assert asked.exposure == exposure


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
@pytest.mark.parametrize("light", ["ai.auto", ""])
def test_a_picture_is_shrunk_and_never_enlarged(fields: dict[str, str], size: tuple[int, int], light: str) -> None:
    assert delivered(grey(90, (400, 300)), **fields, **{"lighting.mode": light}).image.size == size


@pytest.mark.parametrize(
    ("spoken", "kind"), [("", "PNG"), ("png", "PNG"), ("jpeg", "JPEG"), ("jpg", "JPEG"), ("webp", "WEBP")]
)
@pytest.mark.parametrize("dpi", ["", "72", "300", "299.5"])
def test_format_and_density(spoken: str, kind: str, dpi: str) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8)
    image = Image.fromarray(pixels).resize((64, 64))
    edited = delivered(image, removeBackground="false", **{"export.format": spoken, "export.dpi": dpi})
    found = edited.image
    found.load()
    assert (found.format, edited.media_type) == (kind, f"image/{kind.lower()}")
    if kind == "PNG":
        assert np.array_equal(np.asarray(found), np.asarray(image))
    if kind == "WEBP":
        read_dpi = found.getexif().get(ExifTags.Base.XResolution)
        assert found.getexif().get(ExifTags.Base.ResolutionUnit) == (2 if dpi else None)
    else:
        read_dpi = found.info.get("dpi", (None,))[0]
    # Pillow takes a JPEG that says nothing for one of 72.
    assert read_dpi in (None, 72) if not dpi else abs(float(read_dpi) - float(dpi)) <= 0.51


@pytest.mark.parametrize("fields", [{}, {"removeBackground": "false"}, {"lighting.mode": "ai.auto"}])
def test_nothing_of_the_run_is_told_in_the_file(fields: dict[str, str]) -> None:
    for kind in ("png", "jpg", "webp"):
        data = delivered(grey(90), **fields, **{"export.format": kind}).data
        assert not [word for word in (b"fake", b"request", b"natural lighting") if word in data]


def test_a_cut_out_in_every_format() -> None:
    image = Image.new("RGBA", (40, 40), (200, 20, 20, 0))
    image.paste((200, 20, 20, 255), (8, 8, 32, 32))
    assert delivered(image, referenceBox="originalImage").at(0, 0)[3] == 0
    webp = delivered(image, **{"export.format": "webp", "referenceBox": "originalImage"})
    assert (webp.image.mode, webp.at(0, 0)[3]) == ("RGBA", 0)
    flat = delivered(image, **{"export.format": "jpg", "referenceBox": "originalImage"})
    assert flat.image.mode == "RGB"
    assert min(flat.at(0, 0)) > 250


@pytest.mark.parametrize(
    ("colour", "mode", "corner"),
    [("0000FF", "RGB", (0, 0, 255)), ("blue", "RGB", (0, 0, 255)), ("0000FF80", "RGBA", (0, 0, 255, 128))],
)
@pytest.mark.parametrize("cut_out", ["true", "false"])
def test_a_colour_lies_where_the_picture_is_transparent(colour: str, mode: str, corner: Any, cut_out: str) -> None:
    image = Image.new("RGBA", (40, 40), (200, 20, 20, 0))
    image.paste((200, 20, 20, 255), (8, 8, 32, 32))
    fields = {"background.color": colour, "removeBackground": cut_out, "referenceBox": "originalImage"}
    found = delivered(image, **fields)
    assert found.image.mode == mode
    assert found.at(0, 0) == corner
    assert found.image.convert("RGB").getpixel((20, 20)) == (200, 20, 20)
    assert delivered(grey(7), removeBackground="false", **{"background.color": colour}).image.mode == "RGB"


def veiled(box: tuple[int, int, int, int], size: tuple[int, int] = (400, 200)) -> Image.Image:
    """A red subject in a box, and a blue veil around it that is too thin to be seen."""
    image = Image.new("RGBA", size, (0, 0, 255, 5))
    image.paste((255, 0, 0, 255), box)
    return image


@pytest.mark.parametrize(
    ("box", "fields", "expected"),
    [
        # Left 40, top 20, right 140, bottom 120: twice as large, in the middle.
        ((40, 20, 140, 120), {}, (100, 0, 300, 200)),
        ((40, 20, 140, 120), {"referenceBox": "subjectBox"}, (100, 0, 300, 200)),
        ((40, 20, 140, 120), {"referenceBox": "originalImage"}, (40, 20, 140, 120)),
        ((40, 20, 140, 120), {"removeBackground": "false"}, (40, 20, 140, 120)),
        # Cut off by a side, it is put against it.
        ((0, 20, 100, 120), {}, (0, 0, 200, 200)),
        ((300, 20, 400, 120), {}, (200, 0, 400, 200)),
        ((2, 20, 102, 120), {}, (100, 0, 300, 200)),
        ((1, 20, 101, 120), {}, (0, 0, 200, 200)),
        ((0, 20, 100, 120), {"ignorePaddingAndSnapOnCroppedSides": "false"}, (100, 0, 300, 200)),
        ((100, 100, 300, 200), {}, (0, 0, 400, 200)),
        # By both, it is in the middle.
        ((0, 90, 400, 110), {}, (0, 90, 400, 110)),
        ((150, 0, 200, 200), {}, (175, 0, 225, 200)),
    ],
)
def test_a_cut_out_fits_its_frame(
    box: tuple[int, int, int, int], fields: dict[str, str], expected: tuple[int, int, int, int]
) -> None:
    found = delivered(veiled(box), **fields)
    assert found.image.size == (400, 200)
    assert found.box is not None
    assert all(abs(side - wanted) <= 1 for side, wanted in zip(found.box, expected, strict=True))


def test_a_placed_cut_out_has_no_fringe() -> None:
    image = veiled((40, 20, 140, 120))
    image.putalpha(image.getchannel("A").point(lambda value: 255 * (value > 128)))
    found = delivered(image).pixels
    seen = found[found[..., 3] > 0]
    assert (seen[:, 0] > 250).all()
    assert (seen[:, 1:3] < 5).all()
    # Before white and black, soft edges are as light and as dark as what is behind them, and never blue.
    for background in ("white", "black"):
        found = delivered(image, **{"background.color": background}).pixels
        assert (found[..., 2] <= found[..., 0]).all()


def test_a_speck_at_a_side_cuts_nothing_off() -> None:
    image = veiled((40, 20, 140, 120))
    image.putpixel((0, 70), (255, 0, 0, 255))
    box = delivered(image).box
    assert box is not None
    assert box[0] > 50


def test_nothing_to_place_is_nothing() -> None:
    empty = Image.new("RGBA", (40, 30), (9, 9, 9, 0))
    found = delivered(empty)
    assert (found.image.size, found.image.mode, found.pixels.any()) == ((40, 30), "RGBA", False)
    white = delivered(empty, **{"background.color": "white", "shadow.mode": "ai.soft", "outline.color": "red"})
    assert (white.pixels == 255).all()
