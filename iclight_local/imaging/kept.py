"""What a result keeps of its source's metadata, by the choice of the request."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import ExifTags, Image

from iclight_local.imaging.exif import copyright_notice, is_big_endian, kept_exif, user_comment, written
from iclight_local.imaging.metadata import XMP_BYTES
from iclight_local.imaging.opening import load_picture, open_picture
from iclight_local.imaging.sources import read_source
from iclight_local.imaging.xmp import packet_of, rights_packet, upright_packet
from iclight_local.request import ImageSource
from iclight_local.request.edit import Metadata

EXIF_BYTES = 65_000
"""Bytes of EXIF that are kept at most: a JPEG has room for 65,533, of which a result needs a few itself."""

_ASCII, _UNICODE, _JIS, _UNDEFINED = b"ASCII\0\0\0", b"UNICODE\0", b"JIS\0\0\0\0\0", bytes(8)
_MARKS = ("utf-16-be", b"\xfe\xff"), ("utf-16-le", b"\xff\xfe")


@dataclass(frozen=True)
class Kept:
    """What is kept of a picture's metadata; orientation, thumbnails and maker notes never are.

    Attributes:
        exif: for :class:`iclight_local.imaging.metadata.Embedded`, or None.
        xmp: a packet in UTF-8, for the same, or None.
        warnings: one sentence for each part that is there and was left out, because it is damaged or too long.
    """

    exif: bytes | None = None
    xmp: bytes | None = None
    warnings: tuple[str, ...] = ()


def kept_metadata(source: ImageSource, choice: Metadata, *, offline: bool = False) -> Kept:
    """Take from a picture what a result keeps.

    With ``rights`` and ``rights_xmp`` the EXIF holds the source's UserComment. A JPEG or a WebP has one place for that
    and for a result's record: where the comment is to stay, the file is written with no record.

    Args:
        source: path, http(s) URL (which is fetched once more), data URI, bytes or PIL image.
        choice: ``none``; ``camera``: see :func:`iclight_local.imaging.exif.kept_exif`; ``xmp``: the XMP packet, see
            :func:`iclight_local.imaging.xmp.upright_packet`; ``rights``: EXIF Copyright and UserComment alone;
            ``rights_xmp``: the same, and as ``dc:rights`` and ``exif:UserComment`` of a fresh XMP packet.
        offline: refuse URLs.

    Raises:
        InvalidRequest: the source cannot be read, or is no picture.
    """
    if choice == "none":
        return Kept()
    data, name = read_source(source, offline=offline)
    image = open_picture(data, name)
    if image.format == "PNG":
        # Its EXIF and its XMP may stand behind the pixels.
        load_picture(image, name)
    if choice == "camera":
        return _short(kept_exif(image), None)
    if choice == "xmp":
        return _upright_xmp(image)
    comment, said = _comment(image)
    rights = copyright_notice(image)
    # A notice begins with a blank where only the editor of a picture has one.
    rights = None if rights is None or not rights.strip(b"\0 ") else rights
    xmp = rights_packet(_notice(rights), said) if choice == "rights_xmp" else None
    return _short(_rights_exif(rights, comment), xmp)


def _upright_xmp(image: Image.Image) -> Kept:
    packet = packet_of(image)
    if packet is None:
        return Kept()
    upright = upright_packet(packet)
    if upright is None:
        return Kept(warnings=("The source's XMP is damaged and was left out.",))
    return _short(None, upright)


def _short(exif: bytes | None, xmp: bytes | None) -> Kept:
    """What is short enough for any format of file."""
    parts = ("EXIF", exif, EXIF_BYTES), ("XMP", xmp, XMP_BYTES)
    long = {name: (len(part), most) for name, part, most in parts if part is not None and len(part) > most}
    return Kept(
        None if "EXIF" in long else exif,
        None if "XMP" in long else xmp,
        tuple(
            f"The {name} to be kept has {size} bytes, of which {most} are kept at most, and was left out."
            for name, (size, most) in long.items()
        ),
    )


def _rights_exif(rights: bytes | None, comment: bytes | None) -> bytes | None:
    exif = Image.Exif()
    if rights is not None:
        exif[ExifTags.Base.Copyright] = rights
    if comment is not None:
        exif[ExifTags.IFD.Exif] = {ExifTags.Base.UserComment: comment}
    return written(exif) if len(exif) else None


def _notice(rights: bytes | None) -> str | None:
    """The copyright as one text: the photographer's and the editor's, which a NUL parts, with a comma between."""
    if rights is None:
        return None
    return ", ".join(part.strip() for part in _decoded(rights).split("\0") if part.strip())


def _comment(image: Image.Image) -> tuple[bytes | None, str | None]:
    """A picture's UserComment, with its 8-byte character code, as it is written here, and as text; None: it is empty.

    UTF-16 follows the byte order of the EXIF around it, which is big-endian here. A comment that names no code is
    marked as one of an undefined code; one in JIS is kept, and not read.
    """
    raw = user_comment(image)
    if raw is None:
        return None, None
    code, body = raw[:8].upper(), raw[8:]
    if code == _JIS:
        return raw, None
    if code == _UNICODE:
        text = _utf16(body, is_big_endian(image))
        body = text.encode("utf-16-be", errors="replace")
    else:
        code, body = (code, body) if code in (_ASCII, _UNDEFINED) else (_UNDEFINED, raw)
        text = _decoded(body)
    text = text.strip("\0 ")
    return (code + body, text) if text else (None, None)


def _utf16(body: bytes, big: bool) -> str:
    """A text in UTF-16: in the order of its mark, else in that which zeroes of Latin letters show, else as told."""
    for encoding, mark in _MARKS:
        if body.startswith(mark):
            return body.removeprefix(mark).decode(encoding, errors="replace")
    high, low = body[::2].count(0), body[1::2].count(0)
    big = high > low if high != low else big
    return body.decode("utf-16-be" if big else "utf-16-le", errors="replace")


def _decoded(text: bytes) -> str:
    """A text that says ASCII or nothing of its letters: UTF-8 where it is that, else Latin-1."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")
