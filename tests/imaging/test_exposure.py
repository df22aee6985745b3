"""Exposure to a target: the mean that is asked for, hues that stay, highlights that bend."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.scenes import sample
from iclight_local.imaging import exposure
from iclight_local.imaging.exposure import exposed, subject_luminance
from iclight_local.imaging.linear import to_linear

CASE = sample(4, 256, "test")


def hue(picture: np.ndarray) -> np.ndarray:
    from skimage.color import rgb2hsv

    return rgb2hsv(picture)[..., 0] * 360


def test_luminance_is_linear_and_weighted_with_the_matte() -> None:
    picture = np.zeros((2, 2, 3), np.uint8)
    picture[0] = 255
    assert subject_luminance(picture, np.ones((2, 2), np.float32)) == pytest.approx(0.5)
    assert subject_luminance(picture, np.array([[1, 1], [0, 0]], np.float32)) == pytest.approx(1)
    assert subject_luminance(picture, np.array([[0.5, 0.5], [1, 0.5]], np.float32)) == pytest.approx(0.4)
    grey = np.full((3, 3, 3), 188, np.uint8)
    assert subject_luminance(grey, np.ones((3, 3), np.float32)) == pytest.approx(0.5029, abs=1e-3)
    green = np.zeros((1, 1, 3), np.uint8)
    green[..., 1] = 255
    assert subject_luminance(green, np.ones((1, 1), np.float32)) == pytest.approx(0.7152)


@pytest.mark.parametrize("target", [0.05, 0.1, 0.18, 0.25, 0.3])
@pytest.mark.parametrize("seed", [4, 7, 8])
def test_the_subject_has_the_luminance_asked_for(seed: int, target: float) -> None:
    case = sample(seed, 128, "test")
    picture, gain = exposed(case.target, target, case.matte)
    assert 1 / 8 <= gain <= 8
    assert subject_luminance(picture, case.matte) == pytest.approx(target, rel=0.01)


def test_the_present_luminance_as_target_changes_nothing() -> None:
    before = subject_luminance(CASE.target, CASE.matte)
    picture, gain = exposed(CASE.target, before, CASE.matte)
    assert gain == pytest.approx(1, abs=1e-4)
    assert np.abs(picture.astype(int) - CASE.target).max() <= 1


def test_brighter_highlights_bend_and_keep_their_order() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2)
    matte = np.ones((1, 256), np.float32)
    picture, gain = exposed(ramp, 0.6, matte)
    levels = picture[0, :, 0].astype(int)
    assert gain > 2
    assert (np.diff(levels) >= 0).all()
    assert levels[0] == 0
    assert levels[255] == 255
    clipped = (levels == 255).sum()
    plain = (to_linear(ramp)[0, :, 0] * gain >= 1).sum()
    assert clipped < 8 < 100 < plain


def test_darker_is_plain_gain() -> None:
    grey = np.full((4, 4, 3), 200, np.uint8)
    picture, gain = exposed(
        grey, 0.25 * subject_luminance(grey, np.ones((4, 4), np.float32)), np.ones((4, 4), np.float32)
    )
    assert gain == pytest.approx(0.25, rel=1e-3)
    # 200 is 0.5776 in linear light, and a quarter of it is 106.4.
    assert (picture == 106).all()


def test_hues_stay_when_the_picture_gets_much_brighter() -> None:
    before = subject_luminance(CASE.target, CASE.matte)
    picture, gain = exposed(CASE.target, min(0.6, 4 * before), CASE.matte)
    assert gain > 2
    clear = (CASE.matte > 0.5) & (np.ptp(CASE.target.astype(int), axis=-1) > 40) & (CASE.target.max(-1) > 60)
    turned = np.abs(hue(picture) - hue(CASE.target))[clear]
    assert clear.sum() > 1000
    assert np.percentile(np.minimum(turned, 360 - turned), 99) < 2


def test_the_gain_is_limited() -> None:
    dark = np.full((4, 4, 3), 10, np.uint8)
    matte = np.ones((4, 4), np.float32)
    picture, gain = exposed(dark, 0.9, matte)
    assert gain == pytest.approx(8)
    assert subject_luminance(picture, matte) == pytest.approx(8 * subject_luminance(dark, matte), rel=0.02)
    assert exposed(np.full((4, 4, 3), 255, np.uint8), 0.0, matte)[1] == pytest.approx(1 / 8)


def test_what_has_no_light_or_no_subject_stays() -> None:
    black, matte = np.zeros((3, 3, 3), np.uint8), np.ones((3, 3), np.float32)
    picture, gain = exposed(black, 0.5, matte)
    assert gain == 1
    assert (picture == 0).all()
    picture, gain = exposed(CASE.target, 0.5, np.zeros_like(CASE.matte))
    assert gain == 1
    assert np.array_equal(picture, CASE.target)
    assert picture is not CASE.target
    assert subject_luminance(CASE.target, np.zeros_like(CASE.matte)) == 0


def test_strips_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, gain = exposed(CASE.target, 0.3, CASE.matte)
    monkeypatch.setattr(exposure, "_AT_ONCE", 1000)
    parts, other = exposed(CASE.target, 0.3, CASE.matte)
    assert other == pytest.approx(gain, rel=1e-6)
    assert np.abs(parts.astype(int) - whole).max() <= 1
