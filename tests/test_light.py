"""Lights in words, their directions and colours."""

from __future__ import annotations

import math
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from iclight_local.errors import InvalidRequest
from iclight_local.light import Light, PlainWord, describe, parse_lights, plain_word
from iclight_local.light.kelvin import kelvin_colour, planckian
from iclight_local.light.lamp import ANGLES, RANGES, SOFTNESSES
from iclight_local.light.words import MAX_LIGHTS

ROOT = Path(__file__).parent.parent

READ = {
    "left": Light(word="left"),
    " Top-Left ": Light(word="top-left"),
    "top_left": Light(word="top-left"),
    "TOP LEFT": Light(word="top-left"),
    "right bottom": Light(word="bottom-right"),
    "left 3200K softbox": Light(word="left", kelvin=3200, softness="softbox"),
    "softbox 3200k left": Light(word="left", kelvin=3200, softness="softbox"),
    "3200K top softbox left 0.5": Light(word="top-left", kelvin=3200, softness="softbox", intensity=0.5),
    "azimuth=30 elevation=45 #ffCC88 0.8 spotlight": Light(30, 45, None, (255, 204, 136), None, 0.8, "spotlight"),
    "azimuth = 30": Light(30),
    "azimuth=+30": Light(30),
    "elevation=-12.5": Light(0, -12.5),
    "azimuth=-1.8e2": Light(-180),
    "ambient": Light(word="ambient"),
    "ambient #102030 .5": Light(word="ambient", rgb=(16, 32, 48), intensity=0.5),
    "ambient left": Light(word="left", softness="ambient"),
    "azimuth=10 ambient": Light(10, softness="ambient"),
    "left\ttop\n2": Light(word="top-left", intensity=2),
    "front 1": Light(word="front"),
    "back 0": Light(word="back", intensity=0),
}
BAD = {
    "": "The light is empty: a direction is needed, like left, or top-left 3200K softbox 0.8.",
    " \n": "The light is empty: a direction is needed, like left, or top-left 3200K softbox 0.8.",
    "lefft 3200K": "The light 'lefft 3200K' has the word 'lefft', which is not known: did you mean 'left'?",
    "topleft": "The light 'topleft' has the word 'topleft', which is not known: did you mean 'top-left'?",
    "left sunligt": "The light 'left sunligt' has the word 'sunligt', which is not known: did you mean 'sunlight'?",
    "azimut=30": "The light 'azimut=30' has the word 'azimut=30', which is not known: did you mean 'azimuth=30'?",
    "left warm": "The light 'left warm' has the word 'warm', which is no direction, colour, type or intensity: "
    "write it like top-left 3200K softbox 0.8.",
    "left 0,8": "The light 'left 0,8' has the word '0,8', which is no direction, colour, type or intensity: "
    "write it like top-left 3200K softbox 0.8.",
    "left right": "The light 'left right' comes from left and right: one light has one direction, "
    "and + joins two lights.",
    "front left": "The light 'front left' comes from front and left: one light has one direction, "
    "and + joins two lights.",
    "left azimuth=0": "The light 'left azimuth=0' comes from left and from azimuth=0: keep one of the two.",
    "3200K softbox": "The light '3200K softbox' does not say where it comes from: add a direction, like left, or "
    "top-left 3200K softbox 0.8.",
    "ambient softbox": "The light 'ambient softbox' names two of one kind, ambient and softbox: keep one, or join two "
    "lights with +.",
    "left #ff0000 3200K": "The light 'left #ff0000 3200K' names two of one kind, #ff0000 and 3200k: keep one, or join "
    "two lights with +.",
    "left 1 0.5": "The light 'left 1 0.5' names two of one kind, 1 and 0.5: keep one, or join two lights with +.",
    "left 3": "The light 'left 3' has the intensity 3, but it must be a number from 0 to 2.",
    "left -1": "The light 'left -1' has the intensity -1, but it must be a number from 0 to 2.",
    "left 3200": "The light 'left 3200' has the intensity 3200, but it must be a number from 0 to 2, and a colour "
    "temperature is written 3200K.",
    "left 999K": "The light 'left 999K' has the colour temperature 999K, but it must be a number from 1000 to 20000K.",
    "azimuth=181": "The light 'azimuth=181' has the azimuth 181, but it must be a number from -180 to 180 degrees.",
    "elevation=x": "The light 'elevation=x' has the elevation x, but it must be a number from -90 to 90 degrees.",
    "azimuth=": "The light 'azimuth=' has the azimuth nothing, but it must be a number from -180 to 180 degrees.",
    "azimuth=nan": "The light 'azimuth=nan' has the azimuth nan, but it must be a number from -180 to 180 degrees.",
    "left ff8800": "The light 'left ff8800' has the word ff8800: a colour is written #ff8800.",
    "left #f80": "The light 'left #f80' has the colour '#f80', but a colour has six digits of 0-9 and a-f, "
    "like #ffcc88.",
    "left +": "The light 'left +' has a + with nothing on one side: a + joins two lights, like left + right 0.5.",
    "+": "The light '+' has a + with nothing on one side: a + joins two lights, like left + right 0.5.",
    "left + rigth": "The light 'rigth' has the word 'rigth', which is not known: did you mean 'right'?",
    "+".join(
        ["left"] * 17
    ): "The light 'left+left+left+left+left+left+left+left+left+left+left+le...' joins 17 lights: "
    "at most 16 are summed.",
    "left \x07": r"The light 'left \x07' has the word '\x07', which is no direction, colour, type or intensity: "
    "write it like top-left 3200K softbox 0.8.",
}


