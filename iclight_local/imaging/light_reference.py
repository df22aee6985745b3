"""The light of a reference picture, as a light map."""

from __future__ import annotations

import numpy as np
from PIL import Image

from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.imaging.light_shapes import blur
from iclight_local.imaging.lightmap import decoded, encoded, squeezed
from iclight_local.imaging.linear import luminance, to_linear
from iclight_local.light.kelvin import TEMPER

BLUR_SIGMA = 0.12
"""Of the blur, over the larger side of the map."""
WORKING_SIDE = 64
"""Pixels of the larger side at which the light is blurred; what is finer than that is not light here."""
MAX_STRETCH = 3.0
"""Contrast is raised so many times at most, or the grain and the vignette of an even picture would become a light."""
TAILS = (1, 99)
"""Percentiles of the blurred picture that count as its darkest and its brightest."""
_READ_SIDE = 1024
_FLOOR = np.float32(1e-3)


def reference_map(picture: UInt8Array, width: int, height: int, bounds: tuple[float, float]) -> UInt8Array:
    """The large-scale light and colour of a picture, drawn as a light map.

    What a picture shows is paint times light, and no formula tells the two apart: only the lowest spatial frequencies
    are taken as light, because light changes slowly over a scene and most paint does not. A window at the side or a
    sunset behind comes through; so does, wrongly, half a wall that is painted black. Shadows, reflections and the
    direction along the line of sight are not found.

    In linear light, the whole picture (stretched to the map's shape, not cropped) is blurred with a Gaussian of
    ``BLUR_SIGMA``. The sRGB value of its luminance, from the percentile ``TAILS[0]`` to ``TAILS[1]``, is stretched to
    0..1, so that the brightest place is at the lit bound and the darkest at the far one; but at most ``MAX_STRETCH``
    times, around the picture's own level, so that an even picture gives an even map. The blurred colour, relative to
    its luminance, is kept to the power ``TEMPER``, as the colour of a colour temperature is.

    Args:
        picture: uint8, H x W x 3.
        width: width of the map in pixels.
        height: height of the map in pixels.
        bounds: grey levels that stand for full light and for none, 0..255.

    Returns:
        uint8, ``height`` x ``width`` x 3.
    """
    light = _blurred(picture, width, height)
    bright = luminance(light)
    tint = ((light + _FLOOR) / (bright + _FLOOR)[..., None]) ** np.float32(TEMPER)
    tint /= luminance(tint)[..., None]
    steered = decoded(_stretched(encoded(bright)))[..., None] * tint
    return squeezed(np.stack([_enlarged(channel, width, height) for channel in np.moveaxis(steered, 2, 0)], 2), bounds)


def _blurred(picture: UInt8Array, width: int, height: int) -> FloatArray:
    """Linear light, float32 [h, w, 3], of the shape of the map and at most ``WORKING_SIDE`` on a side."""
    scale = min(1.0, WORKING_SIDE / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    image = Image.fromarray(picture)
    # Averaging bytes is not averaging light; large pictures are only brought to a size that is still fine enough.
    image.thumbnail((_READ_SIDE, _READ_SIDE), Image.Resampling.BOX, reducing_gap=None)
    light = to_linear(np.asarray(image))
    small = [_resized(channel, *size, Image.Resampling.BOX) for channel in np.moveaxis(light, 2, 0)]
    return np.stack([blur(channel, max(0.5, BLUR_SIGMA * max(size))) for channel in small], 2)


def _stretched(values: FloatArray) -> FloatArray:
    """Values in 0..1 with their contrast raised until they fill 0..1, or ``MAX_STRETCH`` times, and clipped."""
    low, high = (float(value) for value in np.percentile(values, TAILS))
    span = high - low
    gain = MAX_STRETCH if span * MAX_STRETCH <= 1 else 1 / span
    half = gain * span / 2
    middle = (low + high) / 2
    level = min(max(middle, half), 1 - half)
    return np.asarray(level + gain * (values - middle), np.float32).clip(0, 1)


def _enlarged(field: FloatArray, width: int, height: int) -> FloatArray:
    return _resized(field, width, height, Image.Resampling.BICUBIC).clip(0, None)


def _resized(field: FloatArray, width: int, height: int, how: Image.Resampling) -> FloatArray:
    return np.asarray(Image.fromarray(np.ascontiguousarray(field)).resize((width, height), how), np.float32)
