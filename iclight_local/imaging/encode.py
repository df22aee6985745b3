"""Results to bytes, tagged as sRGB and with their record inside."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.colour import srgb_profile
from iclight_local.imaging.density import with_resolution
from iclight_local.imaging.fit import UInt8Array
from iclight_local.imaging.metadata import Embedded, check_record, embed_in_exif, embed_in_png

FORMAT_OF_SUFFIX = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
"""File name suffixes and the output formats they stand for."""

PIXELS_ALONE = Embedded()
"""A file that says nothing beside its pixels but what every file here says: sRGB, and which software wrote it."""

_LARGE, _QUICK = 4_000_000, 3
"""Pixels from which a PNG is packed at this level: a third of the time, for an eighth more of bytes at most."""
_MAX_SIDE = {"jpeg": 65500, "webp": 16383}
_FULL_CHROMA_QUALITY = 90
_FULL_CHROMA, _HALF_CHROMA = 0, 2


def format_for(path: str | os.PathLike[str], output_format: str | None) -> str:
    """Return the format to write a file in: ``png``, ``jpeg`` or ``webp``.

    Args:
        path: the file to be written; its suffix decides.
        output_format: the format that was asked for, or None; it must agree with the suffix, and it
            decides where the name has no suffix.

    Raises:
        InvalidRequest: the suffix is unknown, is missing, or contradicts ``output_format``.
    """
    suffix = Path(path).suffix
    named = FORMAT_OF_SUFFIX.get(suffix.lower())
    if named is None:
        if output_format is not None and not suffix:
            return output_format
        found = f"the suffix {suffix}" if suffix else "no suffix"
        raise InvalidRequest(
            f"{Path(path).name!r} has {found}: .png, .jpg, .jpeg or .webp is needed; rename the output."
        )
    if output_format is not None and output_format != named:
        raise InvalidRequest(
            f"{Path(path).name!r} is the name of a {named} file but the output format is {output_format}: "
            "rename the output or leave the format out."
        )
    return named


def encode(
    image: Image.Image | UInt8Array,
    *,
    output_format: str,
    quality: int,
    embedded: Embedded = PIXELS_ALONE,
) -> bytes:
    """Encode a result, tagged as sRGB, with its record, what is kept of the source's metadata, and its density inside.

    JPEG has full chroma resolution (4:4:4) from quality 90 on, and lays transparency on white. The density stands in
    the pHYs of a PNG, in the JFIF header and the EXIF of a JPEG, and in the EXIF of a WebP.

    Args:
        image: sRGB; a PIL image, or a uint8 array H x W, H x W x 3 or H x W x 4 (alpha last).
        output_format: ``png``, ``jpeg`` or ``webp``.
        quality: 0..100 (smallest to best); PNG is lossless and ignores it.
        embedded: what the file says beside its pixels.

    Returns:
        The bytes of the file; the same for the same arguments.

    Raises:
        InvalidRequest: an unknown format, a picture too large for it, or a record, EXIF or XMP too long for a JPEG.
    """
    if output_format not in FORMAT_OF_SUFFIX.values():
        raise InvalidRequest(f"the output format {output_format!r} is unknown: choose png, jpeg or webp.")
    check_record(output_format, embedded)
    picture = _clean(image)
    limit = _MAX_SIDE.get(output_format)
    if limit is not None and max(picture.size) > limit:
        raise InvalidRequest(
            f"the result has {picture.width} x {picture.height} pixels, but a {output_format} file "
            f"has at most {limit} on a side: choose the output format png."
        )
    if output_format == "jpeg":
        picture = _on_white(picture)
    options = _save_options(output_format, quality, embedded)
    if output_format == "png" and picture.width * picture.height > _LARGE:
        options["compress_level"] = _QUICK
    buffer = io.BytesIO()
    picture.save(buffer, output_format, **options)
    return buffer.getvalue()


def _save_options(output_format: str, quality: int, embedded: Embedded) -> dict[str, Any]:
    density, exif = embedded.density, embedded.exif
    options: dict[str, Any] = {} if density is None else {"dpi": (density, density)}
    if output_format == "png":
        options["pnginfo"] = embed_in_png(embedded.record, embedded.xmp)
        return options if exif is None else {**options, "exif": with_resolution(exif, density)}
    options |= {"quality": quality, "exif": embed_in_exif(embedded), "icc_profile": srgb_profile()}
    if embedded.xmp is not None:
        options["xmp"] = embedded.xmp
    if output_format == "jpeg":
        options["subsampling"] = _FULL_CHROMA if quality >= _FULL_CHROMA_QUALITY else _HALF_CHROMA
    return options


def _clean(image: Image.Image | UInt8Array) -> Image.Image:
    """Return a copy without profile, EXIF or colour key of its own, in a mode that every format knows."""
    if isinstance(image, np.ndarray):
        return Image.fromarray(np.ascontiguousarray(image))
    if image.mode not in ("L", "RGB", "RGBA") or "transparency" in image.info:
        grey = image.mode == "1" and "transparency" not in image.info
        return _without_info(image.convert("L" if grey else "RGBA" if image.has_transparency_data else "RGB"))
    return _without_info(image.copy())


def _without_info(image: Image.Image) -> Image.Image:
    image.info = {}
    return image


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode != "RGBA":
        return picture
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")
