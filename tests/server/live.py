"""A real server on a real socket, in a thread, in front of the fake engine."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import socket
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from PIL import Image

from iclight_local.errors import InvalidRequest
from iclight_local.jobs.runner import Bounds, Runner
from iclight_local.jobs.store import JobStore
from iclight_local.server.app import make_app
from iclight_local.server.keys import KeyFile
from iclight_local.server.limits import RateLimit
from iclight_local.server.service import Limits, Service
from tests.fake_engine import FakeEngine


def png(size: tuple[int, int] = (64, 64)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (120, 90, 60)).save(buffer, "png")
    return buffer.getvalue()


PICTURE = png()
Headers = Mapping[str, str]


def refuse(url: str) -> bytes:
    """What fetches where nothing may be fetched."""
    raise InvalidRequest(f"{url} is not fetched here.")


@dataclass
class Reply:
    status: int
    headers: Mapping[str, str]
    data: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.data)

    @property
    def image(self) -> Image.Image:
        return Image.open(io.BytesIO(self.data))


@dataclass
class Live:
    """A running server."""

    port: int
    service: Service
    engine: FakeEngine
    posted: list[tuple[str, bytes]]
    patience: float = 20
    """Seconds that an answer may take."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, method: str, path: str, body: bytes | None = None, headers: Headers | None = None) -> Reply:
        """One call on a connection of its own; ``path`` may be a whole URL of this server."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.patience)
        try:
            connection.request(method, path.removeprefix(self.url), body, dict(headers or {}))
            answer = connection.getresponse()
            return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, headers: Headers | None = None) -> Reply:
        return self.call("GET", path, None, headers)

    def json(self, path: str, body: Any, headers: Headers | None = None) -> Reply:
        kind = {"content-type": "application/json"}
        return self.call("POST", path, json.dumps(body).encode(), {**kind, **(headers or {})})

    def form(self, path: str, fields: Mapping[str, str | bytes], headers: Headers | None = None) -> Reply:
        """A multipart form; bytes are files."""
        mark = uuid.uuid4().hex
        body = b""
        for name, value in fields.items():
            file = '; filename="a.png"' if isinstance(value, bytes) else ""
            data = value if isinstance(value, bytes) else value.encode()
            body += f'--{mark}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + data + b"\r\n"
        kind = {"content-type": f"multipart/form-data; boundary={mark}"}
        return self.call("POST", path, body + f"--{mark}--\r\n".encode(), {**kind, **(headers or {})})


class Prompt(uvicorn.Server):
    """Looks ten times as often as usual whether it shall stop: a test waits for that."""

    async def main_loop(self) -> None:
        ticks = 0
        while not await self.on_tick(ticks // 10):
            ticks += 1
            await asyncio.sleep(0.01)


@contextmanager
def serving(folder: Path, **how: Any) -> Iterator[Live]:
    """A server with its jobs in ``folder``.

    Args:
        folder: of the jobs.
        **how: ``engine``, ``keys``, ``rate``, ``body`` (bytes), ``seconds``, ``waiting``, ``most_waiting``, ``fetch``,
            ``start`` (whether jobs are worked off), ``public_url``, ``warmed`` (whether the engine is warm), ``shown``
            (makes a page for people of the service).
    """
    engine: Any = how.get("engine") or FakeEngine()
    keys: KeyFile | None = how.get("keys")
    store = JobStore(folder)
    store.recover()
    bounds = Bounds(waiting=how.get("most_waiting", 64), together=how.get("most_together", 4))
    runner = Runner(store, engine, how.get("fetch", refuse), bounds)
    service = Service(
        store,
        runner,
        keys,
        rate=RateLimit(how.get("rate", 0)),
        limits=Limits(how.get("body", 1 << 20), how.get("seconds", 10), how.get("waiting", 10)),
        public_url=how.get("public_url", ""),
    )
    posted: list[tuple[str, bytes]] = []

    def post(url: str, body: bytes) -> int:
        posted.append((url, body))
        return 200

    shown = how["shown"](service) if "shown" in how else None
    app = make_app(service, post, how.get("warmed", lambda: True), shown)
    listener = socket.create_server(("127.0.0.1", 0))
    server = Prompt(
        uvicorn.Config(
            app,
            log_config=None,
            http="h11",
            ws="none",
            timeout_graceful_shutdown=2,
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    if how.get("start", True):
        runner.start()
    thread.start()
    try:
        yield Live(listener.getsockname()[1], service, engine, posted)
    finally:
        server.should_exit = True
        thread.join()
        if how.get("start", True):
            runner.stop(5)
        store.close()
