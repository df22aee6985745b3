"""Pictures of strangers: a service takes fewer kinds and smaller ones than a user may open on their own machine."""

from __future__ import annotations

from PIL import Image

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.opening import open_picture

MAX_PIXELS = 50_000_000
"""Pixels that a picture of a call may have: some 150 MB for each copy of them in memory."""
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "AVIF", "BMP")
"""Kinds that are taken, as Pillow names them; what it reads beside them is rare, and some are decoded at once."""


def opened_picture(data: bytes, name: str) -> Image.Image:
    """Identify a picture and check its kind and size; no pixel is decoded yet.

    Args:
        data: the bytes of a picture file.
        name: what to call it in a message: its field.

    Raises:
        InvalidRequest: no picture, of another kind than ``FORMATS``, or of more than ``MAX_PIXELS`` pixels.
    """
    image = open_picture(data, name, FORMATS)
    if image.width * image.height > MAX_PIXELS:
        raise InvalidRequest(
            f"{name} has {image.width} x {image.height} pixels: at most {MAX_PIXELS // 10**6} million are taken; "
            "scale it down first."
        )
    return image
