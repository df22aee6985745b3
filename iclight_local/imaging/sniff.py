"""What bytes are that Pillow cannot read, in a photographer's words."""

from __future__ import annotations

from PIL import Image, TiffImagePlugin

_EXPORT = "export it as a 16-bit TIFF or a JPEG from your raw developer"
_DNG_VERSION = 50706
_NEW_SUBFILE_TYPE = 254
_HEADS: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"FUJIFILMCCD-RAW", "a camera raw file", _EXPORT),
    (0, b"IIU\0", "a camera raw file", _EXPORT),
    (0, b"IIRO", "a camera raw file", _EXPORT),
    (0, b"FOVb", "a camera raw file", _EXPORT),
    (4, b"ftypcrx", "a camera raw file", _EXPORT),
    (4, b"ftyphei", "an HEIC photo", "export it as a JPEG"),
    (4, b"ftyphev", "an HEIC photo", "export it as a JPEG"),
    (4, b"ftypmif1", "an HEIC photo", "export it as a JPEG"),
    (4, b"ftypavi", "a damaged AVIF picture", "copy or download it again"),
    (4, b"ftyp", "a video", "export one frame as a picture"),
    (0, b"\xff\x0a", "a JPEG XL picture", "export it as a JPEG"),
    (4, b"JXL ", "a JPEG XL picture", "export it as a JPEG"),
    (0, b"v/1\x01", "an OpenEXR picture", "export it as a 16-bit TIFF"),
    (0, b"8BPB", "a large Photoshop document (PSB)", "export it as a TIFF"),
    (0, b"%PDF", "a PDF document", "export the page as a PNG"),
    (0, b"PK\x03\x04", "a ZIP archive", "unpack it first"),
    (0, b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (0, b"\x89PNG", "a damaged PNG", "copy or download it again"),
    (0, b"\xff\xd8\xff", "a damaged JPEG", "copy or download it again"),
    (0, b"GIF8", "a damaged GIF", "copy or download it again"),
    (8, b"WEBP", "a damaged WebP", "copy or download it again"),
    (0, b"II*\0", "a TIFF of an unknown kind", "save it as an 8- or 16-bit RGB TIFF"),
    (0, b"MM\0*", "a TIFF of an unknown kind", "save it as an 8- or 16-bit RGB TIFF"),
)


def describe(data: bytes) -> tuple[str, str]:
    """Say what unreadable bytes are, and what mends it.

    Args:
        data: the bytes, at least the first few hundred.

    Returns:
        A noun phrase (``a PDF document``) and an imperative (``export the page as a PNG``).
    """
    for offset, head, found, cure in _HEADS:
        if data[offset : offset + len(head)] == head:
            return found, cure
    return _describe_text(data[:512])


def is_raw_preview(image: Image.Image, data: bytes) -> bool:
    """Tell whether Pillow opened the small preview inside a camera raw file instead of the photo.

    Args:
        image: the opened, not yet loaded picture.
        data: the bytes it was opened from.
    """
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return False
    tags = image.tag_v2
    return data[8:10] == b"CR" or _DNG_VERSION in tags or tags.get(_NEW_SUBFILE_TYPE) == 1


def _describe_text(head: bytes) -> tuple[str, str]:
    try:
        # Cutting at 512 bytes may split a character.
        text = head.decode("utf-8", errors="strict" if len(head) < 512 else "ignore").lstrip("\ufeff \t\r\n")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return "no picture that is known here", "save it as one of these"
    start = text[:256].lower()
    if "<svg" in start:
        return "an SVG drawing", "export it as a PNG"
    if start.startswith(("<!doctype html", "<html")):
        return "a web page (HTML)", "download the picture itself"
    return "text", "give a picture file"
