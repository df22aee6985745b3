"""The colour that was asked of a light."""

from __future__ import annotations

import numpy as np
import pytest

from iclight_local.imaging.fit import UInt8Array
from iclight_local.imaging.linear import luminance, to_linear, to_srgb
from iclight_local.imaging.tint import SHARE, tinted
from iclight_local.light import parse_lights, temperature_of

WARM = temperature_of(parse_lights("left 3200K"))
RNG = np.random.default_rng(3)
PICTURE: UInt8Array = RNG.integers(40, 200, (40, 60, 3), dtype=np.uint8)
MATTE = np.zeros((40, 60), np.float32)
MATTE[10:30, 10:50] = 1


def redness(picture: UInt8Array) -> float:
    """Logarithm of red over blue in the subject's mean light."""
    mean = to_linear(picture)[MATTE > 0].mean(0)
    return float(np.log(mean[0] / mean[2]))


def test_what_is_lacking_is_made_up_for() -> None:
    assert WARM is not None
    found = tinted(PICTURE, PICTURE, MATTE, WARM)
    asked = SHARE * float(np.log(WARM[0] / WARM[2]))
    assert redness(found) - redness(PICTURE) == pytest.approx(asked, rel=0.03)
    before, after = (luminance(to_linear(each))[MATTE > 0].mean() for each in (PICTURE, found))
    assert after == pytest.approx(before, rel=0.02)


def test_it_is_seen_through_a_change_of_brightness() -> None:
    assert WARM is not None
    dark = to_srgb(to_linear(PICTURE) * np.float32(0.4))
    found = tinted(dark, PICTURE, MATTE, WARM)
    assert redness(found) - redness(PICTURE) == pytest.approx(SHARE * float(np.log(WARM[0] / WARM[2])), rel=0.05)


def test_a_light_that_is_coloured_enough_stays() -> None:
    assert WARM is not None
    warm = to_srgb(to_linear(PICTURE) * np.array([1.2, 0.9, 0.4], np.float32))
    assert tinted(warm, PICTURE, MATTE, WARM) is warm


@pytest.mark.parametrize("colour", [(1.0, 1.0, 1.0), (0.3, 0.3, 0.3)])
def test_white_light_changes_nothing(colour: tuple[float, float, float]) -> None:
    assert tinted(PICTURE, PICTURE, MATTE, colour) is PICTURE


def test_without_a_subject_nothing_is_known() -> None:
    assert tinted(PICTURE, PICTURE, np.zeros_like(MATTE), (1.2, 0.9, 0.6)) is PICTURE


@pytest.mark.parametrize(
    ("text", "has"),
    [("left 3200K", True), ("left 3200K + ambient 5000K 0.2", True), ("left #ff8800", False), ("left", False)],
)
def test_only_a_temperature_is_the_whole_scenes(text: str, has: bool) -> None:
    assert (temperature_of(parse_lights(text)) is not None) is has
