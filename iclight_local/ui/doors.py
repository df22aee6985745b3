"""What of Gradio a browser may ask: what the page needs, and not a file but its own.

Gradio has many routes, and where it is mounted in another's application it checks no path that a browser names: it
would read any file of this machine, and fetch any address, for whoever asks. So pictures are taken and handed out here,
and nothing is handed on that names another's. Of sessions it keeps none: what a browser shows is all in its calls.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Container
from pathlib import Path
from typing import Any

from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from iclight_local.dialects.base import Answer, Fault
from iclight_local.dialects.house import STATUS
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.opening import open_picture
from iclight_local.server.answers import guarded, respond
from iclight_local.server.limits import App, Message, Receive, Scope, Send
from iclight_local.server.reading import read_call
from iclight_local.server.service import Service
from iclight_local.ui.uploads import GONE, Uploads

UPLOAD, PROGRESS, RUN = "/gradio_api/upload", "/gradio_api/upload_progress", "/gradio_api/run/predict"
FILE, NUMBER = "/gradio_api/file=", "/gradio_api/app_id"
PARTS = "/page/"
"""What is under it are this project's own routes."""
_READ = ("/", NUMBER, "/theme.css", "/favicon.ico", "/manifest.json")
_READ_UNDER = ("/assets/", "/static/")
_SHOWN = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif", "AVIF": "image/avif"}
"""Kinds of pictures that browsers show; no other file is handed out as what a browser could run."""
_TAKEN = 'data: {"msg": "done"}\n\n'
"""An upload is not followed: who did would hold a connection, and the server's end, up."""
_NOT_THERE = "There is no such thing on this page."


def refusal(fault: Fault, sentence: str) -> Answer:
    """``{"error": sentence}``, as the page's scripts read it."""
    return Answer(STATUS[fault], {"error": sentence})


def lost() -> Answer:
    """What Gradio's scripts take for a server that went away: they look for it, and load the page again."""
    return refusal("unauthorized", "Connection errored out. ")


class Doors:
    """Hands on to Gradio what it is needed for, and answers all else itself.

    Args:
        app: the page's own routes and Gradio's.
        service: knows the limits.
        uploads: the files.
        calls: numbers of the functions of the page that a browser may call.
    """

    def __init__(self, app: App, service: Service, uploads: Uploads, calls: Container[int]) -> None:
        self._app, self._service, self._uploads, self._calls = app, service, uploads, calls
        self._public = URL(service.public_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call of somebody who is known by ``scope["state"]["owner"]``."""
        path, method = scope["path"].removeprefix(scope.get("root_path", "")), scope["method"]
        request = Request(scope, receive)
        if request.headers.get("host", "").lower() == self._public.netloc.lower():
            # A proxy may not say how it was called, and the page's addresses begin so.
            scope["scheme"] = self._public.scheme
        if path.startswith(PARTS):
            await self._app(scope, receive, send)
        elif (method, path) == ("POST", UPLOAD):
            await (await guarded(refusal, self._take)(request))(scope, receive, send)
        elif (method, path) == ("POST", RUN):
            await (await guarded(refusal, self._run)(request))(scope, receive, send)
        elif method in ("GET", "HEAD") and path.startswith(FILE):
            await (await self._file(request, path.removeprefix(FILE)))(scope, receive, send)
        elif (method, path) == ("GET", PROGRESS):
            await Response(_TAKEN, media_type="text/event-stream")(scope, receive, send)
        elif method in ("GET", "HEAD") and (path in _READ or path.startswith(_READ_UNDER)):
            # Its parameters read states that others stored.
            await self._app({**scope, "query_string": b""}, receive, send)
        else:
            await respond(refusal("not_found", _NOT_THERE))(scope, receive, send)

    async def _take(self, request: Request) -> Response:
        """Keep a picture; the answer is where it lies, as Gradio's scripts want it."""
        files = (await read_call(request, self._service.limits.body)).files
        if "files" not in files:
            raise InvalidRequest("The form has no file of the name files.")
        # Not counted as a call: an editor sends its layers anew with each relight, and their room is bounded.
        found = await asyncio.to_thread(self._uploads.keep, request.state.owner, "picture", files["files"])
        return JSONResponse([str(found)])

    async def _file(self, request: Request, path: str) -> Response:
        found = await asyncio.to_thread(self._uploads.own, request.state.owner, path)
        if found is None:
            return respond(refusal("not_found", GONE))
        kind = await asyncio.to_thread(_kind, found)
        return FileResponse(found, media_type=kind, headers={"cache-control": "private, max-age=3600"})

    async def _run(self, request: Request) -> Response:
        """Call a function of the page with values that a browser may give."""
        fields = (await read_call(request, self._service.limits.body)).fields
        number, data = fields.get("fn_index"), fields.get("data")
        if type(number) is not int or number not in self._calls or not isinstance(data, list):
            # The page is of another version of this server.
            return respond(lost())
        owned = await asyncio.to_thread(self._owned, request.state.owner, data)
        return _Handed(self._app, json.dumps({"fn_index": number, "data": owned}).encode())

    def _owned(self, owner: str, value: Any) -> Any:
        """A value in which every path is the owner's; another becomes one of theirs at which nothing is."""
        if isinstance(value, dict):
            found = {name: self._owned(owner, each) for name, each in value.items()}
            return {**found, "path": self._uploads.known(owner, value["path"])} if "path" in value else found
        return [self._owned(owner, each) for each in value] if isinstance(value, list) else value


def _kind(file: Path) -> str:
    try:
        return _SHOWN.get(str(open_picture(file.read_bytes(), "file").format), "application/octet-stream")
    except (InvalidRequest, OSError):
        return "application/octet-stream"


class _Handed(Response):
    """The answer of another application to a call with another body."""

    def __init__(self, app: App, body: bytes) -> None:
        self._app, self._told = app, body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [pair for pair in scope["headers"] if pair[0] not in (b"content-length", b"transfer-encoding")]
        headers.append((b"content-length", str(len(self._told)).encode()))
        given = False

        async def replayed() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": self._told, "more_body": False}

        await self._app({**scope, "headers": headers, "query_string": b""}, replayed, send)
