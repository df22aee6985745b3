"""Many callers at once: whether every answer is the right one, and whether memory stays flat."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.serving.calls import WAYS, Client, Way, relit
from benchmarks.serving.marks import draw
from benchmarks.serving.process import Server

SAMPLE_S = 0.1
"""Seconds from one look at the server's memory to the next."""


@dataclass(frozen=True)
class Wave:
    """So many callers with so many calls between them.

    Attributes:
        clients: callers at once, each with a connection of its own.
        calls: of all of them together, spread evenly over ``ways``.
        first: number of the first call; each has its own.
        size: width and height of a picture in pixels, multiples of 8 and alike: PixelDojo is asked for a square.
        ways: of having a picture relit.
    """

    clients: int = 64
    calls: int = 512
    first: int = 1
    size: tuple[int, int] = (256, 256)
    ways: Sequence[Way] = WAYS


def run_wave(port: int, wave: Wave) -> dict[str, Any]:
    """Make the calls of a wave.

    Returns:
        ``seconds``, ``statuses`` by path, ``faults`` (what was wrong with an answer, one sentence each), and
        ``unexplained``: how many 429s did not say when to come back.
    """
    statuses: Counter[str] = Counter()
    hand = threading.local()
    callers: list[Client] = []

    def begin() -> None:
        hand.client = Client(port, statuses)
        callers.append(hand.client)

    def one(index: int) -> str | None:
        number = wave.first + index
        return relit(hand.client, wave.ways[index % len(wave.ways)], number, draw(number, wave.size))

    began = time.monotonic()
    with ThreadPoolExecutor(wave.clients, initializer=begin) as pool:
        faults = [fault for fault in pool.map(one, range(wave.calls)) if fault is not None]
    seconds = time.monotonic() - began
    for client in callers:
        client.close()
    return {
        "seconds": round(seconds, 2),
        "statuses": dict(sorted(statuses.items())),
        "faults": faults,
        "unexplained": sum(client.untold for client in callers),
    }


@contextmanager
def watched_memory(server: Server) -> Iterator[list[float]]:
    """The server's resident memory in MiB, looked at all along."""
    found: list[float] = [server.resident_mib()]
    over = threading.Event()

    def look() -> None:
        while not over.wait(SAMPLE_S):
            found.append(server.resident_mib())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def memory_of(samples: Sequence[float]) -> dict[str, float]:
    """The median and the highest of what was seen during a wave, in MiB."""
    return {"median_mib": median(samples), "peak_mib": max(samples)}
