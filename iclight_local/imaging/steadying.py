"""A sequence's light without its flicker: each relit frame multiplied by its neighbours' light over its own.

Only the low frequencies of the light are changed (:mod:`iclight_local.imaging.light_ratio`). What a model draws anew in
every frame, creases, grain and the shape of small shadows, stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.imaging.gains import limit_softly
from iclight_local.imaging.light_ratio import LightRatio, agreement, likeness
from iclight_local.imaging.linear import to_linear, to_srgb
from iclight_local.imaging.strips import in_strips

MOST = 4.0
"""Factor by which linear light is changed at most, up or down; from half as many stops the limit is approached."""
_WHITE = float(to_linear(np.array([254], np.uint8))[0])
"""The brightest that a pixel becomes which was not there before."""
SIGNIFICANT = 2.0
"""Standard errors up to which a trend over time may be chance; of the trends beyond that, most is believed."""
_UNRELATED = 1e-3
"""Weight of a neighbour that does not count, and sum of the weights of cells that say nothing."""
_WINDOWS = (17, 5, 3, 1)
"""Cells across the windows from which a region's light is continued where it has not been."""
_LITTLE = np.float32(0.05)
"""Mean weight of a window at which what is farther away counts as much as what is in it."""

Series = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Window:
    """Which frames a frame's light is the mean of.

    Attributes:
        sigma: standard deviation in frames of the Gaussian weights, above 0.
        radius: frames before and after; those farther away have no part, which is what makes a stretch of a sequence
            independent of the rest.
    """

    sigma: float = 1.5
    radius: int = 4


class Neighbour(NamedTuple):
    """Another frame's light, and by how many frames it comes later; earlier frames have negative offsets."""

    offset: int
    light: LightRatio


def steadied(
    made: UInt8Array, matte: FloatArray, own: LightRatio, neighbours: Sequence[Neighbour], window: Window
) -> UInt8Array:
    """Give a relit frame the light that it has in the mean of the frames round it.

    The logarithm of the light is fitted over time by a weighted straight line whose value at the frame itself counts
    (Cleveland, "Robust Locally Weighted Regression", 1979): a mean where there are as many frames before as after, and
    no lag at the ends of a sequence or beside a gap or a cut, see :func:`_fit`. A neighbour weighs less the more its
    original differs (a bilateral weight), and nothing across a cut; where a moving subject has not been, its light is
    continued from the nearest cells where it has. Inside and outside of the matte are apart, and blended by it. Linear
    light is multiplied, so black stays black and detail stays; highlights bend before they clip.

    Args:
        made: the relit frame, uint8 sRGB, H x W x 3.
        matte: float32 in 0..1, H x W; 1 is subject.
        own: the frame's own light, as :func:`~iclight_local.imaging.light_ratio.light_ratio` measures it.
        neighbours: frames before and after, in any order; missing ones are left out.
        window: how far the mean goes.

    Returns:
        uint8, H x W x 3; without related neighbours the same values.

    Raises:
        ValueError: frame and matte differ in size.
    """
    if made.shape[:2] != matte.shape:
        raise ValueError(f"A matte of {matte.shape} does not fit a frame of {made.shape[:2]} pixels.")
    near = [each for each in neighbours if 0 < abs(each.offset) <= window.radius]
    # In the order of time, so that sums do not depend on the order they were given in.
    near.sort(key=lambda each: each.offset)
    alike = [likeness(own, each.light) for each in near]
    changes = []
    for region in range(2):
        weights = [
            float(share[region]) * _gaussian(each.offset, window) for each, share in zip(near, alike, strict=True)
        ]
        related = [(each, weight) for each, weight in zip(near, weights, strict=True) if weight > _UNRELATED]
        changes.append(_change(own, related, region))
    if not any(change.any() for change in changes):
        return made.copy()
    return _changed(made, matte, changes)


def _gaussian(offset: int, window: Window) -> float:
    return float(np.exp(-0.5 * (offset / window.sigma) ** 2))


