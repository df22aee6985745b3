"""Putting a subject on a background: mixed in linear light, or as an alpha channel; and the backgrounds for it."""

from __future__ import annotations

import re

import numpy as np

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.imaging.linear import to_linear, to_srgb

Colour = tuple[int, int, int]
"""sRGB red, green and blue, 0..255."""
_AT_ONCE = 1 << 20
"""Pixels that are mixed at a time: their floats take 12 bytes each, several times over."""


def over(foreground: UInt8Array, background: UInt8Array, matte: FloatArray) -> UInt8Array:
    """Put a foreground on a background: ``matte * foreground + (1 - matte) * background`` in linear light.

    Linear, because that is how a lens mixes the two along an edge; mixed as sRGB bytes, soft edges turn too dark.

    Args:
        foreground: uint8 sRGB, H x W x 3, not multiplied by the matte.
        background: uint8 sRGB, H x W x 3.
        matte: float32 in 0..1, H x W; 1 is foreground.

    Returns:
        uint8 sRGB, H x W x 3: the foreground's bytes where the matte is 1, the background's where it is 0.
    """
    mixed = np.where((matte >= 1)[..., None], foreground, background)
    flat = mixed.reshape(-1, 3)
    front, behind, share = foreground.reshape(-1, 3), background.reshape(-1, 3), matte.reshape(-1)
    soft = np.flatnonzero((share > 0) & (share < 1))
    for start in range(0, soft.size, _AT_ONCE):
        chosen = soft[start : start + _AT_ONCE]
        light = to_linear(behind[chosen])
        light += (to_linear(front[chosen]) - light) * share[chosen, None]
        flat[chosen] = to_srgb(light)
    return mixed


def with_alpha(foreground: UInt8Array, matte: FloatArray) -> UInt8Array:
    """The foreground with the matte as its alpha channel, not multiplied by it.

    Args:
        foreground: uint8 sRGB, H x W x 3.
        matte: float32 in 0..1, H x W.

    Returns:
        uint8, H x W x 4. The alpha is rounded, so a matte that was read from 8 bits comes back as it was.
    """
    layered = np.empty((*matte.shape, 4), np.uint8)
    layered[..., :3] = foreground
    layered[..., 3] = np.rint(np.clip(matte, 0, 1) * np.float32(255))
    return layered


def parse_colour(text: str) -> Colour:
    """Red, green and blue of a colour written as ``#rrggbb``, in upper or lower case.

    Raises:
        InvalidRequest: it is written in another way.
    """
    if re.fullmatch(r"#[0-9a-fA-F]{6}", text) is None:
        raise InvalidRequest(
            f"A colour is {text!r}, but must be # and six hexadecimal digits for red, green and blue, such as #1e90ff."
        )
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def filled(colour: str, height: int, width: int) -> UInt8Array:
    """A background of one colour, uint8 sRGB, ``height`` x ``width`` x 3.

    Raises:
        InvalidRequest: ``colour`` is not written as ``#rrggbb``.
    """
    return np.full((height, width, 3), parse_colour(colour), np.uint8)
