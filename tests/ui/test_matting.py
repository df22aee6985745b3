"""The brush on the matte, and the painted light."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from iclight_local.ui.matting import ADD, REMOVE, SIDE, corrected, painted_light, shown

SIZE = (60, 40)


def cut_out(size: tuple[int, int] = SIZE) -> Image.Image:
    """Its left half is the subject."""
    found = Image.new("RGBA", size, (10, 20, 30, 0))
    found.paste((10, 20, 30, 255), (0, 0, size[0] // 2, size[1]))
    return found


def stroke(colour: str, box: tuple[int, int, int, int], size: tuple[int, int] = SIZE, opacity: int = 255) -> np.ndarray:
    layer = Image.new("RGBA", size, (0, 0, 0, 0))
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    layer.paste((red, green, blue, opacity), box)
    return np.asarray(layer)


def matte(data: bytes | None) -> np.ndarray:
    assert data is not None
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "L"
        return np.asarray(image)


def test_green_adds_and_red_takes_away_and_the_rest_stays() -> None:
    found = matte(corrected(cut_out(), [stroke(ADD, (40, 10, 50, 20)), stroke(REMOVE, (5, 10, 15, 20))]))
    wanted = np.zeros((40, 60), np.uint8)
    wanted[:, :30] = 255
    wanted[10:20, 40:50], wanted[10:20, 5:15] = 255, 0
    assert (found == wanted).all()


def test_the_stroke_on_top_counts() -> None:
    box = (10, 10, 20, 20)
    found = matte(corrected(cut_out(), [stroke(ADD, box), stroke(REMOVE, box)]))
    assert (found[10:20, 10:20] == 0).all()
    found = matte(corrected(cut_out(), [stroke(REMOVE, box), stroke(ADD, box)]))
    assert (found[10:20, 10:20] == 255).all()


def test_strokes_on_a_smaller_picture_lie_where_they_were_painted() -> None:
    found = matte(corrected(cut_out((600, 400)), [stroke(ADD, (40, 10, 50, 20))]))
    assert found.shape == (400, 600)
    assert (found[110:190, 410:490] == 255).all() and (found[:90, 310:] == 0).all() and (found[210:, 310:] == 0).all()


def test_a_soft_matte_keeps_its_levels_where_nothing_was_painted() -> None:
    soft = Image.new("RGBA", SIZE, (0, 0, 0, 100))
    found = matte(corrected(soft, [stroke(ADD, (0, 0, 10, 10))]))
    assert (found[20:] == 100).all() and (found[:10, :10] == 255).all()


@pytest.mark.parametrize(
    "layers",
    [
        [],
        [np.zeros((40, 60, 4), np.uint8)],
        [stroke(ADD, (0, 0, 60, 40), opacity=40)],
        [np.zeros((40, 60), np.uint8)],
        [np.full((40, 60, 3), 255, np.uint8)],
    ],
)
def test_where_nothing_was_painted_the_matte_is_the_segmenters(layers: list[np.ndarray]) -> None:
    assert corrected(cut_out(), layers) is None


def test_what_is_cut_away_is_tinted_and_the_subject_is_as_photographed() -> None:
    found = np.asarray(shown(cut_out(), Image.new("RGB", SIZE, (90, 120, 150))))
    assert (found[:, :30] == (90, 120, 150)).all()
    red, green, blue = found[5, 50]
    assert red > 150 and green < 90 and red > blue


def test_a_large_picture_is_painted_on_small() -> None:
    found = shown(cut_out((3000, 1000)), Image.new("RGB", (3000, 1000)))
    assert found.size == (SIDE, round(SIDE / 3)) and shown(cut_out(), Image.new("RGB", SIZE)).size == SIZE


def test_a_painted_light_lies_on_black() -> None:
    data = painted_light(
        [stroke("#ff9040", (0, 0, 30, 40)), stroke("#0000ff", (50, 0, 60, 40), opacity=128)], (120, 80)
    )
    assert data is not None
    light = np.asarray(Image.open(io.BytesIO(data)))
    assert light.shape == (80, 120, 3)
    assert (
        (light[40, 20] == (255, 144, 64)).all() and (light[40, 80] == 0).all() and (light[40, 115] == (0, 0, 128)).all()
    )


@pytest.mark.parametrize("layers", [[], [np.zeros((40, 60, 4), np.uint8)], [np.full((4, 6, 3), 255, np.uint8)]])
def test_no_light_where_nothing_was_painted(layers: list[np.ndarray]) -> None:
    assert painted_light(layers, (12, 8)) is None
