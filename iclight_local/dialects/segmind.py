"""What all models of Segmind's gateway share: errors, headers, and the asynchronous calls of ``/v2/``.

Where Segmind's own pages are silent, the words and numbers are those of ``docs.segmind.com`` and of its client.
"""

from __future__ import annotations

import base64
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from PIL import Image

from iclight_local.dialects.base import MEDIA_TYPES, Answer, Call, Delivered, Fault, JobView, Link, State
from iclight_local.dialects.pictures import opened_picture
from iclight_local.dialects.values import picture, shown
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.encode import encode
from iclight_local.imaging.opening import load_picture
from iclight_local.result import RelightResult

REMAINING_CREDITS = 999
"""Credits that are always left: nothing is charged here."""
COST = 0
"""Credits that a call costs."""

_STATUS: dict[Fault, int] = {
    "invalid": 400,
    "too_large": 400,
    "unsupported": 400,
    "unauthorized": 401,
    "not_found": 404,
    "not_allowed": 405,
    "busy": 429,
    "failed": 500,
    "late": 504,
}
_WORDS: dict[State, str] = {
    "queued": "QUEUED",
    "running": "PROCESSING",
    "done": "COMPLETED",
    "failed": "FAILED",
    "cancelled": "FAILED",
}


def refusal(fault: Fault, sentence: str) -> Answer:
    """The gateway's status and ``{"error": sentence}`` for a call that is refused or failed."""
    return Answer(_STATUS[fault], {"error": sentence})


def rate_limit_headers(reset: float) -> dict[str, str]:
    """What goes with a 429 here beside ``Retry-After``, which hosted does not send.

    Args:
        reset: when calls are taken again, in seconds since the epoch.
    """
    return {"x-rate-limit-reset-at-utc": datetime.fromtimestamp(reset, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}


def success_headers(request_id: str, seed: int | None, seconds: float) -> dict[str, str]:
    """The headers of a picture that was made at once.

    Args:
        request_id: a UUID.
        seed: the one that was used; None: nobody knows.
        seconds: that it took.
    """
    told = {} if seed is None else {"x-seed-value": str(seed)}
    return {
        "x-remaining-credits": str(REMAINING_CREDITS),
        "x-cost": str(COST),
        "x-generation-time": f"{seconds:.3f}",
        **told,
        "x-request-id": request_id,
    }


def submitted(job: JobView, base: str) -> Answer:
    """The answer to ``POST /v2/{model}``; ``base`` is this server's absolute address, without a path."""
    links = {"poll_url": f"{_root(base)}/v1/requests/{job.id}", **_links(job, base)}
    return Answer(200, {"request_id": job.id, "status": _WORDS["queued"], **links})


def status(job: JobView, base: str) -> Answer:
    """The answer to ``GET status_url``: how far a job is, without its pictures."""
    if job.state in ("failed", "cancelled"):
        return _failure(job)
    told = {"status": _WORDS[job.state], "request_id": job.id}
    if job.state == "done":
        return Answer(200, {**told, "metrics": {"inference_time": _seconds(job.started, job.ended)}})
    return Answer(200, {**told, **_links(job, base), "metrics": {}})


def outcome(job: JobView, base: str) -> Answer:
    """The answer to ``GET response_url``: the pictures of a job that is done, else what ``status`` says of it."""
    if job.state != "done":
        return status(job, base)
    images = [
        {
            "url": output.url,
            "content_type": output.media_type,
            "file_name": output.name,
            "file_size": str(output.size),
        }
        for output in job.outputs
    ]
    body: dict[str, Any] = {
        "status": _WORDS[job.state],
        "request_id": job.id,
        "output": job.outputs[0].url,
        "images": images,
        "metrics": {"cost": COST, "remaining_credits": REMAINING_CREDITS, **_times(job)},
    }
    return Answer(200, body if job.used_seed is None else {**body, "seed": str(job.used_seed)})


def unknown_request(request_id: str) -> Answer:
    """The answer about a job that is not there, or not any more."""
    return refusal("not_found", f"Request {shown(request_id)[1:-1]} not found")


def required_picture(call: Call, name: str) -> bytes | Link:
    """The picture that a call must bring.

    Raises:
        InvalidRequest: there is none, or it is none.
    """
    found = picture(call, name)
    if found is None:
        raise InvalidRequest(f"{name} is required: a URL, a data URI, base64 or a file")
    return found


def as_text(delivered: Delivered) -> dict[str, str]:
    """The JSON body of a picture that was asked for in base64."""
    return {"image": base64.b64encode(delivered.data).decode()}


def unused(call: Call, fields: Collection[str], files: Collection[str]) -> tuple[str, ...]:
    """Names of a call beside the ``fields`` and the uploaded ``files`` that a model reads, in order."""
    return tuple(sorted({*call.fields} - {*fields} | {*call.files} - {*files}))


def opened(data: bytes, name: str) -> Image.Image:
    """Decode a picture under the name of its field, so that a damaged one is told before any model runs.

    Raises:
        InvalidRequest: it is no picture, damaged or too large; the sentence begins with ``name``.
    """
    image = opened_picture(data, name)
    load_picture(image, name)
    return image


def encoded(result: RelightResult, output_format: str, quality: int) -> list[Delivered]:
    """The pictures of a result as files, without their record: an answer holds what was asked for and no more.

    Args:
        result: what came back.
        output_format: ``png``, ``jpeg`` or ``webp``.
        quality: 0..100, of jpeg and webp.
    """
    return [
        Delivered(encode(image, output_format=output_format, quality=quality), MEDIA_TYPES[output_format])
        for image in result.images
    ]


def _failure(job: JobView) -> Answer:
    """422, with times but without cost: failures are never charged."""
    error = "The job was cancelled" if job.error is None else job.error
    return Answer(422, {"status": _WORDS[job.state], "request_id": job.id, "error": error, "metrics": _times(job)})


def _times(job: JobView) -> dict[str, float]:
    return {
        "inference_time": _seconds(job.started, job.ended),
        "queue_time": _seconds(job.created, job.ended if job.started is None else job.started),
        "total_time": _seconds(job.created, job.ended),
    }


def _seconds(began: float | None, ended: float | None) -> float:
    return 0.0 if began is None or ended is None else round(ended - began, 3)


def _links(job: JobView, base: str) -> dict[str, str]:
    address = f"{_root(base)}/v2/requests/{job.id}"
    return {"status_url": f"{address}/status", "response_url": address}


def _root(base: str) -> str:
    return base.rstrip("/")
