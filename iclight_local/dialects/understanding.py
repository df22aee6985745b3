"""What all senders share of reading answers: an answer is a stranger's, and nothing in it is taken on trust."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from iclight_local.dialects.base import Call, Link
from iclight_local.dialects.sending import Received, Refused, Sent, Why
from iclight_local.dialects.values import number, picture, whole
from iclight_local.errors import EngineError, ICLightError, InvalidRequest, Unsupported
from iclight_local.sentences import MAX_SEED, printable

MAX_URL = 8192
"""Letters that the address of a picture may have."""
_STARTS = {"image/png": rb"\x89PNG\r\n\x1a\n", "image/jpeg": rb"\xff\xd8\xff", "image/webp": rb"RIFF....WEBP"}
_ADDRESS = re.compile(r"https?://(?![/?#])[!-~]+", re.IGNORECASE)
_JOB = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
_SHOWN = 200
_MOST = 1e12
_BY_CODE: dict[str, Why] = {
    "insufficient_credits": "no_credits",
    "rate_limited": "busy",
    "unauthorized": "unauthorized",
    "unsupported_locally": "unsupported",
}
_BY_STATUS: dict[int, Why] = {
    **dict.fromkeys((400, 415, 422), "invalid"),
    **dict.fromkeys((401, 403), "unauthorized"),
    402: "no_credits",
    404: "not_found",
    413: "unsupported",
    429: "busy",
}
_ERRORS: dict[Why, Callable[[str], ICLightError]] = {
    "invalid": InvalidRequest,
    "unsupported": Unsupported,
    "unauthorized": Unsupported,
    "no_credits": Unsupported,
    "not_found": Unsupported,
    "busy": EngineError,
    "failed": EngineError,
}
_SENTENCES: dict[Why, str] = {
    "invalid": "{provider} refused the request{said}.",
    "unsupported": "{provider} does not do this{said}.",
    "unauthorized": "{provider} did not accept the key{said}: check the key that is set for it.",
    "no_credits": "{provider} has no credits left for this key{said}: buy some there, or use another engine.",
    "not_found": "{provider} does not know what it was asked for{said}.",
    "busy": "{provider} takes no more calls for now{said}: try again later.",
    "failed": "{provider} failed{said}.",
}


def media_type_of(data: bytes) -> str | None:
    """The media type of a PNG, JPEG or WebP file by its first bytes; None for anything else."""
    return next((kind for kind, start in _STARTS.items() if re.match(start, data[:16], re.DOTALL)), None)


def object_of(received: Received) -> dict[str, Any] | None:
    """The JSON object of an answer; None where there is none."""
    try:
        body = json.loads(received.body)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def part(body: dict[str, Any], name: str) -> dict[str, Any]:
    """An object within an object; empty where there is none."""
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def picture_of(value: object) -> bytes | Link | None:
    """A picture that an answer names by its http(s) address, or holds in base64; None where it is neither."""
    try:
        found = picture(Call({"image": value}), "image")
    except InvalidRequest:
        return None
    if isinstance(found, bytes):
        return found if media_type_of(found) is not None else None
    return found if found is not None and len(found.url) <= MAX_URL and _ADDRESS.fullmatch(found.url) else None


def pictures_of(values: Iterable[object]) -> tuple[bytes | Link, ...]:
    """All pictures of a list; nothing at all where one of them is none."""
    found = [picture_of(value) for value in values]
    kept = tuple(one for one in found if one is not None)
    return kept if len(kept) == len(found) else ()


def quantity_of(value: object) -> float | None:
    """A number of credits, also as text; None where it is none, below 0 or beyond belief."""
    try:
        return number(Call({"number": value}), "number", None, 0, _MOST)
    except InvalidRequest:
        return None


def seed_of(value: object) -> int | None:
    """A seed, also as text; None where it is none."""
    try:
        return whole(Call({"seed": value}), "seed", None, 0, MAX_SEED)
    except InvalidRequest:
        return None


def job_of(value: object) -> str | None:
    """A job's name that can stand in a path; None where it is none.

    Paths are made of it, as the APIs document them: an address out of an answer is never called with a key.
    """
    return value if isinstance(value, str) and _JOB.fullmatch(value) else None


def told(body: dict[str, Any] | None) -> str:
    """What an answer says went wrong, short and in one line; empty where it does not."""
    if body is None:
        return ""
    # Where there is a description, what stands under ``error`` is only its code.
    error = part(body, "error")
    said = (body.get("error_description"), body.get("error"), error.get("message"), error.get("detail"))
    return next((line for each in (*said, body.get("message"), body.get("detail")) if (line := one_line(each))), "")


def one_line(value: object) -> str:
    """A stranger's text in one line, short and printable; empty where it is no text."""
    if not isinstance(value, str):
        return ""
    line = printable(" ".join(value[: 2 * _SHOWN].split())).rstrip(".")
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def refusal(provider: str, received: Received, sent: Sent) -> Refused:
    """An answer that is none of success, by its status and what it says."""
    status, body = received.status, object_of(received)
    said = told(body)
    why = _why(status, said, None if body is None else part(body, "error").get("code"))
    told_of = f" ({status})" if not said else f" ({status}: {said})"
    sentence = _SENTENCES[why].format(provider=provider, said=told_of)
    # A job that is gone is no sign of a wrong request, and nothing that a repetition would bring back.
    lost = why == "not_found" and sent.job is not None
    unpaid = sent.job is None and 400 <= status < 500 and status != 408
    passing = why == "busy" or status == 408 or status >= 500
    return Refused(
        EngineError(sentence) if lost else _ERRORS[why](sentence),
        why,
        may_retry=passing and (unpaid or sent.job is not None),
        after=wait_of(received),
        unpaid=unpaid,
    )


def failed_job(provider: str, said: str, *, unpaid: bool) -> Refused:
    """A job that ended without pictures."""
    why = f": {said}" if said else ""
    return Refused(EngineError(f"{provider} could not relight the picture{why}."), "failed", unpaid=unpaid)


def nonsense(provider: str, received: Received, sent: Sent, needed: str) -> Refused:
    """An answer of success that cannot be read; ``needed``: what it should have been."""
    kind = printable(received.headers.get("content-type", "").partition(";")[0].strip())[:60]
    found = f"{len(received.body)} bytes of {kind or 'no stated type'}"
    sentence = f"{provider} answered {received.status} with {found}, but {needed} was needed."
    return Refused(EngineError(sentence), "failed", may_retry=sent.job is not None)


def wait_of(received: Received) -> float | None:
    """Seconds that an answer asks to wait; None where it does not.

    They stand in ``Retry-After``, or follow from a time of day, by the API's own clock: this machine's need not agree.
    """
    wait = received.headers.get("retry-after")
    if wait is not None and (seconds := quantity_of(wait)) is not None:
        return seconds
    try:
        now = parsedate_to_datetime(received.headers.get("date", ""))
        if wait is not None:
            until = parsedate_to_datetime(wait)
        else:
            until = datetime.fromisoformat(received.headers.get("x-rate-limit-reset-at-utc", ""))
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def _why(status: int, said: str, code: object) -> Why:
    if isinstance(code, str) and code in _BY_CODE:
        return _BY_CODE[code]
    if status == 406:
        # Of Segmind: an empty account, or a value that was refused before the run.
        return "no_credits" if not said or "credit" in said.lower() else "invalid"
    return _BY_STATUS.get(status, "failed")
