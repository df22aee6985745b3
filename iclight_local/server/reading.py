"""A request of the wire as a call of a dialect."""

from __future__ import annotations

import json
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from iclight_local.dialects.base import Call
from iclight_local.errors import InvalidRequest

MAX_FIELDS = 256
"""Fields and files that a form may have, each."""
NEEDED = "application/json or multipart/form-data is needed"


async def read_call(request: Request, most_bytes: int) -> Call:
    """The fields and files of a JSON object, a form, or, of a GET, the query.

    Args:
        request: the request.
        most_bytes: of a part of a form.

    Raises:
        InvalidRequest: another type, no object, a damaged form.
    """
    if request.method == "GET":
        return Call(_single(request.query_params.multi_items()), query=True)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        return Call(_object(await request.body()))
    if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        return await _form(request, most_bytes)
    found = f"is {kind}" if kind else "is missing"
    raise InvalidRequest(f"Invalid content type: Content-Type {found}, but {NEEDED}")


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body, parse_constant=_refused)
    except (ValueError, RecursionError):
        raise InvalidRequest("The body is no valid JSON") from None
    if not isinstance(found, dict):
        raise InvalidRequest("The body must be a JSON object")
    return found


def _refused(word: str) -> float:
    raise ValueError(word)


async def _form(request: Request, most_bytes: int) -> Call:
    try:
        async with request.form(max_files=MAX_FIELDS, max_fields=MAX_FIELDS, max_part_size=most_bytes) as form:
            items = form.multi_items()
            fields = _single([(name, value) for name, value in items if isinstance(value, str)])
            files = {name: await value.read() for name, value in items if isinstance(value, UploadFile)}
    except (MultiPartException, HTTPException, ValueError, LookupError):
        raise InvalidRequest("The form is damaged: its parts cannot be told apart") from None
    return Call(fields, files)


def _single(items: list[tuple[str, str]]) -> dict[str, str]:
    """Fields by name; one that comes twice could be read either way, and is refused.

    Raises:
        InvalidRequest: a name comes twice.
    """
    found: dict[str, str] = {}
    for name, value in items:
        if name in found:
            raise InvalidRequest(f"{name} was given twice")
        found[name] = value
    return found
