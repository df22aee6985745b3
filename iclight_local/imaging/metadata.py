"""The record inside a result: the executed request, its seed, model hashes and versions.

It is JSON in ASCII: the text chunk ``iclight`` of a PNG, the EXIF UserComment of a JPEG or a WebP.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import ExifTags, Image, PngImagePlugin

from iclight_local import __version__
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.density import set_resolution
from iclight_local.imaging.exif import user_comment, written
from iclight_local.imaging.opening import load_picture, open_picture
from iclight_local.imaging.sources import read_source
from iclight_local.request import ImageSource

KEYWORD = "iclight"
"""Keyword of the PNG text chunk."""
SOFTWARE = f"iclight-local {__version__}"
"""What wrote the file."""

XMP_BYTES = 65502
"""Bytes that an XMP packet may have in a JPEG, where it stands in one segment (XMP specification, part 3, 1.1.3)."""

_ASCII = b"ASCII\0\0\0"
_XMP_KEYWORD = "XML:com.adobe.xmp"
_JPEG_EXIF_BYTES = 65533
_SRGB = 1


@dataclass(frozen=True)
class Embedded:
    """What a file says beside its pixels.

    Attributes:
        record: JSON-able values for :func:`read_record`, or None. In a JPEG or a WebP it takes the place of a
            UserComment that ``exif`` brings: to keep that one, give no record.
        exif: EXIF of the source that is kept (:func:`iclight_local.imaging.kept.kept_metadata`), or None.
        xmp: XMP packet in UTF-8, or None.
        density: dots per inch, or None; no pixel changes.
    """

    record: Mapping[str, object] | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    density: float | None = None


def embed_in_png(record: Mapping[str, object] | None, xmp: bytes | None) -> PngImagePlugin.PngInfo:
    """Return the PNG chunks of a result: sRGB, ``Software`` and, if there are such, the XMP packet and the record.

    Args:
        record: JSON-able values, or None.
        xmp: a packet in UTF-8, or None.
    """
    chunks = PngImagePlugin.PngInfo()
    # Rendering intent 1 is relative colorimetric, as pictures are read here.
    chunks.add(b"sRGB", b"\x01")
    chunks.add_text("Software", SOFTWARE)
    if xmp is not None:
        chunks.add_itxt(_XMP_KEYWORD, xmp.decode())
    if record is not None:
        chunks.add_text(KEYWORD, _dump(record))
    return chunks


def embed_in_exif(embedded: Embedded) -> bytes:
    """Return the EXIF of a JPEG or WebP result: what is kept, sRGB, Software, the density and the record, if any."""
    merged = Image.Exif()
    if embedded.exif is not None:
        merged.load(embedded.exif)
    if embedded.density is not None:
        set_resolution(merged, embedded.density)
    details = dict(merged.get_ifd(ExifTags.IFD.Exif))
    details[ExifTags.Base.ColorSpace] = _SRGB
    if embedded.record is not None:
        details[ExifTags.Base.UserComment] = _ASCII + _dump(embedded.record).encode("ascii")
    merged[ExifTags.IFD.Exif] = details
    merged[ExifTags.Base.Software] = SOFTWARE
    return written(merged)


def check_record(output_format: str, embedded: Embedded) -> None:
    """Check that a record has room in a file of this format, which may be done before the expensive work.

    Args:
        output_format: ``png``, ``jpeg`` or ``webp``; only ``jpeg`` has limits, of 64 KiB.
        embedded: what :func:`iclight_local.imaging.encode.encode` will be given; the source's EXIF shares the room,
            and an XMP packet has its own.

    Raises:
        InvalidRequest: the record, the EXIF or the XMP is too long for a JPEG.
    """
    if output_format != "jpeg":
        return
    if embedded.xmp is not None and len(embedded.xmp) > XMP_BYTES:
        raise InvalidRequest(
            f"the XMP has {len(embedded.xmp)} bytes, and a JPEG has room for {XMP_BYTES}: "
            "choose the output format png or webp, or keep no XMP."
        )
    if len(embed_in_exif(embedded)) > _JPEG_EXIF_BYTES:
        long, shorter = (
            ("the source's EXIF is too long to be kept", "keep no EXIF")
            if embedded.record is None
            else ("the request (its prompts, mostly) is too long to be recorded", "shorten the prompts")
        )
        raise InvalidRequest(
            f"{long} in a JPEG, which has room for {_JPEG_EXIF_BYTES} bytes: "
            f"choose the output format png or webp, or {shorter}."
        )


def read_record(source: ImageSource, *, offline: bool = False) -> dict[str, Any]:
    """Read back the record of a result.

    Args:
        source: path, http(s) URL, data URI, bytes or an opened PIL image.
        offline: refuse URLs.

    Returns:
        The record as it was given to :func:`iclight_local.imaging.encode.encode`.

    Raises:
        InvalidRequest: no readable picture, or one without a record.
    """
    data, name = read_source(source, offline=offline)
    image = open_picture(data, name)
    text = _text_chunk(image, name)
    if text is None:
        text = _ascii_comment(image)
    try:
        record = None if text is None else json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise InvalidRequest(
            f"{name} carries no iclight record: a PNG, JPEG or WebP as iclight wrote it is needed; "
            "editing or sending a picture often strips its metadata."
        )
    return record


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no JSON")


def _dump(record: Mapping[str, object]) -> str:
    return json.dumps(dict(record), ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def _text_chunk(image: Image.Image, name: str) -> str | None:
    if image.format == "PNG" and KEYWORD not in image.info:
        # Some programs move text chunks behind the pixels.
        load_picture(image, name)
    value = image.info.get(KEYWORD)
    return value if isinstance(value, str) else None


def _ascii_comment(image: Image.Image) -> str | None:
    comment = user_comment(image)
    if comment is None or not comment.startswith(_ASCII):
        return None
    return comment.removeprefix(_ASCII).rstrip(b"\0 ").decode("ascii", errors="replace")
