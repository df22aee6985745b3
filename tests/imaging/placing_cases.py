"""Where subjects must lie, worked out by hand from the published rules of positioning; no line here was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Box = tuple[int, int, int, int]
Size = tuple[int, int]


@dataclass(frozen=True)
class Case:
    """A request's knobs, what it is about, and where the subject must lie.

    ``within`` is 1 where the hand's result has a fraction of a pixel, and 0 where it has none.
    """

    why: str
    knobs: dict[str, Any]
    subject: Box
    canvas: Size
    target: Box
    cut: str = ""
    picture: Size = (1000, 800)
    result: Size | None = None
    within: int = 0


# Subjects in a picture of 1000 x 800.
TALL: Box = (300, 200, 500, 600)  # 200 x 400
WIDE: Box = (200, 300, 600, 500)  # 400 x 200
SQUARE: Box = (100, 100, 400, 400)  # 300 x 300
FOOT: Box = (200, 600, 600, 800)  # 400 x 200 at the bottom
STANDING: Box = (400, 400, 600, 800)  # 200 x 400 at the bottom
HANGING: Box = (200, 0, 600, 200)  # 400 x 200 at the top
LEFT: Box = (0, 200, 200, 600)  # 200 x 400
RIGHT: Box = (800, 200, 1000, 600)  # 200 x 400
ACROSS: Box = (0, 300, 1000, 500)  # 1000 x 200 from left to right
CORNER: Box = (0, 400, 300, 800)  # 300 x 400 at the left and the bottom

P = (1000, 800)
K = (1000, 1000)
S6 = (600, 600)
LOW = (400, 1000)


def sized(size: str, **knobs: Any) -> dict[str, Any]:
    return {"output_size": size, **knobs}


def large(**knobs: Any) -> dict[str, Any]:
    return sized("1000x1000", **knobs)


FIT_AND_FILL = [
    Case("scale min(5, 2); 600 free, 300 before", {}, TALL, P, (300, 0, 700, 800)),
    Case("scale min(2.5, 4); 300 free, 150 before", {}, WIDE, P, (0, 150, 1000, 650)),
    Case("800 of 1000 wide; 200 free", {}, SQUARE, P, (100, 0, 900, 800)),
    Case("scale max(5, 2): 2000 high, 1200 too many", {"scaling": "fill"}, TALL, P, (0, -600, 1000, 1400)),
    Case("scale max(2.5, 4): 1600 wide, 600 too many", {"scaling": "fill"}, WIDE, P, (-300, 0, 1300, 800)),
    Case("scale 10/3: 1000 high, 200 too many", {"scaling": "fill"}, SQUARE, P, (0, -100, 1000, 900)),
    Case("scale min(3, 1.5): 300 wide", sized("600x600"), TALL, S6, (150, 0, 450, 600)),
    Case("scale min(1.5, 3): 300 high", sized("600x600"), WIDE, S6, (0, 150, 600, 450)),
    Case("scale 2 on both axes", sized("600x600"), SQUARE, S6, (0, 0, 600, 600)),
    Case("scale 3: 1200 high", sized("600x600", scaling="fill"), TALL, S6, (0, -300, 600, 900)),
    Case("scale 3: 1200 wide", sized("600x600", scaling="fill"), WIDE, S6, (-300, 0, 900, 600)),
    Case("both ratios 2: fill is fit", sized("600x600", scaling="fill"), SQUARE, S6, (0, 0, 600, 600)),
    Case("scale min(2, 2.5): 800 high", sized("400x1000"), TALL, LOW, (0, 100, 400, 900)),
    Case("scale min(1, 5): as it was", sized("400x1000"), WIDE, LOW, (0, 400, 400, 600)),
    Case("scale max(2, 2.5): 500 wide", sized("400x1000", scaling="fill"), TALL, LOW, (-50, 0, 450, 1000)),
    Case("scale max(1, 5): 2000 wide", sized("400x1000", scaling="fill"), WIDE, LOW, (-800, 0, 1200, 1000)),
    Case("scale 10/3: 1000 wide", sized("400x1000", scaling="fill"), SQUARE, LOW, (-300, 0, 700, 1000)),
    Case("margins 100: area 800 x 800, scale 4, 1600 high: 800 too many", large(margin="0.1", scaling="fill"), TALL,
         K, (100, -300, 900, 1300)),
    Case("area 400 x 200: both ratios 1", sized("800x400", padding="0.25", scaling="fill"), WIDE, (800, 400),
         (200, 100, 600, 300)),
]  # fmt: skip

UNITS = [
    Case("1000 - 2 * 100 = 800, paddings 80 of that: 640", large(margin="0.1", padding="0.1"), SQUARE, K,
         (180, 180, 820, 820)),
    Case("the same as percentages", large(margin="10%", padding="10%"), SQUARE, K, (180, 180, 820, 820)),
    Case("the same as pixels", large(margin="100px", padding="80px"), SQUARE, K, (180, 180, 820, 820)),
    Case("margins 100 across, 80 down: area 800 x 640", {"margin": "0.1"}, SQUARE, P, (180, 80, 820, 720)),
    Case("without margins a padding is the same", {"padding": "10%"}, SQUARE, P, (180, 80, 820, 720)),
    Case("area 980 x 780: scale 2.45, 980 x 490", {"padding": "10px"}, WIDE, P, (10, 155, 990, 645)),
    Case("margins 125 and 100: area 750 x 600", {"margin": "12.5%"}, SQUARE, P, (200, 100, 800, 700)),
    Case("margins 250 and 200: area 500 x 400, scale 1.25", {"margin": ".25"}, WIDE, P, (250, 275, 750, 525)),
    Case("no pixels are none", {"margin": "0px", "padding": "0%"}, TALL, P, (300, 0, 700, 800)),
    Case("33.4 px are 33: area 934 x 734", {"margin": "33.4px"}, SQUARE, P, (133, 33, 867, 767)),
    Case("123 across, 98.4 down are 98: area 754 x 604", {"margin": "0.123"}, SQUARE, P, (198, 98, 802, 702), within=1),
    Case("100 + 40 across, 80 + 40 down: area 720 x 560", {"margin": "0.1", "padding": "40px"}, SQUARE, P,
         (220, 120, 780, 680)),
    Case("inner 920 x 720, paddings 92 and 72: area 736 x 576", {"margin": "40px", "padding": "10%"}, SQUARE, P,
         (212, 112, 788, 688)),
    Case("inner 400, paddings 120: 160 left", large(margin="0.3", padding="0.3"), SQUARE, K, (420, 420, 580, 580)),
    Case("margins 490: 20 left", large(margin="49%"), SQUARE, K, (490, 490, 510, 510)),
]  # fmt: skip

SIDES = [
    Case("margin 200 left: area 800 x 1000", large(margin_left="0.2"), SQUARE, K, (200, 100, 1000, 900)),
    Case("margin 200 right", large(margin_right="20%"), SQUARE, K, (0, 100, 800, 900)),
    Case("margin 200 above", large(margin_top="200px"), SQUARE, K, (100, 200, 900, 1000)),
    Case("margin 200 below", large(margin_bottom="0.2"), SQUARE, K, (100, 0, 900, 800)),
    Case("padding 100 left: area 900 x 1000", large(padding_left="0.1"), SQUARE, K, (100, 50, 1000, 950)),
    Case("padding 100 right", large(padding_right="10%"), SQUARE, K, (0, 50, 900, 950)),
    Case("padding 100 above", large(padding_top="100px"), SQUARE, K, (50, 100, 950, 1000)),
    Case("padding 100 below", large(padding_bottom=".1"), SQUARE, K, (50, 0, 950, 900)),
    Case("0 in place of 100 left: area 900 x 800", large(margin="0.1", margin_left="0"), SQUARE, K,
         (50, 100, 850, 900)),
    Case("the published 0.1 with 0.2 above: area 800 x 700", large(padding="0.1", padding_top="0.2"), SQUARE, K,
         (150, 200, 850, 900)),
    Case("10 left, 200 right, 50 above, 150 below: area 790 x 800",
         large(margin_left="10px", margin_right="20%", margin_top=".05", margin_bottom="150px"), SQUARE, K,
         (10, 55, 800, 845)),
    Case("inner 600 wide: paddings 60; 100 above and below: area 480 x 800", large(margin_left="0.4", padding="0.1"),
         SQUARE, K, (460, 260, 940, 740)),
    Case("nothing is left of the general margin",
         large(margin="0.4", margin_left="0", margin_right="0%", margin_top="0px", margin_bottom="0.0"), SQUARE, K,
         (0, 0, 1000, 1000)),
    Case("50 each, 250 below: area 900 x 700", large(padding="50px", padding_bottom="25%"), SQUARE, K,
         (150, 50, 850, 750)),
    Case("left and right are the width's 1000, above and below the height's 400: area 800 x 320",
         sized("1000x400", margin="10%"), WIDE, (1000, 400), (180, 40, 820, 360)),
]  # fmt: skip


def aligned(across: str | None, down: str | None, **knobs: Any) -> dict[str, Any]:
    asked = {"horizontal_alignment": across, "vertical_alignment": down}
    return {**knobs, **{name: value for name, value in asked.items() if value is not None}}


# Padding 10 %: area 800 x 640 from 100, 80; TALL is 320 x 640 there, 480 are free across and none down.
ALIGNMENTS = [
    *(Case(f"left against 100, {down}", aligned("left", down, padding="0.1"), TALL, P, (100, 80, 420, 720))
      for down in ("top", "center", "bottom")),
    *(Case(f"240 before it, {down}", aligned("center", down, padding="0.1"), TALL, P, (340, 80, 660, 720))
      for down in ("top", "center", "bottom")),
    *(Case(f"right against 900, {down}", aligned("right", down, padding="0.1"), TALL, P, (580, 80, 900, 720))
      for down in ("top", "center", "bottom")),
    Case("margins 40 and 100: area 320 x 800, WIDE is 320 x 160",
         sized("400x1000", **aligned(None, "top", margin="0.1")), WIDE, LOW, (40, 100, 360, 260)),
    Case("320 above it", sized("400x1000", **aligned("right", "center", margin="0.1")), WIDE, LOW, (40, 420, 360, 580)),
    Case("bottom against 900", sized("400x1000", **aligned("left", "bottom", margin="0.1")), WIDE, LOW,
         (40, 740, 360, 900)),
    Case("1200 wide: its left part", sized("600x600", scaling="fill", **aligned("left", "top")), WIDE, S6,
         (0, 0, 1200, 600)),
    Case("1200 wide: its right part", sized("600x600", scaling="fill", **aligned("right", "top")), WIDE, S6,
         (-600, 0, 600, 600)),
    Case("1200 high: its upper part", sized("600x600", scaling="fill", **aligned("left", "top")), TALL, S6,
         (0, 0, 600, 1200)),
    Case("1200 high: its lower part", sized("600x600", scaling="fill", **aligned("left", "bottom")), TALL, S6,
         (0, -600, 600, 600)),
    Case("area 480 from 60: 960 wide, its left part",
         sized("600x600", scaling="fill", **aligned("left", None, margin="0.1")), WIDE, S6, (60, 60, 1020, 540)),
    Case("area 480 to 540: 960 wide, its right part",
         sized("600x600", scaling="fill", **aligned("right", None, margin="0.1")), WIDE, S6, (-420, 60, 540, 540)),
]  # fmt: skip

# On 1000 x 1000 with padding 10 %, so 100 on each side that cuts nothing off.
CUT_OFF = [
    Case("no padding below: area 800 x 900, 450 x 900", large(padding="0.1"), STANDING, K,
         (275, 100, 725, 1000), "bottom"),
    Case("800 x 400 against the bottom", large(padding="0.1"), FOOT, K, (100, 600, 900, 1000), "bottom"),
    Case("margin 100, padding 80 elsewhere: area 640 x 720, 640 x 320 against the margin",
         large(margin="0.1", padding="0.1"), FOOT, K, (180, 580, 820, 900), "bottom"),
    Case("its own padding goes as well: scale 2.5", large(padding_bottom="0.3"), FOOT, K, (0, 500, 1000, 1000),
         "bottom"),
    Case("without padding it lies there, too", large(), FOOT, K, (0, 500, 1000, 1000), "bottom"),
    Case("800 x 400 against the top", large(padding="0.1"), HANGING, K, (100, 0, 900, 400), "top"),
    Case("area 900 x 800: 400 x 800 against the left", large(padding="0.1"), LEFT, K, (0, 100, 400, 900), "left"),
    Case("area 900 x 800: 400 x 800 against the right", large(padding="0.1"), RIGHT, K, (600, 100, 1000, 900), "right"),
    Case("inner 950, padding 95 right: area 855 x 800 from 50", large(margin_left="50px", padding="10%"), LEFT, K,
         (50, 100, 450, 900), "left"),
    Case("500 px left would leave none, but go: area 500 x 1000", large(padding_left="500px", padding_right="500px"),
         LEFT, K, (0, 0, 500, 1000), "left"),
    Case("left and right: area 1000 x 800, scale 1", large(padding="0.1"), ACROSS, K, (0, 400, 1000, 600),
         "left right"),
    Case("left and right, the height decides: 500 x 800 in the middle", large(padding="0.1"), (0, 80, 400, 720), K,
         (250, 100, 750, 900), "left right", picture=(400, 800)),
    Case("top and bottom: area 800 x 1000, 250 x 1000", large(padding="0.1"), (400, 0, 600, 800), K,
         (375, 0, 625, 1000), "top bottom"),
    Case("top and bottom, the width decides: 800 x 400 in the middle", large(padding="0.1"), (100, 0, 900, 400), K,
         (100, 300, 900, 700), "top bottom", picture=(1000, 400)),
    Case("left and bottom: area 900 x 900, 675 x 900", large(padding="0.1"), CORNER, K, (0, 100, 675, 1000),
         "left bottom"),
    Case("top and right: area 900 x 900, 900 x 450", large(padding="0.1"), (600, 0, 1000, 200), K, (100, 0, 1000, 450),
         "top right"),
    Case("three sides, the top free: area 1000 x 900, scale 1", large(padding="0.1"), (0, 300, 1000, 800), K,
         (0, 500, 1000, 1000), "left right bottom"),
    Case("three sides, the right free: area 900 x 1000, 625 x 1000", large(padding="0.1"), (0, 0, 500, 800), K,
         (0, 0, 625, 1000), "left top bottom"),
    Case("four sides: no padding, scale 1 in the middle", large(padding="0.2"), (0, 0, 1000, 800), K,
         (0, 100, 1000, 900), "left top right bottom"),
    Case("four sides: margins 100 stay, 800 x 640", large(margin="0.1", padding="0.2"), (0, 0, 1000, 800), K,
         (100, 180, 900, 820), "left top right bottom"),
    Case("padded like any other: area 800 x 800, 800 x 400", large(padding="0.1", pad_cropped_sides=True), FOOT, K,
         (100, 300, 900, 700), "bottom"),
    Case("padded on four sides: area 600 x 600, 600 x 480", large(padding="0.2", pad_cropped_sides=True),
         (0, 0, 1000, 800), K, (200, 260, 800, 740), "left top right bottom"),
    Case("against the top of the padded area", large(**aligned(None, "top", padding="0.1")), FOOT, K,
         (100, 100, 900, 500), "bottom"),
    Case("a middle that is asked for has paddings", large(**aligned(None, "center", padding="0.1")), FOOT, K,
         (100, 300, 900, 700), "bottom"),
    Case("so has a bottom that is asked for", large(**aligned(None, "bottom", padding="0.1")), FOOT, K,
         (100, 500, 900, 900), "bottom"),
    Case("the left still snaps: area 900 x 800, 600 x 800", large(**aligned(None, "center", padding="0.1")), CORNER, K,
         (0, 100, 600, 900), "left bottom"),
    Case("the bottom still snaps: area 800 x 900, 675 x 900", large(**aligned("right", None, padding="0.1")), CORNER, K,
         (225, 100, 900, 1000), "left bottom"),
    Case("both sides are padded again: 800 x 160", large(**aligned("center", None, padding="0.1")), ACROSS, K,
         (100, 420, 900, 580), "left right"),
    Case("an alignment of the other axis: area 1000 x 800", large(**aligned(None, "top", padding="0.1")), ACROSS, K,
         (0, 100, 1000, 300), "left right"),
    Case("fill, area 800 x 900: 800 x 1600 up from the bottom", large(padding="0.1", scaling="fill"), STANDING, K,
         (100, -600, 900, 1000), "bottom"),
    Case("fill, area 900 x 800: 1600 x 800 from the left", large(padding="0.1", scaling="fill"), (0, 300, 400, 500), K,
         (0, 100, 1600, 900), "left"),
    Case("fill, area 900 x 800: 1600 x 800 from the right", large(padding="0.1", scaling="fill"), (600, 300, 1000, 500),
         K, (-600, 100, 1000, 900), "right"),
]  # fmt: skip

WHOLE = {"reference_box": "picture"}
PICTURES = [
    Case("the picture as it is", WHOLE, SQUARE, P, (0, 0, 1000, 800)),
    Case("scale min(.5, .625): 500 x 400", sized("500x500", **WHOLE), SQUARE, (500, 500), (0, 50, 500, 450)),
    Case("scale max(.4, .5): 500 x 400", sized("400x400", scaling="fill", **WHOLE), SQUARE, (400, 400),
         (-50, 0, 450, 400)),
    Case("625 wide: 62.5 too many on each side", sized("500x500", scaling="fill", **WHOLE), SQUARE, (500, 500),
         (-62, 0, 563, 500), within=1),
    Case("scale 1: 750 are cut off at the left, and the subject with them", sized("500x500", scaling="fill", **WHOLE),
         (100, 100, 300, 400), (500, 500), (-750, 0, 1250, 500), picture=(2000, 500)),
    Case("a subject that is cut off does not matter: area 800 x 800", large(padding="0.1", **WHOLE), FOOT, K,
         (100, 180, 900, 820), "bottom"),
    Case("1000 free, all before it", sized("2000x800", horizontal_alignment="right", **WHOLE), SQUARE, (2000, 800),
         (1000, 0, 2000, 800)),
    Case("the subject's size, the picture's scale .3", sized("subject", **WHOLE), SQUARE, (300, 300),
         (0, 30, 300, 270)),
]  # fmt: skip

SIZES = [
    Case("the subject alone", sized("subject"), TALL, (200, 400), (0, 0, 200, 400)),
    Case("paddings 20 and 40 make it smaller: scale .8", sized("subject", padding="0.1"), TALL, (200, 400),
         (20, 40, 180, 360)),
    Case("area 380 x 180: scale .9", sized("subject", margin="10px"), WIDE, (400, 200), (20, 10, 380, 190)),
    Case("area 160 x 360: scale .8, against the bottom", sized("subject", padding="0.1"), STANDING, (200, 400),
         (20, 80, 180, 400), "bottom"),
    Case("the picture's size: scale min(3, 4.5)", {}, (100, 300, 200, 500), (300, 900), (0, 150, 300, 750),
         picture=(300, 900)),
    Case("the same by its name", sized("original"), (100, 300, 200, 500), (300, 900), (0, 150, 300, 750),
         picture=(300, 900)),
    Case("200 x 200 in 200 x 400", sized("200x400"), SQUARE, (200, 400), (0, 100, 200, 300)),
    Case("scale .25: 50 x 100", sized("1000x100"), TALL, (1000, 100), (475, 0, 525, 100)),
    Case("one pixel", sized("1x1"), TALL, (1, 1), (0, 0, 1, 1)),
    Case("one pixel, filled with two of which one stays", sized("1x1", scaling="fill"), WIDE, (1, 1), (-1, 0, 1, 1)),
]  # fmt: skip

SAME = (300, 0, 700, 800)
LIMITS = [
    Case("half as wide", {"max_width": 500}, TALL, P, SAME, result=(500, 400)),
    Case("a quarter as high", {"max_height": 200}, TALL, P, SAME, result=(250, 200)),
    Case("the height is the stricter", {"max_width": 500, "max_height": 200}, TALL, P, SAME, result=(250, 200)),
    Case("the width is the stricter", {"max_width": 100, "max_height": 700}, TALL, P, SAME, result=(100, 80)),
    Case("nothing is enlarged", {"max_width": 5000, "max_height": 801}, TALL, P, SAME, result=P),
    Case("one of them is larger", {"max_width": 5000, "max_height": 400}, TALL, P, SAME, result=(500, 400)),
    Case("as large as it is", {"max_width": 1000, "max_height": 800}, TALL, P, SAME, result=P),
    Case("0.8 pixels are one", {"max_width": 1}, TALL, P, SAME, result=(1, 1)),
    Case("0.1 pixels are one, too", {"max_width": 1}, (0, 0, 1000, 100), (1000, 100), (0, 0, 1000, 100),
         picture=(1000, 100), result=(1, 1)),
    Case("33.3 pixels are 33", {"max_width": 100}, (0, 0, 1000, 333), (1000, 333), (0, 0, 1000, 333),
         picture=(1000, 333), result=(100, 33), within=1),
    Case("the subject's size, and half of it", sized("subject", max_width=100), TALL, (200, 400), (0, 0, 200, 400),
         result=(100, 200)),
    Case("pixels are those before: area 800 x 600", {"padding": "100px", "max_width": 500}, SQUARE, P,
         (200, 100, 800, 700), result=(500, 400)),
]  # fmt: skip

EXTREMES = [
    Case("100 times as large", large(), (20, 20, 30, 30), K, (0, 0, 1000, 1000), picture=(50, 50)),
    Case("a pixel", {}, (50, 50, 51, 51), (100, 100), (0, 0, 100, 100), picture=(100, 100)),
    Case("a column: 99 free, 49 before it", {}, (7, 0, 8, 100), (100, 100), (49, 0, 50, 100), picture=(100, 100)),
    Case("a column that fills: 10000 high", {"scaling": "fill"}, (7, 0, 8, 100), (100, 100), (0, -4950, 100, 5050),
         picture=(100, 100)),
    Case("a row of 1000: 0.1 high is one", sized("100x100"), (0, 7, 1000, 8), (100, 100), (0, 49, 100, 50)),
    Case("2000 x 2 that fills: 500000 wide", sized("500x500", scaling="fill"), (0, 7, 2000, 9), (500, 500),
         (-249750, 0, 250250, 500), picture=(2000, 800)),
    Case("one free: none before it", sized("101x100"), (0, 0, 10, 10), (101, 100), (0, 0, 100, 100)),
    Case("one too many: it goes at the left", sized("100x101", scaling="fill"), (0, 0, 10, 10), (100, 101),
         (-1, 0, 100, 101)),
    Case("100 x 66.7; 33 free, 16 above", sized("100x100"), (0, 0, 300, 200), (100, 100), (0, 16, 100, 83), within=1),
    Case("1000 x 428.6; 371.4 free, 185.7 above", {}, (0, 0, 7, 3), P, (0, 186, 1000, 614), within=1),
]  # fmt: skip

CASES = [
    *FIT_AND_FILL, *UNITS, *SIDES, *ALIGNMENTS, *CUT_OFF, *PICTURES, *SIZES, *LIMITS, *EXTREMES,
]  # fmt: skip
