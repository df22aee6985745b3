"""What each of Photoroom's 48 honoured names does: on the pixels that come out, in the file, or in the headers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from PIL import ExifTags, Image

from iclight_local.dialects.photoroom_fields import HONOURED, PARTS, PICTURES
from iclight_local.imaging.linear import to_linear
from tests.dialects import test_photoroom_scenes  # noqa: F401  # what it tests is noted, too
from tests.dialects.photoroom_calls import GREY, RED, TESTED, Box, cut_out, delivered, of, photo, png

GREEN = (0, 200, 0)
SIDES = ("Top", "Right", "Bottom", "Left")


def test_every_honoured_name_has_its_pixels() -> None:
    assert (HONOURED.keys() - set(PARTS)) | PICTURES.keys() == TESTED
    assert len(TESTED) == 48


def plain(colour: tuple[int, ...], size: tuple[int, int] = (10, 10)) -> Image.Image:
    return Image.new("RGB", size, colour)


# A subject of 20 x 20 at (30, 10) of 80 x 40: fitted it has 40 x 40.
PLACES: list[tuple[dict[str, str], tuple[int, int], Box]] = [
    ({}, (80, 40), (20, 0, 60, 40)),
    ({"padding": "10%"}, (80, 40), (24, 4, 56, 36)),
    ({"padding": "0.1"}, (80, 40), (24, 4, 56, 36)),
    ({"padding": "4px"}, (80, 40), (24, 4, 56, 36)),
    # 64 x 32 are left by the margins: paddings of 6 and 3, so that 52 x 26 are left.
    ({"margin": "10%", "padding": "10%"}, (80, 40), (27, 7, 53, 33)),
    ({"margin": "0.25"}, (80, 40), (30, 10, 50, 30)),
    *[({f"{kind}Left": "20px"}, (80, 40), (30, 0, 70, 40)) for kind in ("margin", "padding")],
    *[({f"{kind}Right": "25%"}, (80, 40), (10, 0, 50, 40)) for kind in ("margin", "padding")],
    *[({f"{kind}Top": "0.49"}, (80, 40), (30, 20, 50, 40)) for kind in ("margin", "padding")],
    *[({f"{kind}Bottom": "20px"}, (80, 40), (30, 0, 50, 20)) for kind in ("margin", "padding")],
    # A side's own value is in place of the other: 76 x 40 from 4 on, and none above.
    ({"padding": "10px", "paddingLeft": "4px", "paddingRight": "0", "paddingTop": "0", "paddingBottom": "0"},
     (80, 40), (22, 0, 62, 40)),
    ({"margin": "10px", "marginLeft": "4px", "marginRight": "0", "marginTop": "0", "marginBottom": "0"},
     (80, 40), (22, 0, 62, 40)),
    *[({"horizontalAlignment": side}, (80, 40), (left, 0, left + 40, 40))
      for side, left in (("left", 0), ("center", 20), ("right", 40))],
    *[({"verticalAlignment": side, "outputSize": "40x80"}, (40, 80), (0, top, 40, top + 40))
      for side, top in (("top", 0), ("center", 20), ("bottom", 40))],
    ({"horizontalAlignment": "left", "margin": "4px", "paddingLeft": "4px"}, (80, 40), (8, 4, 40, 36)),
    ({"scaling": "fit"}, (80, 40), (20, 0, 60, 40)),
    ({"scaling": "fill"}, (80, 40), (0, 0, 80, 40)),
    # 80 x 80 over 60 x 20 from (10, 10) on.
    ({"scaling": "fill", "padding": "10px", "horizontalAlignment": "left"}, (80, 40), (10, 0, 70, 40)),
    ({"outputSize": "auto"}, (80, 40), (20, 0, 60, 40)),
    ({"outputSize": "originalImage"}, (80, 40), (20, 0, 60, 40)),
    ({"outputSize": "croppedSubject"}, (20, 20), (0, 0, 20, 20)),
    ({"outputSize": "croppedSubject", "padding": "5px"}, (20, 20), (5, 5, 15, 15)),
    ({"outputSize": "200x100"}, (200, 100), (50, 0, 150, 100)),
    ({"outputSize": "10x30"}, (10, 30), (0, 10, 10, 20)),
    ({"maxWidth": "40"}, (40, 20), (10, 0, 30, 20)),
    ({"maxHeight": "10"}, (20, 10), (5, 0, 15, 10)),
    ({"maxWidth": "79", "maxHeight": "10"}, (20, 10), (5, 0, 15, 10)),
    ({"referenceBox": "subjectBox"}, (80, 40), (20, 0, 60, 40)),
    ({"referenceBox": "originalImage"}, (80, 40), (30, 10, 50, 30)),
    ({"referenceBox": "originalImage", "padding": "25%"}, (80, 40), (35, 15, 45, 25)),
    ({"removeBackground": "false"}, (80, 40), (30, 10, 50, 30)),
    ({"removeBackground": "false", "padding": "25%"}, (80, 40), (35, 15, 45, 25)),
]  # fmt: skip


@of("padding", "margin", "horizontalAlignment", "verticalAlignment", "scaling", "outputSize", "maxWidth", "maxHeight")
@of(*(f"{kind}{side}" for kind in ("padding", "margin") for side in SIDES), "referenceBox", "removeBackground")
@pytest.mark.parametrize(("fields", "size", "box"), PLACES, ids=lambda value: str(value))
def test_where_the_subject_stands(fields: dict[str, str], size: tuple[int, int], box: Box) -> None:
    found = delivered(cut_out(), **fields)
    assert found.image.size == size
    assert found.box is not None
    assert max(abs(side - wanted) for side, wanted in zip(found.box, box, strict=True)) <= 1
    left, top, right, bottom = found.box
    assert found.at((left + right) // 2, (top + bottom) // 2) == (*RED, 255)


@of("ignorePaddingAndSnapOnCroppedSides")
@pytest.mark.parametrize(
    ("fields", "box"),
    [
        # 60 x 20 from the left side on, or 40 x 20 from 20 on.
        ({}, (0, 10, 20, 30)),
        ({"ignorePaddingAndSnapOnCroppedSides": "true"}, (0, 10, 20, 30)),
        ({"ignorePaddingAndSnapOnCroppedSides": "false"}, (30, 10, 50, 30)),
        ({"horizontalAlignment": "left"}, (20, 10, 40, 30)),
        ({"verticalAlignment": "center"}, (0, 10, 20, 30)),
        # Of 70 pixels 18 are padding at the right.
        ({"marginLeft": "10px"}, (10, 10, 30, 30)),
    ],
)
def test_a_subject_that_is_cut_off_stands_against_that_side(fields: dict[str, str], box: Box) -> None:
    found = delivered(cut_out((0, 10, 20, 30)), padding="25%", **fields).box
    assert found is not None
    assert max(abs(side - wanted) for side, wanted in zip(found, box, strict=True)) <= 1


@of("keepExistingAlphaChannel")
def test_its_own_transparency_is_the_cut_out_where_that_is_asked() -> None:
    assert delivered(cut_out(), keepExistingAlphaChannel="auto").box == (20, 0, 60, 40)
    # What the engine finds is the left half, the hidden colour of the transparent pixels included.
    for never in ("never", ""):
        found = delivered(cut_out(), keepExistingAlphaChannel=never)
        assert found.box == (0, 0, 40, 40)
        assert found.at(10, 5) == (7, 7, 7, 255)
    opaque = delivered(photo().convert("RGBA"), keepExistingAlphaChannel="auto", padding="25%")
    assert opaque.box == (20, 10, 60, 30)
    assert (opaque.at(30, 20), opaque.at(50, 20)) == ((*RED, 255), (*GREY, 255))


@of("removeBackground")
def test_every_pixel_stays_where_the_background_does() -> None:
    image = Image.fromarray(np.random.default_rng(3).integers(0, 256, (40, 80, 3), np.uint8))
    assert np.array_equal(np.asarray(delivered(image, removeBackground="false").image), np.asarray(image))
    assert delivered(image, removeBackground="true").image.mode == "RGBA"


@of("imageFile", "imageUrl")
def test_the_picture_comes_upright_by_file_or_address() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    for name in ("imageFile", "imageUrl"):
        found = delivered(None, removeBackground="false", **{name: png(photo(), exif=exif)})
        # What was at the left is at the top.
        assert found.image.size == (40, 80)
        assert (found.at(20, 10), found.at(20, 70)) == (RED, GREY)


@of("background.color")
@pytest.mark.parametrize(
    ("spoken", "corner"),
    [("", (0, 0, 0, 0)), ("1e90ff", (30, 144, 255)), ("#010203", (1, 2, 3)), ("1e90ff80", (30, 144, 255, 128))],
)
def test_the_colour_is_exact(spoken: str, corner: tuple[int, ...]) -> None:
    for fields in ({}, {"removeBackground": "false"}, {"padding": "10%"}):
        found = delivered(cut_out(), **fields, **{"background.color": spoken})
        assert found.at(0, 0) == corner
        assert found.at(40, 20)[:3] == RED


@of("background.color")
def test_the_colour_lies_under_everything() -> None:
    """Half a red on half a blue: each keeps its share in linear light."""
    image = Image.new("RGBA", (40, 40), (255, 0, 0, 128))
    found = delivered(image, referenceBox="originalImage", **{"background.color": "0000ff80"}).at(20, 20)
    upper, lower = 128 / 255, 128 / 255 * 127 / 255
    assert found[3] == round(255 * (upper + lower))
    light = to_linear(np.array(found[:3], np.uint8))
    assert np.abs(light - np.array([upper, 0, lower]) / (upper + lower)).max() < 0.01


@of("background.imageFile", "background.imageUrl", "background.scaling")
@pytest.mark.parametrize("name", ["background.imageFile", "background.imageUrl"])
def test_a_picture_stands_behind(name: str) -> None:
    back = Image.new("RGB", (20, 20), GREEN)
    back.paste((0, 0, 90), (0, 0, 20, 3))
    for scaling in ("", "fill"):
        # Four times as large, and the middle of its height.
        found = delivered(cut_out(), padding="10%", **{name: back, "background.scaling": scaling})
        assert found.image.mode == "RGB"
        assert (found.at(0, 3), found.at(79, 39), found.at(40, 20)) == (GREEN, GREEN, RED)
    whole = delivered(cut_out(), padding="10%", **{name: back, "background.scaling": "fit"})
    assert (whole.at(22, 0), whole.at(22, 38)) == ((0, 0, 90, 255), (*GREEN, 255))
    assert (whole.at(19, 20), whole.at(60, 20)) == ((0, 0, 0, 0), (0, 0, 0, 0))
    over = delivered(cut_out(), **{name: back, "background.scaling": "fit", "background.color": "white"})
    assert (over.image.mode, over.at(0, 0)) == ("RGB", (255, 255, 255))


def gaussian_edge(distance: float, radius: float) -> float:
    return 0.5 + 0.5 * math.erf(distance / radius / math.sqrt(2))


def disc_edge(distance: float, radius: float) -> float:
    part = max(-1.0, min(1.0, distance / radius))
    return 0.5 + (part * math.sqrt(1 - part * part) + math.asin(part)) / math.pi


@of("background.blur.mode", "background.blur.radius")
@pytest.mark.parametrize(("mode", "share"), [("gaussian", gaussian_edge), ("bokeh", disc_edge)])
@pytest.mark.parametrize("radius", ["", "0.03", "0.05"])
def test_an_edge_blurs_as_its_formula_says(mode: str, share: Callable[[float, float], float], radius: str) -> None:
    back = plain((0, 0, 0), (400, 60))
    back.paste((255, 255, 255), (200, 0, 400, 60))
    fields = {"background.imageFile": back, "referenceBox": "originalImage"}
    front = cut_out((0, 0, 10, 10), (400, 60))
    found = delivered(front, **fields, **{"background.blur.mode": mode, "background.blur.radius": radius})
    light = to_linear(np.asarray(found.image)[30, :, 0])
    pixels = 400 * (float(radius) if radius else 0.01)
    expected = np.array([share(x + 0.5 - 200, pixels) for x in range(400)])
    assert np.abs(light - expected)[40:].max() < 0.02
    for least in ("0", "5e-324", "0.0001"):
        sharp = delivered(front, **fields, **{"background.blur.mode": mode, "background.blur.radius": least})
        assert sharp.data == delivered(front, **fields).data


@of("background.blur.mode")
@pytest.mark.parametrize("mode", ["gaussian", "bokeh"])
def test_a_kept_background_blurs_behind_its_subject(mode: str) -> None:
    image = photo((200, 40))
    image.paste((255, 255, 255), (150, 0, 200, 40))
    found = delivered(image, removeBackground="false", **{"background.blur.mode": mode}).pixels
    before = np.asarray(image)
    assert (found[:, :99, :3] == before[:, :99]).all()
    assert (found[:, 101:140, :3] == GREY).all()
    assert (found[:, 149, 0] > 90).all() and (found[:, 150, 0] < 255).all()


BIG = (400, 300)


def ring(found: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Opacity along the row through the middle of a subject, from its right edge on, which is at 250."""
    return found[150, 250:, 3] / 255


