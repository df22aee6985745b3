"""The house's own API: the knobs of :class:`~iclight_local.request.RelightRequest` under their own names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image

from iclight_local.dialects.base import MEDIA_TYPES, Answer, Asked, Call, Delivered, Fault, Link, Task
from iclight_local.dialects.pictures import opened_picture
from iclight_local.dialects.values import MAX_PROMPT, picture, shown
from iclight_local.errors import InvalidRequest
from iclight_local.fields import knob_fields
from iclight_local.imaging.encode import encode
from iclight_local.imaging.metadata import Embedded
from iclight_local.request import RelightRequest
from iclight_local.result import RelightResult

PICTURES = tuple(field.name for field in knob_fields(RelightRequest) if field.type is object)
"""Parameters that are pictures: a URL, a data URI, base64 or an uploaded part."""
# Python counts true as one.
_NUMBERS = {field.name: field.accepts for field in knob_fields(RelightRequest) if field.type in (int, float)}
STATUS: dict[Fault, int] = {
    "invalid": 400,
    "unsupported": 422,
    "unauthorized": 401,
    "not_found": 404,
    "not_allowed": 405,
    "too_large": 413,
    "busy": 429,
    "failed": 500,
    "late": 504,
}


class House:
    """The house's own spelling."""

    name = "house"
    task: Task = "relight"

    def read(self, call: Call) -> Asked:
        """As in :class:`~iclight_local.dialects.base.Dialect`; an unknown name is refused, with the nearest known."""
        pictures = {name: found for name in PICTURES if (found := picture(call, name)) is not None}
        stray = sorted(call.files.keys() - set(PICTURES))
        if stray:
            raise InvalidRequest(f"{stray[0]} is a file, but no parameter of that name is a picture")
        values = {name: value for name, value in call.fields.items() if name not in PICTURES and not _absent(value)}
        for name, value in values.items():
            if isinstance(value, bool) and name in _NUMBERS:
                raise InvalidRequest(f"{name} is {shown(value)}, but must be {_NUMBERS[name]}.")
            if isinstance(value, str) and len(value) > MAX_PROMPT:
                raise InvalidRequest(f"{name} has {len(value)} letters, but may have {MAX_PROMPT} at most")
        self._request(values, dict.fromkeys(pictures))
        return Asked(values, pictures)

    def request(self, asked: Asked, pictures: Mapping[str, bytes]) -> RelightRequest:
        """As in :class:`~iclight_local.dialects.base.Dialect`."""
        for name, data in pictures.items():
            opened_picture(data, name)
        return self._request(asked.values, pictures)

    def deliver(self, asked: Asked, request: RelightRequest, result: RelightResult) -> list[Delivered]:
        """Every result with its record inside; png where no format was asked for."""
        output_format = "png" if request.output_format is None else request.output_format
        return [
            Delivered(
                encode(
                    image,
                    output_format=output_format,
                    quality=request.output_quality,
                    embedded=Embedded(result.record_of(index), result.exif),
                ),
                MEDIA_TYPES[output_format],
            )
            for index, image in enumerate(result.images)
        ]

    def refusal(self, fault: Fault, sentence: str) -> Answer:
        """``{"error": {"type", "message"}}``."""
        return Answer(STATUS[fault], {"error": {"type": fault, "message": sentence}})

    @staticmethod
    def _request(values: Mapping[str, Any], pictures: Mapping[str, bytes | Link | None]) -> RelightRequest:
        # Where a picture has yet to come, a pixel stands for it: no value's check looks at it.
        pixel = Image.new("RGB", (1, 1))
        found: dict[str, Any] = {name: data if isinstance(data, bytes) else pixel for name, data in pictures.items()}
        return RelightRequest(**values, **found)


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


DIALECT = House()
