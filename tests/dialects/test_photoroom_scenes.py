"""Photoroom's shadows, lights and scenes, its headers, and what its files say of themselves."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import ExifTags, Image

from tests.dialects.photoroom_calls import BLUE, GREY, RED, cut_out, delivered, grey, of, photo, png
from tests.fake_engine import SCENE

OWN = "ai.auto-with-overrides"


def shadow(**fields: str) -> npt.NDArray[np.float64]:
    """Opacity of what lies around a subject of 100 x 150 at (150, 50)."""
    front = cut_out((150, 50, 250, 200), (400, 300))
    made = delivered(front, referenceBox="originalImage", **fields)
    assert made.headers == {}
    found = made.pixels
    assert (found[52:198, 152:248] == (*RED, 255)).all()
    alpha = found[..., 3] / 255
    alpha[50:200, 150:250] = 0
    assert not found[alpha > 0][:, :3].any(), "it is black"
    return alpha


def own(**overrides: str) -> npt.NDArray[np.float64]:
    """The shadow with some of its five values overridden."""
    return shadow(**{"shadow.mode": OWN}, **{f"shadow.{name}Override": value for name, value in overrides.items()})


def middle(alpha: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Where it lies on the whole: right and down of the subject's foot."""
    rows, columns = np.indices(alpha.shape)
    return float((columns * alpha).sum() / alpha.sum() - 199.5), float((rows * alpha).sum() / alpha.sum() - 199.5)


@of("shadow.mode")
def test_each_mode_draws_a_shadow_of_its_own() -> None:
    assert not shadow().any()
    modes = {mode: shadow(**{"shadow.mode": f"ai.{mode}"}) for mode in ("soft", "hard", "floating")}
    modes[OWN] = shadow(**{"shadow.mode": OWN})
    assert min(alpha.max() for alpha in modes.values()) > 0.1
    assert len({alpha.tobytes() for alpha in modes.values()}) == 4
    for mode in ("soft", "hard"):
        assert np.array_equal(modes[mode], shadow(**{"shadow.mode": f"ai.preset-{mode}"}))
    # What floats casts its shadow below.
    assert middle(modes["floating"])[1] > 0


@of("shadow.directionOverride")
def test_a_shadow_falls_where_it_is_told_to() -> None:
    places = {name: middle(own(direction=name, spread="long")) for name in ("left", "right", "behind", "front")}
    assert places["left"][0] < -10 and places["right"][0] > 10
    assert places["left"][0] == pytest.approx(-places["right"][0], abs=2)
    assert abs(places["behind"][0]) < 2 and abs(places["front"][0]) < 2
    assert places["behind"][1] < places["left"][1] < places["front"][1]
    assert np.array_equal(own(direction="left"), own(direction="90"))
    assert np.array_equal(own(direction="0"), own(direction="360"))
    between = middle(own(direction="frontRight", spread="long"))
    assert between[0] > 5 and between[1] > 0


@of("shadow.intensityOverride")
def test_a_shadow_is_as_dark_as_it_is_told() -> None:
    flat = {"subjectPose": "flatlay", "direction": "right", "softness": "0", "spread": "long"}
    assert not own(intensity="0", **flat).any()
    half, full = own(intensity="0.5", **flat), own(intensity="1", **flat)
    assert full.max() > 0.9
    assert half.max() == pytest.approx(0.5 * full.max(), abs=0.01)
    assert np.abs(half - 0.5 * full).max() < 0.01


@of("shadow.softnessOverride")
def test_a_shadow_is_as_soft_as_it_is_told() -> None:
    flat = {"subjectPose": "flatlay", "direction": "right", "spread": "long"}
    # The steepest step from one pixel to the next, beyond the subject.
    steps = [np.abs(np.diff(own(softness=value, **flat)[:, 255:])).max() for value in ("0", "0.3", "1")]
    assert steps[0] > 2 * steps[1] > 2 * steps[2]


@of("shadow.spreadOverride")
def test_a_shadow_is_as_long_as_it_is_told() -> None:
    away = [middle(own(direction="right", softness="0", spread=value))[0] for value in ("short", "medium", "long")]
    assert away[0] < away[1] < away[2]
    assert np.array_equal(own(spread="short"), own(spread="10"))


@of("shadow.subjectPoseOverride")
def test_what_lies_flat_casts_its_own_outline() -> None:
    told = {"direction": "right", "softness": "0", "spread": "long"}
    flat, upright = (own(subjectPose=value, **told) for value in ("flatlay", "upright"))
    rows = np.flatnonzero((flat > 0.1).any(1))
    # A copy beside the subject is as high as it is; on the ground a shadow to the side is low.
    assert abs(rows[0] - 50) <= 3 and abs(rows[-1] - 199) <= 3
    assert np.flatnonzero((upright > 0.1).any(1))[0] > rows[0] + 20
    assert np.array_equal(own(subjectPose="45"), own(subjectPose="45.0"))
    assert not np.array_equal(own(subjectPose="45", **told), flat)


