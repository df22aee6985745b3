"""How much the light of a sequence flickers, in stops."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from iclight_local.imaging.fit import FloatArray
from iclight_local.imaging.light_ratio import LightRatio, agreement, likeness
from iclight_local.imaging.linear import LUMINANCE

_LITTLE = 1e-3


def flicker(ratios: Iterable[LightRatio | None], *, outside: bool = False) -> float | None:
    """By how many stops (EV) the light on a region goes up and down from frame to frame.

    With ``e[t]`` the binary logarithm of the luminance that relighting gave a cell of the grid, over the original's:

        ``sqrt(sum w (e[t-1] - 2 e[t] + e[t+1])^2 / (6 sum w))``

    over all cells and all frames that have one before and one after them. A second difference is 0 where the light
    stays or changes steadily; light that goes up and down by chance in each frame with a standard deviation of s has a
    mean square of 6 s^2, so the figure is s. The weight ``w`` is the least that the three frames know about a
    cell, times how alike their originals are there; three frames with a cut between them do not count.

    Args:
        ratios: of consecutive frames, in their order; None where frames are missing between two of them.
        outside: of what is round the subject, not of the subject.

    Returns:
        0 upwards; None where there is nothing to measure: fewer than three frames of a scene, or none of the region.
    """
    region = int(outside)
    total, weights = 0.0, 0.0
    for first, middle, last in _threes(ratios):
        beside = (first, last)
        if min(float(likeness(middle, other)[region]) for other in beside) <= 0:
            continue
        weight = np.minimum.reduce([each.weight[region] for each in (first, middle, last)]).astype(np.float64)
        for other in beside:
            weight *= likeness(middle, other)[region] * agreement(middle, other)[region]
        bend = _stops(first, region) - 2 * _stops(middle, region) + _stops(last, region)
        total += float((weight * bend**2).sum())
        weights += float(weight.sum())
    return float(np.sqrt(total / (6 * weights))) if weights > _LITTLE else None


def _threes(ratios: Iterable[LightRatio | None]) -> Iterator[tuple[LightRatio, LightRatio, LightRatio]]:
    """Each frame with those before and after it, of which no more are held."""
    first: LightRatio | None = None
    middle: LightRatio | None = None
    for last in ratios:
        if first is not None and middle is not None and last is not None:
            yield first, middle, last
        first, middle = middle, last


def _stops(ratio: LightRatio, region: int) -> FloatArray:
    """Binary logarithm of the ratio of luminances, ``[h, w]``."""
    scene = ratio.scene[region].astype(np.float32) + np.float32(_LITTLE)
    relit = scene * np.exp(ratio.ratio[region].astype(np.float32))
    weigh = LUMINANCE[:, None, None]
    return np.asarray(np.log2((relit * weigh).sum(0) / (scene * weigh).sum(0)), np.float32)
