"""The camera's EXIF: which way is up, which colours are meant, and what a result keeps of it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

_Scalar = TypeVar("_Scalar", bound=np.generic)

_BASE = ExifTags.Base
_ADOBE_RGB_OPTION = "R03"
# Only these of the first directory: the rest of it describes how the source file was stored.
_KEPT = (
    _BASE.ImageDescription,
    _BASE.Make,
    _BASE.Model,
    _BASE.XResolution,
    _BASE.YResolution,
    _BASE.ResolutionUnit,
    _BASE.DateTime,
    _BASE.Artist,
    _BASE.Copyright,
    _BASE.Rating,
)
# Maker notes hold offsets that break when they are moved; the others would be wrong for the result.
_DROPPED = frozenset(
    (
        _BASE.MakerNote,
        _BASE.UserComment,
        _BASE.ColorSpace,
        _BASE.ExifImageWidth,
        _BASE.ExifImageHeight,
        _BASE.ExifInteroperabilityOffset,
    )
)
# What Pillow's reader raises on broken EXIF, which is no reason to refuse a picture.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    struct.error,
)

_TURNS: dict[int, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


def kept_exif(image: Image.Image) -> bytes | None:
    """Take from a loaded picture the EXIF that stays true for a result: camera, exposure, author, place.

    Orientation, thumbnail, maker notes, comment, sizes and colour space are left behind.

    Args:
        image: a loaded picture (Pillow reads on to the end of a PNG for its EXIF).

    Returns:
        EXIF as Pillow's ``save(exif=…)`` takes it, or None where there is none or it is broken.
    """
    try:
        source, kept = image.getexif(), Image.Exif()
        for tag in _KEPT:
            if tag in source:
                kept[tag] = source[tag]
        for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            entries = {tag: value for tag, value in source.get_ifd(directory).items() if tag not in _DROPPED}
            if entries:
                kept[directory] = entries
        return written(kept) if len(kept) else None
    except _BROKEN:
        return None


def written(exif: Image.Exif) -> bytes:
    """EXIF as Pillow's ``save(exif=…)`` takes it, in big-endian order where it was made and not read.

    Pillow reads texts as Latin-1 and writes what is not ASCII as question marks; here they keep the bytes that they
    were read from, which are UTF-8 as often as not. The first directory alone is gone through: there they stand.
    """
    for tag, value in tuple(exif.items()):
        if isinstance(value, str) and not value.isascii():
            exif[tag] = value.encode("latin-1", errors="replace")
    return exif.tobytes()


def names_adobe_rgb(image: Image.Image) -> bool:
    """Tell whether EXIF declares Adobe RGB, as cameras do that embed no profile (DCF 2.0, option ``R03``)."""
    try:
        return image.getexif().get_ifd(ExifTags.IFD.Interop).get(1) == _ADOBE_RGB_OPTION
    except _BROKEN:
        return False


def copyright_notice(image: Image.Image) -> bytes | None:
    """Return the raw EXIF Copyright of an opened picture, without its closing NUL; None: it has none."""
    try:
        value = image.getexif().get(_BASE.Copyright)
    except _BROKEN:
        return None
    return value.encode("latin-1", errors="replace") if isinstance(value, str) else None


def is_big_endian(image: Image.Image) -> bool:
    """Tell the byte order of an opened picture's EXIF; of one without EXIF it is big-endian, as it is written here."""
    try:
        return image.getexif().endian != "<"
    except _BROKEN:
        return True


def user_comment(image: Image.Image) -> bytes | None:
    """Return the raw EXIF UserComment of an opened picture, with its 8-byte character code, or None."""
    try:
        value = image.getexif().get_ifd(ExifTags.IFD.Exif).get(_BASE.UserComment)
    except _BROKEN:
        return None
    return value if isinstance(value, bytes) else None


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation of a loaded picture, 1..8; 1 where there is none or it is broken."""
    try:
        value = image.getexif().get(_BASE.Orientation, 1)
    except _BROKEN:
        return 1
    return value if isinstance(value, int) and value in _TURNS else 1


def upright_shape(size: tuple[int, int], turn: int) -> tuple[int, int]:
    """Width and height after :func:`upright`; the last four orientations lie on their side."""
    return (size[1], size[0]) if turn > 4 else size


def upright(pixels: npt.NDArray[_Scalar], turn: int) -> npt.NDArray[_Scalar]:
    """Turn an array H x W (x C) upright by its EXIF orientation, 1..8; where it moves, it is a new array."""
    move = _TURNS.get(turn)
    return pixels if move is None else np.ascontiguousarray(move(pixels))