def test_a_shadow_falls_on_what_is_behind_and_not_on_its_subject() -> None:
    fields = {"referenceBox": "originalImage", "padding": "10%", "background.color": "white"}
    bright, dark = delivered(cut_out(), **fields), delivered(cut_out(), **fields, **{"shadow.mode": "ai.soft"})
    assert dark.image.mode == "RGB"
    assert (dark.pixels <= bright.pixels).all() and (dark.pixels < bright.pixels).any()
    assert dark.at(40, 20) == RED


@of("lighting.mode")
@pytest.mark.parametrize(("mode", "keep"), [("ai.auto", "detail"), ("ai.preserve-hue-and-saturation", "colour")])
def test_a_light_is_that_of_the_whole_picture(mode: str, keep: str) -> None:
    for fields in ({}, {"removeBackground": "false"}, {"padding": "10%", "outputSize": "100x90"}):
        found = delivered(photo(), **fields, **{"lighting.mode": mode})
        asked = found.asked[-1]
        assert (asked.kept, asked.fit, asked.exposure) == (keep, "input", 0.18)
        assert found.image.convert("RGB").getpixel((20, 20)) == BLUE
        assert not delivered(photo(), **fields).asked[1:]


@of("background.prompt", "background.negativePrompt", "background.seed", "background.expandPrompt")
def test_a_scene_is_made_and_the_subject_stands_in_it() -> None:
    scene = {"background.prompt": "on a beach", "padding": "10%"}
    found = delivered(cut_out(), **scene)
    asked = found.asked[-1]
    expected = {
        **{"behind": "generate", "model": "fc", "prompt": "on a beach", "kept": "detail", "light_strength": 0.3},
        **{"light_map": None, "fit": "input", "exposure": None},
    }
    assert {name: getattr(asked, name) for name in expected} == expected
    assert isinstance(asked.subject_image, Image.Image)
    assert asked.subject_image.getchannel("A").getbbox() == (24, 4, 56, 36)
    assert (found.image.size, found.image.mode) == ((80, 40), "RGB")
    assert (found.at(2, 20), found.at(40, 20)) == (SCENE, BLUE)
    told = delivered(cut_out(), **scene, **{"background.negativePrompt": "people", "background.seed": "7"})
    assert (told.asked[-1].negative_prompt, told.asked[-1].seed) == ("people", 7)
    assert told.headers["pr-ai-background-seed"] == "7"
    assert asked.negative_prompt != "people"
    for spoken, words in (("ai.auto", "on a beach, photorealistic product photo"), ("ai.never", "on a beach")):
        prompt = delivered(cut_out(), **scene, **{"background.expandPrompt": spoken}).asked[-1].prompt
        assert prompt.startswith(words) and (prompt == words) == (spoken == "ai.never")


@of("background.seed")
def test_a_seed_that_was_drawn_is_told() -> None:
    first, second = (delivered(cut_out(), **{"background.prompt": "a beach"}) for _ in range(2))
    seeds = [found.headers["pr-ai-background-seed"] for found in (first, second)]
    assert seeds[0] != seeds[1]
    again = delivered(cut_out(), **{"background.prompt": "a beach", "background.seed": seeds[0]})
    assert again.headers["pr-ai-background-seed"] == seeds[0]
    for fields in ({}, {"lighting.mode": "ai.auto"}, {"background.color": "red", "background.seed": "7"}):
        assert "pr-ai-background-seed" not in delivered(cut_out(), **fields).headers


@of("background.prompt", "lighting.mode")
@pytest.mark.parametrize(
    ("mode", "keep", "strength"),
    [("", "detail", 0.3), ("ai.auto", "detail", 0.5), ("ai.preserve-hue-and-saturation", "colour", 0.5)],
)
def test_how_much_of_a_scene_s_light_the_subject_takes(mode: str, keep: str, strength: float) -> None:
    found = delivered(photo(), **{"background.prompt": "a beach", "lighting.mode": mode})
    assert (found.asked[-1].kept, found.asked[-1].light_strength) == (keep, strength)
    assert [each.behind for each in found.asked][1:] == ["generate"]


@of("background.guidance.imageFile", "background.guidance.imageUrl", "background.guidance.scale")
@pytest.mark.parametrize("name", ["background.guidance.imageFile", "background.guidance.imageUrl"])
@pytest.mark.parametrize(("scale", "denoise"), [("", 0.46), ("1", 0.1), ("0.5", 0.55), ("0", 1.0)])
def test_a_picture_guides_the_scene(name: str, scale: str, denoise: float) -> None:
    guide = grey(33, (20, 10))
    fields = {"background.prompt": "a beach", name: guide, "background.guidance.scale": scale}
    asked = delivered(cut_out(), **fields).asked[-1]
    assert asked.light_map == png(guide)
    assert asked.lowres_denoise == denoise
    assert delivered(cut_out(), **{"background.prompt": "a beach"}).asked[-1].light_map is None


