"""Calls of Photoroom, from which its tests begin."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from iclight_local.dialects.base import Asked, Call
from iclight_local.dialects.photoroom import DIALECT, headers
from iclight_local.engines.editing import edit
from iclight_local.request import EditRequest, RelightRequest
from tests.fake_engine import FramedFake

Box = tuple[int, int, int, int]
RED, BLUE, GREY = (220, 40, 20), (20, 40, 220), (90, 90, 90)


def png(image: Image.Image, **how: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "png", **how)
    return buffer.getvalue()


def grey(level: int, size: tuple[int, int] = (96, 64)) -> Image.Image:
    return Image.new("RGB", size, (level, level, level))


def cut_out(box: Box = (30, 10, 50, 30), size: tuple[int, int] = (80, 40)) -> Image.Image:
    """A red box on nothing."""
    image = Image.new("RGBA", size, (7, 7, 7, 0))
    image.paste((*RED, 255), box)
    return image


def read(data: bytes = b"picture", /, **fields: Any) -> Asked:
    return DIALECT.read(Call(fields, {"imageFile": data}))


def requested(image: Image.Image | bytes, **fields: Any) -> EditRequest:
    """What a call asks of an edit; its light is corrected where it says nothing else."""
    data = image if isinstance(image, bytes) else png(image)
    return DIALECT.request(read(data, **{"lighting.mode": "ai.auto", **fields}), {"subject_image": data})


@dataclass(frozen=True)
class Edited:
    """What came of a call.

    Attributes:
        asked: what the engine was asked, in order.
    """

    data: bytes
    media_type: str
    headers: Mapping[str, str]
    asked: list[RelightRequest]

    @property
    def image(self) -> Image.Image:
        return Image.open(io.BytesIO(self.data))

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """H x W x 4."""
        return np.asarray(self.image.convert("RGBA"))

    @property
    def box(self) -> Box | None:
        """Where something is seen: what is more than half opaque."""
        return self.image.convert("RGBA").getchannel("A").point(lambda value: 255 * (value > 127)).getbbox()

    def at(self, x: int, y: int) -> tuple[int, ...]:
        found = self.image.getpixel((x, y))
        assert isinstance(found, tuple)
        return found


def delivered(image: Image.Image | bytes, /, **fields: Any) -> Edited:
    """All that becomes of a call, in front of an engine that relights nothing; pictures among the fields are files.

    A picture that knows transparency is its own cut-out, unless the call says something else.
    """
    data = image if isinstance(image, bytes) else png(image)
    if isinstance(image, Image.Image) and image.mode == "RGBA":
        fields = {"keepExistingAlphaChannel": "auto", **fields}
    files = {name: png(value) for name, value in fields.items() if isinstance(value, Image.Image)}
    files |= {name: value for name, value in fields.items() if isinstance(value, bytes)}
    call = Call({name: value for name, value in fields.items() if name not in files}, {"imageFile": data, **files})
    asked, engine = DIALECT.read(call), FramedFake()
    # As they lie in the store: all of them are bytes by then.
    pictures = {knob: given for knob, given in asked.pictures.items() if isinstance(given, bytes)}
    request = DIALECT.request(asked, pictures)
    result = edit(engine, request, offline=True)
    [found] = DIALECT.deliver(asked, request, result)
    return Edited(found.data, found.media_type, {**headers(asked), **found.headers}, engine.requests)
