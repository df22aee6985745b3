"""Work on a picture in strips of rows: little memory at a time, and a few threads at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

PIXELS = 1 << 18
"""Pixels of a strip, about."""
_THREADS = 4
"""More would only add their strips to the memory: the work is bound by it."""


def in_strips(work: Callable[[slice], None], shape: tuple[int, int], cost: float = 1.0) -> None:
    """Call ``work`` for strips of rows that together are all rows, in a few threads: numpy and Pillow let others run.

    Args:
        work: fills its rows of the result.
        shape: height and width of the result.
        cost: pixels read for one pixel of the result.
    """
    height = max(1, int(PIXELS / max(shape[1] * cost, 1)))
    strips = [slice(top, min(top + height, shape[0])) for top in range(0, shape[0], height)]
    with ThreadPoolExecutor(_THREADS) as pool:
        # The list raises what a strip raised.
        list(pool.map(work, strips))
