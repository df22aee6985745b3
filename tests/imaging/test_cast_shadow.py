"""Shadows drawn from outlines: where they fall, how long, soft and dark they are, and what the light says of them."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from iclight_local.imaging.cast_shadow import Shade, cast_shadow, shade_of
from iclight_local.imaging.footing import figure_of
from iclight_local.request import EditRequest

PICTURE = Image.new("RGB", (4, 4))
STANDING = Shade(direction=0, spread=60, softness=0.3, intensity=0.8, pose=90, floating=False)
FLAT = replace(STANDING, pose=0)
FLOATING = replace(STANDING, floating=True)
SUBJECT = np.s_[60:150, 85:115]


def subject() -> np.ndarray:
    """A box of 90 rows and 30 columns that stands on row 150 of 200 x 200."""
    matte = np.zeros((200, 200), np.float32)
    matte[SUBJECT] = 1
    return matte


def one_sided() -> np.ndarray:
    """A foot and a long arm to the right, in an odd width."""
    matte = np.zeros((300, 333), np.float32)
    matte[100:240, 120:160] = 1
    matte[120:150, 120:230] = 1
    matte[230:240, 110:180] = 0.8
    return matte


def centroid(layer: np.ndarray) -> tuple[float, float]:
    """Row and column of a layer's centre of gravity."""
    rows, columns = np.indices(layer.shape)
    return float((layer * rows).sum() / layer.sum()), float((layer * columns).sum() / layer.sum())


def asked(**knobs: object) -> Shade:
    """The shade of a request."""
    shade = shade_of(EditRequest(subject_image=PICTURE, **knobs))
    assert shade is not None
    return shade


@pytest.mark.parametrize("base", [STANDING, FLAT], ids=["standing", "flat"])
@pytest.mark.parametrize(
    ("direction", "aside", "down"),
    [(0, 0, -1), (45, -1, -1), (90, -1, 0), (135, -1, 1), (180, 0, 1), (225, 1, 1), (270, 1, 0), (315, 1, -1)],
)
def test_it_falls_where_it_is_sent(base: Shade, direction: float, aside: int, down: int) -> None:
    matte = subject()
    found = centroid(cast_shadow(matte, replace(base, direction=direction)))
    straight = centroid(cast_shadow(matte, replace(base, direction=direction, spread=0)))
    moved = found[1] - straight[1], found[0] - straight[0]
    for found_part, sign in zip(moved, (aside, down), strict=True):
        assert found_part * sign > 2 if sign else abs(found_part) < 0.5


@pytest.mark.parametrize("direction", [90, 180, 225])
def test_a_larger_spread_makes_it_longer(direction: float) -> None:
    layers = [
        cast_shadow(subject(), replace(STANDING, direction=direction, spread=spread)) for spread in (0, 20, 45, 90)
    ]
    outside = [float(layer.sum()) - float(layer[SUBJECT].sum()) for layer in layers]
    assert all(2 * less < 1.9 * more for less, more in pairwise(outside))


def test_it_is_as_long_as_the_angle_says() -> None:
    for spread, length in ((20, 0.176), (45, 0.414), (75, 0.767)):
        shade = replace(STANDING, direction=270, spread=spread, softness=0, intensity=1)
        columns = np.flatnonzero(cast_shadow(subject(), shade).max(0) > 0.5)
        assert columns[-1] + 1 == pytest.approx(115 + 90 * length, abs=3)
        front = np.flatnonzero(cast_shadow(subject(), replace(shade, direction=180)).max(1) > 0.5)
        assert front[-1] + 1 == pytest.approx(150 + 90 * length / 2, abs=6)


def test_exactly_sideways_it_is_no_line() -> None:
    layer = cast_shadow(subject(), replace(STANDING, direction=90, intensity=1))
    assert (layer[:, 60] > 0.4).sum() >= 4


@pytest.mark.parametrize("base", [replace(STANDING, direction=90), replace(FLAT, direction=90), FLOATING])
def test_a_softer_one_has_wider_edges(base: Shade) -> None:
    widths = []
    for softness in (0, 0.3, 0.6, 1):
        layer = cast_shadow(subject(), replace(base, softness=softness, intensity=1))
        # The contact of a standing subject is no edge of this.
        away = layer[:, :55] if base.pose == 90 and not base.floating else layer
        steepest = np.abs(np.diff(away, axis=1)).max()
        widths.append(1 / steepest)
    assert all(less < 0.9 * more for less, more in pairwise(widths))


