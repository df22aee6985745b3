"""Exposing for the subject: how bright it is, and the gain that makes it as bright as asked."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.imaging.linear import luminance, to_linear, to_srgb

MAX_GAIN = 8.0
"""Three stops up or down: with more, the noise or the banding of 8 bits is all that would be seen."""
KNEE = 0.6
"""Linear light above this bends where the gain is above 1; sRGB 203."""
_HALVINGS = 40
_AT_ONCE = 1 << 20
_Sums = npt.NDArray[np.float64]


def subject_luminance(picture: UInt8Array, matte: FloatArray) -> float:
    """Mean luminance of the subject, in linear light, each pixel weighing as much as its matte.

    Args:
        picture: uint8 sRGB, H x W x 3.
        matte: float32 in 0..1, H x W.

    Returns:
        0 (black) to 1 (white): the weighted mean of ``0.2126 R + 0.7152 G + 0.0722 B``; 0 where the matte is empty.
    """
    weight = float(matte.sum(dtype=np.float64))
    return float(_luminance_by_peak(picture, matte).sum()) / weight if weight > 0 else 0.0


def exposed(picture: UInt8Array, target: float, matte: FloatArray) -> tuple[UInt8Array, float]:
    """Brighten or darken a picture until its subject's mean luminance is the target.

    Linear light is multiplied by one gain, which is what another exposure would have done; EV is its ``log2``. With a
    gain above 1, light above :data:`KNEE` bends towards white instead of clipping: the shoulder maps 0..gain to 0..1
    (extended Reinhard above the knee; Reinhard et al., "Photographic Tone Reproduction for Digital Images", 2002,
    equation 4), so white stays white and a gain of 1 changes nothing. A pixel's three channels are multiplied by the
    same number, that of its largest channel, so its hue and its saturation stay.

    The gain of a pixel depends on its largest byte only. So the subject's luminance is summed for each of the 256
    bytes, and the search for the gain needs no picture.

    Args:
        picture: uint8 sRGB, H x W x 3; all of it is exposed.
        target: mean luminance wanted, 0..1, as :func:`subject_luminance` measures it.
        matte: float32 in 0..1, H x W.

    Returns:
        The picture (uint8 sRGB, H x W x 3) and the gain, 1/8..8. The mean is within 1 % of the target, or of half a
        grey level where that is more, unless the gain has come to a limit. The gain is 1 where the matte is empty or
        the subject is black.
    """
    gain = _gain_for(target, _luminance_by_peak(picture, matte), float(matte.sum(dtype=np.float64)))
    if gain == 1.0:
        return picture.copy(), gain
    factors = _factors(gain)
    result = np.empty_like(picture)
    pixels, flat = picture.reshape(-1, 3), result.reshape(-1, 3)
    for start in range(0, len(pixels), _AT_ONCE):
        part = pixels[start : start + _AT_ONCE]
        flat[start : start + _AT_ONCE] = to_srgb(to_linear(part) * factors[_peak(part), None])
    return result, gain


def _gain_for(target: float, sums: _Sums, weight: float) -> float:
    if weight <= 0 or sums.sum() <= 0:
        return 1.0
    low, high = -np.log2(MAX_GAIN), np.log2(MAX_GAIN)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if float(sums @ _factors(2.0**middle)) < target * weight:
            low = middle
        else:
            high = middle
    return float(np.clip(2.0 ** ((low + high) / 2), 1 / MAX_GAIN, MAX_GAIN))


def _factors(gain: float) -> FloatArray:
    """What a pixel is multiplied by, for each byte that its largest channel can be: float32, 256 values."""
    light = to_linear(np.arange(256, dtype=np.uint8)).astype(np.float64)
    if gain <= 1:
        return np.full(256, gain, np.float32)
    above = np.maximum(light * gain - KNEE, 0) / (1 - KNEE)
    white = (gain - KNEE) / (1 - KNEE)
    bent = KNEE + (1 - KNEE) * above * (1 + above / white**2) / (1 + above)
    exposed_light = np.where(above > 0, bent, light * gain)
    return np.asarray(np.divide(exposed_light, light, out=np.full(256, gain), where=light > 0), np.float32)


def _luminance_by_peak(picture: UInt8Array, matte: FloatArray) -> _Sums:
    """Sum of the subject's weighted luminance over the pixels whose largest channel is 0, 1, ... 255."""
    pixels, weights = picture.reshape(-1, 3), matte.reshape(-1)
    sums = np.zeros(256)
    for start in range(0, len(pixels), _AT_ONCE):
        part, weight = pixels[start : start + _AT_ONCE], weights[start : start + _AT_ONCE]
        sums += np.bincount(_peak(part), luminance(to_linear(part)) * weight, 256)
    return sums


def _peak(pixels: UInt8Array) -> UInt8Array:
    # Three times as fast as max(axis=1) over an axis of three.
    return np.asarray(np.maximum(np.maximum(pixels[:, 0], pixels[:, 1]), pixels[:, 2]))
