"""The shadow that a cut-out casts on the ground before a new background, drawn from its outline.

Nothing is known of the subject's third dimension, so each of its rows is taken for a disc nearly as deep as it is wide.
A standing subject throws its rows on the ground, farther the higher they are, and the ground is seen from above at 30
degrees; one that lies flat under the camera throws a copy of its outline.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from PIL import Image

from iclight_local.imaging.blur import gaussian
from iclight_local.imaging.fit import FloatArray
from iclight_local.imaging.footing import Figure, figure_of, moved
from iclight_local.imaging.shade import Shade, shade_of

__all__ = ["Shade", "cast_shadow", "shade_of"]

FORESHORTENING = 0.5
"""Height in the picture of what lies on the ground, relative to its depth."""
FLOAT = 0.06
"""How far below a floating subject its shadow lies, relative to its height."""
_SIDE = 1024
"""Pixels of the longer side at which a shadow is drawn."""
_MARGIN = 0.1
"""Room around the picture into which a shadow is drawn, too, so that its edges come from there; of the longer side."""
_DEPTH = 0.55
"""Depth of a row relative to its width, and to the subject's height at most."""
_LIFT = 0.14
"""Height of a flat subject above the ground, relative to its size."""
_PENUMBRA = 0.11
"""Standard deviation of the softest shadow's edge relative to the height of what casts it."""
_EDGE = (0.0015, 0.016)
"""The same of the hardest and the softest shadow's edge at the ground, relative to the subject's size."""
_FADING = 0.65
"""How much fainter the softest shadow is at the far end: light from elsewhere gets there."""
_LEVELS = 5


def cast_shadow(matte: FloatArray, shade: Shade) -> FloatArray:
    """The opacity of a black layer between the background and the subject.

    Args:
        matte: float32 in 0..1, H x W of the canvas; 1 is subject. A standing subject meets the ground along the lowest
            rows in which it is above 0.5.
        shade: the shadow.

    Returns:
        float32, H x W, from 0 to the shade's intensity; 0 without a subject. Its detail is that of 1024 pixels of the
        longer side.
    """
    height, width = matte.shape
    scale = max(1.0, max(height, width) / _SIDE)
    small = max(1, round(width / scale)), max(1, round(height / scale))
    low = np.asarray(Image.fromarray(matte).resize(small, Image.Resampling.BILINEAR))
    upright, flat = _parts(shade.pose)
    margin = 4 + round(_MARGIN * max(small))
    figure = figure_of(np.pad(low, margin), upright)
    if figure is None or shade.intensity <= 0:
        return np.zeros_like(matte)
    if shade.floating:
        layer = np.float32(upright) * _ellipse(figure, shade)
        if flat > 0:
            layer = np.maximum(layer, np.float32(flat) * _cast(figure, replace(shade, pose=0)))
    else:
        layer = 1 - (1 - _cast(figure, shade)) * (1 - np.float32(upright) * _contact(figure, shade))
    inner = Image.fromarray(np.ascontiguousarray(layer[margin:-margin, margin:-margin], np.float32))
    full = np.array(inner.resize((width, height), Image.Resampling.BICUBIC))
    np.clip(full, 0, 1, out=full)
    full *= np.float32(shade.intensity)
    return full


def _parts(degrees: float) -> tuple[float, float]:
    """Sine and cosine of an angle, without the hair by which they miss 0."""
    return round(math.sin(math.radians(degrees)), 9), round(math.cos(math.radians(degrees)), 9)


