"""Fitting a picture to a pass, against the plain implementation of the benchmarks."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from benchmarks.plain import cover
from iclight_local.imaging import fit
from iclight_local.imaging.fit import resize, resize_and_center_crop

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("width", "height"), [(64, 64), (128, 192), (192, 128)])
@pytest.mark.parametrize("size", [(1, 1), (64, 64), (3, 200), (200, 3), (97, 131), (333, 250), (128, 192)])
def test_fit_is_that_of_the_plain_implementation(size: tuple[int, int], width: int, height: int) -> None:
    picture = RNG.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    fitted = resize_and_center_crop(picture, width, height)
    assert fitted.shape == (height, width, 3)
    assert fitted.dtype == np.uint8
    assert np.array_equal(fitted, np.asarray(cover(Image.fromarray(picture), width, height)))


@pytest.mark.parametrize("longer", range(64, 200, 5))
def test_a_fit_always_has_its_size(longer: int) -> None:
    for shape in ((64, longer), (longer, 64), (longer, 71)):
        assert resize_and_center_crop(np.zeros(shape, np.uint8), 64, 128).shape == (128, 64)


def test_a_picture_of_the_size_stays_as_it_is() -> None:
    picture = RNG.integers(0, 256, (128, 64, 3), dtype=np.uint8)
    assert np.array_equal(resize_and_center_crop(picture, 64, 128), picture)
    assert np.array_equal(resize(picture, 64, 128), picture)


def test_the_centre_is_kept() -> None:
    picture = np.zeros((64, 192), np.uint8)
    picture[:, 64:128] = 255
    assert (resize_and_center_crop(picture, 64, 64) == 255).all()


def test_resize_does_not_crop() -> None:
    picture = RNG.integers(0, 256, (30, 90, 3), dtype=np.uint8)
    resized = resize(picture, 128, 64)
    assert resized.shape == (64, 128, 3)
    assert np.array_equal(resized, np.asarray(Image.fromarray(picture).resize((128, 64), Image.Resampling.LANCZOS)))


@pytest.mark.parametrize("shape", [(60000, 1), (1, 60000), (40000, 3, 3)])
def test_a_line_of_pixels_does_not_fill_the_memory(shape: tuple[int, ...]) -> None:
    fitted = resize_and_center_crop(np.full(shape, 7, np.uint8), 128, 192)
    assert fitted.shape[:2] == (192, 128)
    assert (fitted == 7).all()


def test_the_middle_of_a_long_picture_is_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = RNG.integers(0, 256, (40, 900, 3), dtype=np.uint8)
    whole = resize_and_center_crop(picture, 64, 128).astype(int)
    monkeypatch.setattr(fit, "MAX_COVERING_PIXELS", 1)
    middle = resize_and_center_crop(picture, 64, 128).astype(int)
    # The box is fractional here and rounded there: at most one pixel of shift.
    assert np.abs(whole - middle).mean() < 20
    assert np.corrcoef(whole.ravel(), middle.ravel())[0, 1] > 0.9