def _change(own: LightRatio, related: Sequence[tuple[Neighbour, float]], region: int) -> FloatArray:
    """Logarithm of the factor that a region's light is multiplied by, ``[3, h, w]``."""
    fields, levels, offsets, weights = [], [0.0], [0], [1.0]
    for each, weight in related:
        known = np.minimum(own.weight[region], each.light.weight[region]).astype(np.float32)
        known *= agreement(own, each.light)[region]
        if float(known.sum()) <= _UNRELATED:
            continue
        field = _continued(each.light.ratio[region].astype(np.float32) - own.ratio[region], known)
        fields.append(field)
        levels.append(float((field.mean(0) * known).sum() / known.sum()))
        offsets.append(each.offset)
        weights.append(weight)
    if not fields:
        return np.zeros_like(own.ratio[region], np.float32)
    fit = _fit(np.array(offsets, float), np.array(weights), np.array(levels))
    change = sum(np.float32(share) * field for share, field in zip(fit.shares[1:], fields, strict=True))
    # The mean of logarithms lies below the logarithm of the mean, by half the variance: light shall not get less.
    change = np.asarray(change + np.float32(fit.scatter / 2), np.float32)
    return limit_softly(change, -float(np.log(MOST)), float(np.log(MOST)))


def _continued(field: FloatArray, known: FloatArray) -> FloatArray:
    """``field`` (``[3, h, w]``) where it is known; elsewhere what the nearest known cells have.

    Normalised convolution with ever smaller windows, each falling back on the one before where it knows too little.
    All channels at once, which is five times as fast as :class:`~iclight_local.imaging.smooth.Region`.
    """
    planes = np.concatenate([field, np.ones_like(known)[None]]) * known
    found = planes[:3].sum((1, 2), keepdims=True) / known.sum()
    for width in _WINDOWS:
        # Twice a box is a tent, which has no steps.
        near = ndimage.uniform_filter(planes, (0, width, width), mode="constant")
        near = ndimage.uniform_filter(near, (0, width, width), mode="constant")
        found = (near[:3] + _LITTLE * found) / (near[3] + _LITTLE)
    return np.asarray(found, np.float32)


class _Fit(NamedTuple):
    """How much of each frame is in the fitted light at offset 0, summing to 1; the levels' variance about the fit."""

    shares: Series
    scatter: float


def _fit(offsets: Series, weights: Series, levels: Series) -> _Fit:
    """Fit levels over time.

    With as many frames before as after, a weighted mean. Where one side is short, the mean is corrected by the trend
    over time that the levels have, to the share ``1 - (SIGNIFICANT * its standard error / trend)^2``, or not at all: a
    fade does not lag, and mere flicker at the first frame of a scene does not pass for one. Two frames alone stay as
    they are, for nothing tells which of both it is.
    """
    mean = weights / weights.sum()
    middle = float(mean @ offsets)
    spread = float(mean @ (offsets - middle) ** 2)
    slope = mean * (offsets - middle) / spread
    trend = float(slope @ levels)
    count = len(offsets)
    trust = 1.0
    if count > 2 and trend != 0:
        rest = levels - mean @ levels - trend * (offsets - middle)
        variance = float(mean @ rest**2) * count / (count - 2) * float(slope @ slope)
        trust = max(0.0, 1 - SIGNIFICANT**2 * variance / trend**2)
    rest = levels - mean @ levels - trust * trend * (offsets - middle)
    return _Fit(np.asarray(mean - trust * middle * slope), float(mean @ rest**2))


def _changed(made: UInt8Array, matte: FloatArray, changes: Sequence[FloatArray]) -> UInt8Array:
    result = np.empty_like(made)
    inside, outside = ([Image.fromarray(plane) for plane in change] for change in changes)

    def light(rows: slice) -> None:
        cover = np.clip(matte[rows], 0, 1)
        for channel in range(3):
            # Logarithms are blended: of a mixed pixel, the part that is to get brighter is the darker one.
            change = _enlarged(outside[channel], rows, matte.shape)
            change = change + cover * (_enlarged(inside[channel], rows, matte.shape) - change)
            before = to_linear(np.ascontiguousarray(made[rows, :, channel]))
            room = np.maximum(np.float32(_WHITE) - before, np.float32(1e-6))
            share = limit_softly(before * np.expm1(change) / room, -np.inf, 1.0)
            result[rows, :, channel] = to_srgb(before + share * room)

    in_strips(light, matte.shape)
    return result


def _enlarged(plane: Image.Image, rows: slice, shape: tuple[int, int]) -> FloatArray:
    """The logarithm for some rows of a picture of ``shape``; cubic, because a light has no creases."""
    scale = plane.height / shape[0]
    box = (0.0, rows.start * scale, float(plane.width), min(rows.stop * scale, float(plane.height)))
    size = shape[1], rows.stop - rows.start
    return np.asarray(plane.resize(size, Image.Resampling.BICUBIC, box))
