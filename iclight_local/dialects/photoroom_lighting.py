"""``lighting.mode``: a correction of light and exposure after which the picture is itself still."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from iclight_local.imaging.exposure import subject_luminance
from iclight_local.imaging.files import Picture
from iclight_local.plan import FRAME_MULTIPLE

LUMINANCE = (0.18, 0.55)
"""Mean luminance of a well exposed picture, in linear light."""
FRAME = (512, 768)
"""Least and largest longer side of the passes in pixels; in between it is the picture's own."""
KEEP = {"ai.auto": "detail", "ai.preserve-hue-and-saturation": "colour"}
"""What a mode leaves as it was."""

_ENGINE: dict[str, Any] = {
    "model": "fc",
    "prompt": "natural lighting, even soft light, well exposed, neutral white balance",
    "negative_prompt": "overexposed, underexposed, harsh shadows, color cast",
    "steps": 20,
    "cfg": 1.8,
    "highres_scale": 1.0,
    "highres_denoise": 0.1,
}
_STRENGTH = 0.6
# What needs no correction gets half of one.
_WELL_EXPOSED = 0.5


def lighting(mode: str, picture: Picture, data: bytes, *, own_alpha: bool, cut_out: bool) -> dict[str, Any]:
    """The knobs of a mode; the seed follows from the picture's bytes.

    Args:
        mode: the value of ``lighting.mode``.
        picture: decoded.
        data: its file.
        own_alpha: whether its own transparency says what the subject is.
        cut_out: whether the subject leaves its background.
    """
    exposure = _exposure(picture, own_alpha)
    strength = _STRENGTH * (_WELL_EXPOSED if exposure is None else 1)
    wide, high = _frame(picture.size)
    return {
        **_ENGINE,
        "width": wide,
        "height": high,
        "keep": KEEP[mode],
        "light_strength": strength,
        **({} if cut_out else {"background_strength": strength}),
        "exposure": exposure,
        # Seeds have 63 bits.
        "seed": int.from_bytes(hashlib.sha256(data).digest()[:8]) >> 1,
    }


def _exposure(picture: Picture, own_alpha: bool) -> float | None:
    """The mean luminance to expose the subject for; None where the picture is well exposed.

    Where the subject is not known yet, the whole picture and its middle have to agree: a black shoe on a white sheet
    is not overexposed, nor is a bright face in the dark underexposed.
    """
    step = max(1, max(picture.size) // FRAME[0])
    rgb = picture.rgb[::step, ::step]
    high, wide = rgb.shape[:2]
    whole = np.ones((high, wide), np.float32)
    if own_alpha and picture.alpha is not None:
        weights = [picture.alpha[::step, ::step].astype(np.float32) / np.float32(255)]
    else:
        middle = np.zeros_like(whole)
        middle[high // 4 : high - high // 4, wide // 4 : wide - wide // 4] = 1
        weights = [whole, middle]
    means = [subject_luminance(rgb, weight) for weight in weights]
    low, bright = LUMINANCE
    if max(means) < low:
        return low
    return bright if min(means) > bright else None


def _frame(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the passes: the picture's shape, up to 4 to 1, in multiples of 64."""
    longer = min(max(max(size), FRAME[0]), FRAME[1])
    sides = [max(side / max(size), 1 / 4) * longer for side in size]
    wide, high = (round(side / FRAME_MULTIPLE) * FRAME_MULTIPLE for side in sides)
    return wide, high
