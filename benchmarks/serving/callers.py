"""Callers who send jobs to a server that dies under them, and remember what it accepted."""

from __future__ import annotations

import http.client
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from benchmarks.serving.calls import HOUSE, HOUSE_JOB, IC_LIGHT_JOB, PIXELDOJO, Client, Way, as_json, fault, fetched
from benchmarks.serving.marks import draw

if TYPE_CHECKING:
    from benchmarks.serving.crashes import Crashes

SIZE = (128, 128)
"""Of the pictures that are sent, in pixels."""
PAUSE_S = 0.1
"""Longest pause of a caller between two calls."""


class Callers:
    """Send jobs from several threads until they are stopped."""

    def __init__(self, port: int, pictures: str, crashes: Crashes) -> None:
        """Begin; ``pictures`` is where pictures can be fetched from."""
        linked = Way(
            "house, job by URL",
            lambda number, _: as_json("/relight/jobs", {"subject_image": f"{pictures}/{number}", "seed": number}),
            job=HOUSE_JOB.job,
            image=HOUSE_JOB.image,
        )
        self._ways = (HOUSE_JOB, linked, IC_LIGHT_JOB, PIXELDOJO, HOUSE)
        self._port = port
        self.accepted: dict[int, tuple[Way, str]] = {}
        """Ways and URLs of jobs, by their numbers."""
        self.statuses: Counter[str] = Counter()
        self._ended: dict[str, float] = {}
        self._over = threading.Event()
        self._faults: list[str] = []
        self._threads = [
            threading.Thread(target=self._call, args=(1_000_000 * (1 + index), random.Random(crashes.seed + index)))
            for index in range(crashes.callers)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Send nothing more."""
        self._over.set()

    def outcome(self) -> tuple[list[str], int]:
        """Wait for all accepted jobs.

        Returns:
            What was wrong with answers, one sentence each, and how many jobs ended at another time than it was told
            when they were first seen to have ended.
        """
        for thread in self._threads:
            thread.join()
        client = Client(self._port, self.statuses)
        for number, (way, url) in self.accepted.items():
            if (wrong := fetched(client, way, number, url)) is not None:
                self._faults.append(wrong)
        changed = sum(client.get(url).json["ended"] != ended for url, ended in self._ended.items())
        client.close()
        return self._faults, changed

    def _call(self, number: int, chance: random.Random) -> None:
        client = Client(self._port, self.statuses)
        while not self._over.is_set():
            way = chance.choice(self._ways)
            try:
                self._one(client, way, number, chance)
                number += 1
            except (OSError, http.client.HTTPException):
                # Killed: come back, and send the same again.
                client.close()
                self.statuses["killed"] += 1
            time.sleep(chance.uniform(0, PAUSE_S))
        client.close()

    def _one(self, client: Client, way: Way, number: int, chance: random.Random) -> None:
        reply = client.send(way.outgoing(number, draw(number, SIZE)))
        if way.job is None:
            wrong = fault(way, number, reply, reply.headers.get("x-seed-value"))
            self._faults += [wrong] if wrong is not None else []
        elif reply.status in (200, 202):
            self.accepted[number] = way, way.job(reply.json)
            self._look(client, chance)
        else:
            self._faults.append(f"{way.name}: {reply.status} {reply.data[:200]!r}")

    def _look(self, client: Client, chance: random.Random) -> None:
        """Look at some job of the house's, and remember when it ended."""
        own = [url for way, url in tuple(self.accepted.values()) if way.name.startswith("house")]
        if own:
            url = chance.choice(own)
            ended = client.get(url).json["ended"]
            if ended is not None and self._ended.setdefault(url, ended) != ended:
                self._faults.append(f"{url} ended twice")


@contextmanager
def picture_host() -> Iterator[str]:
    """A slow host of marked pictures on this machine; its URL, under which each number is one."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the library's own name
            number = int(self.path.strip("/"))
            time.sleep(random.Random(number).uniform(0, 0.1))
            data = draw(number, SIZE)
            self.send_response(200)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    # Whoever asked may be gone when the answer comes.
    server.handle_error = lambda *_: None
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def free_port() -> int:
    """A port that nobody listens at now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
