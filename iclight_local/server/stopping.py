"""How a server goes down: calls and jobs get their time, and a second signal ends it sooner."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from iclight_local.server.service import Service

LAST_WORDS_S = 2.0
"""Seconds that calls have to be answered which are told to wait no longer."""
_log = logging.getLogger(__name__)


@contextmanager
def leaving_on_sigterm() -> Iterator[None]:
    """Have SIGTERM end the process in order, with the status 0, while nothing waits for it yet.

    The first process of a container would not hear it otherwise.
    """
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave(sig: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def leave_at_once() -> None:
    """End the process with the status 0, where a thread is in the middle of a step that takes minutes.

    Its orderly end would wait for compilers, and abort where such a thread wakes up in it.
    """
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)


class Stoppable(uvicorn.Server):
    """uvicorn, with one grace for the calls and the running job together.

    On the first SIGINT or SIGTERM no more calls are taken. Jobs go on as long as calls wait for theirs; after the grace
    these are told that the job goes on, and it will when the server comes back. A second signal ends the grace.
    """

    def __init__(self, config: uvicorn.Config, service: Service, grace: float) -> None:
        """``grace`` in seconds."""
        config.timeout_graceful_shutdown = round(grace + LAST_WORDS_S)
        super().__init__(config)
        self._service, self._grace = service, grace
        self._deadline: float | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def left(self) -> float:
        """Seconds of the grace that are left; all of them before a signal."""
        return self._grace if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    @contextmanager
    def heeding_signals(self) -> Iterator[None]:
        """Heed SIGINT and SIGTERM, also after :meth:`run`, while the running job has the rest of the grace."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: uvicorn would listen while it runs, and raise the signals again behind that."""
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to go down, or hurry; nothing is logged here, in the middle of whatever this thread does."""
        self.should_exit = True
        if self._deadline is None:
            self._deadline = time.monotonic() + self._grace
            return
        self._deadline = time.monotonic()
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._hurry)
        # In a thread of its own: this one may be in the middle of the runner's own business.
        threading.Thread(target=self._service.runner.stop, args=(0,), name="hurry", daemon=True).start()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does; calls whose jobs take longer than the grace are answered nevertheless."""
        _log.info("stopping", extra={"told": {"grace": round(self.left, 1)}})
        asyncio.get_running_loop().call_later(self.left, self._service.let_go)
        await super().shutdown(sockets)

    def _hurry(self) -> None:
        _log.info("stopping at once")
        self._service.let_go()
        # For calls that are still being sent, and for answers that nobody fetches.
        asyncio.get_running_loop().call_later(LAST_WORDS_S, setattr, self, "force_exit", True)
