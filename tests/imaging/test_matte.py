"""The subject on grey 127."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.matte import composite_on_grey, foreground_array, split_alpha, uncertainty

RGB = np.array([[[0, 127, 255], [10, 200, 100]]], np.uint8)


def test_alpha_decides_between_subject_and_grey() -> None:
    assert np.array_equal(composite_on_grey(RGB, np.ones((1, 2), np.float32)), RGB)
    assert (composite_on_grey(RGB, np.zeros((1, 2), np.float32)) == 127).all()
    assert (composite_on_grey(RGB, np.zeros((1, 2), np.float32), sigma=16) == 127).all()


def test_a_composite_is_truncated() -> None:
    half = np.full((1, 2), 0.5, np.float32)
    assert composite_on_grey(RGB, half).tolist() == [[[63, 127, 191], [68, 163, 113]]]


def test_sigma_lifts_the_subject_and_is_clipped() -> None:
    assert composite_on_grey(RGB, np.ones((1, 2), np.float32), 16.0).tolist() == [[[16, 143, 255], [26, 216, 116]]]


def test_the_originals_formula() -> None:
    """``127 + (image - 127 + sigma) * alpha`` of the original's ``run_rmbg``, in float32."""
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (40, 30, 3), dtype=np.uint8)
    alpha = rng.random((40, 30), np.float32)
    expected = 127 + (rgb.astype(np.float32) - 127 + 16) * alpha[..., None]
    assert np.array_equal(composite_on_grey(rgb, alpha, 16), expected.clip(0, 255).astype(np.uint8))


def test_a_picture_without_alpha_is_taken_as_it_is() -> None:
    assert np.array_equal(foreground_array(RGB), RGB)
    assert np.array_equal(foreground_array(Image.fromarray(RGB)), RGB)
    assert foreground_array(Image.new("L", (3, 2), 9)).tolist() == [[[9] * 3] * 3] * 2


def test_a_picture_with_alpha_is_put_on_grey() -> None:
    alpha = np.array([[[0], [255]]], np.uint8)
    rgba = np.concatenate([RGB, alpha], axis=2)
    expected = [[[127] * 3, [10, 200, 100]]]
    assert foreground_array(rgba).tolist() == expected
    assert foreground_array(Image.fromarray(rgba)).tolist() == expected
    assert foreground_array(rgba, sigma=16).tolist() == [[[127] * 3, [26, 216, 116]]]


def test_alpha_of_other_modes() -> None:
    grey = Image.new("LA", (1, 1), (40, 51))
    rgb, alpha = split_alpha(grey)
    assert rgb.tolist() == [[[40, 40, 40]]]
    assert alpha is not None
    assert alpha[0, 0] == pytest.approx(0.2)
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putdata([0, 1])
    palette.info["transparency"] = 1
    rgb, alpha = split_alpha(palette)
    assert rgb[0, 0].tolist() == [10, 20, 30]
    assert alpha is not None
    assert alpha.tolist() == [[1, 0]]
    assert split_alpha(RGB)[1] is None


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("a.png", "A picture is str, but must be a PIL image or a uint8 array of shape"),
        (None, "A picture is NoneType, but"),
        (RGB.astype(np.float32), r"A picture is a float32 array of shape \(1, 2, 3\), but"),
        (RGB[..., 0], r"a uint8 array of shape \(1, 2\)"),
        (RGB[..., :1], r"A picture has 1 channels, but must have 3 \(RGB\) or 4 \(RGB and alpha\)\."),
        (np.zeros((1, 2, 5), np.uint8), "A picture has 5 channels"),
    ],
)
def test_no_picture(wrong: Any, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        foreground_array(wrong)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0, 0], 0), ([0, 1], 0), ([0, 0.5], 1), ([0.25, 0.75], 0.5), ([0, 0, 0, 1, 0.5], 0.5), ([0.1, 0.9], 0.2)],
)
def test_uncertainty(values: list[float], expected: float) -> None:
    matte = np.tile(np.array(values, np.float32), (600, 3))
    assert uncertainty(matte) == pytest.approx(expected, abs=1e-6)
