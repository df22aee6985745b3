"""HTTP on a socket: uvicorn's own, for callers who need not be friendly."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

LATE = "The call did not come in time."
_GRACE_S = 1.0
"""How much later a body is late here than where it is read: there it is told in the words of the API."""
_LINGER_S = 2.0
"""How long a caller who was refused may go on sending into the void before the connection is closed."""


class Wire(H11Protocol):
    """Uvicorn's protocol, whose callers have ``seconds`` for the headers of a call, and as many for its body.

    Without it whoever connects and says nothing, or a letter now and then, holds a connection for ever.
    """

    seconds: float
    late: asyncio.TimerHandle | None = None
    awaited: Any = None
    deaf = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a call."""
        super().connection_made(transport)
        self._wait_for(h11.IDLE)

    def data_received(self, data: bytes) -> None:
        """Take bytes of a call, and wait for its rest, if there is one."""
        if self.deaf:
            return
        super().data_received(data)
        state = self.conn.their_state
        # Between two calls uvicorn's own limit holds.
        begun = state is h11.SEND_BODY or (state is h11.IDLE and self.conn.trailing_data[0])
        self._wait_for(state if begun and not self.transport.is_closing() else None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        super().connection_lost(exc)
        self._wait_for(None)

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be read, and keep whoever was about to answer the call from doing so, too."""
        cycle: Any = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        self._wait_for(None)
        head = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
        for event in (
            h11.Response(status_code=400, headers=head, reason=b"Bad Request"),
            h11.Data(data=msg.encode()),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event))
        # Closed at once, a connection on which a caller is still sending would lose the answer.
        self.deaf = True
        self.flow.resume_reading()
        self.transport.write_eof()
        self.loop.call_later(_LINGER_S, self.transport.close)

    def _wait_for(self, state: Any) -> None:
        """Wait for the rest of a call's headers or body; None: it is all there."""
        if state is self.awaited:
            return
        if self.late is not None:
            self.late.cancel()
        self.late, self.awaited = None, state
        if state is not None:
            grace = _GRACE_S if state is h11.SEND_BODY else 0
            self.late = self.loop.call_later(self.seconds + grace, self._give_up)

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.send_400_response(LATE)


def wire(seconds: float) -> type[asyncio.Protocol]:
    """The protocol with its limit, as uvicorn takes it."""
    return type("LimitedWire", (Wire,), {"seconds": seconds})
