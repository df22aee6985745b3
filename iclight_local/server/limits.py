"""What a stranger may cost: bytes of a body, seconds of sending it, and calls a minute."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import PlainTextResponse

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_MOST_CALLERS = 10_000
_LENGTHS = {b"content-length", b"transfer-encoding"}
_TWO_LENGTHS = "The call has both Content-Length and Transfer-Encoding: one of them is needed."


class BodyTooLarge(Exception):
    """A body has more bytes than are taken."""


class BodyTooSlow(Exception):
    """A body did not come within its time."""


class LimitedBodies:
    """Gives up on bodies that are too long, as soon as that is known, or too slow."""

    def __init__(self, app: App, most: int, seconds: float) -> None:
        self._app, self._most, self._seconds = app, most, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a call on, its body counted and timed."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if {name for name, _ in scope["headers"]} >= _LENGTHS:
            # A proxy may have read the one and this server the other, and what one took for a body is a call.
            await PlainTextResponse(_TWO_LENGTHS, 400, {"connection": "close"})(scope, receive, send)
            return
        told = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        deadline = time.monotonic() + self._seconds
        taken, whole = 0, False

        async def counted() -> Message:
            nonlocal taken, whole
            if whole:
                return await receive()
            if told.isdigit() and int(told) > self._most:
                raise BodyTooLarge
            try:
                message = await asyncio.wait_for(receive(), max(deadline - time.monotonic(), 0.001))
            except TimeoutError:
                raise BodyTooSlow from None
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                whole = not message.get("more_body", False)
                if taken > self._most:
                    raise BodyTooLarge
            return message

        await self._app(scope, counted, send)


@dataclass
class _Bucket:
    tokens: float
    filled: float


class RateLimit:
    """A bucket of calls for each caller, that fills evenly."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Allow ``per_minute`` calls at once, and as many a minute; 0: no limit."""
        self._most, self._clock = per_minute, clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def wait(self, caller: str) -> int:
        """Take a call; 0, or the whole seconds after which the next one will be taken."""
        if not self._most:
            return 0
        now = self._clock()
        bucket = self._buckets.setdefault(caller, _Bucket(self._most, now))
        self._buckets.move_to_end(caller)
        # The longest silent are full again, or nearly.
        while len(self._buckets) > _MOST_CALLERS:
            self._buckets.popitem(last=False)
        bucket.tokens = min(self._most, bucket.tokens + (now - bucket.filled) * self._most / 60)
        bucket.filled = now
        if bucket.tokens < 1:
            return math.ceil((1 - bucket.tokens) * 60 / self._most)
        bucket.tokens -= 1
        return 0
