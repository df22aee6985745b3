"""How much brighter each place became: the gain from a picture to its relit twin, at the twin's size.

The relit picture of a generative model has details of its own making. What is carried is therefore its smooth light:
the ratio of weighted means, kept sharp only where the light itself has a strong edge. A relit picture whose finest
details agree with the original's is taken to be faithful, and then its own resolution is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from iclight_local.imaging.fit import FloatArray
from iclight_local.imaging.linear import luminance
from iclight_local.imaging.smooth import Region, box_mean, edge_aware, resampled

if TYPE_CHECKING:
    from iclight_local.imaging.transfer import TransferOptions

COARSE_SIDE = 640
"""Larger side in pixels of the planes that are smoothed; the smooth gain has no detail that would need more."""
BLACK = 1e-3
"""Linear light added to both sides of a ratio: about three steps of 8-bit sRGB above black."""
FAINT = 1e-2
"""The same for the comparison of details, in which the noise of the shadows must not count."""
DISAGREEING, AGREEING = 0.55, 0.85
"""Correlations of the finest details up to which a relit picture is smoothed, and from which it is not.

Measured on renders of 512 pixels: the true relit picture has 0.8 to 0.95 where its detail is paint, the same
picture decoded from latents 0.3 to 0.5, and shifted by a pixel or two as a generated one is, 0.05 to 0.2.
"""
STEADY = 0.2
"""Share of the radius over which both pictures are averaged before one is divided by the other."""
DOUBT = 0.25
"""Share of the light round a pixel at which the pixel's own ratio counts half, see :func:`_smooth`."""
GAMMA = 2.2
"""Between the limits of a gain of linear light and of one of encoded values."""
_TINY = 1e-9


@dataclass(frozen=True)
class Gain:
    """``factor * light + offset``: what becomes of the original's light in a region, on a small grid.

    Attributes:
        factor: h x w x 3 for linear red, green and blue (``keep`` detail), h x w x 1 for encoded values (else).
        offset: h x w x 3, linear; None where nothing is added.
    """

    factor: FloatArray
    offset: FloatArray | None = None


@dataclass(frozen=True)
class Twins:
    """A region of a picture and of its relit twin, on one small grid.

    Attributes:
        before: the original's linear light, h x w x 3.
        after: the relit picture's, alike.
        cover: how much of each pixel belongs to the region, h x w, 0..1, somewhere above 0.
    """

    before: FloatArray
    after: FloatArray
    cover: FloatArray

    @cached_property
    def region(self) -> Region:
        """The pixels that count."""
        return Region(certain(self.cover))

    def reduced(self, side: int) -> Twins:
        """The same with a larger side of at most ``side`` pixels."""
        high, wide = self.cover.shape
        scale = min(1.0, side / max(high, wide))
        return self.resampled((max(1, round(high * scale)), max(1, round(wide * scale))))

    def resampled(self, size: tuple[int, int]) -> Twins:
        """The same at ``size`` (height, width)."""
        return Twins(
            _each(resampled, self.before, size), _each(resampled, self.after, size), resampled(self.cover, size)
        )


def gain(twins: Twins, options: TransferOptions, strength: float) -> Gain:
    """The gain of one region.

    Args:
        twins: the region before and after.
        options: what to keep, and how to smooth and limit.
        strength: 0..1; the gain is raised to this power.
    """
    smooth = _smooth(twins, options)
    # Only pixels of nothing but the region have a ratio of their own.
    sharp = _sure(twins.region.weight) * np.float32(_agreement(twins))
    if options.keep == "detail":
        return _per_channel(twins, smooth, sharp[..., None], options, strength)
    return _in_values(twins, smooth, sharp, options, strength)


def _in_values(twins: Twins, smooth: _Smooth, sharp: FloatArray, options: TransferOptions, strength: float) -> Gain:
    """One factor for encoded values: that which makes grey of the place's brightness as much brighter as wanted."""
    dark, lit = luminance(twins.before), luminance(twins.after)
    level, base = smooth.level, luminance(smooth.low)
    if options.keep == "colour":
        weight = twins.region.weight
        sum_lit, sum_dark, count = (box_mean(plane, 1) for plane in (lit * weight, dark * weight, weight))
        near_lit, near_dark = (np.asarray(each / (count + _TINY), np.float32) for each in (sum_lit, sum_dark))
        level = level + _sure(count) * (_log_ratio(near_lit, near_dark) - level)
        base = base + _sure(count) * (near_dark - base)
    level = level + sharp * (_log_ratio(lit, dark) - level)
    base = base + sharp * (dark - base) + np.float32(BLACK)
    values = np.log(encoded(base * np.exp(level)) / encoded(base))
    limited = limit_softly(values, np.log(options.least) / GAMMA, np.log(options.most) / GAMMA)
    return Gain(np.exp(limited * np.float32(strength))[..., None])


