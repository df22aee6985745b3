"""What many calls of a pipeline have in common: encoded texts, and the latents of light maps."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar

Thing = TypeVar("Thing")
MOST = 64
"""Things that an engine's pipeline remembers: at SD1.5's sizes 0.2 MB each, where its models run."""


class Remembered:
    """Things that were made before, by what they were made from; those that were not asked for longest are dropped.

    Only for a pipeline whose weights stay what they are: whoever changes them has to give it a new one.

    Args:
        most: things that are kept; 0 keeps none.
    """

    def __init__(self, most: int = 0) -> None:
        self._most = most
        self._things: OrderedDict[Hashable, object] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Thing]) -> Thing:
        """What was made for a key, or what ``make`` gives for it now."""
        with self._lock:
            found = self._things.get(key)
            if found is not None:
                self._things.move_to_end(key)
                return found  # type: ignore[return-value]
        made = make()
        if self._most:
            with self._lock:
                self._things[key] = made
                while len(self._things) > self._most:
                    self._things.popitem(last=False)
        return made
