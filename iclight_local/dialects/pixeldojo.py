"""PixelDojo's ``image-relighting``: a job is submitted, asked for until it has ended, its pictures are downloaded.

Its ``width`` and ``height`` are those of the finished picture; the lowres pass is ``highres_scale`` smaller.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from PIL import Image

from iclight_local.dialects.base import MEDIA_TYPES, Answer, Asked, Call, Delivered, Fault, JobView, Link, State, Task
from iclight_local.dialects.pictures import opened_picture
from iclight_local.dialects.pixeldojo_fields import FIELDS, HERE, SIZES, request_schema, rounded, value_of
from iclight_local.dialects.values import picture, present, shown
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.encode import encode
from iclight_local.imaging.fit import resize_and_center_crop
from iclight_local.plan import FRAME_MULTIPLE
from iclight_local.request import Knobs, RelightRequest
from iclight_local.result import RelightResult
from iclight_local.sentences import constraint

API_ID = "image-relighting"
"""The model's id in paths."""
CREDITS_REMAINING = 1_000_000
"""What an account is said to have left: credits are counted for the client's sake, and nothing is charged."""
_FORMATS = {"png": "png", "jpg": "jpeg", "webp": "webp"}
_PASSED_ON = (
    *("prompt", "appended_prompt", "negative_prompt", "light_source", "steps", "cfg", "lowres_denoise"),
    *("highres_scale", "highres_denoise", "number_of_images", "seed", "output_quality"),
)
_WORDED = ("prompt", "negative_prompt", "number_of_images", "seed", "output_quality")
"""What the models that edit by words are told, where it is given; the side of a light and a shape beside it."""
_SHAPES = ("aspectRatio", "aspect_ratio", "width", "height")
_SIDES = ("left", "right", "top", "bottom")
# Words that say nothing beside a side: "Left Light", "from the left side".
_FILLING = frozenset(("light", "from", "the", "side", "source", "lighting"))
_STATES: dict[State, str] = {
    "queued": "pending",
    "running": "processing",
    "done": "completed",
    "failed": "failed",
    "cancelled": "failed",
}
_REFUSALS: dict[Fault, tuple[str, int]] = {
    "invalid": ("invalid_request", 400),
    "too_large": ("invalid_request", 400),
    "unsupported": ("invalid_request", 400),
    "unauthorized": ("unauthorized", 401),
    "not_found": ("job_not_found", 404),
    "not_allowed": ("invalid_request", 405),
    "busy": ("rate_limited", 429),
    "failed": ("internal_error", 500),
    "late": ("internal_error", 504),
}


class PixelDojo:
    """PixelDojo's spelling."""

    name = "pixeldojo"
    task: Task = "relight"

    def read(self, call: Call) -> Asked:
        """As in :class:`~iclight_local.dialects.base.Dialect`; unknown names are ignored.

        A ``model_type`` that is not this machine's is the provider's of that name (see ``iclight providers``).
        """
        subject = _subject(call)
        values = {field.name: value_of(call, field) for field in FIELDS if field.kind != "picture"}
        values["given"] = [name for name in (*_WORDED, *_SHAPES) if present(call, name) is not None]
        shaped = any(present(call, name) is not None for name in ("aspectRatio", "aspect_ratio"))
        values["width"], values["height"] = _size(values, values["aspectRatio"] if shaped else None)
        values["light_source"], words = side_and_words(values["light_source"])
        values["prompt"] = ", ".join(part for part in (values["prompt"].strip(), words) if part)
        known = {spelling for field in FIELDS for spelling in (field.name, field.alias)}
        ignored = tuple(sorted((call.fields.keys() | call.files.keys()) - known))
        provider = None if values["model_type"] == HERE else f"{self.name}-{values['model_type']}"
        return Asked(values, {"subject_image": subject}, ignored, provider)

    def request(self, asked: Asked, pictures: Mapping[str, bytes]) -> RelightRequest:
        """As in :class:`~iclight_local.dialects.base.Dialect`; the lowres pass is the result over ``highres_scale``."""
        values = asked.values
        opened_picture(pictures["subject_image"], "subject_image")
        if asked.provider is not None:
            return RelightRequest(subject_image=pictures["subject_image"], **_worded(values))
        low, high = (int(constraint(Knobs.model_fields["width"], bound)) for bound in ("ge", "le"))
        knobs: dict[str, Any] = {name: values[name] for name in _PASSED_ON}
        for name in ("width", "height"):
            knobs[name] = min(max(rounded(values[name] / values["highres_scale"]), low), high)
        knobs["output_format"] = _FORMATS[values["output_format"]]
        return RelightRequest(subject_image=pictures["subject_image"], **knobs)

    def deliver(self, asked: Asked, request: RelightRequest, result: RelightResult) -> list[Delivered]:
        """Every result at exactly the asked size, without a record: a link to it needs no key.

        What another model made stays as it came, because those are asked for a shape alone.
        """
        file_format = _FORMATS[asked.values["output_format"]]
        size = asked.values["width"], asked.values["height"]
        sized = result.images if asked.provider is not None else [_covering(image, size) for image in result.images]
        return [
            Delivered(
                encode(image, output_format=file_format, quality=request.output_quality),
                MEDIA_TYPES[file_format],
            )
            for image in sized
        ]

    def refusal(self, fault: Fault, sentence: str) -> Answer:
        """``{"error": {"code", "message", "status"}}``; something not found is taken for a job."""
        code, status = _REFUSALS[fault]
        return _error(code, status, sentence)


