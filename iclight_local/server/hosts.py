"""Whose name a call bears: a server without keys answers to its own names alone.

A web page can let its own name lead to this machine (DNS rebinding) and read, by way of the browser that shows it, what
a server there answers; its name stands in ``Host``. And any page can post to this machine; its own address stands in
``Origin``. A key stops both, so a server with keys answers to whatever name leads to it. Names without a dot are those
of the own network: no stranger's page has one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable

from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import Response

from iclight_local.server.limits import App, Receive, Scope, Send

_HARMLESS = ("GET", "HEAD", "OPTIONS")


class OwnNames:
    """Refuses calls by a stranger's name, and those that a stranger's page sent."""

    def __init__(self, app: App, public_url: str, refuse: Callable[[Request, str], Awaitable[Response]]) -> None:
        """Answer to addresses, names without a dot and the host of ``public_url``; ``refuse`` answers all others."""
        self._app, self._refuse = app, refuse
        self._name = _host_of(public_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a call on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        stranger = self._stranger(request)
        if stranger is None:
            await self._app(scope, receive, send)
            return
        sentence = (
            f"{stranger!r} is no name of this server, which has no keys: call it by its address or localhost, "
            "start it with --public-url, or make a key with iclight keys add."
        )
        await (await self._refuse(request, sentence))(scope, receive, send)

    def _stranger(self, request: Request) -> str | None:
        """The name in a call that is not this server's, as it was written; None where there is none."""
        host = request.headers.get("host", "")
        if host and not self._is_own(_host_of(f"//{host}")):
            return host[:100]
        origin = request.headers.get("origin")
        if origin is None or request.method in _HARMLESS or self._is_own(_host_of(origin)):
            return None
        return origin[:100]

    def _is_own(self, name: str) -> bool:
        if name and (name == self._name or "." not in name.removesuffix(".localhost")) and ":" not in name:
            return True
        try:
            ipaddress.ip_address(name.partition("%")[0])
        except ValueError:
            return False
        return True


def _host_of(address: str) -> str:
    try:
        return (URL(address).hostname or "").lower().rstrip(".")
    except ValueError:
        return ""
