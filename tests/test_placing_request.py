"""Lengths and sizes of an edit: how they are written, and what they come to in pixels."""

from __future__ import annotations

from typing import Any

import pytest

from iclight_local.errors import InvalidRequest
from iclight_local.request import Length
from iclight_local.request.placing import parse_length, parse_size
from iclight_local.sentences import shown
from tests.edit_requests import A_LENGTH, LENGTHS, SIDES, edit, refused


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("0", Length(0, "ratio")),
        ("0.1", Length(0.1, "ratio")),
        (".1", Length(0.1, "ratio")),
        ("0.", Length(0, "ratio")),
        ("0.49", Length(0.49, "ratio")),
        ("0%", Length(0, "ratio")),
        ("10%", Length(0.1, "ratio")),
        ("12.5%", Length(0.125, "ratio")),
        ("49%", Length(0.49, "ratio")),
        ("0px", Length(0, "px")),
        ("100px", Length(100, "px")),
        ("1.5px", Length(1.5, "px")),
        ("30000px", Length(30000, "px")),
        (" 0.1\n", Length(0.1, "ratio")),
    ],
)
def test_lengths_that_are_understood(text: str, length: Length) -> None:
    assert parse_length(text) == length
    assert edit(padding=text).length("padding", "left") == length
    assert edit(padding=text).padding == text


@pytest.mark.parametrize(
    "text",
    ["", " ", "0.491", "0.5", "1", "49.1%", "50%", "30001px", "-0.1", "-1px", "+0.1", "1e-1", "nan", "inf", "%", "px",
     ".", "10 %", "10 px", "10PX", "10em", "0.1px%", "0,1", "٣px", "9" * 400, "9" * 400 + "px"],
)  # fmt: skip
def test_lengths_that_are_not(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_length(text)
    assert str(caught.value) == f"A length is {shown(text)}, but must be {A_LENGTH}"


@pytest.mark.parametrize("name", [*LENGTHS, *(f"{kind}_{side}" for kind in LENGTHS for side in SIDES)])
def test_a_wrong_length_is_called_by_its_name(name: str) -> None:
    assert refused(**{name: "half"}) == f"{name} is half, but must be {A_LENGTH}"


@pytest.mark.parametrize(("number", "ratio"), [(0, 0.0), (0.1, 0.1), (1e-5, 1e-5), (0.49, 0.49)])
def test_a_length_may_be_a_number(number: float, ratio: float) -> None:
    assert edit(padding=number, margin_left=number).length("padding", "top") == Length(ratio, "ratio")


@pytest.mark.parametrize("wrong", [True, 0.5, float("nan"), -0.1, 3, ["10%"]])
def test_what_is_no_length_from_python(wrong: Any) -> None:
    assert refused(padding=wrong).endswith(f"but must be {A_LENGTH}")


def test_sizes_are_written_in_plain_digits() -> None:
    assert refused(output_size="100000x100000").startswith("output_size is 100000x100000, but must have at least 1 and")
    assert refused(output_size="٣x٣").startswith("output_size is ٣x٣, but must be")
    assert "from 1 to 1000000" in refused(max_width=0)


def test_a_side_has_its_own_length_or_the_general_one() -> None:
    request = edit(margin="10%", margin_left="0", margin_top="5px", padding="7px", padding_bottom="0.2")
    assert {side: request.length("margin", side) for side in SIDES} == {
        "top": Length(5, "px"),
        "right": Length(0.1, "ratio"),
        "bottom": Length(0.1, "ratio"),
        "left": Length(0, "ratio"),
    }
    assert {side: request.length("padding", side) for side in SIDES} == {
        "top": Length(7, "px"),
        "right": Length(7, "px"),
        "bottom": Length(0.2, "ratio"),
        "left": Length(7, "px"),
    }


@pytest.mark.parametrize(
    ("text", "side", "pixels"),
    [
        ("0.1", 1000, 100), ("10%", 1004, 100), ("10%", 1006, 101), ("0.49", 1, 0), ("0.49", 2, 1), ("0", 30000, 0),
        ("40px", 1, 40), ("33.4px", 1000, 33), ("33.6px", 1000, 34),
        # Halves go to the even number.
        ("25%", 10, 2), ("25%", 14, 4), ("2.5px", 1000, 2), ("3.5px", 1000, 4),
    ],
)  # fmt: skip
def test_a_length_in_pixels(text: str, side: int, pixels: int) -> None:
    found = parse_length(text).of(side)
    assert (type(found), found) == (int, pixels)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("original", None), ("subject", None), ("", None), ("200", None), ("200x", None), ("200x400x1", None),
        (" 200x400", None), ("200x400\n", None), ("1234567890x1", None), ("٣x٣", None),
        ("200x400", (200, 400)), ("1x1", (1, 1)), ("00012x00003", (12, 3)), ("30000x1666", (30000, 1666)),
        ("7071x7071", (7071, 7071)),
    ],
)  # fmt: skip
def test_sizes_that_are_understood(text: str, size: tuple[int, int] | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["0x1", "1x0", "0x0", "30001x1", "1x30001", "30000x1667", "99999x99999"])
def test_sizes_that_no_result_has(text: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^output_size is {text}, but must have at least 1 and at most 30000 "):
        parse_size(text)
