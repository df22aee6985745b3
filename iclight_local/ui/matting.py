"""The matte as a user sees and corrects it: what is cut away is tinted, a brush adds and takes away."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from iclight_local.imaging.fit import UInt8Array

ADD, REMOVE = "#18b85a", "#e0245e"
"""Colours of the brush: what becomes subject, and what no longer is."""
SIDE = 1024
"""Pixels of the longer side at which a user paints."""
_TINT = np.array((224, 36, 94), np.float32)
_TOUCHED = 64


def shown(cut_out: Image.Image, photograph: Image.Image) -> Image.Image:
    """The photograph with what is cut away tinted.

    Args:
        cut_out: RGBA, as it was segmented.
        photograph: what it was cut out of, of the same shape.

    Returns:
        RGB, at most :data:`SIDE` pixels on a side.
    """
    scale = min(1.0, SIDE / max(cut_out.size))
    size = max(1, round(cut_out.width * scale)), max(1, round(cut_out.height * scale))
    matte = np.asarray(cut_out.getchannel("A").resize(size), np.float32)[..., None] / 255
    rgb = np.asarray(photograph.convert("RGB").resize(size), np.float32)
    away = 0.45 * rgb + 0.55 * _TINT
    return Image.fromarray(np.rint(rgb * matte + away * (1 - matte)).astype(np.uint8))


def corrected(cut_out: Image.Image, strokes: Sequence[UInt8Array]) -> bytes | None:
    """The matte with the brush's strokes.

    Args:
        cut_out: RGBA, as it was segmented.
        strokes: layers of paint, RGBA uint8, of any size, the lowest first.

    Returns:
        A grey PNG of the cut-out's size; None where nothing was painted.
    """
    painted = [layer for layer in strokes if layer.ndim == 3 and layer.shape[2] == 4 and layer[..., 3].max() > _TOUCHED]
    if not painted:
        return None
    matte = np.array(cut_out.getchannel("A"))
    for layer in painted:
        paint = np.asarray(Image.fromarray(layer).resize(cut_out.size, Image.Resampling.BILINEAR), np.int16)
        touched = paint[..., 3] > _TOUCHED
        # The two colours differ most in red and green.
        adds = paint[..., 1] > paint[..., 0]
        matte[touched & adds], matte[touched & ~adds] = 255, 0
    buffer = io.BytesIO()
    Image.fromarray(matte).save(buffer, "png")
    return buffer.getvalue()


def painted_light(strokes: Sequence[UInt8Array], size: tuple[int, int]) -> bytes | None:
    """A light map of what was painted on black; None where nothing was.

    Args:
        strokes: layers of paint, RGBA uint8, the lowest first.
        size: width and height of the map.
    """
    page = Image.new("RGBA", size, (0, 0, 0, 255))
    touched = False
    for layer in strokes:
        if layer.ndim != 3 or layer.shape[2] != 4 or layer[..., 3].max() == 0:
            continue
        touched = True
        page.alpha_composite(Image.fromarray(layer).resize(size, Image.Resampling.BILINEAR))
    if not touched:
        return None
    buffer = io.BytesIO()
    page.convert("RGB").save(buffer, "png")
    return buffer.getvalue()
