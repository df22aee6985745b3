"""What the eye judges, in numbers: which side is brighter, how warm a picture is."""

from __future__ import annotations

import numpy as np

from benchmarks.scenes.primitives import Array
from benchmarks.scenes.tone import luminance

TOWARDS = {"left": (-1.0, 0.0), "right": (1.0, 0.0), "top": (0.0, 1.0), "bottom": (0.0, -1.0)}
"""Unit vectors to the sides of a picture, y up."""


def light_gradient(linear: Array, matte: Array, albedo: Array | None = None) -> tuple[float, float]:
    """Slope of the luminance over the subject, to the right and up, relative to its mean.

    Per standard deviation of the subject's own extent, so that a slender thing's slopes weigh alike.

    The plane that fits ``luminance / mean`` best (least squares, weighted with the matte). With the ``albedo`` it is
    the light on the subject that is judged, not its paint: dark hair over a white shirt is no light from below.

    Args:
        linear: ``[H, W, 3]`` linear RGB.
        matte: ``[H, W]``, 0..1.
        albedo: ``[H, W, 3]`` linear, which the luminance is divided by.
    """
    rows, columns = matte.shape
    x = np.broadcast_to((np.arange(columns) + 0.5) * 2 / columns - 1, matte.shape)
    y = np.broadcast_to(1 - (np.arange(rows)[:, None] + 0.5) * 2 / rows, matte.shape)
    weight = matte.astype(np.float64) / float(matte.sum())
    bright = luminance(linear).astype(np.float64)
    if albedo is not None:
        bright = bright / (luminance(albedo).astype(np.float64) + 0.03)
    bright = bright / max(float((weight * bright).sum()), 1e-9) - 1
    x, y = x - (weight * x).sum(), y - (weight * y).sum()
    xx, xy, yy = (weight * x * x).sum(), (weight * x * y).sum(), (weight * y * y).sum()
    slopes = np.linalg.solve([[xx, xy], [xy, yy]], [(weight * x * bright).sum(), (weight * y * bright).sum()])
    return float(slopes[0] * np.sqrt(xx)), float(slopes[1] * np.sqrt(yy))


def angle_error(gradient: tuple[float, float], side: str) -> float:
    """Degrees, 0..180, between a gradient and the direction to a side."""
    dx, dy = TOWARDS[side]
    length = float(np.hypot(*gradient))
    cosine = (gradient[0] * dx + gradient[1] * dy) / max(length, 1e-12)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def warmth(linear: Array, matte: Array) -> float:
    """Logarithm of red to blue in the subject's mean colour; above 0 is warm."""
    mean = (linear * matte[..., None]).sum((0, 1)) / float(matte.sum())
    return float(np.log((mean[0] + 1e-6) / (mean[2] + 1e-6)))
