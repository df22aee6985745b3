"""Where a subject lies, against boxes that were worked out by hand."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.placing import Cropped, Place, cropped_sides, place, subject_box
from iclight_local.request import Placing
from tests.imaging.placing_cases import CASES, FOOT, SQUARE, TALL, WIDE, Box, Case, Size


def placed(knobs: dict[str, Any], picture: Size, subject: Box, cut: str = "") -> Place:
    return place(Placing(subject_image="a.png", **knobs), picture, subject, Cropped(**dict.fromkeys(cut.split(), True)))


def matte(height: int, width: int, *boxes: Box, level: int = 255) -> np.ndarray:
    drawn = np.zeros((height, width), np.float32)
    for left, top, right, bottom in boxes:
        drawn[top:bottom, left:right] = np.float32(level) / np.float32(255)
    return drawn


@pytest.mark.parametrize("case", CASES, ids=[f"{at}: {case.why}" for at, case in enumerate(CASES)])
def test_a_subject_lies_where_the_rules_put_it(case: Case) -> None:
    found = placed(case.knobs, case.picture, case.subject, case.cut)
    assert found.canvas == case.canvas
    assert found.source == ((0, 0, *case.picture) if case.knobs.get("reference_box") == "picture" else case.subject)
    assert np.abs(np.subtract(found.target, case.target)).max() <= case.within
    wanted = case.canvas if case.result is None else case.result
    assert np.abs(np.subtract(found.result, wanted)).max() <= case.within


def test_there_are_cases_enough_and_most_are_exact() -> None:
    assert len(CASES) >= 70
    assert len({case.why for case in CASES}) == len(CASES)
    assert sum(case.within for case in CASES) < 0.1 * len(CASES)


@pytest.mark.parametrize(
    ("knobs", "picture", "subject", "sentence"),
    [
        ({"margin_left": "600px", "margin_right": "400px"}, (1000, 800), SQUARE,
         "Margins and paddings at the left and right take 1000 pixels of the result's 1000, but must leave at least 1 "
         "for the subject: make them smaller, or the result larger."),
        ({"margin_left": "600px", "margin_right": "600px", "padding": "0.1"}, (1000, 800), SQUARE,
         "at the left and right take 1200 pixels of the result's 1000,"),
        ({"output_size": "1000x1000", "padding": "500px"}, (1000, 800), SQUARE, "left and right take 1000 pixels"),
        # 2 * 490 leave 20, of which 9.8 are 10 on each side.
        ({"output_size": "1000x1000", "margin": "49%", "padding": "49%"}, (1000, 800), SQUARE, "take 1000 pixels"),
        ({"output_size": "10x10", "margin": "0.49"}, (1000, 800), SQUARE, "take 10 pixels of the result's 10,"),
        ({"margin_top": "800px"}, (1000, 800), SQUARE, "at the top and bottom take 800 pixels of the result's 800,"),
        ({"padding_bottom": "900px", "scaling": "fill"}, (1000, 800), SQUARE, "at the top and bottom take 900 pixels"),
        ({"output_size": "subject", "margin": "100px"}, (1000, 800), TALL, "take 200 pixels of the result's 200,"),
        ({"output_size": "subject", "margin": "100px"}, (1000, 800), WIDE, "top and bottom take 200 pixels"),
        ({"output_size": "600x600", "margin": "300px", "padding": "0.1"}, (1000, 800), SQUARE, "take 600 pixels"),
        ({"output_size": "100x100", "margin": "60px", "max_width": 5000, "max_height": 5000}, (1000, 800), SQUARE,
         "take 120 pixels of the result's 100,"),
        ({"reference_box": "picture", "padding": "400px"}, (1000, 800), FOOT, "at the top and bottom take 800 pixels"),
    ],
)  # fmt: skip
def test_margins_and_paddings_that_leave_nothing(knobs: Any, picture: Size, subject: Box, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=re.escape(sentence)) as caught:
        placed(knobs, picture, subject)
    assert str(caught.value).startswith("Margins and paddings at the ")
    assert str(caught.value).count(".") == 1


def test_one_pixel_is_room_enough() -> None:
    knobs = {"margin_left": "600px", "margin_right": "399px"}
    assert placed(knobs, (1000, 800), SQUARE).target == (600, 399, 601, 400)
    assert placed({**knobs, "vertical_alignment": "bottom"}, (1000, 800), SQUARE).target == (600, 799, 601, 800)


@pytest.mark.parametrize(("level", "seen"), [(0, False), (5, False), (6, True), (255, True)])
def test_what_is_seen_starts_above_two_hundredths(level: int, seen: bool) -> None:
    drawn = matte(80, 100, (30, 20, 51, 61), level=level)
    assert subject_box(drawn) == ((30, 20, 51, 61) if seen else None)
    edge = matte(80, 100, (30, 60, 51, 80), level=level)
    assert cropped_sides(edge) == Cropped(bottom=seen)


def test_a_box_goes_around_everything_that_is_seen() -> None:
    assert subject_box(matte(80, 100, (99, 0, 100, 1), (0, 79, 1, 80))) == (0, 0, 100, 80)
    assert subject_box(matte(80, 100, (17, 33, 18, 34))) == (17, 33, 18, 34)
    faint = np.maximum(matte(80, 100, (0, 0, 100, 80), level=5), matte(80, 100, (40, 40, 60, 50)))
    assert subject_box(faint) == (40, 40, 60, 50)
    assert cropped_sides(faint) == Cropped()
    assert subject_box(np.ones((1, 1), np.float32)) == (0, 0, 1, 1)
    assert cropped_sides(np.ones((1, 1), np.float32)) == Cropped(True, True, True, True)


@pytest.mark.parametrize(
    ("box", "cut"),
    [
        ((0, 300, 200, 500), Cropped(left=True)),
        ((1, 300, 200, 500), Cropped(left=True)),
        ((2, 300, 200, 500), Cropped()),
        ((300, 0, 500, 200), Cropped(top=True)),
        ((300, 1, 500, 200), Cropped(top=True)),
        ((300, 2, 500, 200), Cropped()),
        ((800, 300, 1000, 500), Cropped(right=True)),
        ((800, 300, 999, 500), Cropped(right=True)),
        ((800, 300, 998, 500), Cropped()),
        ((300, 600, 500, 800), Cropped(bottom=True)),
        ((300, 600, 500, 799), Cropped(bottom=True)),
        ((300, 600, 500, 798), Cropped()),
        ((0, 0, 1000, 800), Cropped(True, True, True, True)),
        ((0, 300, 1000, 500), Cropped(left=True, right=True)),
        # 2 % of the side: 20 of 1000 pixels across, 16 of 800 down.
        ((300, 600, 319, 800), Cropped()),
        ((300, 600, 320, 800), Cropped(bottom=True)),
        ((300, 0, 319, 200), Cropped()),
        ((300, 0, 320, 200), Cropped(top=True)),
        ((0, 300, 200, 315), Cropped()),
        ((0, 300, 200, 316), Cropped(left=True)),
        ((800, 300, 1000, 315), Cropped()),
        ((800, 300, 1000, 316), Cropped(right=True)),
    ],
)
def test_a_side_cuts_off_what_touches_enough_of_it(box: Box, cut: Cropped) -> None:
    assert cropped_sides(matte(800, 1000, box)) == cut


def test_what_touches_a_side_in_places_is_counted_together() -> None:
    feet = ((100, 700, 110, 800), (300, 700, 305, 799), (600, 700, 605, 800))
    assert cropped_sides(matte(800, 1000, *feet)) == Cropped(bottom=True)
    assert cropped_sides(matte(800, 1000, *feet[:2])) == Cropped()
    # The two outermost rows see one column twice, which counts once.
    assert cropped_sides(matte(800, 1000, (300, 798, 319, 800))) == Cropped()
