"""Who looks at the page: on a server with keys the owner of one, on one without the browser alone.

Two browsers at a server without keys are two owners, so that neither sees the other's pictures. A browser is known by a
cookie of 192 random bits, of which the jobs' owner is a hash; a key is given once, and a cookie stands for it until the
server ends. Calls that another site's page sends are refused; a link there to this page is followed.
"""

from __future__ import annotations

import hashlib
import html
import re
import secrets
import threading
from collections.abc import Mapping

from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from iclight_local.errors import InvalidRequest
from iclight_local.server.answers import guarded, respond
from iclight_local.server.limits import App, Message, Receive, Scope, Send
from iclight_local.server.reading import read_call
from iclight_local.server.service import Busy, Service, Unauthorized
from iclight_local.ui.doors import NUMBER, RUN, lost, refusal

COOKIE = "iclight"
LOGIN = "/login"
_SESSIONS = 10_000
_TOKEN = re.compile(r"[\w-]{32}", re.ASCII)
_LOGIN_BYTES, _LOGIN_TYPE = 4096, "application/x-www-form-urlencoded"
_NO_KEY = "This server asks for a key: load the page again, and give it."
_STRANGE = "Another site's page sent this call: open this server's own page."
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
        token = cookies.get(COOKIE, "")
        if not _TOKEN.fullmatch(token):
            return None
        if self._service.keyed:
            return self._sessions.get(token)
        # No key's name holds a blank.
        return f"page {hashlib.sha256(token.encode()).hexdigest()[:32]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a call on with its owner and the headers that keep the page to this server, or ask for a key."""
        request = Request(scope, receive)
        path, owner = scope["path"].removeprefix(scope.get("root_path", "")), self.owner(request.cookies)
        if self._is_strange(request):
            await respond(refusal("unauthorized", _STRANGE))(scope, receive, send)
        elif path == LOGIN and request.method == "POST":
            await (await guarded(refusal, self._log_in)(request))(scope, receive, send)
        elif owner is not None or path == NUMBER:
            request.state.owner = owner
            await self._app(scope, receive, _with(send, {}))
        elif self._service.keyed:
            answer = respond(lost()) if path == RUN else _login_page(request)
            await answer(scope, receive, send)
        else:
            token = secrets.token_urlsafe(24)
            request.state.owner = self.owner({COOKIE: token})
            await self._app(scope, receive, _with(send, {"set-cookie": self._cookie(token, _YEAR)}))

    def _is_strange(self, request: Request) -> bool:
        """Whether a page of another site, or of another port of this machine, sent a call."""
        headers = request.headers
        reads = request.method in ("GET", "HEAD")
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            # A link is followed: the page that holds it sees nothing of where it leads.
            return not (reads and headers.get("sec-fetch-dest") == "document")
        if reads or "sec-fetch-site" in headers or "origin" not in headers:
            return False
        own = headers.get("host", ""), _host_of(self._service.public_url)
        return not any(name and name.lower() == _host_of(headers["origin"]) for name in own)

    async def _log_in(self, request: Request) -> Response:
        if not request.headers.get("content-type", "").startswith(_LOGIN_TYPE):
            # Files would be read whole, and nobody knows yet who sends them.
            raise InvalidRequest(f"A key is sent as {_LOGIN_TYPE}.")
        key = (await read_call(request, _LOGIN_BYTES)).fields.get("key")
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
        return f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax{lasting}{secure}"


def _host_of(address: str) -> str:
    """Name and port; empty where there is none."""
    try:
        return URL(address).netloc.lower()
    except ValueError:
        return ""


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
    if "text/html" not in request.headers.get("accept", ""):
        return respond(refusal("unauthorized", sentence if sentence else _NO_KEY))
    shown = f'<p role="alert">{html.escape(sentence)}</p>' if sentence else ""
    action = html.escape(f"{request.scope.get('root_path', '')}{LOGIN}")
    page = _LOGIN.replace("<!-- sentence -->", shown).replace("<!-- action -->", action)
    return HTMLResponse(page, status, headers={**HEADERS, "cache-control": "no-store"})


_LOGIN = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>iclight-local</title><style>
:root { color-scheme: light dark; font-family: system-ui, sans-serif; }
form { max-width: 24rem; margin: 15vh auto; padding: 0 1rem; display: grid; gap: 0.8rem; }
input, button { font: inherit; padding: 0.7rem; border-radius: 8px; border: 1px solid #8888; }
button { background: #f59e0b; color: #1c1200; font-weight: 600; border: none; cursor: pointer; }
[role=alert] { color: #d22; margin: 0; }
</style></head><body><form method="post" action="<!-- action -->">
<h1>iclight-local</h1>
<label for="key">This server asks for a key. Its owner makes one with <code>iclight keys add NAME</code>.</label>
<input id="key" name="key" type="password" autocomplete="current-password" required autofocus>
<!-- sentence --><button>Open the page</button></form></body></html>
"""
