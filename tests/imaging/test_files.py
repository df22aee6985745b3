"""Decoding: every mode, frame and matte, and the picture's identity."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from picture_files import DEEP, first, grey_profile, palette_image, png, saved
from PIL import Image

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.files import decode, decode_matte


@pytest.mark.parametrize(
    ("mode", "value", "kind", "expected"),
    [
        ("RGB", (10, 20, 30), "PNG", (10, 20, 30)),
        ("RGB", (10, 20, 30), "BMP", (10, 20, 30)),
        ("RGBX", (10, 20, 30, 0), "TIFF", (10, 20, 30)),
        ("L", 77, "PNG", (77, 77, 77)),
        ("1", 1, "PNG", (255, 255, 255)),
        ("1", 0, "TIFF", (0, 0, 0)),
        ("CMYK", (0, 0, 0, 0), "TIFF", (255, 255, 255)),
        ("CMYK", (255, 0, 0, 0), "TIFF", (0, 255, 255)),
        ("CMYK", (0, 0, 0, 255), "TIFF", (0, 0, 0)),
        ("LAB", (255, 128, 128), "TIFF", (255, 255, 255)),
        ("LAB", (0, 128, 128), "TIFF", (0, 0, 0)),
    ],
)
def test_opaque_modes_from_files(mode: str, value: Any, kind: str, expected: tuple[int, ...]) -> None:
    picture = decode(saved(Image.new(mode, (5, 3), value), kind))
    assert picture.rgb.shape == (3, 5, 3)
    assert picture.rgb.dtype == np.uint8
    assert picture.size == (5, 3)
    assert picture.alpha is None
    assert np.abs(picture.rgb.astype(int) - expected).max() <= (1 if mode == "LAB" else 0)


@pytest.mark.parametrize(
    ("mode", "value", "expected", "alpha"),
    [
        ("HSV", (0, 255, 255), (255, 0, 0), None),
        ("YCbCr", (76, 85, 255), (254, 0, 0), None),
        ("RGBX", (10, 20, 30, 7), (10, 20, 30), None),
        ("LAB", (255, 128, 128), (255, 255, 255), None),
        ("RGBA", (10, 20, 30, 40), (10, 20, 30), 40),
        ("LA", (10, 40), (10, 10, 10), 40),
        ("RGBa", (50, 25, 0, 128), (99, 49, 0), 128),
        ("La", (50, 128), (99, 99, 99), 128),
    ],
)
def test_modes_of_pil_images(mode: str, value: Any, expected: tuple[int, ...], alpha: int | None) -> None:
    picture = decode(Image.new(mode, (4, 2), value))
    assert np.abs(picture.rgb.astype(int) - expected).max() <= 1
    if alpha is None:
        assert picture.alpha is None
    else:
        assert picture.alpha is not None
        assert np.all(picture.alpha == alpha)
        assert picture.alpha.shape == (2, 4)


def test_palette() -> None:
    picture = decode(saved(palette_image(), "PNG"))
    assert picture.rgb.tolist() == [[[200, 100, 50], [1, 2, 3]]]
    assert picture.alpha is None


@pytest.mark.parametrize(("transparency", "alpha"), [(1, [[255, 0]]), (b"\x80\x10", [[128, 16]])])
def test_palette_with_transparency(transparency: int | bytes, alpha: list[list[int]]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = decode(saved(palette_image(), "PNG", transparency=transparency))
    assert picture.rgb.tolist() == [[[200, 100, 50], [1, 2, 3]]]
    assert picture.alpha is not None
    assert picture.alpha.tolist() == alpha


def test_palette_of_an_icon() -> None:
    icon = Image.new("P", (16, 16), 1)
    icon.putpalette([0, 0, 0, 200, 100, 50])
    assert first(saved(icon, "ICNS")) == [200, 100, 50]


def test_pa() -> None:
    image = palette_image()
    image.putalpha(9)
    assert image.mode == "PA"
    picture = decode(image)
    assert picture.rgb.tolist() == [[[200, 100, 50], [1, 2, 3]]]
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[9, 9]]


def test_transparent_colour_of_rgb_and_grey() -> None:
    rgb = Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8))
    picture = decode(saved(rgb, "PNG", transparency=(4, 5, 6)))
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[255, 0]]
    assert picture.rgb.tolist() == [[[1, 2, 3], [4, 5, 6]]]
    grey = decode(saved(Image.fromarray(np.array([[7, 8]], np.uint8)), "PNG", transparency=7))
    assert grey.alpha is not None
    assert grey.alpha.tolist() == [[0, 255]]
    assert grey.rgb[0, :, 0].tolist() == [7, 8]


def test_an_opaque_alpha_channel_is_still_an_alpha_channel() -> None:
    picture = decode(saved(Image.new("RGBA", (2, 2), (1, 2, 3, 255)), "PNG"))
    assert picture.alpha is not None
    assert np.all(picture.alpha == 255)


def test_colour_under_full_transparency_survives() -> None:
    assert first(saved(Image.new("RGBA", (2, 2), (9, 8, 7, 0)), "PNG")) == [9, 8, 7]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame_of_an_animation(kind: str) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("#ff0000", "#00ff00")]
    data = saved(
        frames[0],
        kind,
        save_all=True,
        append_images=frames[1:],
        **({"lossless": True} if kind == "WEBP" else {}),
    )
    assert first(data) == [255, 0, 0]


def test_a_pil_image_is_left_as_it_was() -> None:
    image = palette_image()
    image.info["transparency"] = 1
    before = (image.mode, image.tobytes(), dict(image.info), image.getpalette())
    decode(image)
    assert (image.mode, image.tobytes(), dict(image.info), image.getpalette()) == before


def test_sha256_of_bytes_and_of_images(tmp_path: Path) -> None:
    data = saved(Image.new("RGB", (2, 2), "red"), "PNG")
    (tmp_path / "a.png").write_bytes(data)
    picture = decode(tmp_path / "a.png")
    assert picture.name == "a.png"
    assert picture.sha256 == decode(data).sha256 == hashlib.sha256(data).hexdigest()
    others = [
        Image.new("RGB", (2, 2), "red"),
        Image.new("RGB", (4, 1), "red"),
        Image.new("RGB", (2, 2), "blue"),
        Image.new("L", (2, 2)),
        palette_image(),
    ]
    repainted = palette_image()
    repainted.putpalette([0, 0, 0, 9, 9, 9])
    assert len({decode(image).sha256 for image in [*others, repainted]}) == 6
    assert decode(others[0]).sha256 == decode(others[0].copy()).sha256


def test_matte_from_greys_keeps_16_bits() -> None:
    matte = decode_matte(png(DEEP, 0)).values
    assert matte.dtype == np.float32
    assert matte.shape == (1, 5)
    assert np.allclose(matte, DEEP / 65535, atol=1e-7)
    assert np.allclose(decode_matte(Image.new("L", (2, 2), 51)).values, 0.2)
    assert decode_matte(Image.new("1", (2, 2), 1)).values.tolist() == [[1, 1], [1, 1]]


def test_matte_from_float_that_overshoots() -> None:
    matte = decode_matte(Image.fromarray(np.array([[-0.02, 0.5, 1.02]], np.float32))).values
    assert matte.tolist() == [[0, 0.5, 1]]


def test_matte_takes_alpha_only_where_it_varies() -> None:
    pixels = np.zeros((1, 2, 4), np.uint8)
    pixels[0, :, :3] = 255
    pixels[0, :, 3] = (0, 255)
    assert decode_matte(saved(Image.fromarray(pixels), "PNG")).values.tolist() == [[0, 1]]
    pixels[0, 0, :3] = 0
    pixels[0, :, 3] = 255
    assert decode_matte(saved(Image.fromarray(pixels), "PNG")).values.tolist() == [[0, 1]]


def test_matte_ignores_profiles_because_it_is_data() -> None:
    data = saved(Image.new("L", (2, 2), 100), "PNG", icc_profile=grey_profile(1.0))
    assert np.allclose(decode_matte(data).values, 100 / 255)


def test_matte_from_colours_and_inks() -> None:
    assert decode_matte(Image.new("RGB", (1, 1), (255, 0, 0))).values[0, 0] == pytest.approx(0.299, abs=0.003)
    assert decode_matte(Image.new("CMYK", (1, 1), (0, 0, 0, 0))).values[0, 0] == 1
    assert decode_matte(Image.new("LAB", (1, 1), (255, 128, 128))).values[0, 0] == 1
    assert decode_matte(palette_image()).values[0, 1] == pytest.approx(2 / 255, abs=0.003)


def test_matte_refusals() -> None:
    with pytest.raises(InvalidRequest, match="is text"):
        decode_matte(b"hello")
