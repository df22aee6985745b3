"""Light maps, against the original's code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from iclight_local.imaging.fit import UInt8Array
from iclight_local.imaging.lightmap import BACKGROUND_RAMP, INITIAL_LATENT_RAMP, draw_lights, light_map
from iclight_local.light import parse_lights

SIZES = [(512, 640), (64, 192), (960, 320), (1, 64), (64, 1), (1, 1), (3, 2)]


def original(side: str, width: int, height: int, lit: int, far: int) -> UInt8Array:
    """The ramps of lllyasviel/IC-Light's demos (Apache-2.0): ``np.linspace`` in the direction of the light."""
    if side == "left":
        image = np.tile(np.linspace(lit, far, width), (height, 1))
    elif side == "right":
        image = np.tile(np.linspace(far, lit, width), (height, 1))
    elif side == "top":
        image = np.tile(np.linspace(lit, far, height)[:, None], (1, width))
    else:
        image = np.tile(np.linspace(far, lit, height)[:, None], (1, width))
    return np.stack((image,) * 3, axis=-1).astype(np.uint8)


@pytest.mark.parametrize("ramp", [(255, 0), (224, 32)])
@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_ramps_are_the_originals(side: Any, width: int, height: int, ramp: tuple[int, int]) -> None:
    made = light_map(side, width, height, ramp)
    assert made.shape == (height, width, 3)
    assert made.dtype == np.uint8
    assert np.array_equal(made, original(side, width, height, *ramp))


@pytest.mark.parametrize("ramp", [(255, 0), (224, 32)])
@pytest.mark.parametrize("text", ["left", "Right", " top", "bottom 1"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_plain_word_is_the_originals_ramp(text: str, width: int, height: int, ramp: tuple[int, int]) -> None:
    matte = np.ones((4, 4), np.float32)
    made = draw_lights(parse_lights(text), width, height, ramp, matte)
    assert made.dtype == np.uint8
    assert np.array_equal(made, original(text.split()[0].lower(), width, height, *ramp))


@pytest.mark.parametrize("bounds", [INITIAL_LATENT_RAMP, BACKGROUND_RAMP])
def test_the_plain_word_ambient_is_even_grey(bounds: tuple[float, float]) -> None:
    assert np.array_equal(draw_lights(parse_lights("ambient"), 64, 128, bounds), np.full((128, 64, 3), 64, np.uint8))


def test_the_lit_side_is_bright() -> None:
    corners = {side: light_map(side, 64, 128, INITIAL_LATENT_RAMP) for side in ("left", "right", "top", "bottom")}
    assert (corners["left"][:, 0] == 255).all()
    assert (corners["left"][:, -1] == 0).all()
    assert (corners["right"][:, -1] == 255).all()
    assert (corners["top"][0] == 255).all()
    assert (corners["bottom"][-1] == 255).all()
    background = light_map("top", 64, 128, BACKGROUND_RAMP)
    assert (background[0] == 224).all()
    assert (background[-1] == 32).all()


def test_ambient_is_even_grey() -> None:
    ambient = light_map("ambient", 64, 128, BACKGROUND_RAMP)
    assert ambient.shape == (128, 64, 3)
    assert (ambient == 64).all()


def test_a_ramp_can_be_written_to() -> None:
    made = light_map("left", 64, 64, BACKGROUND_RAMP)
    made[0, 0] = 1
    assert (made[1, 0] == 224).all()
