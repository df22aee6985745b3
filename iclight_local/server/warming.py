"""What an engine does before its server says that it is ready."""

from __future__ import annotations

import logging
import threading
import time

from iclight_local.engines.base import Engine
from iclight_local.errors import Cancelled, ICLightError
from iclight_local.result import Progress

_log = logging.getLogger(__name__)


class Warming:
    """Warms an engine up in a thread of its own, while calls are taken already.

    A warm-up that fails is logged, and the server is ready nevertheless: whoever relights learns the reason.

    Args:
        engine: the engine.
        together: how many jobs will run at the same time; None: nothing is warmed up.
    """

    def __init__(self, engine: Engine, together: int | None) -> None:
        self._engine = engine
        self._done, self._stopping = threading.Event(), threading.Event()
        # A daemon: in the middle of a compiler that takes minutes nobody asks whether it shall stop.
        self._thread = threading.Thread(target=self._work, args=(together,), name="warm up", daemon=True)
        if together is None:
            self._done.set()

    def start(self) -> None:
        """Begin."""
        if not self._done.is_set():
            self._thread.start()

    def done(self) -> bool:
        """Whether there is nothing left to wait for."""
        return self._done.is_set()

    def stop(self) -> None:
        """Have it end with its next step."""
        self._stopping.set()

    def wait(self, seconds: float) -> None:
        """Wait for its end, for so long at most."""
        if not self.ended:
            self._thread.join(seconds)

    @property
    def ended(self) -> bool:
        """Whether it does nothing any more; until then it uses the engine."""
        return not self._thread.is_alive()

    def _work(self, together: int) -> None:
        began = time.monotonic()
        try:
            self._engine.warm_up(together, progress=self._look)
            _log.info("warmed up", extra={"told": {"seconds": round(time.monotonic() - began, 1)}})
        except Cancelled:
            _log.info("warming up was stopped")
        except ICLightError as error:
            _log.warning("not warmed up: %s", error)
        except Exception:  # noqa: BLE001  # a server that can serve is not held up by it
            _log.exception("warming up")
        finally:
            self._done.set()

    def _look(self, progress: Progress) -> None:
        if self._stopping.is_set():
            raise Cancelled("The server stops.")
