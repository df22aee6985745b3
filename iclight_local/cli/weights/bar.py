"""A bar for gigabytes that are read, written or fetched."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

FORM = "{desc:.30} {percentage:3.0f}% {bar} {n_fmt}/{total_fmt} {rate_fmt} {remaining}"
"""With a total; without one the library's own form is right."""


class Bar:
    """What is told of bytes; it shows nothing in a pipe."""

    def __init__(self, shown: Any = None) -> None:
        self._shown = shown

    def add(self, count: int) -> None:
        """So many more bytes are done."""
        if self._shown is not None:
            self._shown.update(count)

    def set(self, label: str, done: int, total: int) -> None:
        """So many bytes of all are done, and this is what they belong to."""
        bar = self._shown
        if bar is None:
            return
        if bar.total != total:  # The first call: what is here already counts as progress, not as speed.
            bar.bar_format = FORM
            bar.total, bar.initial, bar.n = total, done, done
            bar.unpause()
        bar.set_description_str(label, refresh=False)
        bar.update(done - bar.n)


@contextmanager
def bytes_bar(label: str) -> Iterator[Bar]:
    """A bar on a terminal, and nothing in a pipe."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield Bar()
        return
    from tqdm import tqdm

    with tqdm(desc=label, leave=False, unit="B", unit_scale=True) as shown:
        yield Bar(shown)
