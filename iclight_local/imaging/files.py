"""Picture files to arrays: every mode, profile and orientation that Pillow reads, as upright 8-bit sRGB."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

from iclight_local.imaging.colour import adobe_rgb_profile, to_srgb
from iclight_local.imaging.exif import kept_exif, names_adobe_rgb, orientation, upright, upright_shape
from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.imaging.levels import deep_greys, is_deep
from iclight_local.imaging.opening import load_picture, open_picture
from iclight_local.imaging.sources import read_source
from iclight_local.request import ImageSource


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture, upright."""

    rgb: UInt8Array
    """uint8 H x W x 3, sRGB; where ``alpha`` is 0 the colour is what the file has there."""
    alpha: UInt8Array | None
    """uint8 H x W, 255 is opaque; None where the file knows no transparency at all."""
    name: str
    """Short name for messages, such as ``photo.jpg``."""
    sha256: str
    """Of the file's bytes; of a PIL image: of its mode, size, palette and pixels."""
    exif: bytes | None
    """The EXIF that stays true for a result (see :func:`iclight_local.imaging.exif.kept_exif`)."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.rgb.shape[1], self.rgb.shape[0]


def decode(source: ImageSource, *, offline: bool = False) -> Picture:
    """Read a picture of any kind that Pillow reads as upright 8-bit sRGB and, if it has one, its alpha.

    EXIF orientation is applied; an ICC profile, or EXIF that names Adobe RGB, is converted to sRGB (a
    broken profile is ignored); greys of 16 bits and more are scaled, not clipped (see
    :func:`iclight_local.imaging.levels.deep_greys`); of an animation the first frame is taken.

    Args:
        source: path, http(s) URL, data URI, bytes or PIL image.
        offline: refuse URLs.

    Raises:
        InvalidRequest: the source cannot be read, is no picture, is damaged or too large.
        OutOfMemory: the picture does not fit into this machine's memory.
    """
    return decoded(*read_source(source, offline=offline))


def decoded(data: bytes | Image.Image, name: str) -> Picture:
    """The same for what :func:`iclight_local.imaging.sources.read_source` gave; raises as :func:`decode` does."""
    image = open_picture(data, name)
    load_picture(image, name)
    colour, alpha = _split(image, name)
    profile = image.info.get("icc_profile")
    if not profile and image.mode == "RGB" and names_adobe_rgb(image):
        profile = adobe_rgb_profile()
    turn = orientation(image)
    return Picture(
        rgb=upright(np.array(to_srgb(colour, profile)), turn),
        alpha=None if alpha is None else upright(alpha, turn),
        name=name,
        sha256=_hash(data),
        exif=kept_exif(image),
    )


def upright_size(source: ImageSource, *, offline: bool = False) -> tuple[int, int]:
    """Width and height of a picture as it is looked at, from its header alone.

    Args:
        source: path, http(s) URL, data URI, bytes or PIL image.
        offline: refuse URLs.

    Raises:
        InvalidRequest: the source cannot be read, is no picture or too large.
    """
    image = open_picture(*read_source(source, offline=offline))
    return upright_shape(image.size, orientation(image))


@dataclass(frozen=True, eq=False)
class Matte:
    """A decoded matte, upright."""

    values: FloatArray
    """float32 H x W in 0..1, 1 is subject."""
    sha256: str
    """Of the file's bytes; of a PIL image: of its mode, size, palette and pixels."""


def decode_matte(source: ImageSource, *, offline: bool = False) -> Matte:
    """Read a matte: how much of each pixel is subject.

    The value is the alpha channel where it is not the same everywhere, otherwise the picture's grey (of
    colours: Rec. 601 luma). No profile is applied, because a matte is data; greys of 16 bits and more
    keep their precision. EXIF orientation is applied.

    Args:
        source: path, http(s) URL, data URI, bytes or PIL image.
        offline: refuse URLs.

    Raises:
        InvalidRequest: the source cannot be read, is no picture, is damaged or too large.
        OutOfMemory: the picture does not fit into this machine's memory.
    """
    data, name = read_source(source, offline=offline)
    image = open_picture(data, name)
    load_picture(image, name)
    colour, alpha = _split(image, name)
    if alpha is not None and alpha.min() != alpha.max():
        greys: FloatArray = alpha.astype(np.float32) / np.float32(255.0)
    elif is_deep(image):
        greys = deep_greys(image, name)
    else:
        flat = colour if colour.mode == "L" else to_srgb(colour, None).convert("L")
        greys = np.asarray(flat, dtype=np.float32) / np.float32(255.0)
    return Matte(upright(greys, orientation(image)), _hash(data))


def _split(image: Image.Image, name: str) -> tuple[Image.Image, UInt8Array | None]:
    """Separate a loaded picture into colours (mode L, RGB, CMYK or LAB) and alpha."""
    if is_deep(image):
        colour = Image.fromarray(np.rint(deep_greys(image, name) * 255).astype(np.uint8))
        return colour, _keyed_alpha(image)
    if not _knows_transparency(image):
        mode = {"1": "L", "L": "L", "CMYK": "CMYK", "LAB": "LAB"}.get(image.mode, "RGB")
        return (image if mode == image.mode else image.convert(mode)), None
    mode = "LA" if image.mode in ("1", "L", "LA", "La") else "RGBA"
    layered = _with_8_bit_key(image)
    layered = layered if layered.mode == mode else layered.convert(mode)
    alpha = np.array(layered.getchannel("A"))
    colour = layered.getchannel(0) if mode == "LA" else Image.merge("RGB", layered.split()[:3])
    return colour, alpha


def _knows_transparency(image: Image.Image) -> bool:
    # Pillow keeps the colours of an ICNS's palette but drops the palette object that it asks here.
    if image.mode == "P" and image.palette is None:
        return "transparency" in image.info
    return image.has_transparency_data


def _keyed_alpha(image: Image.Image) -> UInt8Array | None:
    key = image.info.get("transparency")
    if not isinstance(key, int):
        return None
    return np.where(np.asarray(image) == key, 0, 255).astype(np.uint8)


def _with_8_bit_key(image: Image.Image) -> Image.Image:
    """Pillow reduces 16-bit RGB to 8 bits but leaves the transparent colour of the file at 16."""
    key = image.info.get("transparency")
    if image.mode != "RGB" or not isinstance(key, tuple) or max(key) <= 255:
        return image
    reduced = image.copy()
    reduced.info["transparency"] = tuple(level >> 8 for level in key)
    return reduced


def _hash(data: bytes | Image.Image) -> str:
    if isinstance(data, bytes):
        return hashlib.sha256(data).hexdigest()
    digest = hashlib.sha256(f"{data.mode} {data.width}x{data.height}\n".encode())
    if data.palette is not None:
        digest.update(data.palette.tobytes())
    digest.update(data.tobytes())
    return digest.hexdigest()
