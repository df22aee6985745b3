"""Counts how many callers are in a function at the same time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any


class AtOnce:
    """Stands before a function, and holds every caller long enough for others to come.

    Attributes:
        most: how many were in it at the same time.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.most = 0
        self._function, self._now, self._counting = function, 0, threading.Lock()

    def __call__(self, *given: Any) -> Any:
        with self._counting:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.05)
        with self._counting:
            self._now -= 1
        return self._function(*given)
