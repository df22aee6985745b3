"""Pictures that are small files and large in memory, or larger than they say, or none."""

from __future__ import annotations

import functools
import io
import struct
import zlib
from collections.abc import Callable

from PIL import Image

HUGE = 60_000


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(side: int, *chunks: bytes, pixels: bytes = b"") -> bytes:
    """A grey PNG that says to be ``side`` pixels wide and high."""
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    data = pixels if pixels else zlib.compress(b"\0\0")
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _saved(kind: str, size: tuple[int, int] = (8, 8), **how: object) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (5, 9, 200)).save(buffer, kind, **how)
    return buffer.getvalue()


def _jpeg() -> bytes:
    data = bytearray(_saved("jpeg"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", HUGE, HUGE)
    return bytes(data)


def _gif() -> bytes:
    data = bytearray(_saved("gif"))
    data[6:10] = struct.pack("<HH", HUGE, HUGE)
    return bytes(data)


def _webp() -> bytes:
    """A still picture on a canvas, which is what has the size."""
    inner = _saved("webp", lossless=True)[12:]
    canvas = struct.pack("<I", HUGE - 1)[:3]
    head = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + canvas + canvas
    frame = bytes(6) + struct.pack("<I", 7)[:3] * 2 + bytes(4) + inner
    body = head + b"ANIM" + struct.pack("<I", 6) + bytes(6) + b"ANMF" + struct.pack("<I", len(frame)) + frame
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def _tiff() -> bytes:
    data = bytearray(_saved("tiff"))
    first = struct.unpack("<I", data[4:8])[0]
    for number in range(struct.unpack("<H", data[first : first + 2])[0]):
        at = first + 2 + 12 * number
        if struct.unpack("<H", data[at : at + 2])[0] in (256, 257):
            data[at + 2 : at + 12] = struct.pack("<HII", 4, 1, HUGE)
    return bytes(data)


def _avif() -> bytes:
    data = bytearray(_saved("avif"))
    at = data.index(b"ispe") + 8
    data[at : at + 8] = struct.pack(">II", HUGE, HUGE)
    return bytes(data)


def _bmp() -> bytes:
    data = bytearray(_saved("bmp"))
    data[18:26] = struct.pack("<ii", HUGE, HUGE)
    return bytes(data)


@functools.cache
def flat_png() -> bytes:
    """12000 x 12000 pixels of one grey, in some hundred kilobytes."""
    packer, side = zlib.compressobj(1), 12_000
    rows = b"".join(packer.compress(bytes(side + 1) * 1000) for _ in range(side // 1000))
    return _png(side, pixels=rows + packer.flush())


def _icon() -> bytes:
    """An icon that says 16 x 16 and holds the large PNG."""
    inner = flat_png()
    return struct.pack("<HHH", 0, 1, 1) + struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(inner), 22) + inner


def _frames() -> bytes:
    """An animation of 4000 frames."""
    one = _saved("gif")
    start = one.index(b"\x2c")
    return one[:start] + one[start:-1] * 4000 + b";"


@functools.cache
def _bomb() -> bytes:
    """100 MB of zeros, packed."""
    packer, zeros = zlib.compressobj(1), bytes(1 << 20)
    return b"".join(packer.compress(zeros) for _ in range(100)) + packer.flush()


BOMBS: dict[str, Callable[[], bytes]] = {
    f"a PNG of {HUGE} x {HUGE}": lambda: _png(HUGE),
    f"a JPEG of {HUGE} x {HUGE}": _jpeg,
    f"a WebP of {HUGE} x {HUGE}": _webp,
    f"a TIFF of {HUGE} x {HUGE}": _tiff,
    f"a GIF of {HUGE} x {HUGE}": _gif,
    f"an AVIF of {HUGE} x {HUGE}": _avif,
    f"a BMP of {HUGE} x {HUGE}": _bmp,
    "a flat PNG of 12000 x 12000": flat_png,
    "an icon with a PNG of 12000 x 12000": _icon,
    "a PNG of negative size": lambda: _png(2**32 - 1),
    "a PNG without pixels": lambda: _png(0),
    "a PNG with a text of 100 MB (zTXt)": lambda: _png(8, _chunk(b"zTXt", b"a\0\0" + _bomb())),
    "a PNG with a text of 100 MB (iTXt)": lambda: _png(8, _chunk(b"iTXt", b"a\0\1\0\0\0" + _bomb())),
    "a PNG with a profile of 100 MB (iCCP)": lambda: _png(8, _chunk(b"iCCP", b"a\0\0" + _bomb())),
    "a PNG that breaks off": lambda: _png(500)[:60],
}
"""Files that are refused."""
HARMLESS: dict[str, Callable[[], bytes]] = {"an animation of 4000 frames": _frames}
"""Files that only look like too much: the first frame is taken."""
NO_PICTURES: dict[str, bytes] = {
    "a zip file": b"PK\x03\x04" + bytes(200),
    "a page": b"<html><script>alert(1)</script></html>",
    "a drawing that names a file": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "an entity that names a file": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "a PostScript program": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run\n",
    "a program": b"\x7fELF" + bytes(200),
    "one byte": b"\0",
    "a megabyte of nothing": bytes(1 << 20),
}
"""Files that are no pictures."""
