"""Waiting for something slow without losing sight of a user who wants to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from iclight_local.errors import EngineError

T = TypeVar("T")
Watch = Callable[[], None]
"""Called again and again while something is waited for; what it raises ends the waiting."""
LOOK_S = 0.2


def watched(work: Callable[[], T], watch: Watch, stop: Callable[[], None] = lambda: None) -> T:
    """Do something in a thread of its own, and look meanwhile whether it is still wanted.

    Args:
        work: what to do; it has to end by itself in some time.
        watch: called a few times a second.
        stop: asks the work to end; called where ``watch`` raised, which is not held up by it.

    Returns:
        What the work gives; what it raises is raised.
    """
    thread = _Worker(work)
    thread.start()
    try:
        while not thread.ended.wait(LOOK_S):
            watch()
    except BaseException:
        stop()
        raise
    return thread.outcome()


class _Worker(threading.Thread, Generic[T]):
    def __init__(self, work: Callable[[], T]) -> None:
        # Nobody waits for it at the end of the program.
        super().__init__(name="provider", daemon=True)
        self.ended = threading.Event()
        self._work = work
        self._found: list[T] = []
        self._raised: BaseException = EngineError("A call was stopped.")

    def run(self) -> None:
        try:
            self._found.append(self._work())
        except BaseException as error:  # noqa: BLE001  # raised again by whoever waits
            self._raised = error
        finally:
            self.ended.set()

    def outcome(self) -> T:
        if self._found:
            return self._found[0]
        raise self._raised


class Patience:
    """The time that one relight has in all.

    Args:
        seconds: how much.
        watch: called while it is slept.
        clock: seconds that only grow.
    """

    def __init__(self, seconds: float, watch: Watch, clock: Callable[[], float]) -> None:
        self.seconds, self.watch = seconds, watch
        self._clock, self._end = clock, clock() + seconds

    def left(self) -> float:
        """Seconds that are left; 0 or less when there are none."""
        return self._end - self._clock()

    def sleep(self, seconds: float) -> None:
        """Wait, but no longer than there is time."""
        until = self._clock() + min(seconds, self.left())
        self.watch()
        while (rest := until - self._clock()) > 0:
            threading.Event().wait(min(rest, LOOK_S))
            self.watch()
