"""Colours of any profile to 8-bit sRGB, by the ICC profile that a picture carries."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image, ImageCms

_MODE_OF_SPACE = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_PROBE_STEPS = 9
_ADOBE_RGB_COLUMNS = {  # Adobe RGB (1998) specification, adapted to D50
    b"wtpt": (0.9505, 1.0, 1.0891),
    b"rXYZ": (0.60974, 0.31111, 0.01947),
    b"gXYZ": (0.20528, 0.62567, 0.06087),
    b"bXYZ": (0.14919, 0.06322, 0.74457),
}
_ADOBE_RGB_GAMMA = 563  # 2 + 51/256, as u8Fixed8


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert a picture without alpha to sRGB; relative colorimetric, with black point compensation.

    A profile that moves no colour by more than one grey level is sRGB itself and leaves the pixels as they
    are, so that the usual camera JPEG passes unchanged. A broken profile, or one of another colour space
    than the picture, is ignored.

    Args:
        image: mode ``L``, ``RGB``, ``CMYK`` or ``LAB``.
        profile: the embedded ICC profile, or None.

    Returns:
        The picture in mode ``RGB``, 0..255 sRGB.
    """
    if image.mode == "LAB":
        return _transform(image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
    if profile:
        try:
            converted = _by_profile(image, ImageCms.ImageCmsProfile(io.BytesIO(profile)))
        # Pillow tells of a profile that lcms cannot use by any of these.
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            converted = None
        if converted is not None:
            return converted
    return image.convert("RGB")


def srgb_profile() -> bytes:
    """Return an ICC profile of sRGB, the same bytes at every call (it carries no date)."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    data[84:100] = bytes(16)
    return bytes(data)


def adobe_rgb_profile() -> bytes:
    """Return an ICC profile of Adobe RGB (1998), for the camera files that name it in EXIF only."""

    def numbers(values: tuple[float, ...]) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))

    title = b"Adobe RGB (1998) compatible\0"
    curve = b"curv\0\0\0\0" + struct.pack(">IHH", 1, _ADOBE_RGB_GAMMA, 0)
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(title)) + title + bytes(78),
        b"cprt": b"text\0\0\0\0No copyright, use freely\0",
        **{name: numbers(values) for name, values in _ADOBE_RGB_COLUMNS.items()},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(body), bytes(4), 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    header += struct.pack(">6H4s", 2000, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    header += struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    return header.ljust(128, b"\0") + table + body


def _by_profile(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image | None:
    mode = _MODE_OF_SPACE.get(profile.profile.xcolor_space.strip())
    if mode == "RGB" and image.mode == "L":
        image = image.convert("RGB")
    if mode != image.mode:
        return None
    if mode != "CMYK" and _is_srgb(profile, mode):
        return image.convert("RGB")
    return _transform(image, profile)


def _is_srgb(profile: ImageCms.ImageCmsProfile, mode: str) -> bool:
    if mode == "L":
        probe = np.arange(256, dtype=np.uint8)[None]
    else:
        axis = np.linspace(0, 255, _PROBE_STEPS).round().astype(np.uint8)
        probe = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(1, -1, 3)
    image = Image.fromarray(probe)
    moved = np.asarray(_transform(image, profile), np.int16) - np.asarray(image.convert("RGB"), np.int16)
    return int(np.abs(moved).max()) <= 1


def _transform(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    converted = ImageCms.profileToProfile(
        image,
        profile,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert converted is not None  # None only comes back from inPlace=True
    return converted
