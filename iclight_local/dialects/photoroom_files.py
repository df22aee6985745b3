"""Pictures as Photoroom hands them out."""

from __future__ import annotations

from PIL import Image

from iclight_local.imaging.encode import PIXELS_ALONE, encode
from iclight_local.imaging.metadata import Embedded

QUALITIES = {"png": 100, "jpeg": 80, "webp": 90}
"""Quality of a file by its format."""


def over(image: Image.Image, colour: str | None) -> Image.Image:
    """A picture over a colour ``rrggbbaa``, where it is transparent; None: nothing."""
    if colour is None or image.mode != "RGBA":
        return image
    back = Image.new("RGBA", image.size, f"#{colour}")
    laid = Image.alpha_composite(back, image)
    return laid.convert("RGB") if colour.endswith("ff") else laid


def encoded(image: Image.Image, file_format: str, embedded: Embedded = PIXELS_ALONE) -> bytes:
    """A picture as a file of its format's quality."""
    return encode(image, output_format=file_format, quality=QUALITIES[file_format], embedded=embedded)
