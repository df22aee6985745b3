"""Calls of Photoroom, from which its tests begin."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from iclight_local.dialects.base import Asked, Call, Link
from iclight_local.dialects.photoroom import DIALECT, headers
from iclight_local.engines.editing import edit
from iclight_local.imaging.files import decode
from iclight_local.request import EditRequest, RelightRequest
from iclight_local.result import ProgressCallback, RelightResult
from tests.fake_engine import FramedFake

Box = tuple[int, int, int, int]
RED, BLUE, GREY = (220, 40, 20), (20, 40, 220), (90, 90, 90)
Test = TypeVar("Test", bound=Callable[..., None])
TESTED: set[str] = set()
"""Names that a test looks for on the pixels, in the file or in the headers."""


def of(*names: str) -> Callable[[Test], Test]:
    """Note which names a test is a test of."""

    def noted(test: Test) -> Test:
        TESTED.update(names)
        return test

    return noted


def png(image: Image.Image, **how: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "png", **how)
    return buffer.getvalue()


def grey(level: int, size: tuple[int, int] = (96, 64)) -> Image.Image:
    return Image.new("RGB", size, (level, level, level))


def photo(size: tuple[int, int] = (80, 40)) -> Image.Image:
    """Red at the left, where the engine finds its subject, and grey."""
    image = Image.new("RGB", size, GREY)
    image.paste(RED, (0, 0, size[0] // 2, size[1]))
    return image


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


class Telling(FramedFake):
    """Tells, too, where it has its matte from."""

    def relight(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> RelightResult:
        return _told(super().relight(request, progress=progress), request)

    def cut_out(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> RelightResult:
        return _told(super().cut_out(request, progress=progress), request)


def _told(result: RelightResult, request: RelightRequest) -> RelightResult:
    own = decode(request.subject_image).alpha is not None
    source = "given" if request.matte is not None else "alpha" if own else "network"
    return replace(result, record={**result.record, "subject": {"matte": source}})


def delivered(image: Image.Image | bytes | None, /, **fields: Any) -> Edited:
    """All that becomes of a call, in front of an engine that relights nothing.

    Pictures among the fields are files, or those that lie at an address. A picture that knows transparency is its own
    cut-out, unless the call says something else.
    """
    data = {} if image is None else {"imageFile": image if isinstance(image, bytes) else png(image)}
    if isinstance(image, Image.Image) and image.mode == "RGBA":
        fields = {"keepExistingAlphaChannel": "auto", **fields}
    fields = {name: png(value) if isinstance(value, Image.Image) else value for name, value in fields.items()}
    brought = {**data, **{name: value for name, value in fields.items() if isinstance(value, bytes)}}
    there = {f"https://h/{name}": value for name, value in brought.items() if name.endswith("Url")}
    words = {name: f"https://h/{name}" if name in brought else value for name, value in fields.items()}
    files = {name: value for name, value in brought.items() if name.endswith("File")}
    call = Call({name: value for name, value in words.items() if name not in files}, files)
    asked, engine = DIALECT.read(call), Telling()
    pictures = {knob: there[at.url] if isinstance(at, Link) else at for knob, at in asked.pictures.items()}
    request = DIALECT.request(asked, pictures)
    result = edit(engine, request)
    [found] = DIALECT.deliver(asked, request, result)
    return Edited(found.data, found.media_type, {**headers(asked), **found.headers}, engine.requests)
