"""Picture files made on the spot, some byte by byte because Pillow cannot write them."""

from __future__ import annotations

import io
import re
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.files import decode

DEEP = np.array([[0, 128, 257, 40000, 65535]], np.uint16)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(pixels: np.ndarray, colour_type: int, *extra: bytes) -> bytes:
    """A PNG of 16 bits written by hand; Pillow cannot write all of them."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", header) + b"".join(extra) + chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def tiff(pixels: np.ndarray, *, photometric: int, order: str = "<", extra: dict[int, int] | None = None) -> bytes:
    """An uncompressed TIFF of 16-bit samples written by hand."""
    height, width, samples = pixels.shape
    data = pixels.astype(order + "u2").tobytes()
    entries = {256: width, 257: height, 259: 1, 262: photometric, 277: samples, 278: height, 279: len(data)}
    entries.update({} if extra is None else extra)
    start = 8 + 2 + 12 * (len(entries) + 2) + 4
    bits = struct.pack(f"{order}{samples}H", *[16] * samples)
    table = {tag: struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in entries.items()}
    table[258] = (
        struct.pack(order + "HHII", 258, 3, samples, start)
        if len(bits) > 4
        else struct.pack(order + "HHI", 258, 3, samples) + bits.ljust(4, b"\0")
    )
    table[273] = struct.pack(order + "HHII", 273, 4, 1, start + len(bits))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(table))
    return head + b"".join(table[tag] for tag in sorted(table)) + bytes(4) + bits + data


def refusal(source: Any) -> str:
    with pytest.raises(InvalidRequest) as caught:
        decode(source)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert not re.search(r"\. [A-Z]", sentence), f"more than one sentence: {sentence}"
    return sentence


def first(picture_source: Any) -> list[int]:
    return decode(picture_source).rgb[0, 0].tolist()


def palette_image() -> Image.Image:
    image = Image.new("P", (2, 1))
    image.putpalette([200, 100, 50, 1, 2, 3])
    image.putpixel((1, 0), 1)
    return image


def grey_profile(gamma: float) -> bytes:
    curve = b"curv\0\0\0\0" + struct.pack(">IHH", 1, round(gamma * 256), 0)
    title = b"grey\0"
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(title)) + title + bytes(79),
        b"wtpt": white,
        b"kTRC": curve,
    }
    table, body, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(body), bytes(4), 0x02100000, b"mntr", b"GRAY", b"XYZ ")
    header += struct.pack(">6H4s", 2000, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    header += struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    return header.ljust(128, b"\0") + table + body