class TestReading:
    @pytest.mark.parametrize(("text", "light"), READ.items())
    def test_one_light(self, text: str, light: Light) -> None:
        assert parse_lights(text) == (light,)

    @pytest.mark.parametrize("text", ["left #ff3030 + right #3060ff 0.7", "right+left", "left +azimuth=+5+ top"])
    def test_several_lights_keep_their_order(self, text: str) -> None:
        lights = parse_lights(text)
        parts = text.replace("=+", "=").split("+")
        assert lights == tuple(parse_lights(part)[0] for part in parts)
        assert len(lights) == len(parts) > 1

    @pytest.mark.parametrize("word", ANGLES)
    def test_every_direction_word(self, word: Any) -> None:
        (light,) = parse_lights(word)
        assert light.word == word
        assert (light.azimuth, light.elevation) == ANGLES[word]

    @pytest.mark.parametrize(("text", "sentence"), BAD.items())
    def test_a_mistake_gets_one_sentence(self, text: str, sentence: str) -> None:
        with pytest.raises(InvalidRequest) as caught:
            parse_lights(text)
        assert str(caught.value) == sentence

    @pytest.mark.parametrize(
        "text", ["left " + "9" * 5000, "x" * 5000, "azimuth=" + "y" * 5000, "left " + "0" * 5000 + " 1"]
    )
    def test_a_sentence_stays_short(self, text: str) -> None:
        with pytest.raises(InvalidRequest) as caught:
            parse_lights(text)
        assert len(str(caught.value)) < 300
        assert "\n" not in str(caught.value)


class TestDescribing:
    def test_it_is_short(self) -> None:
        text = "  azimuth=30.0   #FFCC88 SPOTLIGHT 0.80 +  Left TOP + ambient 1.0"
        assert describe(parse_lights(text)) == "azimuth=30 elevation=0 #ffcc88 spotlight 0.8 + top-left + ambient"

    def test_what_is_described_is_read_as_the_same(self) -> None:
        draw = random.Random(7)
        for _ in range(2000):
            lights = tuple(_drawn(draw) for _ in range(draw.randint(1, 4)))
            text = describe(lights)
            assert parse_lights(text) == lights
            assert describe(parse_lights(text)) == text
            words = [word for part in text.split(" + ") for word in [part.split(" ")]]
            for part in words:
                draw.shuffle(part)
            assert parse_lights("+".join(" ".join(part) for part in words).upper()) == lights

    def test_noise_gives_a_sentence_or_a_light(self) -> None:
        draw = random.Random(8)
        pieces = [
            *ANGLES,
            *SOFTNESSES,
            "azimuth=",
            "elevation=",
            "=",
            "#",
            "ff8800",
            "+",
            "-",
            " ",
            " ",
            "3200K",
            "1e9",
            "ß",
        ]
        for _ in range(3000):
            text = "".join(draw.choice(pieces) for _ in range(draw.randint(1, 9)))
            try:
                lights = parse_lights(text)
            except InvalidRequest as error:
                assert str(error).startswith("The light ")
                assert str(error).endswith((".", "?"))
            else:
                assert parse_lights(describe(lights)) == lights
                assert 1 <= len(lights) <= MAX_LIGHTS


class TestPlainWord:
    @pytest.mark.parametrize("word", get_args(PlainWord))
    def test_the_word_alone(self, word: str) -> None:
        assert plain_word(parse_lights(word)) == word
        assert plain_word(parse_lights(f"{word} 1")) == word

    @pytest.mark.parametrize(
        "text",
        [
            "top-left",
            "front",
            "back",
            "azimuth=-90",
            "left softbox",
            "left 0.9",
            "left 6500K",
            "left + right",
            "left + left",
        ],
    )
    def test_anything_else_is_none(self, text: str) -> None:
        assert plain_word(parse_lights(text)) is None
        assert plain_word(()) is None


