"""Where a picture lies in the model's frame, and the way back."""

from __future__ import annotations

import numpy as np
import pytest

from iclight_local.imaging.fit import resize_and_center_crop
from iclight_local.imaging.frame import Frame, scaled

RNG = np.random.default_rng(0)
SIZES = [(640, 480), (480, 640), (512, 512), (1, 300), (300, 1), (64, 64), (1, 1), (3000, 200)]


def noise(size: tuple[int, int]) -> np.ndarray:
    return RNG.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fit", ["pad", "input"])
def test_the_whole_picture_lies_centred_in_the_frame(size: tuple[int, int], fit: str) -> None:
    frame = Frame(fit, size, (384, 256))
    left, top, right, bottom = frame.box
    assert 0 <= left < right <= 384
    assert 0 <= top < bottom <= 256
    assert right - left == 384 or bottom - top == 256
    assert abs(left - (384 - right)) <= 1
    assert abs(top - (256 - bottom)) <= 1
    wanted = size[0] / size[1]
    if 0.05 < wanted < 20:
        assert (right - left) / (bottom - top) == pytest.approx(wanted, rel=0.02)


@pytest.mark.parametrize("size", SIZES)
def test_outside_of_the_picture_is_the_grey_that_says_nothing(size: tuple[int, int]) -> None:
    frame = Frame("pad", size, (384, 256))
    seen = frame.for_model(np.zeros((size[1], size[0], 3), np.uint8))
    left, top, right, bottom = frame.box
    inside = np.zeros((256, 384), bool)
    inside[top:bottom, left:right] = True
    assert seen.shape == (256, 384, 3)
    assert not seen[inside].any()
    assert (seen[~inside] == 127).all()


@pytest.mark.parametrize("size", SIZES)
def test_results_have_the_size_that_was_promised(size: tuple[int, int]) -> None:
    model = (384, 256)
    assert Frame("crop", size, model).result == model
    assert Frame("input", size, model).result == size
    left, top, right, bottom = Frame("pad", size, model).box
    assert Frame("pad", size, model).result == (right - left, bottom - top)
    for fit in ("crop", "pad", "input"):
        frame = Frame(fit, size, model)
        framed = frame.of_picture(noise(size))
        assert framed.shape[1::-1] == frame.result
        assert scaled(frame.from_model(noise(model)), frame.result).shape == framed.shape


def test_crop_is_the_pipelines_own_fitting() -> None:
    picture = noise((640, 480))
    frame = Frame("crop", (640, 480), (384, 256))
    assert frame.for_model(picture) is picture
    assert np.array_equal(frame.of_picture(picture), resize_and_center_crop(picture, 384, 256))


def test_input_leaves_the_picture_as_it_is() -> None:
    picture = noise((333, 77))
    assert np.array_equal(Frame("input", (333, 77), (384, 256)).of_picture(picture), picture)


def test_a_matte_of_bytes_comes_back_exactly() -> None:
    matte = RNG.integers(0, 256, (77, 333)).astype(np.float32) / np.float32(255)
    assert np.array_equal(Frame("input", (333, 77), (384, 256)).of_matte(matte), matte)


@pytest.mark.parametrize("fit", ["crop", "pad", "input"])
def test_a_matte_lies_where_its_subject_lies(fit: str) -> None:
    matte = np.zeros((300, 300), np.float32)
    matte[100:200, 100:200] = 1
    picture = np.where(matte[..., None] > 0, 255, 127).astype(np.uint8).repeat(3, -1)
    frame = Frame(fit, (300, 300), (384, 256))
    seen = resize_and_center_crop(frame.for_model(picture), 384, 256)
    known = frame.matte_for_model(matte)
    assert known.shape == (256, 384)
    assert np.abs((seen[..., 0].astype(np.float32) - 127) / 128 - known).mean() < 0.01
