"""Pictures as Photoroom hands them out: over a colour, within a largest size, with a density."""

from __future__ import annotations

import struct
import zlib

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from iclight_local.imaging.encode import encode

QUALITIES = {"png": 100, "jpeg": 80, "webp": 90}
"""Quality of a file by its format."""
_METRE_OF_INCHES = 0.0254


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
    """A picture as a file, with its density in dots per inch where one is given."""
    exif = None if dpi is None or file_format == "png" else _resolution(dpi)
    data = encode(image, output_format=file_format, quality=QUALITIES[file_format], record=None, exif=exif)
    if dpi is None:
        return data
    if file_format == "png":
        return _with_phys(data, round(dpi / _METRE_OF_INCHES))
    return _with_density(data, round(dpi)) if file_format == "jpeg" else data


def _resolution(dpi: float) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.XResolution] = exif[ExifTags.Base.YResolution] = IFDRational(round(dpi * 100), 100)
    exif[ExifTags.Base.ResolutionUnit] = 2
    return exif.tobytes()


def _with_phys(png: bytes, per_metre: int) -> bytes:
    """A PNG with a pHYs chunk behind its IHDR, which is always the first and of 25 bytes."""
    end = 8 + 25
    chunk = b"pHYs" + struct.pack(">IIB", per_metre, per_metre, 1)
    return png[:end] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[end:]


def _with_density(jpeg: bytes, dpi: int) -> bytes:
    """A JPEG with the density in its JFIF header, which the encoder writes first."""
    start = jpeg.index(b"JFIF\0") + 7
    return jpeg[:start] + struct.pack(">BHH", 1, dpi, dpi) + jpeg[start + 5 :]
