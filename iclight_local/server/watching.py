"""A line of the log and a count for every call: no picture, no prompt, no key is in them."""

from __future__ import annotations

import json
import logging
import time
import uuid
from typing import Any

from iclight_local.server.limits import App, Message, Receive, Scope, Send
from iclight_local.server.metrics import Metrics

_log = logging.getLogger("iclight_local.server")
_UNSEEN = ("/healthz", "/readyz", "/metrics")
"""Routes that are called all the time and not logged."""
_NO_ROUTE = "none"


class Watched:
    """Gives every call a number, and tells of it when it was answered.

    Args:
        app: answers the calls.
        metrics: counts them.
        page: the route of a page for people, or None.
    """

    def __init__(self, app: App, metrics: Metrics, page: str | None = None) -> None:
        self._app, self._metrics, self._page = app, metrics, page

    def _is_noise(self, scope: Scope, route: str, status: int) -> bool:
        """Whether nobody wants a line: somebody watches the server, or a browser asks for a part of the page."""
        looks = route == self._page and scope["method"] in ("GET", "HEAD") and status < 400
        return looks or route in _UNSEEN

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a call on and look at its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, number, status = time.perf_counter(), str(uuid.uuid4()), 500
        scope.setdefault("state", {})["number"] = number

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if not any(name == b"x-request-id" for name, _ in message["headers"]):
                    message["headers"] = [*message["headers"], (b"x-request-id", number.encode())]
            await send(message)

        try:
            await self._app(scope, receive, seen)
        finally:
            route = getattr(scope.get("route"), "path", _NO_ROUTE)
            self._metrics.called(route, status)
            if not self._is_noise(scope, route, status):
                _log.info("call", extra={"told": _told(scope, route, status, time.perf_counter() - began)})


def _told(scope: Scope, route: str, status: int, seconds: float) -> dict[str, Any]:
    state = scope.get("state", {})
    found = {
        "call": state.get("number"),
        "method": scope["method"],
        "route": route,
        "status": status,
        "ms": round(seconds * 1000, 1),
        "owner": state.get("owner"),
        "job": state.get("job"),
    }
    return {name: value for name, value in found.items() if value is not None}


class JsonLines(logging.Formatter):
    """A log record as one JSON object on a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Time (UTC), level, message, and what was told beside it."""
        told = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "told", {}),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=True)
