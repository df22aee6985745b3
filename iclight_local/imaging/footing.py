"""A subject where its shadow is drawn, and the line along which it stands on the ground."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from iclight_local.imaging.fit import FloatArray

_STANDS = 0.2
"""What ends higher above the lowest row hangs over the ground; relative to the subject's height."""
_STEEPEST = 0.65
"""A bottom edge that rises faster is a round body's side; seen from above at 30 degrees, a box's rises by 0.58."""


@dataclass(frozen=True)
class Figure:
    """A subject set upright: its columns are moved down until the line on which it stands is level.

    Attributes:
        matte: float32 in 0..1, h x w, with room around the subject.
        top, bottom, left, right: the subject's box, rows and columns.
        raised: float32, w: how many pixels each column was moved down.
    """

    matte: FloatArray
    top: int
    bottom: int
    left: int
    right: int
    raised: FloatArray

    @property
    def high(self) -> int:
        """Rows of the subject."""
        return self.bottom - self.top

    @property
    def wide(self) -> int:
        """Columns of the subject."""
        return self.right - self.left

    @property
    def size(self) -> float:
        """Side of the square that is as large as its box."""
        return math.sqrt(self.high * self.wide)


def figure_of(matte: FloatArray, upright: float) -> Figure | None:
    """The subject of a matte (float32, h x w); None where nothing is above 0.5.

    ``upright``: how much it stands, 0..1; one that lies flat has no such line, and stays as it is.
    """
    solid = matte > 0.5
    rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    if not rows.size:
        return None
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    ends = len(matte) - np.argmax(solid[::-1, left:right], 0)
    ends[~solid[:, left:right].any(0)] = 0
    line = _standing_line(bottom - ends, _STANDS * (bottom - top))
    whole = np.pad(line, (left, matte.shape[1] - right), mode="edge")
    smooth = ndimage.gaussian_filter1d(whole, 0.02 * (right - left), mode="nearest")
    raised = np.asarray(upright * smooth).astype(np.float32)
    return Figure(moved(matte, raised), top, bottom, left, right, raised)


def _standing_line(heights: npt.NDArray[np.int_], most: float) -> npt.NDArray[np.float64]:
    """The line on which a subject stands: the lower hull of its bottom edge, level where that is too steep.

    An arch between two feet is passed below; a corner of a box that is farther away is followed.

    Args:
        heights: of the lowest pixel of each column above the subject's lowest row.
        most: what ends higher does not stand.
    """
    hull: list[tuple[int, int]] = []
    for place in np.flatnonzero(heights <= most):
        point = int(place), int(heights[place])
        while len(hull) > 1 and _slope(hull[-2], hull[-1]) >= _slope(hull[-1], point):
            hull.pop()
        hull.append(point)
    lowest = min(range(len(hull)), key=lambda index: hull[index][1])
    first = last = lowest
    while first > 0 and -_slope(hull[first - 1], hull[first]) <= _STEEPEST:
        first -= 1
    while last + 1 < len(hull) and _slope(hull[last], hull[last + 1]) <= _STEEPEST:
        last += 1
    places, values = zip(*hull[first : last + 1], strict=True)
    return np.asarray(np.interp(np.arange(len(heights)), places, values))


def _slope(start: tuple[int, int], end: tuple[int, int]) -> float:
    return (end[1] - start[1]) / (end[0] - start[0])


def moved(plane: FloatArray, down: FloatArray) -> FloatArray:
    """Each column moved down by its own fraction of pixels; nothing comes in from above or below."""
    if not down.any():
        return plane
    height = len(plane)
    whole = np.floor(down).astype(np.intp)
    part = (down - whole).astype(np.float32)
    source = np.arange(height)[:, None] - whole
    padded = np.pad(plane, ((1, 1), (0, 0)))
    near = np.take_along_axis(padded, np.clip(source + 1, 0, height + 1), 0)
    far = np.take_along_axis(padded, np.clip(source, 0, height + 1), 0)
    return np.asarray(near + (far - near) * part, np.float32)
