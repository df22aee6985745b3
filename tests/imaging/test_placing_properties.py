"""What holds wherever a subject lies, over thousands of requests drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.placing import Box, Cropped, Place, Size, place
from iclight_local.request import Placing

COUNT = 4000
SIDES = ("left", "top", "right", "bottom")
LENGTHS = [f"{kind}{side}" for kind in ("margin", "padding") for side in ("", *(f"_{side}" for side in SIDES))]
MIRRORED = {"left": "right", "right": "left"}
DOUBLE = 2


@dataclass(frozen=True)
class Problem:
    knobs: dict[str, Any]
    picture: Size
    subject: Box
    cropped: Cropped

    @property
    def request(self) -> Placing:
        return Placing(subject_image="a.png", **self.knobs)

    @property
    def solved(self) -> Place | None:
        """None where the margins and paddings leave nothing."""
        try:
            return place(self.request, self.picture, self.subject, self.cropped)
        except InvalidRequest as error:
            assert str(error).startswith("Margins and paddings at the ")
            return None


def pixels(rng: np.random.Generator) -> str:
    return f"{rng.integers(0, 120)}px"


def anything(rng: np.random.Generator) -> str:
    return str(rng.choice([f"{rng.random() * 0.49:.4f}", f"{rng.random() * 30:.2f}%", "49%", "0", pixels(rng)]))


def side(rng: np.random.Generator) -> int:
    """A number of pixels; each order of magnitude is as frequent as any other, and twice it still is a size."""
    return int(np.exp(rng.uniform(0, np.log(3500))))


def span(rng: np.random.Generator, length: int) -> tuple[int, int]:
    first, last = sorted(int(each) for each in rng.integers(0, length, 2))
    return first, last + 1


def problems(length: Callable[[np.random.Generator], str]) -> Iterator[Problem]:
    rng = np.random.default_rng(5)
    for _ in range(COUNT):
        picture = side(rng), side(rng)
        (left, right), (top, bottom) = span(rng, picture[0]), span(rng, picture[1])
        knobs: dict[str, Any] = {name: length(rng) for name in LENGTHS if rng.random() < 0.25}
        knobs["output_size"] = str(rng.choice(["original", "subject", f"{side(rng)}x{side(rng)}"]))
        knobs["scaling"] = str(rng.choice(["fit", "fill"]))
        knobs["reference_box"] = str(rng.choice(["subject", "subject", "picture"]))
        knobs["pad_cropped_sides"] = bool(rng.random() < 0.2)
        knobs |= {name: side(rng) for name in ("max_width", "max_height") if rng.random() < 0.4}
        if rng.random() < 0.5:
            knobs["horizontal_alignment"] = str(rng.choice(["left", "center", "right"]))
        if rng.random() < 0.5:
            knobs["vertical_alignment"] = str(rng.choice(["top", "center", "bottom"]))
        cropped = Cropped(*(bool(each) for each in rng.random(4) < 0.3))
        yield Problem(knobs, picture, (left, top, right, bottom), cropped)


def area(problem: Problem, canvas: Size) -> Box:
    """The target area, which may be empty, from the lengths that the request itself reads."""
    request = problem.request
    edges = []
    for at, name in enumerate(SIDES):
        own = request.horizontal_alignment if at % 2 == 0 else request.vertical_alignment
        snaps = own is None and not request.pad_cropped_sides and request.reference_box == "subject"
        inner = canvas[at % 2]
        for each in (SIDES[at % 2], SIDES[at % 2 + 2]):
            inner -= request.length("margin", each).of(canvas[at % 2])
        padding = 0 if snaps and problem.cropped[at] else request.length("padding", name).of(max(0, inner))
        edges.append(request.length("margin", name).of(canvas[at % 2]) + padding)
    return edges[0], edges[1], canvas[0] - edges[2], canvas[1] - edges[3]


def promised(problem: Problem) -> Size:
    asked = problem.knobs["output_size"]
    if asked == "original":
        return problem.picture
    if asked == "subject":
        return problem.subject[2] - problem.subject[0], problem.subject[3] - problem.subject[1]
    width, height = asked.split("x")
    return int(width), int(height)


SOLVED = [(problem, problem.solved) for problem in problems(anything)]
PLACED = [(problem, found) for problem, found in SOLVED if found is not None]


def test_most_problems_have_an_answer_and_some_have_none() -> None:
    assert 0.5 * COUNT < len(PLACED) < COUNT


def test_only_an_empty_area_is_refused() -> None:
    for problem, found in SOLVED:
        left, top, right, bottom = area(problem, promised(problem))
        assert (right > left and bottom > top) == (found is not None), problem


def test_the_canvas_and_the_result_have_their_sizes() -> None:
    for problem, found in PLACED:
        assert found.canvas == promised(problem), problem
        limits = problem.knobs.get("max_width"), problem.knobs.get("max_height")
        for size, whole, limit in zip(found.result, found.canvas, limits, strict=True):
            assert 1 <= size <= whole, problem
            assert limit is None or size <= limit, problem
        low, high = (np.add(found.result, by) / found.canvas for by in (-0.5, 0.5))
        assert low.max() <= high.min() + 1e-9 or 1 in found.result, problem
        binding = limits[0] == found.result[0] or limits[1] == found.result[1]
        assert binding or found.result == found.canvas, problem


def test_the_aspect_ratio_is_kept_to_the_rounding() -> None:
    for problem, found in PLACED:
        width, height = found.target[2] - found.target[0], found.target[3] - found.target[1]
        wide, high = found.source[2] - found.source[0], found.source[3] - found.source[1]
        least = max((width - 0.5) / wide, (height - 0.5) / high)
        most = min((width + 0.5) / wide, (height + 0.5) / high)
        assert least <= most * (1 + 1e-9) or 1 in (width, height), problem


def test_fit_lies_in_the_area_and_fill_covers_it() -> None:
    for problem, found in PLACED:
        room = area(problem, found.canvas)
        inside = [room[0] <= found.target[0], room[1] <= found.target[1],
                  room[2] >= found.target[2], room[3] >= found.target[3]]  # fmt: skip
        around = [room[0] >= found.target[0], room[1] >= found.target[1],
                  room[2] <= found.target[2], room[3] <= found.target[3]]  # fmt: skip
        assert all(inside if problem.knobs["scaling"] == "fit" else around), problem
        # As large as it may be, or as small: one axis is used up.
        assert any(found.target[at] == room[at] and found.target[at + 2] == room[at + 2] for at in (0, 1)), problem


def test_an_alignment_or_a_side_that_cuts_off_is_touched() -> None:
    for problem, found in PLACED:
        room, knobs = area(problem, found.canvas), problem.knobs
        snaps = not knobs["pad_cropped_sides"] and knobs["reference_box"] == "subject"
        for at, name in ((0, "horizontal_alignment"), (1, "vertical_alignment")):
            first, last = (problem.cropped[at], problem.cropped[at + 2]) if snaps else (False, False)
            by_default = "center" if first == last else SIDES[at] if first else SIDES[at + 2]
            wanted = knobs.get(name, by_default)
            if wanted == "center":
                before, behind = found.target[at] - room[at], room[at + 2] - found.target[at + 2]
                assert behind - before in (0, 1), problem
            else:
                touched = SIDES.index(wanted)
                assert found.target[touched] == room[touched], problem


def test_a_mirrored_problem_has_the_mirrored_answer() -> None:
    for problem, found in SOLVED:
        knobs = {}
        for name, value in problem.knobs.items():
            kind, _, which = name.partition("_")
            knobs[f"{kind}_{MIRRORED[which]}" if which in MIRRORED else name] = MIRRORED.get(value, value)
        left, top, right, bottom = problem.subject
        width, cut = problem.picture[0], problem.cropped
        turned = Problem(knobs, problem.picture, (width - right, top, width - left, bottom),
                         cut._replace(left=cut.right, right=cut.left)).solved  # fmt: skip
        assert (turned is None) == (found is None), problem
        if found is not None and turned is not None:
            assert (turned.canvas, turned.result) == (found.canvas, found.result)
            wide = found.canvas[0]
            wanted = wide - found.target[2], found.target[1], wide - found.target[0], found.target[3]
            assert np.abs(np.subtract(turned.target, wanted)).max() <= 1, problem


def doubled(problem: Problem) -> Problem:
    knobs = {}
    for name, value in problem.knobs.items():
        if name in LENGTHS and value.endswith("px"):
            value = f"{DOUBLE * int(value[:-2])}px"
        elif name in ("max_width", "max_height"):
            value = DOUBLE * value
        elif name == "output_size" and "x" in value:
            value = "x".join(str(DOUBLE * int(each)) for each in value.split("x"))
        knobs[name] = value
    left, top, right, bottom = (DOUBLE * each for each in problem.subject)
    width, height = (DOUBLE * each for each in problem.picture)
    return Problem(knobs, (width, height), (left, top, right, bottom), problem.cropped)


def hundreds(problem: Problem, rng: np.random.Generator) -> Problem:
    """The same on a canvas of which each percentage is whole pixels; paddings are pixels, for they are of less."""
    lengths = {name: f"{rng.integers(0, 25)}%" for name in problem.knobs if name.startswith("margin")}
    width, height = rng.integers(1, 30, 2)
    return replace(problem, knobs={**problem.knobs, **lengths, "output_size": f"{width}00x{height}00"})


@pytest.mark.parametrize("relative", [False, True])
def test_a_problem_of_twice_the_size_has_twice_the_answer(relative: bool) -> None:
    rng, answers = np.random.default_rng(6), 0
    for problem in problems(pixels):
        small = hundreds(problem, rng) if relative else problem
        found, larger = small.solved, doubled(small).solved
        if found is None:
            continue
        assert larger is not None, small
        answers += 1
        assert larger.canvas == (DOUBLE * found.canvas[0], DOUBLE * found.canvas[1])
        assert np.abs(np.subtract(larger.target, np.multiply(found.target, DOUBLE))).max() <= 2, small
        assert np.abs(np.subtract(larger.result, np.multiply(found.result, DOUBLE))).max() <= 2, small
    assert answers > COUNT // 5