def test_its_edge_is_softer_the_higher_what_casts_it() -> None:
    layer = cast_shadow(subject(), replace(STANDING, direction=135, spread=90, softness=0.8, intensity=1))
    near, far = (np.diff(layer[:, column])[layer[:-1, column] > 0.01].min() for column in (75, 30))
    assert near < 1.4 * far < 0


@pytest.mark.parametrize("base", [STANDING, FLAT, FLOATING, replace(STANDING, pose=40), replace(FLOATING, pose=40)])
@pytest.mark.parametrize("intensity", [0, 0.35, 1])
def test_it_is_never_darker_than_its_intensity(base: Shade, intensity: float) -> None:
    layer = cast_shadow(subject(), replace(base, direction=200, intensity=intensity))
    assert layer.dtype == np.float32 and layer.shape == (200, 200)
    assert layer.min() >= 0 and layer.max() <= np.float32(intensity)
    assert layer.max() >= 0.6 * intensity


@pytest.mark.parametrize("softness", [0, 0.15, 0.7, 1])
def test_a_standing_subject_has_a_dark_line_of_contact(softness: float) -> None:
    layer = cast_shadow(subject(), replace(STANDING, softness=softness, spread=20, intensity=1))
    below = layer[150:, 100]
    assert below[0] > 0.15 and below[20:].max() < 0.1
    assert np.all(np.diff(below) <= 1e-3)


@pytest.mark.parametrize("direction", range(0, 360, 45))
@pytest.mark.parametrize(("spread", "softness"), [(0, 0), (10, 0.8), (90, 1)])
def test_a_floating_one_touches_nothing(direction: float, spread: float, softness: float) -> None:
    layer = cast_shadow(subject(), replace(FLOATING, direction=direction, spread=spread, softness=softness))
    assert not layer[: 150 + 4].any()
    assert layer.max() > 0.5


def test_a_floating_one_lies_a_little_lower_and_is_flat() -> None:
    layer = cast_shadow(subject(), replace(FLOATING, direction=180, spread=10))
    rows, columns = np.flatnonzero(layer.max(1) > 0.1), np.flatnonzero(layer.max(0) > 0.1)
    assert 150 + 0.05 * 90 < rows[0] < 150 + 0.15 * 90
    assert np.ptp(columns) > 2.5 * np.ptp(rows)
    assert abs((columns[0] + columns[-1]) / 2 - 99.5) < 1


@pytest.mark.parametrize("direction", [0, 90, 225])
def test_a_flat_subject_throws_a_copy_of_its_outline(direction: float) -> None:
    matte = one_sided()
    matte[matte == np.float32(0.8)] = 1
    layer = cast_shadow(matte, replace(FLAT, direction=direction, softness=0, intensity=1))
    moved = [round(new - old) for new, old in zip(centroid(layer), centroid(matte), strict=True)]
    assert max(map(abs, moved)) > 5
    copy = np.roll(matte, moved, (0, 1))
    assert np.abs(layer - copy).mean() < 0.008
    assert layer.sum() == pytest.approx(matte.sum(), rel=0.01)


@pytest.mark.parametrize("base", [STANDING, FLAT, FLOATING, replace(STANDING, pose=50, softness=0.8)])
@pytest.mark.parametrize("direction", [0, 30, 90, 250])
def test_what_is_mirrored_has_its_shadow_mirrored(base: Shade, direction: float) -> None:
    matte = one_sided()
    layer = cast_shadow(matte, replace(base, direction=direction))
    mirrored = cast_shadow(np.ascontiguousarray(matte[:, ::-1]), replace(base, direction=360 - direction))
    assert np.abs(mirrored[:, ::-1] - layer).max() < 0.03


def test_a_line_that_recedes_is_followed_and_an_arch_is_not() -> None:
    rows, columns = np.indices((300, 300))
    body = (columns >= 80) & (columns < 220) & (rows >= 60)
    corner = (body & (rows < 240 - 0.4 * np.abs(columns - 150))).astype(np.float32)
    figure = figure_of(corner, 1)
    assert figure is not None
    assert figure.raised[[82, 120, 150, 180, 217]] == pytest.approx([27, 12, 1, 12, 27], abs=2)
    assert np.ptp(np.argmax(figure.matte[::-1, 82:218] > 0.5, 0)) <= 2
    layer = cast_shadow(corner, replace(STANDING, spread=10, softness=0.2, intensity=1))
    assert layer[[216, 229, 240], [92, 122, 150]].min() > 0.2
    arch = (body & (rows < 240)).astype(np.float32)
    arch[220:, 100:200] = 0
    stands = figure_of(arch, 1)
    assert stands is not None and not stands.raised.any()
    ball = (np.hypot(rows - 150, columns - 150) < 90).astype(np.float32)
    rolls = figure_of(ball, 1)
    assert rolls is not None and rolls.raised.max() < 0.12 * 180


