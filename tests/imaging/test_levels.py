"""More than 8 bits: scaled, never clipped."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from picture_files import DEEP, chunk, first, png, refusal, saved, tiff
from PIL import Image

from iclight_local.imaging.files import decode

SHALLOW = [0, 0, 1, 156, 255]


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I;16L"])
def test_16_bit_grey_images_are_scaled(mode: str) -> None:
    data = DEEP.astype(">u2" if mode == "I;16B" else "<u2").tobytes()
    assert decode(Image.frombytes(mode, (5, 1), data)).rgb[0, :, 1].tolist() == SHALLOW


@pytest.mark.parametrize(
    "data",
    [
        png(DEEP, 0),
        saved(Image.fromarray(DEEP), "TIFF"),
        tiff(DEEP[..., None], photometric=1),
        tiff(DEEP[..., None], photometric=1, order=">"),
        tiff(65535 - DEEP[..., None], photometric=0),
        b"P5 5 1 65535\n" + DEEP.astype(">u2").tobytes(),
    ],
    ids=["png", "tiff", "tiff-le", "tiff-be", "tiff-white-is-zero", "pgm"],
)
def test_16_bit_grey_files_are_scaled(data: bytes) -> None:
    picture = decode(data)
    assert picture.rgb[0, :, 0].tolist() == SHALLOW
    assert picture.alpha is None


def test_16_bit_colour_files_are_scaled() -> None:
    rgb = np.full((1, 1, 3), (40000, 65535, 257), np.uint16)
    rgba = np.full((1, 1, 4), (40000, 65535, 257, 32896), np.uint16)
    assert first(png(rgb, 2)) == [156, 255, 1]
    assert first(tiff(rgb, photometric=2)) == [156, 255, 1]
    assert first(tiff(rgb, photometric=2, order=">")) == [156, 255, 1]
    picture = decode(png(rgba, 6))
    assert picture.rgb[0, 0].tolist() == [156, 255, 1]
    assert picture.alpha is not None
    assert picture.alpha[0, 0] == 128
    grey = decode(png(np.full((1, 1, 2), (40000, 32896), np.uint16), 4))
    assert grey.rgb[0, 0].tolist() == [156, 156, 156]
    assert grey.alpha is not None
    assert grey.alpha[0, 0] == 128


def test_transparent_colour_of_16_bit_files() -> None:
    grey = decode(png(DEEP, 0, chunk(b"tRNS", struct.pack(">H", 40000))))
    assert grey.alpha is not None
    assert grey.alpha.tolist() == [[255, 255, 255, 0, 255]]
    pixels = np.array([[[40000, 300, 5], [1000, 300, 5]]], np.uint16)
    rgb = decode(png(pixels, 2, chunk(b"tRNS", struct.pack(">3H", 40000, 300, 5))))
    assert rgb.alpha is not None
    assert rgb.alpha.tolist() == [[0, 255]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 0.5, 1.0], [0, 128, 255]),
        ([0, 0.5, 1.25], [0, 128, 255]),
        ([0, 128, 255], [0, 128, 255]),
        ([-1, 0.25, 1.0], [0, 64, 255]),
        ([0, 32768, 65535], [0, 128, 255]),
        ([np.nan, np.inf, 1.0], [0, 0, 255]),
    ],
)
def test_floats(values: list[float], expected: list[int]) -> None:
    image = Image.fromarray(np.array([values], np.float32))
    assert decode(image).rgb[0, :, 0].tolist() == expected
    assert decode(saved(image, "TIFF")).rgb[0, :, 0].tolist() == expected


def test_integers_made_in_memory() -> None:
    assert decode(Image.fromarray(np.array([[0, 200]], np.int32))).rgb[0, :, 0].tolist() == [0, 200]
    assert decode(Image.fromarray(np.array([[0, 40000]], np.int32))).rgb[0, :, 0].tolist() == [0, 156]


def test_integers_of_unknown_white_are_refused() -> None:
    assert "70000" in refusal(Image.fromarray(np.array([[0, 70000]], np.int32)))
