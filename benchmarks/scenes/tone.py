"""Between linear light and pictures: exposure, shoulder and sRGB in one place, and the way back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.scenes.primitives import Array

KNEE = np.float32(0.7)
"""Exposed linear values above this bend towards 1 instead of being cut off."""

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Weights of linear sRGB."""


def to_srgb(linear: Array) -> Array:
    """Linear 0..1 to sRGB 0..1 (IEC 61966-2-1)."""
    bent = np.float32(1.055) * np.maximum(linear, np.float32(0.0031308)) ** np.float32(1 / 2.4) - np.float32(0.055)
    return np.where(linear <= 0.0031308, linear * np.float32(12.92), bent)


def from_srgb(encoded: Array) -> Array:
    """From sRGB 0..1 to linear 0..1."""
    bent = ((np.maximum(encoded, 0.04045) + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
    return np.where(encoded <= 0.04045, encoded / np.float32(12.92), bent).astype(np.float32)


def tone_map(linear: Array, exposure: float) -> Array:
    """Linear radiance to sRGB 0..1: ``exposure`` times, an exponential shoulder above ``KNEE``, the sRGB curve."""
    exposed = linear * np.float32(exposure)
    room = 1 - KNEE
    over = np.maximum(exposed - KNEE, 0)
    return to_srgb(np.where(exposed > KNEE, 1 - room * np.exp(-over / room), exposed)).astype(np.float32)


def untone(picture: Array, exposure: float) -> Array:
    """The inverse of :func:`tone_map` for sRGB values 0..1; pure white comes back as finite, very bright light."""
    bent, room = from_srgb(picture), 1 - KNEE
    over = -room * np.log(np.maximum(1 - bent, 1e-4) / room)
    return np.where(bent > KNEE, KNEE + over, bent).astype(np.float32) / np.float32(exposure)


def luminance(linear: Array) -> Array:
    """``[..., 3]`` linear RGB to ``[...]``."""
    return linear @ LUMINANCE


def to_bytes(picture: Array) -> NDArray[np.uint8]:
    """From sRGB 0..1 to 0..255."""
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
