"""The record inside a result: the executed request, its seed, model hashes and versions.

It is JSON in ASCII: the text chunk ``iclight`` of a PNG, the EXIF UserComment of a JPEG or a WebP.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from PIL import ExifTags, Image, PngImagePlugin

from iclight_local import __version__
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.exif import user_comment
from iclight_local.imaging.opening import load_picture, open_picture
from iclight_local.imaging.sources import read_source
from iclight_local.request import ImageSource

KEYWORD = "iclight"
"""Keyword of the PNG text chunk."""
SOFTWARE = f"iclight-local {__version__}"
"""What wrote the file."""

_ASCII = b"ASCII\0\0\0"
_JPEG_EXIF_BYTES = 65533
_SRGB = 1


def embed_in_png(record: Mapping[str, object] | None) -> PngImagePlugin.PngInfo:
    """Return the PNG chunks of a result: sRGB, ``Software`` and, if there is one, the record.

    Args:
        record: JSON-able values, or None.
    """
    chunks = PngImagePlugin.PngInfo()
    # Rendering intent 1 is relative colorimetric, as pictures are read here.
    chunks.add(b"sRGB", b"\x01")
    chunks.add_text("Software", SOFTWARE)
    if record is not None:
        chunks.add_text(KEYWORD, _dump(record))
    return chunks


def embed_in_exif(record: Mapping[str, object] | None, exif: bytes | None) -> bytes:
    """Return the EXIF of a JPEG or WebP result: what is kept, sRGB, Software and the record, if any.

    Args:
        record: JSON-able values, or None.
        exif: the source's EXIF from :func:`iclight_local.imaging.exif.kept_exif`, or None.
    """
    merged = Image.Exif()
    if exif is not None:
        merged.load(exif)
    details = dict(merged.get_ifd(ExifTags.IFD.Exif))
    details[ExifTags.Base.ColorSpace] = _SRGB
    if record is not None:
        details[ExifTags.Base.UserComment] = _ASCII + _dump(record).encode("ascii")
    merged[ExifTags.IFD.Exif] = details
    merged[ExifTags.Base.Software] = SOFTWARE
    return merged.tobytes()


def check_record(output_format: str, record: Mapping[str, object] | None, exif: bytes | None = None) -> None:
    """Check that a record has room in a file of this format, which may be done before the expensive work.

    Args:
        output_format: ``png``, ``jpeg`` or ``webp``; only ``jpeg`` has a limit, of 64 KiB.
        record: what :func:`iclight_local.imaging.encode.encode` will be given.
        exif: the source's EXIF, which shares the room.

    Raises:
        InvalidRequest: the record is too long for a JPEG.
    """
    if output_format == "jpeg" and len(embed_in_exif(record, exif)) > _JPEG_EXIF_BYTES:
        raise InvalidRequest(
            "the request (its prompts, mostly) is too long to be recorded in a JPEG, which has room for "
            f"{_JPEG_EXIF_BYTES} bytes: choose the output format png or webp, or shorten the prompts."
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