class TestLight:
    @pytest.mark.parametrize(
        ("text", "vector"),
        [
            ("left", (-1, 0, 0)),
            ("right", (1, 0, 0)),
            ("top", (0, 1, 0)),
            ("bottom", (0, -1, 0)),
            ("front", (0, 0, 1)),
            ("back", (0, 0, -1)),
            ("ambient", (0, 0, 0)),
            ("azimuth=-90", (-1, 0, 0)),
            ("azimuth=-180", (0, 0, -1)),
            ("azimuth=30 elevation=90", (0, 1, 0)),
            ("top-right", (math.sqrt(0.5), math.sqrt(0.5), 0)),
            ("azimuth=135", (math.sqrt(0.5), 0, -math.sqrt(0.5))),
        ],
    )
    def test_its_direction(self, text: str, vector: tuple[float, ...]) -> None:
        (light,) = parse_lights(text)
        assert light.direction == pytest.approx(vector, abs=1e-9)
        assert light.behind == (vector[2] < 0)

    def test_a_side_is_exactly_in_the_picture_plane(self) -> None:
        for word in ("left", "right", "top", "bottom", "top-left"):
            assert parse_lights(word)[0].direction[2] == 0

    @pytest.mark.parametrize(
        ("values", "sentence"),
        [
            ({"intensity": 2.5}, "A light has the intensity 2.5, but it must be from 0 to 2."),
            ({"azimuth": math.nan}, "A light has the azimuth nan, but it must be from -180 to 180."),
            ({"kelvin": 900}, "A light has the kelvin 900, but it must be from 1000 to 20000."),
            ({"rgb": (0, 0, 256)}, "A light has the colour (0, 0, 256), but it must be three levels from 0 to 255."),
            ({"rgb": (0, 0, 1), "kelvin": 3200}, "A light has a colour and a colour temperature: give one of them."),
            (
                {"word": "ambient", "softness": "softbox"},
                "A light is ambient, which is even, and softbox: give one of them.",
            ),
            (
                {"word": "left", "azimuth": 20},
                "A light comes from left and from an azimuth and elevation: give one of them.",
            ),
            (
                {"softness": "hard"},
                "A light has the type 'hard', but it must be one of softbox, sunlight, spotlight, ambient.",
            ),
        ],
    )
    def test_a_light_that_cannot_be(self, values: dict[str, Any], sentence: str) -> None:
        with pytest.raises(InvalidRequest) as caught:
            Light(**values)
        assert str(caught.value) == sentence

    def test_an_unknown_direction(self) -> None:
        with pytest.raises(InvalidRequest, match="A light has the direction 'up', but it must be one of left, right, "):
            Light(word="up")  # type: ignore[arg-type]


class TestColour:
    def test_a_hex_colour_is_the_srgb_of_its_digits(self) -> None:
        (light,) = parse_lights("left #ff8000")
        assert light.colour == pytest.approx((1, 0.21586, 0), abs=1e-5)
        assert parse_lights("left")[0].colour == (1, 1, 1)

    # Relative to 6500 K; from the Planckian locus, in linear sRGB.
    @pytest.mark.parametrize(
        ("kelvin", "multipliers"),
        [(7500, (0.934, 1.006, 1.135)), (3200, (1.617, 0.886, 0.316)), (2500, (1.997, 0.791, 0.137))],
    )
    def test_the_locus(self, kelvin: int, multipliers: tuple[float, ...]) -> None:
        found = [one / white for one, white in zip(planckian(kelvin), planckian(6500), strict=True)]
        assert found == pytest.approx(multipliers, rel=0.03)

    def test_warm_is_red_and_cool_is_blue_and_both_keep_the_luminance(self) -> None:
        assert kelvin_colour(6500) == pytest.approx((1, 1, 1))
        ratios = []
        for kelvin in (*range(1000, 20000, 250), 20000):
            red, green, blue = kelvin_colour(kelvin)
            assert min(red, green, blue) >= 0
            assert 0.2126 * red + 0.7152 * green + 0.0722 * blue == pytest.approx(1)
            ratios.append(blue / red)
        assert ratios == sorted(ratios)
        assert kelvin_colour(3200) == pytest.approx((1.24, 0.96, 0.60), rel=0.03)


def test_reading_lights_needs_no_library() -> None:
    code = (
        "import sys, iclight_local.light; print([n for n in ('numpy', 'PIL', 'pydantic', 'torch') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_the_pictures_of_the_manual_are_what_the_code_draws() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/light_pictures.py", "--check"],
        capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def _drawn(draw: random.Random) -> Light:
    values: dict[str, Any] = {"softness": draw.choice((None, *SOFTNESSES))}
    if draw.random() < 0.5:
        values["word"] = draw.choice(list(ANGLES))
        if values["word"] == "ambient":
            values["softness"] = None
    else:
        values |= {name: draw.choice((draw.uniform(*RANGES[name]), draw.randint(*RANGES[name]))) for name in
                   ("azimuth", "elevation")}  # fmt: skip
    colour = draw.randrange(3)
    if colour == 1:
        values["rgb"] = tuple(draw.randrange(256) for _ in range(3))
    if colour == 2:
        values["kelvin"] = draw.randint(*RANGES["kelvin"])
    values["intensity"] = draw.choice((1, 0, 2, draw.random(), draw.random() * 1e-5, round(draw.uniform(0, 2), 2)))
    return Light(**values)
