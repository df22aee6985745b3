"""Contact shadows, against renders on which the shadow is known."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from benchmarks.scenes import Background, Hemisphere, Light, Lights, Scene, over, sample, to_bytes, tone_map
from benchmarks.scenes.samples import cast_shadow
from iclight_local.imaging.shadow import contact_shadow, shaded

SIZE = 256
NOISE = 0.01
STANDING = (1, 2, 4, 6, 7, 9)
"""Seeds whose subject stands on a floor."""
Floats = np.ndarray


@cache
def place() -> tuple[Floats, Floats]:
    down, across = np.mgrid[:SIZE, :SIZE].astype(np.float32) / SIZE
    return down, across


def backdrop(kind: str) -> tuple[Floats, Floats]:
    """Linear radiance of a plain studio, and how much of each pixel is floor."""
    down, across = place()
    wall = np.full((SIZE, SIZE, 3), [0.5, 0.48, 0.45], np.float32)
    if kind == "gradient":
        return wall * (1.1 - 0.4 * across - 0.25 * down)[..., None], np.ones_like(down)
    if kind == "wall and floor":
        floor = np.clip((down - 0.62) / 0.02, 0, 1)
        return wall + (np.float32([0.28, 0.3, 0.36]) - wall) * floor[..., None], floor
    if kind == "pool of light":
        pool = 0.6 + 0.5 * np.exp(-((across - 0.5) ** 2 + (down - 0.4) ** 2) / 0.2)
        return wall * pool[..., None], np.ones_like(down)
    return wall, np.ones_like(down)


@cache
def subject(seed: int) -> tuple[Scene, Lights, Floats]:
    """A scene, its lights and its radiance under them."""
    scene = sample(seed, SIZE, "test").scene
    rng = np.random.default_rng(seed)
    lights = (
        Light(rng.uniform(-70, 70), rng.uniform(25, 60), (1.0, 1.0, 1.0), 0.6, 0.3),
        Hemisphere((0.4,) * 3, (0.3,) * 3),
    )
    return scene, lights, scene.relight(lights)


def photograph(seed: int, kind: str, shadowed: bool) -> tuple[np.ndarray, Floats, Floats]:
    """A picture, its matte and the light that the shadow leaves, 0..1."""
    scene, lights, front = subject(seed)
    radiance, floor = backdrop(kind)
    left = 1 - cast_shadow(scene, Background(radiance, lights, kind, "", floor))
    left = left if shadowed else np.ones_like(left)
    linear = over(front, scene.matte, radiance * left[..., None])
    noise = np.random.default_rng(seed).standard_normal(linear.shape).astype(np.float32) * np.float32(NOISE)
    return to_bytes(tone_map(linear, 1.0) + noise), scene.matte, left


def low_and_near(matte: Floats) -> np.ndarray:
    """The background beside and below the lower half of the subject."""
    rows, columns = (np.flatnonzero(matte.max(axis) > 0.5) for axis in (1, 0))
    high, reach = rows[-1] - rows[0], 0.15 * max(np.ptp(rows), np.ptp(columns))
    down, across = (plane * SIZE for plane in place())
    beside = (across > columns[0] - reach) & (across < columns[-1] + reach)
    return beside & (down > rows[0] + 0.6 * high) & (down < rows[-1] + reach) & (matte < 0.05)


@pytest.mark.parametrize(
    ("kind", "alike"), [("flat", 0.91), ("gradient", 0.89), ("wall and floor", 0.91), ("pool of light", 0.84)]
)
def test_a_cast_shadow_is_found(kind: str, alike: float) -> None:
    likeness, missed = [], []
    for seed in STANDING:
        picture, matte, truth = photograph(seed, kind, True)
        found, where = contact_shadow(picture, matte), low_and_near(matte)
        likeness.append(np.corrcoef(found[where], truth[where])[0, 1])
        missed.append(np.abs(found - truth)[where].mean() / np.abs(1 - truth)[where].mean())
    assert np.mean(likeness) > alike
    assert min(likeness) > 0.75
    assert np.mean(missed) < 0.5


@pytest.mark.parametrize("kind", ["flat", "gradient", "wall and floor", "pool of light"])
@pytest.mark.parametrize("seed", [0, 2, 6, 9])
def test_a_background_without_a_shadow_has_none(seed: int, kind: str) -> None:
    picture, matte, _ = photograph(seed, kind, False)
    assert contact_shadow(picture, matte).min() >= 0.97


def test_other_backgrounds_do_not_print_through() -> None:
    """Rooms, hedges, cities, window light: inputs of training, none with a shadow."""
    dark = []
    for seed in range(12):
        case = sample(seed, 128, "test")
        dark.append(float((1 - contact_shadow(case.input, case.matte))[case.matte < 0.05].mean()))
    assert np.mean(dark) < 0.01
    assert max(dark) < 0.06


def test_the_shadow_is_smooth_low_and_near() -> None:
    picture, matte, _ = photograph(2, "flat", True)
    found = contact_shadow(picture, matte)
    assert found.dtype == np.float32
    assert found.min() < 0.7
    assert found.max() <= 1
    assert max(np.abs(np.diff(found, axis=axis)).max() for axis in (0, 1)) < 0.2
    rows = np.flatnonzero(matte.max(1) > 0.5)
    assert found[: rows[0] + np.ptp(rows) // 4].min() > 0.97


def test_it_is_cast_on_another_background() -> None:
    picture, matte, truth = photograph(2, "flat", True)
    blue = np.full((SIZE, SIZE, 3), (60, 90, 200), np.uint8)
    cast = shaded(blue, contact_shadow(picture, matte))
    darkest = np.unravel_index(np.argmin(np.where(matte < 0.05, truth, 1)), truth.shape)
    assert cast[darkest][2] < 175
    assert np.array_equal(cast[0], blue[0])
    # Half of the light of sRGB 188 is sRGB 137: 0.5029 / 2 is 0.5373 of 255 when encoded.
    assert (shaded(np.full((2, 2, 3), 188, np.uint8), np.full((2, 2), 0.5, np.float32)) == 137).all()
    assert np.array_equal(shaded(picture, np.ones((SIZE, SIZE), np.float32)), picture)


def test_its_size_is_that_of_the_picture_at_any_scale() -> None:
    picture, matte, _ = photograph(2, "flat", True)
    once = contact_shadow(picture, matte)
    large = contact_shadow(np.kron(picture, np.ones((3, 3, 1), np.uint8)), np.kron(matte, np.ones((3, 3), np.float32)))
    assert large.shape == (3 * SIZE, 3 * SIZE)
    assert np.abs(large[1::3, 1::3] - once).mean() < 0.01


@pytest.mark.parametrize("cover", ["none", "all", "half", "random", "checked"])
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (5, 7), (1, 5000), (5000, 1), (900, 30)])
def test_odd_pictures_give_light_between_0_and_1(shape: tuple[int, int], cover: str) -> None:
    rng = np.random.default_rng(0)
    noise = rng.random(shape, dtype=np.float32)
    level = {
        "none": 0 * noise,
        "all": 0 * noise + 1,
        "half": 0 * noise + 0.5,
        "random": noise,
        "checked": noise.round(),
    }
    for picture in (np.full((*shape, 3), 77, np.uint8), rng.integers(0, 256, (*shape, 3), dtype=np.uint8)):
        found = contact_shadow(picture, level[cover])
        assert found.shape == shape
        assert np.isfinite(found).all()
        assert 0 <= found.min() <= found.max() <= 1
        if cover in ("none", "all", "half"):
            assert (found == 1).all()
