"""Fitting a picture to the size of a pass, as the original demos do."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

UInt8Array = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]


MAX_COVERING_PIXELS = 64_000_000
"""Beyond this many pixels only the middle of a picture is scaled: a line of pixels would fill the memory."""


def resize_and_center_crop(picture: UInt8Array, width: int, height: int) -> UInt8Array:
    """Scale ``picture`` until it covers ``width`` x ``height`` pixels, then crop its centre.

    The scale is ``max(width / w, height / h)`` with LANCZOS, and the crop box is fractional, which Pillow
    rounds: both are the original's arithmetic (lllyasviel/IC-Light, ``resize_and_center_crop``).

    Args:
        picture: uint8, H x W or H x W x 3.
        width: target width in pixels.
        height: target height in pixels.

    Returns:
        uint8, ``height`` x ``width`` (x 3).
    """
    image = Image.fromarray(picture)
    scale = max(width / image.width, height / image.height)
    if image.width * image.height * scale**2 > MAX_COVERING_PIXELS:
        return _middle(image, width / scale, height / scale, (width, height))
    covering = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    box = (
        (covering.width - width) / 2,
        (covering.height - height) / 2,
        (covering.width + width) / 2,
        (covering.height + height) / 2,
    )
    return np.asarray(covering.crop(box))


def _middle(image: Image.Image, wide: float, high: float, size: tuple[int, int]) -> UInt8Array:
    """The middle ``wide`` x ``high`` pixels of ``image`` at ``size``, without scaling the rest."""
    left, top = (image.width - wide) / 2, (image.height - high) / 2
    box = (max(0.0, left), max(0.0, top), min(image.width, left + wide), min(image.height, top + high))
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS, box=box))


def resize(picture: UInt8Array, width: int, height: int) -> UInt8Array:
    """Resize ``picture`` (uint8, H x W (x 3)) to ``width`` x ``height`` pixels with LANCZOS, without cropping."""
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))