def unknown_model(api_id: str) -> Answer:
    """The refusal of a call for a model that is not :data:`API_ID`."""
    return _error("model_not_found", 404, f"There is no model {shown(api_id)} on this server")


def unknown_path(fault: Fault, sentence: str) -> Answer:
    """The refusal of a call that no route of the platform's is for."""
    return _error("not_found", 404, sentence) if fault == "not_found" else DIALECT.refusal(fault, sentence)


def submitted(asked: Asked, job: JobView, status_url: str) -> Answer:
    """What a submitted job is answered with; ``status_url`` is the absolute URL that tells of it."""
    body = {
        "jobId": job.id,
        "status": _STATES[job.state],
        "statusUrl": status_url,
        "creditCost": _credits(asked),
        "creditsRemaining": CREDITS_REMAINING,
        "expiresAt": _iso(job.expires),
    }
    return Answer(202, body)


def job_body(asked: Asked, job: JobView) -> dict[str, Any]:
    """A job as it is asked for, and as it is posted to its ``webhook_url`` once it has ended."""
    body: dict[str, Any] = {
        "jobId": job.id,
        "status": _STATES[job.state],
        "createdAt": _iso(job.created),
        "expiresAt": _iso(job.expires),
    }
    if job.ended is not None:
        body["completedAt"] = _iso(job.ended)
    if job.state == "done":
        urls = [output.url for output in job.outputs]
        # Clients of this API read one of three places.
        body["output"] = {"images": urls} | ({"image": urls[0]} if urls else {})
        body["assets"] = [{"url": url, "type": "image"} for url in urls]
        body |= {"creditCost": _credits(asked), "seed": job.used_seed}
    elif job.state in ("failed", "cancelled"):
        spoken = "The job was cancelled." if job.state == "cancelled" else "The job failed."
        body |= {"error": spoken if job.error is None else job.error, "creditCost": 0}
    return body


def model_body() -> dict[str, Any]:
    """The one model, with the JSON Schema of a call for it."""
    return {**_card(), "requestSchema": request_schema()}


def models_body() -> dict[str, Any]:
    """The list of all models, which is one."""
    return {"models": [_card()], "total": 1, "imageCount": 1, "videoCount": 0}


def side_and_words(spoken: str) -> tuple[str, str]:
    """The side of a light described in free text, and the words that say more than it.

    Returns:
        ``left``, ``right``, ``top``, ``bottom``, or ``none`` where the text names none of them, or several; and the
        whole text where it says more than that side, else nothing.
    """
    words = re.findall(r"[^\W_]+", spoken.lower())
    sides = {found for found in words if found in _SIDES}
    more = set(words) - sides - _FILLING - {"none"}
    if len(sides) == 1:
        return sides.pop(), spoken.strip() if more else ""
    return "none", spoken.strip() if more or sides else ""


def _subject(call: Call) -> bytes | Link:
    if (found := picture(call, "subject_image")) is None:
        raise InvalidRequest("subject_image is required")
    given = str(call.fields.get("subject_image"))
    # Plain base64 is any word of the right length, and a URL that is none should be told at once.
    if "subject_image" not in call.files and not re.match(r"\s*(https?|data):", given, re.IGNORECASE):
        raise InvalidRequest(f"subject_image must be an http(s) URL or a data URI, not {shown(given)}")
    return found


def _worded(values: Mapping[str, Any]) -> dict[str, Any]:
    """The knobs of a call for a model that edits by words: what was given, because it takes no others."""
    knobs = {name: values[name] for name in _WORDED if name in values["given"]}
    # Words of light_source have joined the prompt.
    knobs |= {name: values[name] for name in ("prompt", "light_source") if values[name] not in ("", "none")}
    if set(values["given"]) & set(_SHAPES):
        knobs |= {name: values[name] for name in ("width", "height")}
    return {**knobs, "output_format": _FORMATS[values["output_format"]]}


def _size(values: Mapping[str, Any], ratio: str | None) -> tuple[int, int]:
    """Width and height of the result: as given, the missing ones by the shape, else 1024."""
    width, height = values["width"], values["height"]
    low, high = SIZES
    wide, tall = (1, 1) if ratio is None else (int(side) for side in ratio.split(":"))
    if width is None and height is None:
        units = high // FRAME_MULTIPLE // max(wide, tall)
        return wide * units * FRAME_MULTIPLE, tall * units * FRAME_MULTIPLE
    if ratio is None:
        return high if width is None else width, high if height is None else height
    if width is None:
        return min(max(rounded(height * wide / tall), low), high), height
    return width, min(max(rounded(width * tall / wide), low), high) if height is None else height


def _covering(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A result at a size that its passes, being multiples of 64, need not have; cropped rather than stretched."""
    if image.size == size:
        return image
    return Image.fromarray(resize_and_center_crop(np.asarray(image.convert("RGB")), *size))


def _card() -> dict[str, Any]:
    return {
        "apiId": API_ID,
        "name": "Image Relighting",
        "description": "Relights a picture with IC-Light on this machine.",
        "modality": "image",
        "creditCost": {"default": 1, "type": "fixed", "amount": 1},
        "capabilities": ["Image to Image"],
    }


def _credits(asked: Asked) -> int:
    return int(asked.values["number_of_images"])


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _error(code: str, status: int, sentence: str) -> Answer:
    return Answer(status, {"error": {"code": code, "message": sentence, "status": status}})


DIALECT = PixelDojo()
