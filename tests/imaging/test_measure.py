"""The numbers a result is judged by: on pictures whose difference is known."""

from __future__ import annotations

import json
from dataclasses import fields

import numpy as np
import pytest
from PIL import Image, ImageFilter
from skimage.color import deltaE_ciede2000, rgb2lab

from benchmarks.scenes import lit_again, sample
from iclight_local.imaging import measure as module
from iclight_local.imaging.exposure import subject_luminance
from iclight_local.imaging.linear import to_linear, to_srgb
from iclight_local.imaging.measure import Measures, measure

CASE = sample(3, 256, "test")
PICTURE, MATTE = CASE.target, CASE.matte
LARGE = sample(3, 512, "test")
OTHERS = (LARGE.target, lit_again(LARGE, 1).target, LARGE.input)
PAIRS = np.array(
    [
        (50.0, 2.6772, -79.7751, 50.0, 0.0, -82.7485, 2.0425),
        (50.0, 3.1571, -77.2803, 50.0, 0.0, -82.7485, 2.8615),
        (50.0, 2.8361, -74.0200, 50.0, 0.0, -82.7485, 3.4412),
        (50.0, -1.3802, -84.2814, 50.0, 0.0, -82.7485, 1.0),
        (50.0, 0.0, 0.0, 50.0, -1.0, 2.0, 2.3669),
        (50.0, 2.4900, -0.0010, 50.0, -2.4900, 0.0009, 7.1792),
        (50.0, 2.4900, -0.0010, 50.0, -2.4900, 0.0011, 7.2195),
        (50.0, -0.0010, 2.4900, 50.0, 0.0009, -2.4900, 4.8045),
        (50.0, -0.0010, 2.4900, 50.0, 0.0011, -2.4900, 4.7461),
        (50.0, 2.5, 0.0, 50.0, 0.0, -2.5, 4.3065),
        (50.0, 2.5, 0.0, 73.0, 25.0, -18.0, 27.1492),
        (50.0, 2.5, 0.0, 61.0, -5.0, 29.0, 22.8977),
        (50.0, 2.5, 0.0, 56.0, -27.0, -3.0, 31.9030),
        (50.0, 2.5, 0.0, 58.0, 24.0, 15.0, 19.4535),
        (60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644),
        (63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.2630),
        (35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645),
        (22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373),
        (90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381),
        (2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082),
    ]
)
"""Lab of two colours and their difference: from table 1 of Sharma, Wu and Dalal."""


def blurred(picture: np.ndarray, radius: float) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius)))


def turned(picture: np.ndarray, degrees: float) -> np.ndarray:
    layers = np.array(Image.fromarray(picture).convert("HSV"))
    layers[..., 0] += np.uint8(round(degrees / 360 * 256) % 256)
    return np.asarray(Image.fromarray(layers, "HSV").convert("RGB"))


