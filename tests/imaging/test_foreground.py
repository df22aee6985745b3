"""Colours at soft edges, against renders and drawn hair whose colours are known."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from PIL import Image, ImageDraw

from benchmarks.scenes import draw_background, from_srgb, sample, tone_map
from iclight_local.imaging import foreground
from iclight_local.imaging.compose import over
from iclight_local.imaging.foreground import decontaminated
from iclight_local.imaging.linear import to_srgb

SIZE = 384
Floats = np.ndarray
BEHIND = {"dark": 0.02, "bright": 0.8}


@cache
def render(seed: int) -> tuple[Floats, Floats]:
    """Linear colours of a rendered subject and its matte."""
    case = sample(seed, SIZE, "test")
    front = from_srgb(tone_map(case.scene.relight(case.lights), case.exposure))
    return front, np.round(case.matte * 255).astype(np.float32) / 255


@cache
def hair() -> tuple[Floats, Floats]:
    """Linear colours of a brown head of curls and its matte: lines of a quarter to one and a half pixels."""
    rng = np.random.default_rng(0)
    side = SIZE * 4
    image = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(image)
    pen.ellipse((side * 0.3, side * 0.3, side * 0.7, side * 0.7), fill=255)
    for _ in range(200):
        angle = rng.uniform(0, 2 * np.pi)
        x, y = side * (0.5 + 0.18 * np.cos(angle)), side * (0.5 + 0.18 * np.sin(angle))
        points = [(x, y)]
        for _ in range(12):
            angle += rng.normal(0, 0.15)
            x, y = x + np.cos(angle) * side * 0.02, y + np.sin(angle) * side * 0.02
            points.append((x, y))
        pen.line(points, fill=255, width=int(rng.integers(1, 7)))
    matte = np.asarray(image.reduce(4), np.float32) / 255
    down, across = np.mgrid[:SIZE, :SIZE].astype(np.float32) / SIZE
    front = np.stack([0.2 + 0.16 * across, 0.1 + 0.08 * down, 0.05 + 0 * down], -1)
    return front.astype(np.float32), matte


@cache
def backdrop(kind: str) -> Floats:
    if kind == "green":
        return np.full((SIZE, SIZE, 3), [0.15, 0.7, 0.2], np.float32)
    lights = sample(2, 16, "test").lights
    radiance = draw_background(kind, np.random.default_rng(4), lights, SIZE).radiance
    return from_srgb(tone_map(radiance, 0.35 / float(radiance.mean())))


def errors_at_the_edge(front: Floats, matte: Floats, old: Floats, level: float) -> tuple[float, float]:
    """Mean error in grey levels where the matte is soft, on a new background: without and with decontamination."""
    share = matte[..., None]
    new = np.full_like(old, level)
    picture = to_srgb(front * share + old * (1 - share))
    truth = to_srgb(front * share + new * (1 - share)).astype(float)
    soft = (matte > 0.02) & (matte < 0.98)
    found = (over(colours, to_srgb(new), matte) for colours in (picture, decontaminated(picture, matte)))
    without, with_it = (float(np.abs(mixed - truth)[soft].mean()) for mixed in found)
    return without, with_it


@pytest.mark.parametrize("level", BEHIND.values(), ids=BEHIND)
@pytest.mark.parametrize(("kind", "least"), [("green", 4.0), ("clutter", 3.0)])
@pytest.mark.parametrize("seed", [1, 5])
def test_the_old_background_goes_from_the_edge_of_a_render(seed: int, kind: str, least: float, level: float) -> None:
    without, with_it = errors_at_the_edge(*render(seed), backdrop(kind), level)
    assert without / with_it > least
    assert with_it < 4


@pytest.mark.parametrize("level", BEHIND.values(), ids=BEHIND)
@pytest.mark.parametrize(("kind", "least"), [("green", 12.0), ("clutter", 7.0), ("outdoors", 7.0)])
def test_the_old_background_goes_from_hair(kind: str, least: float, level: float) -> None:
    without, with_it = errors_at_the_edge(*hair(), backdrop(kind), level)
    assert without / with_it > least
    assert with_it < 2.5


def test_the_subject_itself_keeps_its_bytes() -> None:
    front, matte = hair()
    picture = to_srgb(front * matte[..., None] + 0.5 * (1 - matte[..., None]))
    found = decontaminated(picture, matte)
    assert np.array_equal(found[matte == 1], picture[matte == 1])
    assert found.dtype == np.uint8


def test_nothing_of_the_old_background_is_left_where_the_matte_is_empty() -> None:
    front, matte = hair()
    picture = to_srgb(front * matte[..., None] + backdrop("green") * (1 - matte[..., None]))
    hidden = decontaminated(picture, matte)[matte == 0].astype(int)
    # Brown throughout, where the background is sRGB (109, 218, 124).
    assert (hidden[:, 0] > hidden[:, 1]).mean() > 0.95
    assert hidden[:, 1].max() < 150
    steps = np.abs(np.diff(decontaminated(picture, matte).astype(int)[:, :40], axis=1))
    assert steps.max() <= 2


def test_a_reduced_estimate_has_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    front, matte = hair()
    picture = to_srgb(front * matte[..., None] + backdrop("clutter") * (1 - matte[..., None]))
    monkeypatch.setattr(foreground, "_SIDE", 150)
    whole = decontaminated(picture, matte).astype(int)
    monkeypatch.setattr(foreground, "_ROWS", 37)
    assert np.abs(decontaminated(picture, matte) - whole).max() <= 1


@pytest.mark.parametrize("cover", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (1, 9000), (9000, 1)])
def test_a_picture_of_one_colour_keeps_it(shape: tuple[int, int], cover: float) -> None:
    picture = np.full((*shape, 3), 77, np.uint8)
    found = decontaminated(picture, np.full(shape, cover, np.float32)).astype(int)
    assert found.shape == picture.shape
    assert np.abs(found - 77).max() <= 1
