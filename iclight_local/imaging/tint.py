"""The colour that was asked of a light, where the model's light has too little of it."""

from __future__ import annotations

import numpy as np

from iclight_local.imaging.fit import FloatArray, UInt8Array, resize
from iclight_local.imaging.linear import LUMINANCE, to_linear, to_srgb

SHARE = 0.6
"""Share of a light's tint that the subject's mean colour takes at least: not all that falls on it is that light."""
_LEAST = 1e-4
_FLAT = 1e-6


def tinted(
    relit: UInt8Array, original: UInt8Array, matte: FloatArray, colour: tuple[float, float, float]
) -> UInt8Array:
    """Turn a relit picture towards the colour of its light, as far as its subject has not changed that way already.

    The change of the subject's mean linear colour from the original to the relit picture, in logarithms and without
    its luminance, is laid along that of ``colour``; what it lacks of ``SHARE`` is made up for in the whole picture, by
    one factor for each channel. A light that is coloured enough stays as the model made it.

    Args:
        relit: uint8 sRGB, h x w x 3: the same framing as the original.
        original: uint8 sRGB, H x W x 3.
        matte: float32 in 0..1, H x W.
        colour: the light's linear red, green and blue; only their ratios count.

    Returns:
        uint8 sRGB, h x w x 3.
    """
    asked = _chroma(np.asarray(colour, np.float64))
    length = float(asked @ asked)
    if length < _FLAT or not matte.any():
        return relit
    high, wide = relit.shape[:2]
    small = resize(original, wide, high), resize(np.round(matte * 255).astype(np.uint8), wide, high)
    before, after = (_mean(picture, small[1]) for picture in (small[0], relit))
    lacking = SHARE - float((_chroma(after) - _chroma(before)) @ asked) / length
    if lacking <= 0:
        return relit
    return to_srgb(to_linear(relit) * np.exp(lacking * asked).astype(np.float32))


def _mean(picture: UInt8Array, matte: UInt8Array) -> FloatArray:
    return np.asarray(np.average(to_linear(picture).reshape(-1, 3), axis=0, weights=matte.reshape(-1) + _LEAST))


def _chroma(colour: FloatArray) -> FloatArray:
    """Logarithms of the channels of a linear colour of luminance 1."""
    held = np.maximum(colour, _LEAST)
    return np.log(held / (held @ LUMINANCE))