def shifted(dx: float, dy: float, other: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A picture, another one moved by so many pixels, and the matte, at half of the renders' size."""
    moved = np.roll(other, (round(dy * 2), round(dx * 2)), (0, 1))
    reduced = [np.asarray(Image.fromarray(plane).reduce(2)) for plane in (LARGE.target, moved, LARGE.matte)]
    return reduced[0], reduced[1], reduced[2]


def test_the_library_computes_the_published_differences() -> None:
    assert deltaE_ciede2000(PAIRS[:, :3], PAIRS[:, 3:6]) == pytest.approx(PAIRS[:, 6], abs=1e-4)


def test_two_flat_colours_differ_by_their_published_measure() -> None:
    before, after = (np.full((9, 9, 3), colour, np.uint8) for colour in ((200, 60, 40), (190, 80, 50)))
    expected = float(deltaE_ciede2000(rgb2lab(before[0, 0] / 255), rgb2lab(after[0, 0] / 255)))
    found = measure(before, after, np.ones((9, 9), np.float32))
    assert found.delta_e == pytest.approx(expected, abs=1e-3)
    assert found.delta_e_mean == pytest.approx(expected, abs=1e-3)
    assert 4 < expected < 5


def test_a_copy_differs_in_nothing() -> None:
    found = measure(PICTURE, PICTURE, MATTE)
    light = subject_luminance(PICTURE, MATTE)
    assert found == Measures(0, 0, pytest.approx(1), (0, 0), light, light, 0, 0, 0)
    assert found.as_record()["shift"] == [0, 0]


def test_only_the_subject_counts() -> None:
    other = np.where(MATTE[..., None] > 0, PICTURE, 255 - PICTURE)
    found = measure(PICTURE, other, MATTE)
    assert found.delta_e == 0
    assert found.delta_e_mean < 0.2
    assert found.clipped_new == 0


def test_the_more_is_blurred_the_less_detail_is_left() -> None:
    left = [measure(PICTURE, blurred(PICTURE, radius), MATTE).detail for radius in (0.5, 1, 2, 4)]
    assert left == sorted(left, reverse=True)
    assert left[0] > 0.9
    assert left[-1] < 0.6


def test_other_light_alone_keeps_the_detail() -> None:
    across = np.linspace(0.3, 1.6, 256, dtype=np.float32)[None, :, None] * np.float32([1, 0.8, 0.4])
    lit = to_srgb(to_linear(PICTURE) * across)
    found = measure(PICTURE, lit, MATTE)
    assert found.detail > 0.93
    assert found.delta_e > 5
    assert found.detail > measure(PICTURE, blurred(PICTURE, 1), MATTE).detail


@pytest.mark.parametrize(("dx", "dy"), [(3, -2), (0, 0), (0.5, 1.5), (-7, 5)])
def test_a_shift_is_found_also_under_other_light(dx: float, dy: float) -> None:
    for other in OTHERS:
        assert measure(*shifted(dx, dy, other)).shift == pytest.approx((dx, dy), abs=0.3)


def test_a_shift_is_told_in_the_originals_pixels() -> None:
    large = np.kron(PICTURE, np.ones((5, 5, 1), np.uint8))
    moved = np.roll(large, (-15, 20), (0, 1))
    found = measure(large, moved, np.kron(MATTE, np.ones((5, 5), np.float32)))
    assert found.shift == pytest.approx((20, -15), abs=0.3)


def test_turned_hues_are_told_in_degrees() -> None:
    found = measure(PICTURE, turned(PICTURE, 45), MATTE)
    assert found.hue_change == pytest.approx(45, abs=1.5)
    assert found.saturation_change < 0.01
    assert found.delta_e > 10
    assert measure(PICTURE, turned(PICTURE, -45), MATTE).hue_change == pytest.approx(45, abs=1.5)


def test_lost_colour_is_lost_saturation() -> None:
    colour = np.full((20, 20, 3), (200, 100, 100), np.uint8)
    pale = np.full((20, 20, 3), (200, 150, 150), np.uint8)
    assert measure(colour, pale, np.ones((20, 20), np.float32)).saturation_change == pytest.approx(0.25, abs=1e-4)
    grey = np.full((20, 20, 3), 128, np.uint8)
    found = measure(grey, colour, np.ones((20, 20), np.float32))
    assert (found.hue_change, found.saturation_change) == (None, None)


def test_light_and_new_clipping_are_measured() -> None:
    before = np.full((10, 10, 3), 100, np.uint8)
    before[0] = 255
    after = np.full((10, 10, 3), 120, np.uint8)
    after[:3, :, 0] = 255
    found = measure(before, after, np.ones((10, 10), np.float32))
    assert found.clipped_new == pytest.approx(0.2)
    assert found.luminance_before == pytest.approx(subject_luminance(before, np.ones((10, 10), np.float32)))
    assert found.luminance_after > found.luminance_before


def test_detail_is_taken_from_the_middle_of_a_large_subject(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DETAIL_PIXELS", 64 * 64)
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (256, 256, 3), dtype=np.uint8)
    broken = picture.copy()
    broken[:90] = 0
    assert measure(picture, broken, np.ones((256, 256), np.float32)).detail == pytest.approx(1)


def test_a_record_is_plain_rounded_json() -> None:
    record = measure(PICTURE, blurred(PICTURE, 2), MATTE).as_record()
    assert list(record) == [field.name for field in fields(Measures)]
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["detail"] == round(record["detail"], 4)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("cover", ["none", "all", "one", "random", "checked"])
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (7, 7), (1, 3000), (3000, 1), (8, 400)])
def test_odd_pictures_give_finite_numbers_or_none(shape: tuple[int, int], cover: str) -> None:
    rng = np.random.default_rng(0)
    noise = rng.random(shape, dtype=np.float32)
    one = 0 * noise
    one[0, 0] = 1
    matte = {"none": 0 * noise, "all": 0 * noise + 1, "one": one, "random": noise, "checked": noise.round()}[cover]
    speckled = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    for before in (speckled, np.zeros_like(speckled), np.full_like(speckled, 77)):
        for after in (before, 255 - before, np.zeros_like(before)):
            record = measure(before, after, matte).as_record()
            json.dumps(record, allow_nan=False)
            if cover == "none":
                assert set(record.values()) == {None}
