"""Where a subject lies in the result: boxes and sizes alone, no pictures.

The rules are those of Photoroom's Image Editing API (docs.photoroom.com, "Positioning", and its OpenAPI document).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.fit import FloatArray
from iclight_local.request import Placing
from iclight_local.request.placing import Horizontal, Vertical, parse_size

Size = tuple[int, int]
"""Width and height."""
Box = tuple[int, int, int, int]
"""Left, top, right and bottom; right and bottom are the first pixels outside."""
Side = Literal["top", "right", "bottom", "left"]
Pair = tuple[bool, bool]
"""Something about the left and the right side, or the top and the bottom."""

SEEN = 0.02
"""Opacity above which a pixel belongs to the box."""
RIM = 2
"""Pixels from a side within which it is touched."""
TOUCHED = 0.02
"""Share of a side's length; a subject that touches less of it is not cut off there."""

_SIDES: tuple[Side, ...] = ("left", "right", "top", "bottom")
_HALVES: dict[Horizontal | Vertical, int] = {"left": 0, "top": 0, "center": 1, "right": 2, "bottom": 2}
"""Halves of the free space that lie before the subject."""


class Cropped(NamedTuple):
    """The sides on which the picture cuts its subject off."""

    left: bool = False
    top: bool = False
    right: bool = False
    bottom: bool = False


@dataclass(frozen=True)
class Place:
    """Where what is placed lies in the result.

    Attributes:
        canvas: size of the result before ``max_width`` and ``max_height``.
        source: what of the picture is placed: the subject's box, or the whole picture.
        target: where ``source`` lies on the canvas; at least 1 x 1 pixels. It may leave the canvas, and with fill be
            many times its size.
        result: size of the finished result; at least 1 x 1, and no larger than the canvas.
        unpadded: sides that cut the subject off, and whose padding was left out for that.
    """

    canvas: Size
    source: Box
    target: Box
    result: Size
    unpadded: tuple[Side, ...] = ()


def subject_box(matte: FloatArray) -> Box | None:
    """The box of all pixels that are more opaque than :data:`SEEN`.

    Args:
        matte: float32 in 0..1, H x W; 1 is subject.

    Returns:
        At least 1 x 1 pixels, or None where nothing is seen.
    """
    seen = matte > SEEN
    columns, rows = np.flatnonzero(seen.any(axis=0)), np.flatnonzero(seen.any(axis=1))
    if columns.size == 0:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def cropped_sides(matte: FloatArray) -> Cropped:
    """The sides whose outermost :data:`RIM` pixels see the subject along :data:`TOUCHED` of their length or more.

    Args:
        matte: float32 in 0..1, H x W; 1 is subject.
    """

    def touched(rim: FloatArray, axis: int) -> bool:
        return bool(np.mean((rim > SEEN).any(axis=axis)) >= TOUCHED)

    return Cropped(
        left=touched(matte[:, :RIM], 1),
        top=touched(matte[:RIM], 0),
        right=touched(matte[:, -RIM:], 1),
        bottom=touched(matte[-RIM:], 0),
    )


def place(request: Placing, picture: Size, subject: Box, cropped: Cropped) -> Place:
    """Where a subject lies in the result that is asked for.

    The reference box is scaled into the target area, which is the canvas without its margins and paddings, and aligned
    there. A side that cuts the subject off has no padding, and the subject lies against it; two opposite ones have none
    and leave the subject in the middle. An alignment that is asked for, ``center`` too, ends that for its axis.

    What the published rules leave open is decided so:

    - Margins, paddings and sizes are rounded to whole pixels, halves to the even one. A side has at least one pixel.
    - In the middle means half of the free pixels, rounded down, before the subject. Where ``fill`` leaves fewer than
      none, it is the same: of an odd number the larger part is cut off at the left and the top.
    - With ``fill`` the subject lies over the margins as well, and on the side opposite of one that cuts it off it is
      what leaves the canvas.
    - Pixels are those of the canvas, whatever ``max_width`` and ``max_height`` make of it.
    - ``output_size`` subject is the size of the subject's box with ``reference_box`` picture, too; no side of a picture
      that is placed as a whole cuts anything off.
    - Enlargement has no limit: with ``fill`` a subject of one pixel's width gets as long as it takes. So ``target`` is
      to be cut at the canvas before anything of its size is made.

    Args:
        request: what is asked.
        picture: width and height of the picture.
        subject: the subject's box in it, or the whole picture where nothing is cut out; at least 1 x 1 pixels.
        cropped: the sides that cut the subject off; none where nothing is cut out.

    Raises:
        InvalidRequest: margins and paddings leave nothing of the canvas.
    """
    canvas = _canvas(request, picture, subject)
    source = (0, 0, *picture) if request.reference_box == "picture" else subject
    beside = _snapped(request, request.horizontal_alignment, (cropped.left, cropped.right))
    above = _snapped(request, request.vertical_alignment, (cropped.top, cropped.bottom))
    left, right = _room(request, ("left", "right"), canvas[0], beside)
    top, bottom = _room(request, ("top", "bottom"), canvas[1], above)
    width, height = source[2] - source[0], source[3] - source[1]
    ratios = (right - left) / width, (bottom - top) / height
    scale = max(ratios) if request.scaling == "fill" else min(ratios)
    wide, high = _scaled((width, height), scale)
    x = left + (right - left - wide) * _halves(request.horizontal_alignment, beside) // 2
    y = top + (bottom - top - high) * _halves(request.vertical_alignment, above) // 2
    cut = zip(_SIDES, (*beside, *above), strict=True)
    unpadded = tuple(side for side, bare in cut if bare and request.length("padding", side).amount > 0)
    return Place(canvas, source, (x, y, x + wide, y + high), _result(request, canvas), unpadded)


def _canvas(request: Placing, picture: Size, subject: Box) -> Size:
    if request.output_size == "subject":
        return subject[2] - subject[0], subject[3] - subject[1]
    asked = parse_size(request.output_size)
    return picture if asked is None else asked


def _result(request: Placing, canvas: Size) -> Size:
    limits = zip((request.max_width, request.max_height), canvas, strict=True)
    return _scaled(canvas, min([1.0, *(limit / side for limit, side in limits if limit is not None)]))


def _scaled(size: Size, scale: float) -> Size:
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _snapped(request: Placing, alignment: Horizontal | Vertical | None, cut_off: Pair) -> Pair:
    """The sides of an axis, of those that cut the subject off, that have no padding for it."""
    asked = alignment is not None or request.pad_cropped_sides or request.reference_box == "picture"
    return (False, False) if asked else cut_off


def _halves(alignment: Horizontal | Vertical | None, snapped: Pair) -> int:
    """Halves of an axis's free space that lie before the subject."""
    return 1 - snapped[0] + snapped[1] if alignment is None else _HALVES[alignment]


def _room(request: Placing, sides: tuple[Side, Side], length: int, snapped: Pair) -> tuple[int, int]:
    """Where the target area starts and ends on an axis of the canvas that is ``length`` pixels long."""
    margins = [request.length("margin", side).of(length) for side in sides]
    inner = max(0, length - sum(margins))
    paddings = [
        0 if bare else request.length("padding", side).of(inner) for side, bare in zip(sides, snapped, strict=True)
    ]
    first, last = (margin + padding for margin, padding in zip(margins, paddings, strict=True))
    if first + last >= length:
        raise InvalidRequest(
            f"Margins and paddings at the {sides[0]} and {sides[1]} take {first + last} pixels of the result's "
            f"{length}, but must leave at least 1 for the subject: make them smaller, or the result larger."
        )
    return first, length - last
