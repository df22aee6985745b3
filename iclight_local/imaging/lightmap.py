"""Light maps: the pictures that steer where the light comes from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from iclight_local.imaging.fit import FloatArray, UInt8Array, resize_and_center_crop
from iclight_local.imaging.light_shapes import shape_of
from iclight_local.imaging.linear import to_linear
from iclight_local.light import Light, PlainWord, plain_word

INITIAL_LATENT_RAMP = (255.0, 0.0)
"""Grey levels at the lit and the far side of the ramp that fc and fcon start from."""
BACKGROUND_RAMP = (224.0, 32.0)
"""Grey levels at the lit and the far side of the ramp that fbc takes as its background."""
AMBIENT_GREY = 64
"""Grey level of fbc's even background."""


def light_map(light_source: PlainWord, width: int, height: int, ramp: tuple[float, float]) -> UInt8Array:
    """Draw the ramp of a light source.

    Args:
        light_source: ``left``, ``right``, ``top``, ``bottom`` or ``ambient``.
        width: width in pixels.
        height: height in pixels.
        ramp: grey levels at the lit side and at the far side, 0..255.

    Returns:
        uint8, ``height`` x ``width`` x 3, truncated as in the original demos.
    """
    lit, far = ramp
    if light_source == "ambient":
        return np.full((height, width, 3), AMBIENT_GREY, dtype=np.uint8)
    horizontal = light_source in ("left", "right")
    line = np.linspace(lit, far, width if horizontal else height)
    if light_source in ("right", "bottom"):
        # Reversing would change the last bits of linspace, and with them truncated grey levels.
        line = np.linspace(far, lit, line.size)
    grey = line[None, :] if horizontal else line[:, None]
    return np.ascontiguousarray(np.broadcast_to(grey[..., None], (height, width, 3)).astype(np.uint8))


def draw_lights(
    lights: Sequence[Light],
    width: int,
    height: int,
    bounds: tuple[float, float],
    subject: FloatArray | None = None,
) -> UInt8Array:
    """Draw the map of one or several lights.

    A plain word gives :func:`light_map`, byte for byte. Any other light has a shape in 0..1 (see
    :mod:`iclight_local.imaging.light_shapes`; ``ambient``: the even level of ``AMBIENT_GREY``), which is taken for an
    sRGB value, as the original's ramps are. In linear light it is multiplied by the light's intensity and colour, and
    all lights are summed; where a channel passes 1, the three are scaled down together, which keeps their colour. The
    sum's sRGB value ``e`` becomes the grey level ``far + (lit - far) e``. So ``azimuth=-90`` is ``left``
    to within one grey level.

    Args:
        lights: what shines.
        width: width in pixels.
        height: height in pixels.
        bounds: grey levels that stand for full light and for none, 0..255.
        subject: the matte, float32 H x W in 0..1 of any size; light from behind shines around it. Without one a
            centred ellipse stands for it.

    Returns:
        uint8, ``height`` x ``width`` x 3, rounded.
    """
    word = plain_word(lights)
    if word is not None:
        return light_map(word, width, height, bounds)
    lit, far = bounds
    total = np.zeros((height, width, 3), np.float32)
    for light in lights:
        if light.word == "ambient":
            shape = np.full((height, width), (AMBIENT_GREY - far) / (lit - far), np.float32)
        else:
            shape = shape_of(light, width, height, subject)
        total += light.intensity * decoded(shape)[..., None] * np.array(light.colour, np.float32)
    return squeezed(total, bounds)


def painted_map(rgb: UInt8Array, alpha: UInt8Array | None, width: int, height: int) -> UInt8Array:
    """A light map that somebody painted, at the size of a pass: scaled to cover it and cropped, its levels as they are.

    Args:
        rgb: uint8, H x W x 3.
        alpha: uint8, H x W: what is not painted is dark; None where all is painted.
        width: width in pixels.
        height: height in pixels.
    """
    if alpha is not None:
        rgb = np.rint(rgb * (alpha[..., None] / np.float32(255))).astype(np.uint8)
    return resize_and_center_crop(rgb, width, height)


def decoded(values: FloatArray) -> FloatArray:
    """Linear light of sRGB values in 0..1, of any shape; between two bytes the curve is taken as straight."""
    return np.interp(values, *_curve()).astype(np.float32)


def encoded(light: FloatArray) -> FloatArray:
    """The sRGB values in 0..1 of linear light of any shape, clipped to 0..1; undoes :func:`decoded`."""
    values, linear = _curve()
    return np.interp(light, linear, values).astype(np.float32)


def squeezed(light: FloatArray, bounds: tuple[float, float]) -> UInt8Array:
    """The grey levels that stand for linear light (float32, H x W x 3, from 0) between ``bounds``.

    Where a channel passes 1, the three are scaled down together: cut off alone, amber would turn yellow.
    """
    lit, far = bounds
    light = light / np.maximum(1, light.max(axis=2, keepdims=True))
    return np.asarray(np.rint(far + (lit - far) * encoded(light)).clip(0, 255), np.uint8)


def _curve() -> tuple[FloatArray, FloatArray]:
    """The sRGB values of all bytes in 0..1, and their linear light."""
    levels = np.arange(256, dtype=np.uint8)
    return levels.astype(np.float32) / np.float32(255), to_linear(levels)
