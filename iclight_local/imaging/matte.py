"""The subject on grey 127: what IC-Light takes as its foreground."""

from __future__ import annotations

import numpy as np
from PIL import Image

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.fit import FloatArray, UInt8Array

GREY = 127
"""Grey level that the networks read as zero: ``127 / 127 - 1``."""
OWN = ("given", "alpha")
"""Sources of a matte that no network had to guess, as records name them."""
_SURE = (0.05, 0.95)
NORMALS_SIGMA = 16.0
"""Grey levels added to the subject before the four runs of a normal map."""
_ROWS = 256


def composite_on_grey(rgb: UInt8Array, alpha: FloatArray, sigma: float = 0.0) -> UInt8Array:
    """Put a subject on grey 127: ``127 + (rgb - 127 + sigma) * alpha``, clipped and truncated.

    Args:
        rgb: uint8, H x W x 3.
        alpha: float in 0..1, H x W; 1 is subject.
        sigma: grey levels added to the subject; a normal map's runs use ``NORMALS_SIGMA``, relighting 0.

    Returns:
        uint8, H x W x 3.

    Source: ``run_rmbg`` of the original demos.
    """
    mixed = GREY + (rgb.astype(np.float32) - GREY + sigma) * alpha.astype(np.float32)[..., None]
    return mixed.clip(0, 255).astype(np.uint8)


def sure(matte: FloatArray) -> FloatArray:
    """A segmenter's matte with its values up to 0.05 as nothing and from 0.95 as whole, and stretched in between.

    A network's answer is rarely quite 0 or 1, and a subject that is 2 % transparent lets a new background through.
    """
    low, high = _SURE
    return np.asarray(np.clip((matte - np.float32(low)) / np.float32(high - low), 0, 1))


def uncertainty(matte: FloatArray) -> float:
    """How unsure a matte is, 0..1: ``1 - mean(|2a - 1|)`` over the values a that are not 0; 0 for an empty one.

    A matte of nothing but 0 and 1 has 0, one of 0.5 throughout has 1. It is this project's own measure: hosted services
    that give such a number do not say how they come by it.

    Args:
        matte: float in 0..1, H x W.
    """
    sure, seen = 0.0, 0
    for top in range(0, len(matte), _ROWS):
        rows = matte[top : top + _ROWS]
        there = rows[rows > 0]
        sure += float(np.abs(2 * there - 1).sum(dtype=np.float64))
        seen += there.size
    return 1 - sure / seen if seen else 0.0


def foreground_array(picture: Image.Image | UInt8Array, sigma: float = 0.0) -> UInt8Array:
    """A foreground as uint8 RGB: one with an alpha channel is put on grey 127, any other is taken as it is.

    Raises:
        InvalidRequest: neither a PIL image nor a uint8 array of H x W x 3 or 4.
    """
    rgb, alpha = split_alpha(picture)
    return rgb if alpha is None else composite_on_grey(rgb, alpha, sigma)


def split_alpha(picture: Image.Image | UInt8Array) -> tuple[UInt8Array, FloatArray | None]:
    """RGB (uint8, H x W x 3) and alpha (float32 in 0..1, H x W, or None where there is none).

    Raises:
        InvalidRequest: neither a PIL image nor a uint8 array of H x W x 3 or 4.
    """
    if isinstance(picture, Image.Image):
        picture = np.asarray(picture.convert("RGBA" if picture.has_transparency_data else "RGB"))
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.ndim != 3:
        found = f"a {picture.dtype} array of shape {picture.shape}" if isinstance(picture, np.ndarray) else None
        raise InvalidRequest(
            f"A picture is {found if found is not None else type(picture).__name__}, but must be a PIL image "
            "or a uint8 array of shape (height, width, 3 or 4)."
        )
    if picture.shape[2] == 3:
        return picture, None
    if picture.shape[2] != 4:
        raise InvalidRequest(f"A picture has {picture.shape[2]} channels, but must have 3 (RGB) or 4 (RGB and alpha).")
    return np.ascontiguousarray(picture[..., :3]), picture[..., 3].astype(np.float32) / np.float32(255)
