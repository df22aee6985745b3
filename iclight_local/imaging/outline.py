"""A line of even width around a subject, drawn from its matte."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage, spatial

from iclight_local.imaging.blur import gaussian
from iclight_local.imaging.fit import FloatArray

_STEP = 4
"""So many times smaller is the picture that tells which pixels are near the outline's edge."""
_UNSURE = _STEP * math.sqrt(0.5) + 1.5
"""How far off, in pixels, the distances of that picture are at most."""
_ADJACENT = 1.5
"""Two neighbouring crossings of pixels and a contour are nearer to each other than this."""
_AT_ONCE = 1 << 18
_MOST_POINTS = 2_000_000
"""A contour of more crossings is noise: distances between pixels do for it, and take far less time and memory."""

BoolArray = npt.NDArray[np.bool_]


def outline(matte: FloatArray, width: float, blur: float) -> FloatArray:
    """What lies within ``width`` of the subject, the subject itself included: an outline's layer, to lie beneath it.

    Distances are Euclidean, so corners become round, and are measured from where the matte crosses 0.5.

    Args:
        matte: float32 in 0..1, H x W; 1 is subject.
        width: pixels, 0 or more.
        blur: standard deviation in pixels of the Gaussian that softens it; 0 leaves its edge one pixel wide.

    Returns:
        float32 in 0..1, H x W.
    """
    layer = np.zeros_like(matte)
    inside = matte >= 0.5
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    if not rows.size:
        return layer
    room = math.ceil(width + _UNSURE) + _STEP
    down, across = (slice(max(0, int(lines[0]) - room), int(lines[-1]) + 1 + room) for lines in (rows, columns))
    _draw(layer[down, across], matte[down, across], inside[down, across], width)
    return gaussian(layer, blur)


def _draw(layer: FloatArray, matte: FloatArray, inside: BoolArray, width: float) -> None:
    """Fill ``layer``, H x W: from rough distances, and from exact ones where those do not settle it."""
    if np.count_nonzero(inside[1:] != inside[:-1]) + np.count_nonzero(inside[:, 1:] != inside[:, :-1]) > _MOST_POINTS:
        away = ndimage.distance_transform_edt(~inside)
        layer[...] = (np.float32(width + 1) - away).clip(0, 1)
        return
    points = _crossings(matte, inside)
    rough = _rough_distances(inside)
    np.less(rough, width, out=layer, casting="unsafe")
    rows, columns = np.nonzero(np.abs(rough - np.float32(width), out=rough) < _UNSURE)
    if not len(points):
        return
    tree = spatial.cKDTree(points)
    for start in range(0, rows.size, _AT_ONCE):
        chosen = rows[start : start + _AT_ONCE], columns[start : start + _AT_ONCE]
        distance = _distances(tree, points, np.stack(chosen, 1).astype(np.float64))
        layer[chosen] = (width + 0.5 - np.where(inside[chosen], -distance, distance)).clip(0, 1)


def _rough_distances(inside: BoolArray) -> FloatArray:
    """Pixels from the subject's contour, off by less than ``_UNSURE``; below 0 inside of it. H x W."""
    height, width = inside.shape
    padded = np.pad(inside, ((0, -height % _STEP), (0, -width % _STEP)))
    squares = padded.reshape(padded.shape[0] // _STEP, _STEP, -1, _STEP)
    beyond, within = (ndimage.distance_transform_edt(far) for far in (~squares.any((1, 3)), squares.all((1, 3))))
    distance = (_STEP * (beyond - within)).astype(np.float32)
    box = (0, 0, width / _STEP, height / _STEP)
    return np.array(Image.fromarray(distance).resize((width, height), Image.Resampling.BILINEAR, box=box))


def _crossings(matte: FloatArray, inside: BoolArray) -> npt.NDArray[np.float64]:
    """Where the matte, interpolated between a pixel and the next one down or across, crosses 0.5: N x (row, column)."""
    found = []
    for axis in (0, 1):
        first, second = (slice(None, -1), slice(1, None))
        here, there = ((part, slice(None)) if axis == 0 else (slice(None), part) for part in (first, second))
        places = np.argwhere(inside[here] != inside[there])
        before, after = (matte[part][tuple(places.T)].astype(np.float64) for part in (here, there))
        crossing = places.astype(np.float64)
        crossing[:, axis] += (0.5 - before) / (after - before)
        found.append(crossing)
    return np.concatenate(found)


def _distances(
    tree: spatial.cKDTree, points: npt.NDArray[np.float64], places: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """From each of ``places`` (N x 2) to the line between the two nearest points, or to the nearest one."""
    distance, nearest = tree.query(places, k=2 if len(points) > 1 else [1, 1], workers=-1)
    start, end = points[nearest[:, 0]], points[nearest[:, 1]]
    along = end - start
    length = np.maximum((along**2).sum(1), 1e-12)
    share = (((places - start) * along).sum(1) / length).clip(0, 1)
    between = np.hypot(*(places - start - share[:, None] * along).T)
    return np.asarray(np.where(length < _ADJACENT**2, between, distance[:, 0]))
