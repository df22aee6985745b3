"""What the eye judges, in numbers: which side is brighter, how warm a picture is."""

from __future__ import annotations

import numpy as np

from benchmarks.scenes.primitives import Array
from iclight_local.imaging.gradient import angle_between, light_gradient

__all__ = ["angle_error", "light_gradient", "warmth"]

TOWARDS = {"left": (-1.0, 0.0), "right": (1.0, 0.0), "top": (0.0, 1.0), "bottom": (0.0, -1.0)}
"""Unit vectors to the sides of a picture, y up."""


def angle_error(gradient: tuple[float, float], side: str) -> float:
    """Degrees, 0..180, between a gradient and the direction to a side."""
    return angle_between(gradient, TOWARDS[side])


def warmth(linear: Array, matte: Array) -> float:
    """Logarithm of red to blue in the subject's mean colour; above 0 is warm."""
    mean = (linear * matte[..., None]).sum((0, 1)) / float(matte.sum())
    return float(np.log((mean[0] + 1e-6) / (mean[2] + 1e-6)))
