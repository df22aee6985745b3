"""Who looks at the page: on a server with keys the owner of one, on one without the browser alone.

Two browsers at a server without keys are two owners, so that neither sees the other's pictures. A browser is known by a
cookie of 192 random bits, of which the jobs' owner is a hash; a key is given once, and a cookie stands for it until the
server ends.
"""

from __future__ import annotations

import hashlib
import html
import secrets
import threading
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from iclight_local.server.limits import App, Message, Receive, Scope, Send
from iclight_local.server.service import Busy, Service, Unauthorized

COOKIE = "iclight"
LOGIN = "/login"
_SESSIONS = 10_000
_YEAR = 365 * 24 * 3600
HEADERS = {
    "content-security-policy": (
        # Gradio compiles templates in the browser, and puts styles where they are used.
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; media-src 'self' blob:; worker-src 'self' blob:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""Of everything that the page is made of: whatever a library may try, the browser fetches from this server alone."""


class Visitors:
    """Knows who looks, and lets nobody in who has to give a key and has not.

    Args:
        app: the page.
        service: knows the keys.
    """

    def __init__(self, app: App, service: Service) -> None:
        self._app, self._service = app, service
        self._sessions: dict[str, str] = {}
        self._lock = threading.Lock()

    def owner(self, cookies: Mapping[str, str]) -> str | None:
        """Whose jobs a browser with these cookies sees; None where it has to give a key first."""
        token = cookies.get(COOKIE)
        if token is None:
            return None
        if self._service.keyed:
            return self._sessions.get(token)
        # No key's name holds a blank.
        return f"page {hashlib.sha256(token.encode()).hexdigest()[:32]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a call on with the headers that keep the page to this server, or ask for a key."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path == LOGIN and request.method == "POST":
            await (await self._log_in(request))(scope, receive, send)
        elif self.owner(request.cookies) is not None:
            await self._app(scope, receive, _with(send, {}))
        elif self._service.keyed:
            await _login_page(request)(scope, receive, send)
        else:
            token = secrets.token_urlsafe(24)
            # This very call is the browser's already.
            cookies = "; ".join(filter(None, (request.headers.get("cookie"), f"{COOKIE}={token}")))
            headers = [pair for pair in scope["headers"] if pair[0] != b"cookie"]
            scope = {**scope, "headers": [*headers, (b"cookie", cookies.encode())]}
            await self._app(scope, receive, _with(send, {"set-cookie": self._cookie(token, _YEAR)}))

    async def _log_in(self, request: Request) -> Response:
        form = await request.form()
        key = form.get("key")
        try:
            owner = self._service.owner(request, key.strip() if isinstance(key, str) else None)
        except Unauthorized:
            return _login_page(request, "This key is not known here.", 401)
        except Busy as busy:
            return _login_page(request, f"Too many tries: wait {busy.wait} seconds.", 429)
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._sessions[token] = owner
            for oldest in list(self._sessions)[:-_SESSIONS]:
                del self._sessions[oldest]
        answer = RedirectResponse("./", 303, headers=HEADERS)
        answer.headers["set-cookie"] = self._cookie(token, None)
        return answer

    def _cookie(self, token: str, seconds: int | None) -> str:
        lasting = "" if seconds is None else f"; Max-Age={seconds}"
        secure = "; Secure" if self._service.public_url.startswith("https://") else ""
        return f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict{lasting}{secure}"


def _with(send: Send, more: Mapping[str, str]) -> Send:
    """Send an answer with further headers."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            added = [(name.encode(), value.encode()) for name, value in {**HEADERS, **more}.items()]
            message = {**message, "headers": [*message.get("headers", []), *added]}
        await send(message)

    return sending


def _login_page(request: Request, sentence: str = "", status: int = 200) -> Response:
    """The field for a key; to whatever asked for something else than a page a refusal."""
    if status == 200 and "text/html" not in request.headers.get("accept", ""):
        status = 401
    shown = f'<p role="alert">{html.escape(sentence)}</p>' if sentence else ""
    page = _LOGIN.replace("<!-- sentence -->", shown)
    return HTMLResponse(page, status, headers={**HEADERS, "cache-control": "no-store"})


_LOGIN = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>iclight-local</title><style>
:root { color-scheme: light dark; font-family: system-ui, sans-serif; }
form { max-width: 24rem; margin: 15vh auto; padding: 0 1rem; display: grid; gap: 0.8rem; }
input, button { font: inherit; padding: 0.7rem; border-radius: 8px; border: 1px solid #8888; }
button { background: #f59e0b; color: #1c1200; font-weight: 600; border: none; cursor: pointer; }
[role=alert] { color: #d22; margin: 0; }
</style></head><body><form method="post" action="login">
<h1>iclight-local</h1>
<label for="key">This server asks for a key. Its owner makes one with <code>iclight keys add NAME</code>.</label>
<input id="key" name="key" type="password" autocomplete="current-password" required autofocus>
<!-- sentence --><button>Open the page</button></form></body></html>
"""
