"""A bar for gigabytes that are read or written."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bytes_bar(label: str, total: int | None = None) -> Iterator[Callable[[int], object]]:
    """What is told of bytes that are done: a bar on a terminal, nothing in a pipe."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _: None
        return
    from tqdm import tqdm

    with tqdm(total=total, desc=label, leave=False, unit="B", unit_scale=True) as bar:
        yield bar.update