def _cast(figure: Figure, shade: Shade) -> FloatArray:
    """The shadow without its contact, 0..1: sharp near the ground and softer the higher what casts it is."""
    halves = _parts(shade.pose)[0] * FORESHORTENING * _half_depths(figure)
    deepest = float(halves[figure.bottom - max(1, figure.high // 6) : figure.bottom].max())
    # A body stands in the middle of its depth, which a line that recedes has gone part of the way to already.
    back = np.maximum(figure.raised, np.float32(deepest))
    # Nothing of it lies before that line, unless it is wider up there than its foot.
    over = (figure.bottom - np.arange(len(halves), dtype=np.float32))[:, None]
    before = np.clip(halves - deepest, 0, np.clip(0.15 * over, 0, 0.05 * figure.high))
    halves = np.minimum(halves, back - figure.raised + before)
    cover, heights = (moved(plane, -back) for plane in _thrown(figure, shade, halves))
    squeezed = 1 - (1 - FORESHORTENING) * _parts(shade.pose)[0]
    base = max(0.5, (_EDGE[0] + (_EDGE[1] - _EDGE[0]) * shade.softness) * figure.size)
    per_height = _PENUMBRA * shade.softness
    most = max(base + per_height * figure.high, 1.01 * base)
    near, far = (
        np.stack([gaussian(plane, times * max(2.0, most / 2)) for plane in (heights, cover)]) for times in (1, 4)
    )
    height, total = near + np.float32(1e-3) * far
    sigmas = np.geomspace(base, most, _LEVELS)
    level = np.log1p(height / (total + np.float32(1e-9)) * np.float32(per_height / base))
    level /= np.float32(math.log(sigmas[1] / sigmas[0]))
    np.clip(level, 0, _LEVELS - 1, out=level)
    layer = np.zeros_like(cover)
    for index, sigma in enumerate(sigmas):
        share = np.clip(1 - np.abs(level - np.float32(index)), 0, 1)
        layer += share * gaussian(cover, (sigma * squeezed, sigma))
    return layer


def _thrown(figure: Figure, shade: Shade, halves: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Every row of the subject on the ground, 0..1, and that times the height of the lowest row that is there.

    ``halves``: half the depth of the body in the picture, h x w. Its middle is on the line on which it stands.
    """
    slant = math.tan(math.radians(shade.spread / 2))
    upright, flat = _parts(shade.pose)
    left, behind = (slant * part for part in _parts(shade.direction))
    lift = _LIFT * figure.size + (FLOAT * figure.high if shade.floating else 0)
    faint = _FADING * shade.softness * upright / figure.high
    cover, heights = np.zeros_like(figure.matte), np.zeros_like(figure.matte)
    across = np.arange(cover.shape[1], dtype=np.float32)
    for row in range(figure.bottom - 1, figure.top - 1, -1):
        over = figure.bottom - row - 0.5
        height = upright * over + flat * lift
        middle = figure.bottom - flat * over - behind * (upright * FORESHORTENING * over + flat * lift)
        source = across + np.float32(left * height)
        half = np.interp(source, across, halves[row])
        reach = float(half.max())
        first, last = max(0, math.floor(middle - reach)), min(len(cover), math.floor(middle + reach) + 1)
        if first >= last:
            continue
        away = np.abs(np.arange(first, last)[:, None] - math.floor(middle))
        opaque = np.interp(source, across, figure.matte[row]) * (1 - faint * over)
        grown = np.where(away <= half + 0.5, opaque, 0).astype(np.float32) - cover[first:last]
        np.maximum(grown, 0, out=grown)
        cover[first:last] += grown
        heights[first:last] += grown * np.float32(height)
    return cover, heights


def _half_depths(figure: Figure) -> FloatArray:
    """Half the depth of the body at each pixel, h x w: each unbroken part of a row is a rounded square of its own."""
    solid = figure.matte > 0.5
    place = np.arange(solid.shape[1], dtype=np.float32)
    before = np.maximum.accumulate(np.where(solid, np.float32(-1), place), 1)
    after = np.minimum.accumulate(np.where(solid, np.float32(place.size), place)[:, ::-1], 1)[:, ::-1]
    wide = after - before
    aside = np.where(solid, (2 * place - before - after) / np.maximum(wide, 1), 1)
    rounded = np.sqrt(np.maximum(1 - aside**4, 0))
    halves = np.asarray(_DEPTH / 2 * np.minimum(wide, figure.high) * rounded * solid, np.float32)
    # A handle or an arm joins a row all at once, and its body no more gets deeper there than above.
    return gaussian(halves, (0.04 * figure.high, 0))


def _contact(figure: Figure, shade: Shade) -> FloatArray:
    """The dark line right under a standing subject and the dim around its foot, 0..1."""
    over = figure.bottom - np.arange(len(figure.matte), dtype=np.float32)[:, None] - np.float32(0.5)
    near = max(1.0, 0.007 * figure.size * (1 + shade.softness))
    wide = (0.015 + 0.06 * shade.softness) * figure.size
    line, pool = (
        gaussian(
            figure.matte * np.clip(high - over / np.float32(FORESHORTENING * sigma), 0, 1),
            (FORESHORTENING * sigma, sigma),
        )
        for sigma, high in ((near, 4), (wide, 2))
    )
    layer = 1 - (1 - np.clip(1.6 * line, 0, 0.95)) * (1 - np.clip((0.7 + 0.8 * shade.softness) * pool, 0, 0.85))
    return moved(np.asarray(layer, np.float32), -figure.raised)


def _ellipse(figure: Figure, shade: Shade) -> FloatArray:
    """A flat ellipse below a floating subject, 0..1; it ends before it reaches the subject."""
    slant = math.tan(math.radians(shade.spread / 2))
    left, behind = _parts(shade.direction)
    wide = figure.wide * (0.5 + 0.25 * slant)
    high = max(1.5, 0.16 * min(wide, figure.high))
    drift = 0.3 * slant * figure.high
    down = max(0.0, -behind) * drift * FORESHORTENING
    middle = figure.bottom + FLOAT * figure.high + high + down
    centre = (figure.left + figure.right) / 2 - left * drift
    rows, columns = (np.arange(side, dtype=np.float32) + np.float32(0.5) for side in figure.matte.shape)
    away = np.hypot((rows[:, None] - np.float32(middle)) / high, (columns - np.float32(centre)) / wide)
    share = np.clip((1 - away) / (0.12 + 0.88 * shade.softness), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)
