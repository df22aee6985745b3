"""Between sRGB bytes and linear light (IEC 61966-2-1)."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from iclight_local.imaging.fit import FloatArray, UInt8Array

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Weights of linear red, green and blue in luminance (ITU-R BT.709)."""
_LEVELS = 1 << 14
"""Entries of the table from linear light to bytes; the darkest step of sRGB, 1/(255*12.92), is five of them."""


def to_linear(picture: UInt8Array) -> FloatArray:
    """Linear light, float32 in 0..1, of sRGB bytes of any shape."""
    return _linear_of_byte()[picture]


def to_srgb(light: FloatArray) -> UInt8Array:
    """The nearest sRGB bytes of linear light of any shape; values outside of 0..1 are clipped.

    ``to_srgb(to_linear(picture))`` is ``picture``.
    """
    index = np.clip(light, 0, 1) * np.float32(_LEVELS - 1)
    index += np.float32(0.5)
    levels: UInt8Array = _byte_of_linear()[index.astype(np.int16)]
    return levels


def luminance(light: FloatArray) -> FloatArray:
    """Luminance ``[...]`` of linear light ``[..., 3]``."""
    return np.asarray(light @ LUMINANCE, np.float32)


@cache
def _linear_of_byte() -> FloatArray:
    levels = np.arange(256) / 255
    table = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return table.astype(np.float32)


@cache
def _byte_of_linear() -> npt.NDArray[np.uint8]:
    light = np.arange(_LEVELS) / (_LEVELS - 1)
    levels = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(levels * 255).astype(np.uint8)
