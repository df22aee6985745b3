"""Pictures as Photoroom hands them out: over a colour, within a largest size, with a density."""

from __future__ import annotations

from PIL import Image

from iclight_local.imaging.encode import encode
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


def within(image: Image.Image, widest: float | None, highest: float | None) -> Image.Image:
    """A picture shrunk to fit into a largest width and height; None: as it comes."""
    limits = zip(image.size, (widest, highest), strict=True)
    scale = min((int(limit) / side for side, limit in limits if limit is not None), default=1.0)
    if scale >= 1:
        return image
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS)


def encoded(image: Image.Image, file_format: str, dpi: float | None) -> bytes:
    """A picture as a file of this format's quality, with its density in dots per inch where one is given."""
    return encode(image, output_format=file_format, quality=QUALITIES[file_format], embedded=Embedded(density=dpi))
