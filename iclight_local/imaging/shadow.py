"""The shadow that a subject casts on its own background near its foot, to be cast on another background."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.imaging.linear import luminance, to_linear, to_srgb

REACH = 0.25
"""How far from the subject a shadow is kept, relative to the larger side of the subject."""
UNSURE = 0.05
"""Darkening (natural logarithm) that is never taken for a shadow, besides what the background itself varies by."""
LEAST_SEEN = 0.02
"""Share of the picture that must be background for a shadow to be looked for."""
_RIM = np.float32(0.15)
"""A matte above this hides the background: a dark subject's soft edge would look like a shadow."""
_SIDE = 512
_DARK = np.float32(2e-3)
"""Added to luminance before its logarithm: below it there is noise only."""
_ROUNDS = 8
_ROWS = 256
_FILLS = ((1.0, 0.006), (1e-3, 0.03), (1e-6, 0.12), (1e-9, 0.5))
"""Weights and standard deviations, relative to the longer side, of the blurs that continue a shadow."""
_RING = ImageFilter.MaxFilter(3)


def contact_shadow(original: UInt8Array, matte: FloatArray) -> FloatArray:
    """How much of the light the subject leaves to the background around its foot.

    The background without the subject is estimated from what is seen of it, in the logarithm of linear luminance: a
    profile down the rows plus a smooth one along the columns, fitted with weights that are low near the subject and for
    whatever lies below the fit. So a wall, a floor, a gradient and a pool of light are followed, and a shadow is not.
    What is darker than that by more than the background varies elsewhere is shadow. It fades out over :data:`REACH` and
    towards the upper half of the subject. A shadow on a strongly textured background is lost.

    Args:
        original: uint8 sRGB, H x W x 3: the subject before its own background.
        matte: float32 in 0..1, H x W; 1 is subject.

    Returns:
        float32 in 0..1, H x W: what linear light on a background is to be multiplied by; 1 is no shadow. Smooth, and
        continued beneath the subject. Its detail is that of 512 pixels of the longer side.
    """
    height, width = matte.shape
    scale = -(-max(height, width) // _SIDE)
    bright, cover = _reduced(original, matte, scale)
    # One ring more than the matte: segmenters leave a dark rim of the subject outside.
    seen = np.asarray(np.clip(1 - np.asarray(Image.fromarray(cover).filter(_RING)) / _RIM, 0, 1), np.float32)
    if cover.max() <= 0.5 or seen.mean() < LEAST_SEEN:
        return np.ones((height, width), np.float32)
    near = _nearness(cover)
    darker, noise = _darkening(np.log(bright + _DARK), seen, near)
    least = UNSURE + 2 * noise
    darker = darker * _smoothstep(darker, least, 3 * least) * np.minimum(2 * near, 1) * _low(cover)
    factor = np.exp(-_spread(darker, seen)).astype(np.float32)
    box = (0, 0, width / scale, height / scale)
    return np.asarray(Image.fromarray(factor).resize((width, height), Image.Resampling.BILINEAR, box=box))


def shaded(background: UInt8Array, factor: FloatArray) -> UInt8Array:
    """Multiply a background's linear light.

    Args:
        background: uint8 sRGB, H x W x 3.
        factor: float32 in 0..1, H x W, as :func:`contact_shadow` gives it.

    Returns:
        uint8 sRGB, H x W x 3; unchanged where the factor is 1.
    """
    result = np.empty_like(background)
    for top in range(0, len(background), _ROWS):
        rows = slice(top, top + _ROWS)
        result[rows] = to_srgb(to_linear(background[rows]) * factor[rows, :, None])
    return result


def _darkening(tone: FloatArray, seen: FloatArray, near: FloatArray) -> tuple[FloatArray, float]:
    """How far ``tone`` (logarithms) lies below the background without the subject, and how much that varies."""
    height, width = tone.shape
    side = max(height, width)
    narrow, wide = _gauss(height, 0.01 * side) + np.float32(1e-4), _gauss(width, 0.15 * side)
    trust = seen * (np.float32(1.02) - near) + np.float32(1e-6)
    weight, across = trust, np.zeros((1, width), np.float32)
    for _ in range(_ROUNDS):
        down = _profile(tone - across, weight, narrow)
        across = _profile((tone - down).T, weight.T, wide).T
        left = tone - down - across
        noise = _scale(left, trust)
        # Half as patient with what is darker, so that the fit runs along the upper side of the background.
        patience = np.where(left < 0, np.float32(2 * noise), np.float32(4 * noise))
        weight = np.asarray(trust / (1 + (left / patience) ** 2), np.float32)
    return np.maximum(-left, 0), noise


def _profile(tone: FloatArray, weight: FloatArray, kernel: FloatArray) -> FloatArray:
    """Smoothed means of the rows, H x 1; a row of which little is seen counts almost as much as any other."""
    total = weight.sum(1, keepdims=True)
    mean = (weight * tone).sum(1, keepdims=True) / total
    known = total / (total + np.float32(0.01) * total.max())
    return np.asarray((kernel @ (mean * known)) / (kernel @ known))


def _scale(left: FloatArray, trust: FloatArray) -> float:
    """Standard deviation of the residuals, from their median, which a shadow does not move; at least 0.005."""
    order = np.argsort(np.abs(left), axis=None)
    share = np.cumsum(trust.ravel()[order], dtype=np.float64)
    middle = np.searchsorted(share, 0.5 * share[-1])
    return max(1.4826 * float(np.abs(left).ravel()[order[middle]]), 0.005)


def _nearness(cover: FloatArray) -> FloatArray:
    """1 at the subject, falling with the distance from it as a Gaussian does, 0 from :data:`REACH` on."""
    scale = max(1, max(cover.shape) // 128)
    small = np.asarray(Image.fromarray(cover).reduce(scale))
    rows, columns = np.flatnonzero(small.max(1) > 0.5), np.flatnonzero(small.max(0) > 0.5)
    extent = max(np.ptp(rows), np.ptp(columns)) + 1 if rows.size and columns.size else 1
    down, across = (_gauss(side, 0.45 * REACH * extent) for side in small.shape)
    # The largest product over all pixels is the Gaussian of the distance to the nearest one.
    grown = (down[:, :, None] * small[None]).max(1)
    grown = (grown[:, :, None] * across[None]).max(1)
    edge = np.float32(np.exp(-0.5 / 0.45**2))
    fading = np.clip((grown - edge) / (1 - edge), 0, 1)
    height, width = cover.shape
    box = (0, 0, width / scale, height / scale)
    return np.asarray(Image.fromarray(fading).resize((width, height), Image.Resampling.BILINEAR, box=box))


def _low(cover: FloatArray) -> FloatArray:
    """0 beside the upper part of the subject, 1 beside its lowest quarter and below: one column, H x 1."""
    rows = np.flatnonzero(cover.max(1) > 0.5)
    place = (np.arange(len(cover), dtype=np.float32) - rows[0]) / np.float32(max(1, rows[-1] - rows[0]))
    return _smoothstep(place, 0.4, 0.75)[:, None]


def _smoothstep(values: FloatArray, low: float, high: float) -> FloatArray:
    share = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(share * share * (3 - 2 * share))


def _spread(darker: FloatArray, seen: FloatArray) -> FloatArray:
    """Blurred a little where the background is seen; beneath the subject, where that finds nothing, ever wider."""
    summed, weight = np.zeros_like(darker), np.zeros_like(darker)
    for share, sigma in _FILLS:
        down, across = (_gauss(side, sigma * max(darker.shape)) for side in darker.shape)
        summed += np.float32(share) * (down @ (darker * seen) @ across)
        weight += np.float32(share) * (down @ seen @ across)
    return np.asarray(summed / weight)


def _gauss(side: int, sigma: float) -> FloatArray:
    """Gaussian weights between any two of ``side`` places, 1 at the same place."""
    place = np.arange(side, dtype=np.float32) / np.float32(max(sigma, 0.3))
    return np.asarray(np.exp(-0.5 * (place[:, None] - place[None]) ** 2))


def _reduced(original: UInt8Array, matte: FloatArray, scale: int) -> tuple[FloatArray, FloatArray]:
    """Linear luminance and matte, averaged over squares of ``scale`` pixels."""
    parts: list[list[FloatArray]] = [[], []]
    rows = scale * max(1, _ROWS // scale)
    for top in range(0, len(matte), rows):
        planes = luminance(to_linear(original[top : top + rows])), matte[top : top + rows]
        for part, plane in zip(parts, planes, strict=True):
            part.append(np.asarray(Image.fromarray(plane).reduce(scale)))
    return np.concatenate(parts[0]), np.concatenate(parts[1])
