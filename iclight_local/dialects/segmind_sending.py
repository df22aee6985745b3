"""What the calls to all models of Segmind's gateway share: they are sent as jobs, which are asked for until they end.

A picture that is made at once is lost with its connection, and it is paid for. A job is not: asking again is free. The
gateway's own answers at once are understood all the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from iclight_local.dialects.base import Link
from iclight_local.dialects.sending import Bill, Outcome, Pending, Pictures, Received, Sent
from iclight_local.dialects.understanding import (
    failed_job,
    job_of,
    media_type_of,
    nonsense,
    object_of,
    part,
    pictures_of,
    quantity_of,
    refusal,
    seed_of,
    told,
)

INTERVAL_S = 2.0
"""Seconds between two questions about a job."""
_NEEDED = "a picture, or a job with its pictures,"


def understand(received: Received, sent: Sent, provider: str) -> Outcome:
    """As :meth:`iclight_local.dialects.sending.Sender.understand`."""
    body = object_of(received)
    if body is not None and body.get("status") == "FAILED":
        # The gateway charges nothing for a job that failed.
        return failed_job(provider, told(body), unpaid=True)
    if received.status != 200:
        return refusal(provider, received, sent)
    if media_type_of(received.body) is not None:
        return _pictures((received.body,), received, {})
    found = None if body is None else _of_object(body, received, sent)
    return nonsense(provider, received, sent, _NEEDED) if found is None else found


def _of_object(body: dict[str, Any], received: Received, sent: Sent) -> Outcome | None:
    """What an object of JSON says; None where it says nothing."""
    images = pictures_of(_listed(body))
    if images:
        return _pictures(images, received, body)
    status, job = body.get("status"), job_of(body.get("request_id"))
    if sent.job is not None:
        job = sent.job
    if not isinstance(status, str) or job is None:
        return None
    done = status == "COMPLETED"
    # The pictures of a job have an address of their own; it has said already that there are none.
    if done and sent.path == _result(job).path:
        return None
    poll = _result(job) if done else _status(job)
    bill = replace(_bill(received, body), request_id=job)
    return Pending(poll, 0.0 if done else INTERVAL_S, running=status not in ("QUEUED", "COMPLETED"), bill=bill)


def _listed(body: dict[str, Any]) -> list[object]:
    """Whatever an object lists as pictures."""
    images = body.get("images")
    if isinstance(images, list) and images:
        return [each.get("url") if isinstance(each, dict) else each for each in images]
    outputs = body.get("output", body.get("image"))
    return outputs if isinstance(outputs, list) else [outputs]


def _pictures(images: tuple[bytes | Link, ...], received: Received, body: dict[str, Any]) -> Pictures:
    seeds = body.get("seeds")
    seed = seeds[0] if isinstance(seeds, list) and seeds else body.get("seed", received.headers.get("x-seed-value"))
    return Pictures(images, _bill(received, body), seed_of(seed))


def _bill(received: Received, body: dict[str, Any]) -> Bill:
    headers, metrics = received.headers, part(body, "metrics")
    return Bill(
        quantity_of(metrics.get("cost", headers.get("x-cost"))),
        quantity_of(metrics.get("remaining_credits", headers.get("x-remaining-credits"))),
        job_of(body.get("request_id", headers.get("x-request-id"))),
    )


def _status(job: str) -> Sent:
    return Sent("GET", f"/v2/requests/{job}/status", job=job)


def _result(job: str) -> Sent:
    return Sent("GET", f"/v2/requests/{job}", job=job)
