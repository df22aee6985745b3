"""Opening a picture with Pillow, with every way it can fail as one sentence."""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Sequence

from PIL import Image, UnidentifiedImageError

from iclight_local.errors import InvalidRequest, OutOfMemory
from iclight_local.imaging.sniff import describe, is_raw_preview

MAX_PIXELS = 178_956_970
"""Pixels a picture may have: Pillow's own limit, where it speaks of a decompression bomb."""

_NEEDED = "a PNG, JPEG, WebP or TIFF picture is needed"
# What Pillow's many decoders raise on damaged files.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    RuntimeError,
    struct.error,
    zlib.error,
)
_QUIET = threading.Lock()


def open_picture(data: bytes | Image.Image, name: str, formats: Sequence[str] | None = None) -> Image.Image:
    """Identify a picture and check its size; no pixel is decoded yet.

    Args:
        data: the bytes of a picture file, or a PIL image, which is checked and returned as it is.
        name: what to call it in a message.
        formats: kinds that are tried, as Pillow names them; None: all that it knows, of which some decode while they
            are identified.

    Raises:
        InvalidRequest: no picture, of a kind that is not read, or of more than ``MAX_PIXELS`` pixels.
    """
    image = data if isinstance(data, Image.Image) else _identify(data, name, formats)
    _check_size(image, name)
    return image


def load_picture(image: Image.Image, name: str) -> None:
    """Decode the pixels of an opened picture (the first frame of an animation) in place.

    Raises:
        InvalidRequest: the picture is truncated or damaged.
        OutOfMemory: it does not fit into this machine's memory.
    """
    kind = "data" if image.format is None else f"{image.format} data"
    try:
        image.load()
    except Image.DecompressionBombError as error:
        raise InvalidRequest(_too_many_pixels(name, None)) from error
    except MemoryError as error:
        raise OutOfMemory(
            f"{name} ({image.width} x {image.height} pixels) does not fit into memory: scale it down first."
        ) from error
    except _DAMAGE as error:
        raise InvalidRequest(
            f"{name} holds {kind} that breaks off or is damaged ({_detail(error)}): "
            "a complete picture is needed; copy or download it again."
        ) from error
    # Icon files tell their real size only now.
    _check_size(image, name)


def _identify(data: bytes, name: str, formats: Sequence[str] | None) -> Image.Image:
    try:
        # Filters are global to the process, hence the lock; opening reads a header only.
        with _QUIET, warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=None if formats is None else list(formats))
    except Image.DecompressionBombError as error:
        raise InvalidRequest(_too_many_pixels(name, None)) from error
    except UnidentifiedImageError as error:
        found, cure = describe(data)
        raise InvalidRequest(f"{name} is {found}: {_NEEDED}; {cure}.") from error
    except (*_DAMAGE, MemoryError) as error:
        raise InvalidRequest(
            f"{name} is a damaged picture ({_detail(error)}): {_NEEDED}; copy or download it again."
        ) from error
    if image.format == "EPS":
        # Pillow would run Ghostscript on it, a program that executes what the file says.
        raise InvalidRequest(f"{name} is a PostScript drawing: {_NEEDED}; export it as a PNG.")
    if is_raw_preview(image, data):
        raise InvalidRequest(
            f"{name} is a camera raw file: {_NEEDED}; export it as a 16-bit TIFF or a JPEG from your raw developer."
        )
    return image


def _check_size(image: Image.Image, name: str) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise InvalidRequest(_too_many_pixels(name, image.size))
    if image.width < 1 or image.height < 1:
        raise InvalidRequest(f"{name} has no pixels ({image.width} x {image.height}): {_NEEDED}.")


def _too_many_pixels(name: str, size: tuple[int, int] | None) -> str:
    found = "too many" if size is None else f"{size[0]} x {size[1]}"
    return f"{name} has {found} pixels: at most {MAX_PIXELS / 1e6:.0f} million are read; scale it down first."


def _detail(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
