"""Calls of Photoroom, from which its tests begin."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from iclight_local.dialects.base import Asked, Call
from iclight_local.dialects.photoroom import (
    DIALECT,
)
from iclight_local.request import RelightRequest
from iclight_local.result import RelightResult


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return buffer.getvalue()


def grey(level: int, size: tuple[int, int] = (96, 64)) -> Image.Image:
    return Image.new("RGB", size, (level, level, level))


def read(data: bytes = b"picture", /, **fields: Any) -> Asked:
    return DIALECT.read(Call({"lighting.mode": "ai.auto", **fields}, {"imageFile": data}))


def requested(image: Image.Image | bytes, **fields: Any) -> RelightRequest:
    data = image if isinstance(image, bytes) else png(image)
    return DIALECT.request(read(data, **fields), {"subject_image": data})


def delivered(image: Image.Image, **fields: Any) -> tuple[Image.Image, str]:
    asked = read(**fields)
    request = RelightRequest(subject_image=b"picture")
    [found] = DIALECT.deliver(asked, request, RelightResult([image], 1, {"secret": 1}, "fake", exif=b"Exif\0\0MM"))
    assert b"secret" not in found.data
    return Image.open(io.BytesIO(found.data)), found.media_type
