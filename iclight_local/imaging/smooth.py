"""Means over windows that count some pixels and leave others out, and the guided filter built from them.

Sources: normalised convolution (Knutsson & Westin, CVPR 1993) for the weights; the guided filter
(He, Sun & Tang, ECCV 2010) and its coefficients at a small size (He & Sun, arXiv 1505.00996).
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from iclight_local.imaging.fit import FloatArray

_LITTLE = 0.05
"""Mean weight of a window at which what is farther away counts as much as what is in it."""


def box_mean(plane: FloatArray, radius: int) -> FloatArray:
    """Mean of the square of ``2 radius + 1`` pixels round each pixel, cut at the borders; cost without ``radius``.

    Args:
        plane: float32, h x w.
        radius: pixels, 0 or more; 0 returns ``plane``.
    """
    if radius == 0:
        return plane
    for axis in (0, 1):
        count = plane.shape[axis]
        shape = (count + 1, plane.shape[1]) if axis == 0 else (plane.shape[0], count + 1)
        # float64: a window is the difference of two sums over a whole row.
        total = np.zeros(shape, np.float64)
        np.cumsum(plane, axis=axis, dtype=np.float64, out=total[1:] if axis == 0 else total[:, 1:])
        place = np.arange(count)
        first, last = np.maximum(place - radius, 0), np.minimum(place + radius + 1, count)
        span = (last - first).reshape((-1, 1) if axis == 0 else (1, -1))
        plane = ((total.take(last, axis) - total.take(first, axis)) / span).astype(np.float32)
    return plane


def tent_mean(plane: FloatArray, radius: int) -> FloatArray:
    """Mean under a pyramid of ``radius`` + 1 pixels to each side: two boxes of half the radius, without their steps."""
    near = (radius + 1) // 2
    return box_mean(box_mean(plane, near), radius - near)


class Region:
    """The pixels of one region; whatever has no weight in it has no part in any mean.

    Args:
        weight: float32, h x w, 0..1, somewhere above 0.
    """

    def __init__(self, weight: FloatArray) -> None:
        self.weight = weight
        self._total = float(weight.sum(dtype=np.float64))
        self._density: dict[int, FloatArray] = {}

    def mean(self, plane: FloatArray, radius: int, prior: FloatArray | None = None) -> FloatArray:
        """Mean of ``plane`` (h x w) over the region's part of each window, a tent of ``radius`` + 1 pixels each side.

        Where next to nothing of the region is in the window, it passes into ``prior`` (the mean over all of it).
        """
        if radius not in self._density:
            self._density[radius] = tent_mean(self.weight, radius)
        beside = float(np.vdot(plane, self.weight)) / self._total if prior is None else prior
        total = tent_mean(plane * self.weight, radius) + np.float32(_LITTLE) * beside
        return np.asarray(total / (self._density[radius] + np.float32(_LITTLE)), np.float32)

    def nearby(self, plane: FloatArray, radius: int) -> FloatArray:
        """The same, continued beyond the region with the mean of what is nearest, found with growing windows."""
        far = self.mean(plane, 4 * radius, self.mean(plane, 16 * radius))
        return self.mean(plane, radius, far)


def edge_aware(plane: FloatArray, radius: int, spread: float) -> FloatArray:
    """``plane`` (h x w) smoothed by the guided filter with itself as the guide.

    In each window ``plane`` becomes ``a * plane + b`` with ``a = variance / (variance + spread)``: steps of a variance
    far over ``spread`` stay, fluctuations far under it go.
    """
    mean = box_mean(plane, radius)
    variance = (box_mean(plane * plane, radius) - mean * mean).clip(0)
    slope = np.asarray(variance / (variance + spread), np.float32)
    return np.asarray(box_mean(slope, radius) * plane + box_mean(mean * (1 - slope), radius))


def resampled(plane: FloatArray, size: tuple[int, int]) -> FloatArray:
    """``plane`` (float32, h x w) at ``size`` (height, width): the mean of what a pixel covers, or bilinear between."""
    if plane.shape == size:
        return plane
    shrinks = plane.shape[0] >= size[0] and plane.shape[1] >= size[1]
    filter_ = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize(size[::-1], filter_))
