"""Counts how many callers are in a function at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

PATIENCE_S = 30.0
"""Seconds until callers go on whom nobody joins."""
MOMENT_S = 0.2
"""Seconds for which callers stay, so that one too many would be seen with them."""


class AtOnce:
    """Stands before a function, and holds every caller until two have been in it together, and then for a moment.

    Attributes:
        most: how many were in it at the same time.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.most = 0
        self._function, self._now, self._changed = function, 0, threading.Condition()

    def __call__(self, *given: Any) -> Any:
        with self._changed:
            self._now += 1
            self.most = max(self.most, self._now)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.most > 1, PATIENCE_S)
            self._changed.wait_for(lambda: self.most > 2, MOMENT_S)
            self._now -= 1
        return self._function(*given)
