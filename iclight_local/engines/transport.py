"""One call to a hosted provider, over a connection of its own.

A connection that was kept open may be closed by the other side at the very moment a call goes out, and then nobody can
tell whether a paid call was taken. So none is kept. Redirects are not followed, because the key would go with them;
answers are read no further than their limits; what is compressed is not unpacked, because nobody asked for it.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from iclight_local import __version__
from iclight_local.dialects.sending import Received, Sent
from iclight_local.engines.watched import Watch, watched
from iclight_local.providers.base import Account, Secret

CONNECT_S = 10.0
"""Seconds that a connection, its encryption included, may take."""
READ_S = 180.0
"""Seconds without a byte before an answer is given up: a picture made at once is preceded by silence."""
OWN = {"User-Agent": f"iclight-local/{__version__}", "Accept-Encoding": "identity", "Connection": "close"}
"""Headers of every call."""
MAX_BYTES = 64 * 2**20
"""Bytes an answer may have."""


@dataclass(frozen=True)
class Fault:
    """A call without an answer.

    Attributes:
        what: what happened, as the end of a sentence that begins with the provider.
        sent: whether the call, or a part of it, had gone out, so that it may have been taken.
        final: whether the same call would end so again.
    """

    what: str
    sent: bool
    final: bool = False


@dataclass(frozen=True)
class Outgoing:
    """A call in HTTP's terms.

    Attributes:
        method, url: as they are sent; the URL is trusted.
        headers: its own, the key among them.
        parts: what else httpx takes: ``params``, ``content``, ``data``, ``files``.
        key: hidden wherever the answer tells it.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    parts: Mapping[str, Any] = field(repr=False)
    key: Secret | None


def exchange(account: Account, sent: Sent, seconds: float, watch: Watch) -> Received | Fault:
    """Make one call.

    Args:
        account: whom to call, with its key.
        sent: the call.
        seconds: what it may take from the first look-up to the last byte.
        watch: called while it runs; what it raises ends the call.

    Returns:
        The answer, with dots wherever it tells the key; or why there is none.
    """
    provider, key = account.provider, account.key
    headers = {} if sent.json is None else {"Content-Type": "application/json"}
    if key is not None:
        headers[provider.header] = provider.scheme + key.reveal()
    return send(Outgoing(sent.method, account.base_url + sent.path, headers, _parts(sent), key), seconds, watch)


def send(out: Outgoing, seconds: float, watch: Watch) -> Received | Fault:
    """Make a call of any kind; see :func:`exchange`."""
    # Their lines tell addresses, and in addresses of pictures there are secrets.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    call = _Call(out, seconds)
    return watched(call.run, watch, call.stop)


class _Call:
    """One call on its way, in an event loop of its own: only so a limit holds however slowly bytes drip."""

    def __init__(self, out: Outgoing, seconds: float) -> None:
        self._call, self._seconds = out, seconds
        self._out = self._unwanted = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None

    def run(self) -> Received | Fault:
        """The answer, or why there is none."""
        return asyncio.run(self._main())

    def stop(self) -> None:
        """End the call from another thread; its connection is closed."""
        self._unwanted = True
        if self._loop is not None and self._task is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._task.cancel)

    async def _main(self) -> Received | Fault:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if self._unwanted:
            return Fault("was not called any more", sent=False, final=True)
        try:
            async with asyncio.timeout(self._seconds):
                return await self._answer()
        except (TimeoutError, httpx.TimeoutException):
            return Fault("did not answer in time", self._out)
        except httpx.ConnectError as error:
            # What it says may hold an address; of a certificate it is worth telling.
            if "CERTIFICATE" in str(error):
                return Fault("has no certificate that is trusted for its host", sent=False, final=True)
            return Fault("cannot be reached", self._out)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError):
            return Fault("broke off, or answered with no valid HTTP" if self._out else "cannot be called", self._out)

    async def _answer(self) -> Received | Fault:
        limits = httpx.Timeout(READ_S, connect=CONNECT_S)
        async with (
            httpx.AsyncClient(verify=_tls(), timeout=limits, follow_redirects=False) as client,
            client.stream(
                self._call.method,
                self._call.url,
                headers={**OWN, **self._call.headers},
                extensions={"trace": self._traced},
                **self._call.parts,
            ) as response,
        ):
            coding = response.headers.get("content-encoding", "identity").strip().lower()
            if coding not in ("", "identity"):
                return Fault("answered with something compressed, which was not asked for", sent=True, final=True)
            too_large = Fault(f"answered with more than {MAX_BYTES >> 20} MiB", sent=True, final=True)
            announced = response.headers.get("content-length", "")
            if announced.isdecimal() and int(announced) > MAX_BYTES:
                return too_large
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_BYTES:
                    return too_large
            return self._received(response, bytes(body))

    def _received(self, response: httpx.Response, body: bytes) -> Received:
        headers = {name.lower(): value for name, value in response.headers.items()}
        key = self._call.key
        if key is None:
            return Received(response.status_code, headers, body)
        # Before anybody reads it, so that no sentence, file or log can tell the key.
        headers = {name: key.hidden_in(value) for name, value in headers.items()}
        return Received(response.status_code, headers, key.hidden_in_bytes(body))

    async def _traced(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            self._out = True


def _parts(sent: Sent) -> dict[str, Any]:
    """The parts of a call that come after its address, as httpx takes them."""
    parts: dict[str, Any] = {"params": dict(sent.query)} if sent.query else {}
    if sent.json is not None:
        parts["content"] = json.dumps(sent.json).encode()
    elif sent.files:
        files = {name: (each.name, each.data, each.media_type) for name, each in sent.files.items()}
        parts |= {"data": dict(sent.form), "files": files}
    elif sent.form:
        parts |= {"files": {name: (None, value) for name, value in sent.form.items()}}
    return parts


@functools.cache
def _tls() -> ssl.SSLContext:
    # Once, because reading the system's certificates takes tens of milliseconds.
    return ssl.create_default_context()