@of("outline.color", "outline.width", "outline.blurRadius")
def test_an_outline_is_as_wide_as_it_says() -> None:
    front = cut_out((150, 100, 250, 200), BIG)
    fields = {"referenceBox": "originalImage", "outline.color": "#1e90ff"}
    assert (ring(delivered(front, referenceBox="originalImage").pixels) == 0).all()
    for width, pixels in (("", 12), ("0.05", 20), ("0.1", 40), ("0.01", 4)):
        found = delivered(front, **fields, **{"outline.width": width}).pixels
        line = ring(found)
        assert (line[: pixels - 1] == 1).all() and (line[pixels + 1 :] == 0).all()
        assert (found[150, 250 : 250 + pixels - 1, :3] == (30, 144, 255)).all()
        assert (found[101:199, 151:249] == (*RED, 255)).all()
        # Its corners are round: at 45 degrees it is as wide.
        reach = pixels / math.sqrt(2)
        for away, opacity in ((reach - 1.5, 255), (reach + 1.5, 0)):
            assert found[round(199.5 + away), round(249.5 + away), 3] == opacity
    assert (
        delivered(front, **fields, **{"outline.width": "0"}).data == delivered(front, referenceBox="originalImage").data
    )


@of("outline.blurRadius")
@pytest.mark.parametrize(("radius", "sigma"), [("0.005", 2), ("0.01", 4), ("0.025", 10)])
def test_an_outline_fades_as_its_formula_says(radius: str, sigma: float) -> None:
    front = cut_out((150, 100, 250, 200), BIG)
    fields = {"referenceBox": "originalImage", "outline.color": "000", "outline.width": "0.05"}
    line = ring(delivered(front, **fields, **{"outline.blurRadius": radius}).pixels)
    expected = np.array([gaussian_edge(20 - (x + 0.5), sigma) for x in range(150)])
    assert np.abs(line - expected).max() < 0.02
