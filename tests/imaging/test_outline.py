"""Outlines against the distances they promise."""

import numpy as np
import pytest
from scipy.special import erf

from iclight_local.imaging.outline import outline

WIDTHS = [0, 0.3, 1, 3.5, 40, 350]


def disc(side: int, middle: tuple[float, float], radius: float) -> np.ndarray:
    """Pixels from a disc's edge, below 0 inside of it."""
    place = np.arange(side, dtype=np.float32)
    return np.hypot(place[:, None] - middle[0], place - middle[1]) - np.float32(radius)


def rectangle(side: int, half: tuple[float, float], angle: float) -> np.ndarray:
    """Pixels from a turned rectangle's edge, below 0 inside of it."""
    down, across = np.indices((side, side)) - side / 2
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    beyond = np.abs(cos * down + sin * across) - half[0], np.abs(cos * across - sin * down) - half[1]
    return np.hypot(*(np.maximum(part, 0) for part in beyond)) + np.minimum(np.maximum(*beyond), 0)


def edge(distance: np.ndarray, over: float = 1) -> np.ndarray:
    """The matte of a shape whose edge is ``over`` pixels wide."""
    return np.clip(0.5 - distance / over, 0, 1).astype(np.float32)


def off(layer: np.ndarray, distance: np.ndarray, width: float) -> float:
    """How far the layer's own contour lies from where it should, in pixels."""
    return max(0, float(width - distance[layer < 0.5].min()), float(distance[layer >= 0.5].max() - width))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("over", [1, 8])
def test_a_disc_becomes_a_wider_disc(width: float, over: float) -> None:
    distance = disc(1000, (503.3, 497.8), 121.4)
    layer = outline(edge(distance, over), width, 0)
    assert off(layer, distance, width) < 0.3
    assert np.abs(layer - np.clip(width + 0.5 - distance, 0, 1)).max() < 0.3


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("angle", [0, 27])
def test_the_corners_of_a_rectangle_become_round(width: float, angle: float) -> None:
    distance = rectangle(1001, (80.3, 120.6), angle)
    layer = outline(edge(distance), width, 0)
    assert off(layer, distance, width) < 0.6
    assert (layer[distance < -1] == 1).all() and (layer[distance > width + 2] == 0).all()


@pytest.mark.parametrize("width", [0, 1, 3.5, 40])
def test_a_matte_without_soft_edges_is_outlined_to_a_pixel(width: float) -> None:
    distance = disc(300, (150, 149.5), 61.2)
    assert off(outline((distance <= 0).astype(np.float32), width, 0), distance, width) < 0.8


@pytest.mark.parametrize("width", [2, 17, 90])
def test_what_is_thin_or_small_has_its_outline(width: float) -> None:
    matte = np.zeros((240, 260), np.float32)
    matte[120, 130] = 1
    place = np.indices(matte.shape)
    assert off(outline(matte, width, 0), np.hypot(place[0] - 120, place[1] - 130) - 0.5, width) < 0.6
    matte[120, 60:200] = 1
    column = outline(matte, width, 0)[:, 130]
    assert column.sum() == pytest.approx(1 + 2 * width, abs=0.1)


@pytest.mark.parametrize("width", [1, 12])
def test_noise_is_outlined_to_a_pixel_too(width: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iclight_local.imaging.outline._MOST_POINTS", 100)
    distance = disc(300, (150, 149.5), 61.2)
    assert off(outline(edge(distance), width, 0), distance, width) < 0.8


def test_what_is_fainter_than_half_has_no_outline() -> None:
    matte = np.full((40, 50), 0.45, np.float32)
    assert not outline(matte, 5, 3).any()
    assert not outline(np.zeros((1, 1), np.float32), 0, 0).any()


def test_a_subject_may_fill_the_picture_or_leave_it() -> None:
    assert (outline(np.ones((30, 20), np.float32), 3, 0) == 1).all()
    assert (outline(np.ones((30, 20), np.float32), 3, 4) == 1).all()
    half = np.zeros((30, 40), np.float32)
    half[:, :10] = 1
    assert outline(half, 5, 0)[:, 14:16].tolist() == [[1, 0]] * 30


@pytest.mark.parametrize("blur", [2.0, 8.0, 40.0])
def test_its_blur_is_gaussian(blur: float) -> None:
    matte = np.zeros((20, 900), np.float32)
    matte[:, :400] = 1
    place = np.arange(900) - 400 - 50 + 0.5
    true = 0.5 * (1 - erf(place / (blur * np.sqrt(2))))
    middle = slice(200, 700)
    assert np.abs(outline(matte, 50, blur) - true)[:, middle].max() < 0.01


def test_two_subjects_share_one_outline_where_they_are_near() -> None:
    left, right = disc(200, (100, 70), 25), disc(200, (100, 130), 25)
    layer = outline(edge(np.minimum(left, right)), 12, 0)
    assert off(layer, np.minimum(left, right), 12) < 0.3
    assert layer.max() == 1