@pytest.mark.parametrize("pose", [0, 45, 90])
@pytest.mark.parametrize("floating", [False, True])
def test_odd_mattes_are_no_trouble(pose: float, floating: bool) -> None:
    shade = Shade(direction=170, spread=90, softness=1, intensity=1, pose=pose, floating=floating)
    assert not cast_shadow(np.zeros((50, 70), np.float32), shade).any()
    assert not cast_shadow(np.full((50, 70), 0.4, np.float32), shade).any()
    for shape in ((1, 1), (1, 900), (900, 1), (60, 41)):
        layer = cast_shadow(np.ones(shape, np.float32), shade)
        assert layer.shape == shape and np.isfinite(layer).all()
    cut = np.zeros((200, 200), np.float32)
    cut[50:, 60:140] = 1
    assert np.isfinite(cast_shadow(cut, shade)).all()
    speck = np.zeros((90, 90), np.float32)
    speck[45, 45] = 1
    assert np.isfinite(cast_shadow(speck, shade)).all()


def test_a_large_canvas_has_the_shadow_of_a_small_one() -> None:
    small = cast_shadow(subject(), replace(STANDING, direction=225))
    large = cast_shadow(np.kron(subject(), np.ones((5, 5), np.float32)), replace(STANDING, direction=225))
    assert np.abs(large[2::5, 2::5] - small).mean() < 0.01


def test_nothing_is_cast_unless_it_is_asked_for() -> None:
    assert shade_of(EditRequest(subject_image=PICTURE)) is None
    assert asked(shadow="soft").softness > 0.5 > asked(shadow="hard").softness
    assert [asked(shadow=name).floating for name in ("soft", "hard", "auto", "floating")] == [False, False, False, True]


@pytest.mark.parametrize("name", ["soft", "hard", "auto", "floating"])
def test_what_is_said_comes_before_everything(name: str) -> None:
    found = asked(
        shadow=name,
        light="left spotlight",
        shadow_direction=0,
        shadow_spread=0,
        shadow_softness=0,
        shadow_intensity=0,
        shadow_pose=0,
    )
    assert found == Shade(0, 0, 0, 0, 0, floating=name == "floating")
    assert asked(shadow=name, shadow_pose=30) == replace(asked(shadow=name), pose=30)


@pytest.mark.parametrize("name", ["soft", "hard", "auto"])
@pytest.mark.parametrize(
    ("light", "direction"),
    [
        ("left", 270),
        ("right", 90),
        ("front", 0),
        ("back", 180),
        ("azimuth=45 elevation=30", 45),
        ("azimuth=-135 elevation=10", 225),
        ("right 0.3 + left 0.8 + top 0.5 + ambient 2", 270),
    ],
)
def test_it_falls_away_from_the_light(name: str, light: str, direction: float) -> None:
    assert asked(shadow=name, light=light).direction == pytest.approx(direction)


def test_a_plain_light_is_a_light_too() -> None:
    assert asked(shadow="auto", light_source="left").direction == 270
    assert asked(shadow="soft", light_source="right").direction == 90
    layer = cast_shadow(subject(), asked(shadow="auto", light_source="left"))
    assert layer[:, 115:].sum() > 5 * layer[:, :85].sum()


def test_the_lower_the_light_the_longer_the_shadow() -> None:
    spreads = [asked(shadow="auto", light=f"azimuth=30 elevation={degrees}").spread for degrees in (0, 30, 60, 90)]
    assert spreads == sorted(spreads, reverse=True) and spreads[0] > 3 * spreads[-1]
    assert asked(shadow="auto", light_source="top").spread == 10
    assert asked(shadow="auto", light_source="bottom").direction == asked(shadow="auto").direction


def test_the_light_says_how_soft_it_is_where_its_name_does_not() -> None:
    kinds = ["left ambient", "left softbox", "left", "left spotlight"]
    found = [asked(shadow="auto", light=kind).softness for kind in kinds]
    assert found == sorted(found, reverse=True) and len(set(found)) == 4
    assert asked(shadow="hard", light="left softbox").softness == asked(shadow="hard").softness
    assert asked(shadow="auto", light="ambient").softness == found[0]