def encoded(light: FloatArray) -> FloatArray:
    """Encode linear light as sRGB (IEC 61966-2-1): 1 gives 1, and the curve goes on beyond."""
    low = light <= np.float32(0.0031308)
    return np.where(
        low, light * np.float32(12.92), np.float32(1.055) * light ** np.float32(1 / 2.4) - np.float32(0.055)
    )


def _per_channel(twins: Twins, smooth: _Smooth, sharp: FloatArray, options: TransferOptions, strength: float) -> Gain:
    """A gain for each channel; where it is limited, the smooth light still follows the relit picture up to ``lift``.

    ``low * lifted + (light - low) * limited``, with the original's smooth light ``low``: the same as
    ``light * wanted`` where nothing is limited.
    """
    wanted = smooth.level[..., None] + smooth.chroma
    wanted += sharp * (_log_ratio(twins.after, twins.before) - wanted)
    limited = limit_softly(wanted, np.log(options.least), np.log(options.most))
    lifted = limit_softly(wanted, np.log(options.least), np.log(max(options.lift, options.most)))
    factor = np.exp(limited * np.float32(strength))
    low = smooth.low + sharp * (twins.before - smooth.low)
    return Gain(factor, (np.exp(lifted * np.float32(strength)) - factor) * low)


def limit_softly(values: FloatArray, least: float, most: float) -> FloatArray:
    """Values in ``least``..``most`` (below and above 0): unchanged up to halfway, then ever closer to the limit."""
    knee = np.where(values > 0, most / 2, least / 2).astype(np.float32)
    over = np.maximum(values / knee - 1, 0)
    return np.asarray(np.where(over > 0, knee * (2 - np.exp(-over)), values), np.float32)


class _Smooth(NamedTuple):
    """Logarithms of the smooth gain of luminance, h x w, and of chroma beside it; the original's smooth light."""

    level: FloatArray
    chroma: FloatArray
    low: FloatArray


def _smooth(twins: Twins, options: TransferOptions) -> _Smooth:
    small = twins.reduced(COARSE_SIDE)
    side = max(small.cover.shape)
    radius = max(1, round(options.radius * side))
    # Generated detail is out of place by a pixel or two: this much is averaged before one divides.
    steady = round(options.radius * side * STEADY)
    wide = [_each(small.region.nearby, light, radius) for light in (small.before, small.after)]
    dark, lit = (
        np.stack([small.region.mean(light[..., c], steady, far[..., c]) for c in range(3)], -1)
        for light, far in zip((small.before, small.after), wide, strict=True)
    )
    around = _log_ratio(luminance(wide[1]), luminance(wide[0]))
    # A dark spot that a model drew too softly is paint, not shadow: it gets the light of what is round it.
    trust = luminance(dark) / (luminance(dark) + np.float32(DOUBT) * luminance(wide[0]) + np.float32(_TINY))
    level = around + trust * (_log_ratio(luminance(lit), luminance(dark)) - around)
    level = edge_aware(level, radius, options.edge)
    chroma = _log_ratio(wide[1], wide[0]) - around[..., None]
    size = twins.cover.shape
    return _Smooth(resampled(level, size), _each(resampled, chroma, size), _each(resampled, dark, size))


def _log_ratio(after: FloatArray, before: FloatArray) -> FloatArray:
    return np.log((after + np.float32(BLACK)) / (before + np.float32(BLACK)))


def certain(cover: FloatArray) -> FloatArray:
    """Weights 0..1 of pixels, which fall steeply with what is not of the region in them and beside them.

    Beside them, because a generated picture's edge is a pixel or two off. Parts of a matte that are nowhere whole
    (hair, glass, an unsure segmenter) are measured all the same, since there is nothing else in their windows.
    """
    beside = box_mean(cover, max(1, round(max(cover.shape) * 0.004)))
    pure = cover * beside
    return np.asarray((pure / pure.max()) ** 5, np.float32)


def _sure(weight: FloatArray) -> FloatArray:
    """0 at an edge of the region, 1 inside of it."""
    return np.asarray(np.clip(weight * np.float32(2.5) - np.float32(0.25), 0, 1))


def _agreement(twins: Twins) -> float:
    """0..1: how well the finest details of the two pictures go together within the region."""
    region, details = twins.region, []
    for light in (twins.before, twins.after):
        level = np.log(luminance(light) + np.float32(FAINT))
        details.append(level - region.mean(level, 4))
    weight = np.where(region.weight > 0.5, region.weight, 0)
    both, first, second = (float(np.vdot(weight * details[a], details[b])) for a, b in ((0, 1), (0, 0), (1, 1)))
    correlation = both / max(math.sqrt(first * second), 1e-9)
    return min(max((correlation - DISAGREEING) / (AGREEING - DISAGREEING), 0.0), 1.0)


def _each(work: Callable[..., FloatArray], light: FloatArray, *arguments: Any) -> FloatArray:
    """``work`` on each channel."""
    return np.stack([work(light[..., channel], *arguments) for channel in range(light.shape[2])], -1)