@of("background.blur.mode", "shadow.mode", "outline.color")
def test_a_scene_is_blurred_and_shaded_behind_the_subject() -> None:
    scene = {"background.prompt": "a beach", "outputSize": "160x160", "padding": "25%"}
    for fields in ({"background.blur.mode": "bokeh"}, {"shadow.mode": "ai.hard"}, {"outline.color": "lime"}):
        found = delivered(cut_out(), **scene, **fields)
        assert (found.image.mode, found.at(80, 80), found.at(2, 2)) == ("RGB", BLUE, SCENE)
        assert (found.at(80, 122) == (0, 255, 0)) == ("outline.color" in fields)


def test_how_unsure_the_cut_out_is_is_told_of_guesses_alone() -> None:
    score = float(delivered(photo()).headers["x-uncertainty-score"])
    assert 0 <= score <= 1
    assert "x-uncertainty-score" in delivered(photo(), **{"lighting.mode": "ai.auto"}).headers
    assert "x-uncertainty-score" in delivered(photo(), **{"background.prompt": "a beach"}).headers
    for image, fields in ((cut_out(), {}), (photo(), {"removeBackground": "false"})):
        assert "x-uncertainty-score" not in delivered(image, **fields).headers


@of("export.format")
@pytest.mark.parametrize("fields", [{}, {"removeBackground": "false"}, {"lighting.mode": "ai.auto"}])
def test_each_format_says_what_it_is(fields: dict[str, str]) -> None:
    for spoken, kind in (("", "png"), ("png", "png"), ("jpg", "jpeg"), ("jpeg", "jpeg"), ("webp", "webp")):
        found = delivered(photo(), **fields, **{"export.format": spoken})
        assert (found.image.format, found.media_type) == (kind.upper(), f"image/{kind}")
        clear = kind != "jpeg" and "removeBackground" not in fields
        assert found.image.mode == ("RGBA" if clear else "RGB")


@of("export.dpi")
def test_a_density_is_named_and_changes_no_pixel() -> None:
    found, bare = (delivered(photo(), **{"export.dpi": dpi}) for dpi in ("300", ""))
    assert found.image.info["dpi"] == pytest.approx((300, 300), abs=0.01)
    assert "dpi" not in bare.image.info
    assert np.array_equal(found.pixels, bare.pixels)


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" photoshop:City="Rome" '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


def tagged() -> bytes:
    """A JPEG that lies on its side, with EXIF and XMP."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Copyright] = "Ada"
    exif[ExifTags.Base.Model] = "Camera"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"ASCII\0\0\0hello"
    buffer = io.BytesIO()
    grey(90, (80, 40)).save(buffer, "jpeg", exif=exif, xmp=XMP)
    return buffer.getvalue()


def metadata(image: Image.Image) -> tuple[Any, bytes, str]:
    """Copyright, comment and XMP of a picture."""
    exif, xmp = image.getexif(), image.info.get("xmp", image.info.get("XML:com.adobe.xmp", b""))
    comment = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment, b"")
    assert ExifTags.Base.Model not in exif
    assert exif.get(ExifTags.Base.Orientation, 1) == 1
    return exif.get(ExifTags.Base.Copyright), comment, xmp.decode() if isinstance(xmp, bytes) else xmp


@of("preserveMetadata")
@pytest.mark.parametrize("kind", ["png", "jpg", "webp"])
@pytest.mark.parametrize("fields", [{}, {"removeBackground": "false"}, {"lighting.mode": "ai.auto"}])
def test_what_is_kept_of_the_metadata_is_in_the_file(kind: str, fields: dict[str, str]) -> None:
    told = {
        kept: metadata(delivered(tagged(), **fields, **{"export.format": kind, "preserveMetadata": kept}).image)
        for kept in ("", "never", "xmp", "exifSubset", "exifSubsetWithXmpCompatibility")
    }
    assert told[""] == told["never"] == (None, b"", "")
    assert told["xmp"][:2] == (None, b"")
    assert "Rome" in told["xmp"][2] and 'Orientation="6"' not in told["xmp"][2]
    for kept in ("exifSubset", "exifSubsetWithXmpCompatibility"):
        assert told[kept][:2] == ("Ada", b"ASCII\0\0\0hello")
    assert told["exifSubset"][2] == ""
    assert "Ada" in told["exifSubsetWithXmpCompatibility"][2] and "hello" in told["exifSubsetWithXmpCompatibility"][2]


def test_the_colours_of_a_kept_picture_are_grey_still() -> None:
    assert delivered(tagged(), removeBackground="false").at(5, 5) == GREY
