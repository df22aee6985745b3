"""Where the light on a subject comes from, as far as its brightness tells."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from iclight_local.imaging.linear import luminance

_DARK = 0.03
"""Added to the paint's luminance, so that what is black says little about the light on it."""


def light_gradient(
    linear: npt.NDArray[Any], matte: npt.NDArray[Any], albedo: npt.NDArray[Any] | None = None
) -> tuple[float, float]:
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
        bright = bright / (luminance(albedo).astype(np.float64) + _DARK)
    bright = bright / max(float((weight * bright).sum()), 1e-9) - 1
    x, y = x - (weight * x).sum(), y - (weight * y).sum()
    xx, xy, yy = (weight * x * x).sum(), (weight * x * y).sum(), (weight * y * y).sum()
    slopes = np.linalg.solve([[xx, xy], [xy, yy]], [(weight * x * bright).sum(), (weight * y * bright).sum()])
    return float(slopes[0] * np.sqrt(xx)), float(slopes[1] * np.sqrt(yy))


def angle_between(gradient: tuple[float, float], towards: tuple[float, float]) -> float:
    """Degrees, 0..180, between a gradient and a direction in the picture, both to the right and up."""
    lengths = float(np.hypot(*gradient) * np.hypot(*towards))
    cosine = (gradient[0] * towards[0] + gradient[1] * towards[1]) / max(lengths, 1e-12)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
