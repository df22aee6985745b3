"""The light of a coloured screen goes from the subject, and the subject's own colours stay."""

from __future__ import annotations

import numpy as np
import pytest

from iclight_local.imaging.despill import despilled
from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.imaging.linear import to_linear, to_srgb

GREEN, BLUE, PINK = (40, 190, 60), (30, 70, 220), (200, 40, 160)
GREY, SKIN, RED, YELLOW, SHIRT = (
    (0.5, 0.5, 0.5),
    (0.6, 0.36, 0.25),
    (0.6, 0.05, 0.05),
    (0.7, 0.55, 0.1),
    (0.1, 0.5, 0.15),
)
SIDE = 240
_Y, _X = np.mgrid[:SIDE, :SIDE] / (SIDE - 1) * 2 - 1
_R = np.hypot(_X, _Y) / 0.75
HEIGHT = np.sqrt(np.clip(1 - _R**2, 0, 1))
MATTE: FloatArray = np.clip((1 - _R) * 60 + 0.5, 0, 1).astype(np.float32)
WHOLE = MATTE >= 1
LIT = 0.12 + np.clip(-0.4 * _X - 0.5 * _Y + 0.77 * HEIGHT, 0, 1)


def sphere(albedo: tuple[float, float, float]) -> UInt8Array:
    return to_srgb((np.asarray(albedo) * LIT[..., None]).astype(np.float32))


def lit(true: UInt8Array, screen: tuple[int, int, int], amount: float) -> UInt8Array:
    """With a screen's light added, more the more the surface turns to the side, as it does at grazing angles."""
    light = to_linear(np.array(screen, np.uint8)) * (amount * (1 - HEIGHT) ** 2)[..., None]
    return to_srgb(to_linear(true) + light.astype(np.float32))


def before(front: UInt8Array, screen: tuple[int, int, int]) -> UInt8Array:
    share = MATTE[..., None]
    return to_srgb(to_linear(front) * share + to_linear(np.array(screen, np.uint8)) * (1 - share))


def cleaned(front: UInt8Array, screen: tuple[int, int, int]) -> UInt8Array:
    return despilled(front, before(front, screen), MATTE)


def lab(picture: UInt8Array) -> FloatArray:
    """CIE 1976 L*a*b* under D65, in which distances are about as they are seen."""
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = to_linear(picture) @ matrix.T / matrix.sum(1)
    root = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1).astype(np.float32)


def difference(found: UInt8Array, true: UInt8Array) -> float:
    return float(np.linalg.norm(lab(found) - lab(true), axis=-1)[WHOLE].mean())


@pytest.mark.parametrize("amount", [0.2, 0.4])
@pytest.mark.parametrize("screen", [GREEN, BLUE, PINK])
def test_what_is_grey_is_grey_again(screen: tuple[int, int, int], amount: float) -> None:
    true = sphere(GREY)
    spilled = lit(true, screen, amount)
    assert difference(spilled, true) > 2
    assert difference(cleaned(spilled, screen), true) < 0.3 * difference(spilled, true)


@pytest.mark.parametrize("amount", [0.2, 0.4])
@pytest.mark.parametrize("screen", [GREEN, BLUE])
def test_a_face_is_itself_again(screen: tuple[int, int, int], amount: float) -> None:
    true = sphere(SKIN)
    spilled = lit(true, screen, amount)
    assert difference(cleaned(spilled, screen), true) < 0.5 * difference(spilled, true)


@pytest.mark.parametrize("albedo", [GREY, SKIN, RED, YELLOW, (0.9, 0.85, 0.65), (0.05, 0.05, 0.05), SHIRT])
@pytest.mark.parametrize("screen", [GREEN, BLUE])
def test_what_has_no_spill_stays(albedo: tuple[float, float, float], screen: tuple[int, int, int]) -> None:
    true = sphere(albedo)
    assert np.abs(cleaned(true, screen).astype(int) - true)[WHOLE].max() <= 2


def test_a_green_shirt_loses_its_spill_and_not_its_green() -> None:
    true = sphere(SHIRT)
    found = cleaned(lit(true, GREEN, 0.3), GREEN)
    deep = HEIGHT > 0.8
    assert np.abs(found.astype(int) - true)[deep].max() <= 4
    assert difference(found, true) < difference(lit(true, GREEN, 0.3), true)


@pytest.mark.parametrize(("above", "most"), [(GREY, 1), (RED, 12), ((0.12, 0.07, 0.04), 3), ((0.7, 0.5, 0.2), 12)])
def test_hair_and_clothes_beside_a_face_stay(above: tuple[float, float, float], most: int) -> None:
    albedo = np.where((_Y < -0.1)[..., None], above, SKIN)
    true = to_srgb((albedo * LIT[..., None]).astype(np.float32))
    moved = np.abs(cleaned(true, GREEN).astype(int) - true)[WHOLE]
    assert moved.max() <= most
    assert moved.mean() < 0.5


@pytest.mark.parametrize(
    "screen", [(128, 128, 128), (255, 255, 255), (0, 0, 0), (200, 190, 180), (128, 160, 128), (1, 1, 1)]
)
def test_a_backdrop_without_colour_changes_no_byte(screen: tuple[int, int, int]) -> None:
    front = lit(sphere(GREY), GREEN, 0.4)
    assert cleaned(front, screen) is front


def test_a_picture_without_a_backdrop_changes_no_byte() -> None:
    front = lit(sphere(GREY), GREEN, 0.4)
    assert despilled(front, front, np.ones_like(MATTE)) is front


def test_a_motley_background_is_no_backdrop() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    picture[..., 1] //= 8
    front = lit(sphere(GREY), GREEN, 0.4)
    assert despilled(front, picture, MATTE) is front


def test_specks_on_a_screen_do_not_count() -> None:
    front, true = lit(sphere(GREY), GREEN, 0.4), sphere(GREY)
    picture = before(front, GREEN)
    picture[::3, ::2] = (250, 250, 250)
    assert difference(despilled(front, picture, MATTE), true) < 0.25 * difference(front, true)


def test_nothing_unseen_is_touched_and_nothing_given_is_written() -> None:
    front = lit(sphere(GREY), GREEN, 0.4)
    picture, given = before(front, GREEN), front.copy()
    found = despilled(front, picture, MATTE)
    assert np.array_equal(front, given)
    assert np.array_equal(found[MATTE == 0], front[MATTE == 0])
    assert not np.array_equal(found, front)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (700, 3), (65, 130)])
def test_any_shape(shape: tuple[int, int]) -> None:
    matte = np.zeros(shape, np.float32)
    matte[: max(1, shape[0] // 2), : max(1, shape[1] // 2)] = 1
    picture = np.full((*shape, 3), GREEN, np.uint8)
    front = np.full((*shape, 3), (120, 140, 120), np.uint8)
    found = despilled(front, picture, matte)
    assert found.shape == front.shape
    if (matte == 0).any():
        edge = found[matte > 0].astype(int)
        assert (edge[:, 1] - edge[:, 0] <= 20).all()
