"""Calls of Segmind Relighting V2, from which its tests begin."""

from __future__ import annotations

import io
import json
from typing import Any

from PIL import Image

from iclight_local.dialects.base import Asked, Call
from iclight_local.dialects.segmind_relighting_v2 import DIALECT
from iclight_local.request import RelightRequest

URL = "https://segmind-resources.s3.amazonaws.com/output/b9b4e651-5e23ecbb-6875-4296-9b05-481c03eac5bf.png"
SAMPLE: dict[str, Any] = {
    "image": URL,
    "light_direction": "back",
    "light_type": "spotlight",
    "light_temperature": "warm",
    "light_intensity": "strong",
    "size": "auto",
    "quality": "high",
    "background": "opaque",
    "output_compression": 100,
    "output_format": "png",
}
"""The body of the vendor's own example."""
LEAST = {"image": URL}


def picture(size: tuple[int, int] = (90, 60), mode: str = "RGB", alpha: int = 0) -> bytes:
    """A picture whose left quarter is red and whose right quarter is blue; of RGBA its left half has ``alpha``."""
    image = Image.new(mode, size, "white")
    width, height = size
    image.paste((255, 0, 0), (0, 0, width // 4, height))
    image.paste((0, 0, 255), (width - width // 4, 0, width, height))
    if mode == "RGBA":
        image.putalpha(255)
        image.paste((0, 200, 0, alpha), (0, 0, width // 2, height))
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return buffer.getvalue()


PICTURE = picture()


def kept(asked: Asked) -> Asked:
    """What is left of a call that another process reads again."""
    return Asked(json.loads(json.dumps(asked.values)), asked.pictures, asked.ignored)


def asked_for(fields: dict[str, Any], data: bytes = PICTURE) -> RelightRequest:
    return DIALECT.request(kept(DIALECT.read(Call({**LEAST, **fields}))), {"subject_image": data})


def subject(request: RelightRequest) -> Image.Image:
    assert isinstance(request.subject_image, Image.Image)
    return request.subject_image


def knobs(request: RelightRequest) -> dict[str, Any]:
    return request.model_dump(exclude={"subject_image"})
