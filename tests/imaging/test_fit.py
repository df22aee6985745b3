"""Fitting a picture to a pass, against the original's code."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from iclight_local.imaging.fit import UInt8Array, resize, resize_and_center_crop

RNG = np.random.default_rng(0)


def original(image: UInt8Array, target_width: int, target_height: int) -> UInt8Array:
    """``resize_and_center_crop`` of lllyasviel/IC-Light (Apache-2.0), word by word."""
    pil_image = Image.fromarray(image)
    original_width, original_height = pil_image.size
    scale_factor = max(target_width / original_width, target_height / original_height)
    resized_width = round(original_width * scale_factor)
    resized_height = round(original_height * scale_factor)
    resized_image = pil_image.resize((resized_width, resized_height), Image.LANCZOS)
    left = (resized_width - target_width) / 2
    top = (resized_height - target_height) / 2
    right = (resized_width + target_width) / 2
    bottom = (resized_height + target_height) / 2
    cropped_image = resized_image.crop((left, top, right, bottom))
    return np.array(cropped_image)


@pytest.mark.parametrize(("width", "height"), [(64, 64), (128, 192), (192, 128)])
@pytest.mark.parametrize("size", [(1, 1), (64, 64), (3, 200), (200, 3), (97, 131), (333, 250), (128, 192)])
def test_fit_is_the_originals(size: tuple[int, int], width: int, height: int) -> None:
    picture = RNG.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    fitted = resize_and_center_crop(picture, width, height)
    assert fitted.shape == (height, width, 3)
    assert fitted.dtype == np.uint8
    assert np.array_equal(fitted, original(picture, width, height))


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
