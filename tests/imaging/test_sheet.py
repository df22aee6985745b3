"""Sheets of pictures under captions."""

from __future__ import annotations

import numpy as np
from PIL import Image

from iclight_local.imaging.sheet import GAP, HEAD, grid, on_checks, sheet


def plain(colour: tuple[int, ...]) -> Image.Image:
    return Image.new("RGBA" if len(colour) == 4 else "RGB", (80, 60), colour)


def test_every_picture_stands_in_its_place() -> None:
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (90, 90, 90)]
    page = np.asarray(sheet([[plain(c) for c in colours[:2]], [plain(c) for c in colours[2:]]], ["a", "b"]))
    for index, colour in enumerate(colours):
        left, top = GAP + index % 2 * (80 + GAP), HEAD + index // 2 * (60 + GAP)
        assert (page[top : top + 60, left : left + 80] == colour).all()
    assert (page[HEAD - 2] == 255).all()


def test_captions_are_drawn_and_stay_in_their_column() -> None:
    page = np.asarray(sheet([[plain((0, 0, 0)), plain((0, 0, 0))]], ["a very long caption indeed", ""]))
    head = page[: HEAD - 2].min((0, 2))
    assert head[GAP : GAP + 80].min() < 100
    assert head[GAP + 80 + 2 :].min() == 255


def test_a_last_row_may_be_short() -> None:
    page = grid([plain((0, 0, index)) for index in range(5)], list("abcde"), 3)
    assert page.size == (GAP + 3 * (80 + GAP), 2 * (HEAD + 60 + GAP))
    assert page.getpixel((GAP + 80 + GAP + 5, HEAD + 60 + GAP + HEAD + 5)) == (0, 0, 4)
    assert page.getpixel((GAP + 2 * (80 + GAP) + 5, HEAD + 60 + GAP + HEAD + 5)) == (255, 255, 255)


def test_transparency_is_shown_as_checks() -> None:
    shown = np.asarray(on_checks(plain((10, 20, 30, 0))))
    assert {tuple(colour) for colour in shown.reshape(-1, 3)} == {(255, 255, 255), (204, 204, 204)}
    assert (np.asarray(on_checks(plain((10, 20, 30, 255)))) == (10, 20, 30)).all()
