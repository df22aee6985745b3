"""Subjects on backgrounds: exact where nothing is mixed, linear light where it is."""

from __future__ import annotations

import numpy as np
import pytest

from iclight_local.errors import InvalidRequest
from iclight_local.imaging import compose
from iclight_local.imaging.compose import filled, over, parse_colour, with_alpha

RNG = np.random.default_rng(0)


def pictures(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    return tuple(RNG.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(2))


def test_what_is_not_mixed_keeps_its_bytes() -> None:
    front, behind = pictures(40, 60)
    matte = RNG.random((40, 60), dtype=np.float32)
    matte[:, :20], matte[:, 40:] = 1, 0
    mixed = over(front, behind, matte)
    assert mixed.dtype == np.uint8
    assert np.array_equal(mixed[:, :20], front[:, :20])
    assert np.array_equal(mixed[:, 40:], behind[:, 40:])
    assert not np.array_equal(mixed[:, 20:40], behind[:, 20:40])


def test_a_half_covered_pixel_is_half_of_the_light() -> None:
    white, black = filled("#ffffff", 2, 3), filled("#000000", 2, 3)
    # Half of white's light is sRGB 188 (1.055 * 0.5 ** (1 / 2.4) - 0.055 = 0.7354); half of the bytes would be 128.
    assert (over(white, black, np.full((2, 3), 0.5, np.float32)) == 188).all()


def test_mixing_is_that_of_the_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compose, "_AT_ONCE", 100)
    front, behind = pictures(30, 40)
    matte = RNG.random((30, 40), dtype=np.float32)

    def light(picture: np.ndarray) -> np.ndarray:
        levels = picture / 255
        return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)

    mixed = light(front) * matte[..., None] + light(behind) * (1 - matte[..., None])
    levels = np.where(mixed <= 0.0031308, mixed * 12.92, 1.055 * mixed ** (1 / 2.4) - 0.055) * 255
    assert np.abs(over(front, behind, matte) - levels).max() < 0.7


def test_the_inputs_stay_as_they_are() -> None:
    front, behind = pictures(5, 5)
    kept = front.copy(), behind.copy()
    over(front, behind, np.full((5, 5), 0.3, np.float32))
    assert np.array_equal(front, kept[0])
    assert np.array_equal(behind, kept[1])


def test_an_8_bit_alpha_comes_back_as_it_was() -> None:
    alpha = np.arange(256, dtype=np.uint8).reshape(16, 16)
    front, _ = pictures(16, 16)
    layered = with_alpha(front, alpha.astype(np.float32) / np.float32(255))
    assert layered.shape == (16, 16, 4)
    assert np.array_equal(layered[..., 3], alpha)
    assert np.array_equal(layered[..., :3], front)


def test_a_colour_fills_a_background() -> None:
    assert parse_colour("#1E90ff") == (30, 144, 255)
    picture = filled("#1e90ff", 3, 5)
    assert picture.shape == (3, 5, 3)
    assert (picture == (30, 144, 255)).all()


@pytest.mark.parametrize(
    "text",
    ["", "1e90ff", "#1e9", "#1e90fg", "#1e90ff00", "dodgerblue", "#1e90ff\n", "#\uff11\uff12\uff13\uff14\uff15\uff16"],
)
def test_a_colour_in_other_words_is_refused_with_the_cure(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_colour(text)
    assert repr(text) in str(caught.value)
    assert "#1e90ff" in str(caught.value)
    assert str(caught.value).count(". ") == 0


@pytest.mark.parametrize("cover", [0.0, 0.5, 1.0])
def test_one_pixel(cover: float) -> None:
    front, behind = pictures(1, 1)
    matte = np.full((1, 1), cover, np.float32)
    assert over(front, behind, matte).shape == (1, 1, 3)
    assert with_alpha(front, matte).shape == (1, 1, 4)
