"""Answers of a dialect as responses of the wire, and errors as its answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from iclight_local.dialects.base import Answer, Fault
from iclight_local.errors import EngineError, InvalidRequest, Unsupported
from iclight_local.jobs.base import Job
from iclight_local.server.limits import BodyTooLarge, BodyTooSlow
from iclight_local.server.service import Busy, Unauthorized

Refusal = Callable[[Fault, str], Answer]
Endpoint = Callable[[Request], Awaitable[Response]]

LATE = "The job goes on, but this call waits no longer: /relight/jobs/{} tells when it is done."
STOPPED = "The job was cancelled."
_NO_BODY: dict[type[Exception], tuple[Fault, str]] = {
    BodyTooLarge: ("too_large", "The body is larger than this server takes."),
    BodyTooSlow: ("invalid", "The body did not come in time."),
    # Nobody hears it; it is counted and logged as what it is.
    ClientDisconnect: ("invalid", "The body broke off."),
}


class Json(JSONResponse):
    """JSON in ASCII: what a caller sent, half letters included, can be told back to them."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()


def respond(answer: Answer) -> Response:
    """An answer of JSON values or bytes as a response."""
    headers = dict(answer.headers)
    if isinstance(answer.body, bytes):
        return Response(answer.body, answer.status, headers, media_type=headers.pop("content-type", None))
    return Json(answer.body, answer.status, headers)


def guarded(refusal: Refusal, endpoint: Endpoint) -> Endpoint:
    """An endpoint whose errors are worded by a dialect; whatever else is raised is the server's own fault."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Unauthorized as error:
            given = "Unauthorized. API key is invalid or may have expired"
            sentence = given if error.given else "Missing Authorization or x-api-key in header"
            return respond(refusal("unauthorized", sentence))
        except Busy as error:
            response = respond(refusal("busy", str(error)))
            response.headers["retry-after"] = str(error.wait)
            return response
        except (BodyTooLarge, BodyTooSlow, ClientDisconnect) as error:
            response = respond(refusal(*_NO_BODY[type(error)]))
            # Who sends too much is heard out, if it is not for long: on a closed connection the answer would be lost.
            return response if isinstance(error, BodyTooLarge) else _closed(response)
        except InvalidRequest as error:
            return respond(refusal("invalid", str(error)))
        except Unsupported as error:
            return respond(refusal("unsupported", str(error)))
        except EngineError as error:
            return respond(refusal("failed", str(error)))
        except HTTPException as error:
            return respond(refusal("not_allowed" if error.status_code == 405 else "not_found", error.detail))

    return answer


def asks_json(request: Request) -> bool:
    """Whether a call wants JSON and would not take a picture; clients that name both mean the picture."""
    kinds = {each.partition(";")[0].strip().lower() for each in request.headers.get("accept", "").split(",")}
    return "application/json" in kinds and not any(kind == "*/*" or kind.startswith("image/") for kind in kinds)


def failure(refusal: Refusal, job: Job) -> Answer | None:
    """The answer to a call whose job did not come to its results; None where it did."""
    if job.state == "done":
        return None
    if job.state == "failed":
        return refusal("invalid" if job.at_fault else "failed", job.error or "The job failed.")
    return refusal("failed", STOPPED) if job.state == "cancelled" else refusal("late", LATE.format(job.id))


def _closed(response: Response) -> Response:
    """What is left of the body is not read."""
    response.headers["connection"] = "close"
    return response
