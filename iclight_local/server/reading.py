"""A request of the wire as a call of a dialect."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import Request

from iclight_local.dialects.base import Call
from iclight_local.errors import InvalidRequest

MAX_FIELDS = 256
"""Fields and files that a form may have, each."""
MAX_NAME = 200
"""Letters that the name of a field may have."""
MAX_VALUES = 50_000
"""Commas and opening brackets that a JSON body may have, those in texts included: no API has a hundred values."""
MAX_DEPTH = 16
"""Lists and objects that may stand within each other in a JSON body."""
NEEDED = "application/json or multipart/form-data is needed"
_SHOWN = 60
# Others are read letter by letter, in time that grows with the square of the length (punycode), or are no text.
_CHARSETS = ("", "utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1")


async def read_call(request: Request, most_bytes: int) -> Call:
    """The fields and files of a JSON object, a form, or, of a GET, the query.

    Args:
        request: the request.
        most_bytes: of a part of a form.

    Raises:
        InvalidRequest: another type, compressed, no object, too many or too deep values, a damaged form.
    """
    if request.method == "GET":
        return Call(_single(request.query_params.multi_items()), query=True)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", ""):
        raise InvalidRequest(f"The body comes compressed ({coding[:_SHOWN]}): send it as it is")
    if kind == "application/json" or kind.endswith("+json"):
        return Call(_object(await request.body()))
    if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        return await _form(request, kind, most_bytes)
    found = f"is {kind[:_SHOWN]}" if kind else "is missing"
    raise InvalidRequest(f"Invalid content type: Content-Type {found}, but {NEEDED}")


def _object(body: bytes) -> dict[str, Any]:
    # Before it is read: a few bytes of it may take a hundred in memory.
    if sum(body.count(mark) for mark in (b",", b"[", b"{")) > MAX_VALUES:
        raise InvalidRequest(f"The body has too many values: at most {MAX_VALUES} are read")
    try:
        found = json.loads(body, parse_constant=_refused, object_pairs_hook=_single)
    except (ValueError, RecursionError):
        raise InvalidRequest("The body is no valid JSON") from None
    if not isinstance(found, dict):
        raise InvalidRequest("The body must be a JSON object")
    if _is_deeper(found, MAX_DEPTH):
        raise InvalidRequest(f"The body has lists or objects within each other, more than {MAX_DEPTH} deep")
    return found


def _is_deeper(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most):
        level = [inner for each in level if isinstance(each, list | dict) for inner in _within(each)]
    return any(isinstance(each, list | dict) for each in level)


def _within(value: list[Any] | dict[str, Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _refused(word: str) -> float:
    raise ValueError(word)


class _WholeForm(MultiPartParser):
    """Starlette's reader of forms, which takes one without its end for a whole one."""

    ended = False

    def on_end(self) -> None:
        """Note the end."""
        self.ended = True


async def _form(request: Request, kind: str, most_bytes: int) -> Call:
    _, told = parse_options_header(request.headers["content-type"])
    charset = told.get(b"charset", b"").decode("latin-1")
    if charset.lower() not in _CHARSETS:
        raise InvalidRequest(f"The form's charset is {charset[:_SHOWN]}, but utf-8 is needed")
    try:
        form = await _parsed(request, kind, most_bytes)
    except (MultiPartException, HTTPException, ValueError, LookupError) as error:
        if "Too many" in getattr(error, "message", ""):
            raise InvalidRequest(f"The form has more than {MAX_FIELDS} fields or files") from None
        raise InvalidRequest("The form is damaged: its parts cannot be told apart") from None
    try:
        items = form.multi_items()
        _single(items)
        fields = {name: value for name, value in items if isinstance(value, str)}
        files = {name: await value.read() for name, value in items if isinstance(value, UploadFile)}
    finally:
        await form.close()
    return Call(fields, files)


async def _parsed(request: Request, kind: str, most_bytes: int) -> FormData:
    if kind != "multipart/form-data":
        plain = FormParser(request.headers, request.stream(), max_fields=MAX_FIELDS, max_part_size=most_bytes)
        return await plain.parse()
    limits = {"max_files": MAX_FIELDS, "max_fields": MAX_FIELDS, "max_part_size": most_bytes}
    parser = _WholeForm(request.headers, request.stream(), **limits)
    form = await parser.parse()
    if not parser.ended:
        await form.close()
        raise MultiPartException("It has no end.")
    return form


def _single(items: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Fields by name; one that comes twice could be read either way, and is refused.

    Raises:
        InvalidRequest: a name comes twice, is too long to be one, or is no text.
    """
    found: dict[str, Any] = {}
    for name, value in items:
        if len(name) > MAX_NAME:
            raise InvalidRequest(f"The name of a field has {len(name)} letters, but {MAX_NAME} are the most")
        if any("\ud800" <= letter <= "\udfff" for letter in name):
            raise InvalidRequest("The name of a field holds letters that are no Unicode text")
        if name in found:
            raise InvalidRequest(f"{name} was given twice")
        found[name] = value
    return found
