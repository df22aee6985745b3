"""The light that is taken from a reference picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from iclight_local.imaging.fit import UInt8Array
from iclight_local.imaging.light_reference import reference_map
from iclight_local.imaging.lightmap import BACKGROUND_RAMP, INITIAL_LATENT_RAMP
from iclight_local.imaging.linear import to_linear

WIDTH, HEIGHT = 128, 160


def mapped(picture: UInt8Array, bounds: tuple[float, float] = INITIAL_LATENT_RAMP) -> Any:
    """The map of ``picture`` as integers."""
    made = reference_map(picture, WIDTH, HEIGHT, bounds)
    assert made.shape == (HEIGHT, WIDTH, 3)
    assert made.dtype == np.uint8
    return made.astype(int)


def noisy(levels: Any, noise: float = 12) -> UInt8Array:
    """Levels (H x W or H x W x 3) with grain, as a picture."""
    levels = np.asarray(levels, float)
    levels = levels if levels.ndim == 3 else np.repeat(levels[..., None], 3, 2)
    grain = np.random.default_rng(3).normal(0, noise, levels.shape)
    return (levels + grain).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("bounds", [INITIAL_LATENT_RAMP, BACKGROUND_RAMP])
@pytest.mark.parametrize(("axis", "flipped"), [(0, False), (0, True), (1, False), (1, True)])
def test_a_ramp_of_light_becomes_a_ramp_from_bound_to_bound(axis: int, flipped: bool, bounds: Any) -> None:
    line = np.linspace(40, 230, 300)
    picture = np.broadcast_to(line[:, None] if axis == 0 else line, (300, 300))
    made = mapped(noisy(np.flip(picture, axis) if flipped else picture), bounds)
    profile = made.mean(axis=(1 - axis, 2))
    profile = profile[::-1] if flipped else profile
    lit, far = bounds
    assert profile[-1] > lit - 4
    assert profile[0] < far + 4
    assert (np.diff(profile) > -1).all()


@pytest.mark.parametrize("level", [15, 60, 128, 200, 250])
def test_an_even_picture_gives_an_even_map_of_its_own_level(level: int) -> None:
    for noise in (0, 12):
        made = mapped(noisy(np.full((240, 200), level), noise))
        assert made.max() - made.min() <= 12
        assert abs(made.mean() - level) < 12


def test_a_faint_vignette_stays_faint() -> None:
    x, y = np.meshgrid(np.linspace(-1, 1, 200), np.linspace(-1, 1, 200))
    made = mapped(noisy(150 - 15 * (x**2 + y**2) / 2))
    assert 5 < made[..., 1].max() - made[..., 1].min() < 50


def test_fine_paint_is_not_light() -> None:
    x, y = np.meshgrid(np.arange(320), np.arange(400))
    checks = mapped(noisy(np.where((x // 10 + y // 10) % 2, 220, 40)))
    assert checks.max() - checks.min() < 25


def test_a_window_at_the_side_is_found_in_a_picture_of_another_shape() -> None:
    wide = np.full((100, 800), 25)
    wide[:, :80] = 255
    made = mapped(noisy(wide))
    assert made[:, :8].mean() > 225
    assert made[:, -40:].mean() < 10


def test_the_brightness_is_mean_light_and_not_mean_levels() -> None:
    # Half of the fine stripes are white: half of the light, which is level 188.
    stripes = np.zeros((200, 200))
    stripes[:, ::2] = 255
    made = mapped(noisy(stripes, 0))
    assert abs(made.mean() - 188) < 6


def test_colour_is_kept_but_tempered() -> None:
    orange = mapped(noisy(np.full((90, 90, 3), (230, 120, 40)), 2)).mean(axis=(0, 1))
    assert orange[0] > orange[1] > orange[2]
    full, kept = (to_linear(np.round(c).astype(np.uint8)) for c in (np.array([230, 120, 40]), orange))
    assert kept[0] / kept[2] == pytest.approx((full[0] / full[2]) ** 0.45, rel=0.15)


def test_two_colours_stay_on_their_sides() -> None:
    picture = np.zeros((160, 160, 3))
    picture[:, :80], picture[:, 80:] = (220, 60, 60), (60, 60, 220)
    made = mapped(noisy(picture))
    assert made[:, 10, 0].mean() > made[:, 10, 2].mean() + 30
    assert made[:, -10, 2].mean() > made[:, -10, 0].mean() + 30


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (3, 2), (2000, 40)])
def test_any_size_of_reference(shape: tuple[int, int]) -> None:
    mapped(noisy(np.full(shape, 90)))


@pytest.mark.parametrize("level", [0, 255])
def test_black_and_white(level: int) -> None:
    made = mapped(np.full((40, 40, 3), level, np.uint8))
    assert (made == level).all()


@pytest.mark.parametrize("size", [(1, 1), (64, 1024), (1024, 64), (512, 640)])
def test_any_size_of_map(size: tuple[int, int]) -> None:
    made = reference_map(noisy(np.tile(np.linspace(0, 255, 50), (50, 1))), *size, BACKGROUND_RAMP)
    assert made.shape == (size[1], size[0], 3)
    assert made.min() >= 32
    assert made.max() <= 224
