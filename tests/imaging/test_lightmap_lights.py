"""The maps of lights with direction, colour, intensity and type."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.asked_light import asked_light, light_picture
from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.imaging.light_shapes import blur, framed_matte, shape_of
from iclight_local.imaging.lightmap import (
    BACKGROUND_RAMP,
    INITIAL_LATENT_RAMP,
    decoded,
    draw_lights,
    encoded,
    light_map,
    painted_map,
)
from iclight_local.imaging.linear import to_linear
from iclight_local.light import Light, parse_lights
from iclight_local.light.lamp import ANGLES, SOFTNESSES

WIDTH, HEIGHT = 96, 120
BOUNDS = [INITIAL_LATENT_RAMP, BACKGROUND_RAMP]


def drawn(text: str, bounds: tuple[float, float] = INITIAL_LATENT_RAMP, subject: FloatArray | None = None) -> Any:
    """The map of ``text`` as integers, so that differences do not wrap."""
    return draw_lights(parse_lights(text), WIDTH, HEIGHT, bounds, subject).astype(int)


def disc(width: int = WIDTH, height: int = HEIGHT, across: float = 0.5, radius: float = 0.25) -> FloatArray:
    """A round subject."""
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    inside = (x - across * width) ** 2 + (y - height / 2) ** 2 <= (radius * width) ** 2
    return inside.astype(np.float32)


class TestDirection:
    @pytest.mark.parametrize("bounds", BOUNDS)
    @pytest.mark.parametrize(
        ("text", "word"),
        [
            ("azimuth=-90", "left"),
            ("azimuth=90", "right"),
            ("elevation=90", "top"),
            ("elevation=-90", "bottom"),
            ("azimuth=70 elevation=90", "top"),
        ],
    )
    def test_an_angle_is_the_word_of_the_same_direction(self, text: str, word: Any, bounds: Any) -> None:
        ramp = light_map(word, WIDTH, HEIGHT, bounds).astype(int)
        # The original truncates; a drawn light is rounded.
        assert np.abs(drawn(text, bounds) - ramp).max() <= 1

    @pytest.mark.parametrize("bounds", BOUNDS)
    @pytest.mark.parametrize(
        ("text", "row", "column"),
        [("top-left", 0, 0), ("top-right", 0, -1), ("bottom-left", -1, 0), ("bottom-right", -1, -1)],
    )
    def test_a_corner_is_lit_and_the_opposite_one_dark(self, text: str, row: int, column: int, bounds: Any) -> None:
        made = drawn(text, bounds)
        assert (made[row, column] == bounds[0]).all()
        assert (made[-1 - row, -1 - column] == bounds[1]).all()
        assert (made == made[row, column]).all(axis=2).sum() == 1
        # Brighter with every step towards the corner, along both sides.
        level = made[:: -1 if row else 1, :: -1 if column else 1, 0]
        assert (np.diff(level, axis=0) <= 0).all()
        assert (np.diff(level, axis=1) <= 0).all()

    def test_front_glows_in_the_middle(self) -> None:
        level = shape_of(Light(word="front"), 97, 121)
        assert level[60, 48] == level.max() == 1
        assert level.min() == level[0, 0] == pytest.approx(level[-1, -1])
        assert 0.2 < level[0, 0] < 0.5
        assert np.allclose(level, level[:, ::-1], atol=1e-6)

    def test_azimuth_goes_from_the_front_to_the_side_without_a_jump(self) -> None:
        steps = [shape_of(Light(azimuth=float(azimuth)), 48, 60) for azimuth in range(-180, 181, 2)]
        jumps = [float(np.abs(one - other).max()) for one, other in pairwise(steps)]
        assert max(jumps) < 0.08
        brightest = [np.unravel_index(step.argmax(), step.shape)[1] for step in steps[45:136]]
        assert brightest == sorted(brightest)
        assert (brightest[0], brightest[-1]) == (0, 47)

    @pytest.mark.parametrize("word", [word for word in ANGLES if word != "ambient"])
    @pytest.mark.parametrize("softness", [None, *SOFTNESSES])
    @pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (64, 64), (41, 300)])
    def test_every_shape_of_every_size_is_in_its_range(self, word: Any, softness: Any, size: Any) -> None:
        shape = shape_of(Light(word=word, softness=softness), *size, disc(30, 20))
        assert shape.shape == size[::-1]
        assert shape.dtype == np.float32
        assert np.isfinite(shape).all()
        assert shape.min() >= 0
        assert shape.max() <= 1
        # Light of intensity 1 reaches the lit bound somewhere, whatever its form; even light is meant to be mild.
        if softness != "ambient" and min(size) > 1:
            assert shape.max() > 0.97


class TestBack:
    def test_the_halo_is_bright_just_outside_and_dark_inside(self) -> None:
        subject = disc()
        made = drawn("back", subject=subject)[..., 0]
        inside = made[subject == 1]
        wider, narrower = disc(radius=0.29), disc(radius=0.27)
        just_outside = made[(wider == 1) & (narrower == 0)]
        assert inside.max() < just_outside.min() - 100
        assert just_outside.max() > 200
        assert made.max() == 255
        assert inside.max() == inside.min() == round(0.15 * 255)
        # It fades with the distance.
        line = made[HEIGHT // 2, : WIDTH // 4 - 2]
        assert (np.diff(line) >= 0).all()
        assert line[0] < 60

    def test_it_follows_the_subject(self) -> None:
        left, right = (drawn("back", subject=disc(across=across, radius=0.12))[..., 0] for across in (0.25, 0.75))
        assert np.abs(left - right[:, ::-1]).max() <= 1
        assert left[:, : WIDTH // 2].mean() > left[:, WIDTH // 2 :].mean() + 30

    def test_a_spotlight_from_behind_stands_on_the_subject(self) -> None:
        made = drawn("back spotlight", subject=disc(across=0.3, radius=0.12))[..., 0].astype(float)
        middle = (made.sum(axis=0) * np.arange(WIDTH)).sum() / made.sum() / WIDTH
        assert abs(middle - 0.3) < 0.05

    def test_without_a_matte_an_ellipse_stands_for_it(self) -> None:
        made = drawn("back")
        assert np.array_equal(made, drawn("back", subject=np.zeros((9, 9), np.float32)))
        assert np.abs(made - made[:, ::-1]).max() <= 1
        assert made[HEIGHT // 2, WIDTH // 2, 0] < 60
        assert made[..., 0].max() == 255

    def test_the_matte_is_framed_as_a_pass_frames_its_picture(self) -> None:
        # Twice as wide as the map: the sides are cut off and the disc stays round.
        wide = disc(4 * WIDTH, 2 * HEIGHT, radius=0.125)
        framed = framed_matte(wide, WIDTH, HEIGHT)
        assert framed.shape == (HEIGHT, WIDTH)
        assert np.abs(framed - disc()).mean() < 0.01
        same = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
        assert np.array_equal(framed_matte(same, 16, 16), same)

    def test_light_from_the_side_does_not_look_at_the_matte(self) -> None:
        for text in ("left softbox", "front", "azimuth=80 elevation=10"):
            assert np.array_equal(drawn(text), drawn(text, subject=disc()))
        assert not np.array_equal(drawn("azimuth=100"), drawn("azimuth=100", subject=disc()))

    def test_a_subject_that_fills_the_picture_is_dark(self) -> None:
        assert (drawn("back", subject=np.ones((8, 8), np.float32)) == round(0.15 * 255)).all()


class TestTypes:
    def test_their_formulas(self) -> None:
        u = np.linspace(0, 1, 101, dtype=np.float32)
        plain, softbox, sunlight, ambient = (
            shape_of(Light(word="right", softness=softness), 101, 3)[1]
            for softness in (None, "softbox", "sunlight", "ambient")
        )
        assert np.allclose(plain, u, atol=1e-6)
        assert np.allclose(softbox, 3 * u**2 - 2 * u**3, atol=1e-5)
        assert np.allclose(sunlight, u**0.6, atol=1e-5)
        assert np.allclose(ambient, 0.35 + 0.3 * u, atol=1e-5)

    @pytest.mark.parametrize(
        ("word", "place"),
        [("left", (0.5, 0.2)), ("top", (0.2, 0.5)), ("bottom-right", (0.8, 0.8)), ("front", (0.5, 0.5))],
    )
    def test_a_spotlight_is_a_spot_at_its_side(self, word: Any, place: tuple[float, float]) -> None:
        side = 101
        spot = shape_of(Light(word=word, softness="spotlight"), side, side)
        row, column = np.unravel_index(spot.argmax(), spot.shape)
        assert np.hypot(row / (side - 1) - place[0], column / (side - 1) - place[1]) < 0.2
        assert spot.mean() < shape_of(Light(word=word), side, side).mean() * 0.75
        far = spot[round((1 - place[0]) * 100), round((1 - place[1]) * 100)]
        assert far < 0.1 or word == "front"

    def test_a_spot_is_round_in_a_long_picture(self) -> None:
        spot = shape_of(Light(word="front", softness="spotlight"), 201, 101)
        assert spot[50, 130] == pytest.approx(spot[80, 100], rel=0.03)


class TestColourAndIntensity:
    def test_a_hex_colour_is_the_colour_of_the_lit_side(self) -> None:
        made = drawn("left #ff8020")
        assert tuple(made[5, 0]) == (255, 128, 32)
        assert made[5, -1].max() == 0
        assert (made[..., 0] >= made[..., 1]).all()
        assert (made[..., 1] >= made[..., 2]).all()

    @pytest.mark.parametrize("bounds", BOUNDS)
    def test_warm_light_is_redder_and_cool_light_bluer(self, bounds: Any) -> None:
        for kelvin, warmer in (("2500K", True), ("3200K", True), ("9000K", False)):
            red, _, blue = drawn(f"left {kelvin}", bounds).mean(axis=(0, 1))
            assert (red > blue + 5) == warmer
            assert (blue > red + 5) != warmer
        assert np.abs(drawn("left 6500K", bounds) - drawn("left", bounds)).max() <= 1

    def test_a_colour_temperature_keeps_the_luminance(self) -> None:
        grey, warm = (to_linear(drawn(text).astype(np.uint8)) for text in ("azimuth=-90", "left 3200K"))
        # Where nothing is scaled down.
        dim = grey[..., 0] < 0.6
        weights = np.array([0.2126, 0.7152, 0.0722])
        assert np.abs(warm[dim] @ weights - grey[dim] @ weights).max() < 0.006

    def test_intensity_is_light(self) -> None:
        full, half, double = (to_linear(drawn(text).astype(np.uint8)) for text in ("azimuth=-90", "left 0.5", "left 2"))
        assert np.abs(half - full / 2).max() < 0.006
        assert np.abs(double - np.minimum(1, 2 * full)).max() < 0.012
        assert drawn("left 0").max() == 0
        assert drawn("left 0", BACKGROUND_RAMP).min() == drawn("left 0", BACKGROUND_RAMP).max() == 32

    def test_too_much_light_keeps_its_colour_and_does_not_wrap(self) -> None:
        made = drawn("left #ff8020 2 + left #ff8020 2 sunlight")
        assert made.max() == 255
        assert np.abs(made[:, 0] - [255, 128, 32]).max() <= 1
        white = drawn(" + ".join(["left 2"] * 16))
        assert (white[:, : WIDTH // 2] == 255).all()
        assert (np.diff(white[0, :, 0]) <= 0).all()


class TestSum:
    @pytest.mark.parametrize("bounds", BOUNDS)
    def test_lights_add_in_linear_light(self, bounds: Any) -> None:
        lit, far = bounds
        u = np.linspace(0, 1, WIDTH)
        curve = to_linear(np.arange(256, dtype=np.uint8))
        levels = np.arange(256) / 255
        red = np.interp(1 - u, levels, curve) * curve[255] + 0.7 * np.interp(u, levels, curve) * curve[0x30]
        blue = np.interp(1 - u, levels, curve) * curve[0x20] + 0.7 * np.interp(u, levels, curve) * curve[0xFF]
        made = drawn("left #ff0020 + right #3000ff 0.7", bounds)
        assert np.abs(made[7, :, 0] - (far + (lit - far) * np.interp(red, curve, levels))).max() <= 0.51
        assert np.abs(made[7, :, 2] - (far + (lit - far) * np.interp(blue, curve, levels))).max() <= 0.51
        assert (made[..., 1] == far).all()

    def test_the_order_does_not_matter(self) -> None:
        one, other = "back 2500K + front 0.3 + left #203040", "left #203040 + front 0.3 + back 2500K"
        assert np.abs(drawn(one) - drawn(other)).max() <= 1

    @pytest.mark.parametrize("bounds", BOUNDS)
    def test_ambient_in_a_sum_is_the_light_that_it_is_alone(self, bounds: Any) -> None:
        assert (np.abs(drawn("ambient + left 0", bounds) - 64) <= 1).all()
        assert (np.abs(drawn("ambient 0.5 + ambient 0.5", bounds) - 64) <= 1).all()
        assert (drawn("left + ambient", bounds) >= drawn("left", bounds)).all()

    def test_opposite_lights_are_symmetrical(self) -> None:
        made = drawn("left + right")
        assert np.abs(made - made[:, ::-1]).max() <= 1


class TestCurve:
    def test_there_and_back(self) -> None:
        values = np.linspace(0, 1, 4001, dtype=np.float32)
        assert np.abs(encoded(decoded(values)) - values).max() < 1e-5
        assert np.array_equal(
            decoded(np.arange(256, dtype=np.float32) / 255), to_linear(np.arange(256, dtype=np.uint8))
        )

    def test_a_blur_keeps_an_even_field_and_spreads_a_point(self) -> None:
        assert np.allclose(blur(np.full((5, 9), 0.3, np.float32), 2), 0.3)
        point = np.zeros((31, 31), np.float32)
        point[15, 15] = 1
        made = blur(point, 2)
        assert made.sum() == pytest.approx(1, rel=1e-3)
        assert made[15, 17] / made[15, 15] == pytest.approx(np.exp(-0.5), rel=1e-4)


class TestPainted:
    def test_at_its_own_size_it_is_kept(self) -> None:
        picture = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        assert np.array_equal(painted_map(picture, None, WIDTH, HEIGHT), picture)
        assert np.array_equal(painted_map(picture, np.full(picture.shape[:2], 255, np.uint8), WIDTH, HEIGHT), picture)

    def test_what_is_not_painted_is_dark(self) -> None:
        alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
        alpha[:, :10], alpha[:, 10:20] = 255, 128
        made = painted_map(np.full((HEIGHT, WIDTH, 3), 200, np.uint8), alpha, WIDTH, HEIGHT)
        assert (made[:, :10] == 200).all()
        assert (made[:, 10:20] == 100).all()
        assert (made[:, 20:] == 0).all()

    def test_another_shape_is_cropped_and_not_squeezed(self) -> None:
        made = painted_map(light_map("left", 4 * WIDTH, HEIGHT, INITIAL_LATENT_RAMP), None, WIDTH, HEIGHT)
        assert made.shape == (HEIGHT, WIDTH, 3)
        assert 150 < made[0, 0, 0] < 165
        assert 90 < made[0, -1, 0] < 105


@dataclasses.dataclass
class Asked:
    """What ``asked_light`` looks at."""

    light: str | None = None
    light_source: Any = "none"
    light_map: Any = None
    light_reference: Any = None


class TestAsked:
    def ask(self, subject: FloatArray | None = None, **what: Any) -> UInt8Array | None:
        asked = Asked(**what)
        return asked_light(asked, light_picture(asked, offline=True), (WIDTH, HEIGHT), BACKGROUND_RAMP, subject)

    def test_nothing(self) -> None:
        assert self.ask() is None

    def test_every_form(self, tmp_path: Path) -> None:
        ramp = light_map("left", WIDTH, HEIGHT, BACKGROUND_RAMP)
        assert np.array_equal(self.ask(light_source="left"), ramp)
        assert np.array_equal(self.ask(light="left"), ramp)
        assert np.array_equal(
            self.ask(disc(), light="back"), draw_lights(parse_lights("back"), WIDTH, HEIGHT, BACKGROUND_RAMP, disc())
        )
        Image.fromarray(ramp).save(tmp_path / "ramp.png")
        assert np.array_equal(self.ask(light_map=tmp_path / "ramp.png"), ramp)
        reference = self.ask(light_reference=Image.fromarray(ramp))
        assert reference is not None
        assert reference[:, 0].mean() > reference[:, -1].mean() + 150

    def test_a_picture_that_is_none(self) -> None:
        with pytest.raises(InvalidRequest, match="does not exist"):
            self.ask(light_map="nowhere.png")
