"""A provider that does everything wrong, and counts what it is asked."""

from __future__ import annotations

import gzip
import io
import json
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from PIL import Image

from tests.providers.hosting import KEY, listening

JOB = "job-1"


def picture(size: tuple[int, int] = (48, 32)) -> bytes:
    """A plain file."""
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


PNG = picture()


@dataclass
class Script:
    """What the provider does: the name of a trick for each of its calls, the last one for all that follow."""

    paid: list[str] = field(default_factory=lambda: ["picture"])
    polls: list[str] = field(default_factory=lambda: ["done"])
    result: str = "/result.png"
    paid_calls: int = 0
    poll_calls: int = 0
    elsewhere: list[str] = field(default_factory=list)
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    url: str = ""


@contextmanager
def hostile() -> Iterator[Script]:
    """A provider that plays ``Script``."""
    script = Script()

    class Handler(_Handler):
        pass

    Handler.script = script
    with listening(Handler) as url:
        script.url = url
        try:
            yield script
        finally:
            script.over.set()


class _Handler(BaseHTTPRequestHandler):
    script: Script

    def do_GET(self) -> None:
        self._note(b"")
        if self.path.startswith("/v2/requests/"):
            tricks = self.script.polls
            trick = tricks[min(self.script.poll_calls, len(tricks) - 1)]
            self.script.poll_calls += 1
            self._play(trick)
        elif self.path == "/result.png":
            self._send(200, PNG)
        else:
            self.script.elsewhere.append(self.path)
            self._play(self.path.removeprefix("/"))

    def do_POST(self) -> None:
        self._note(self.rfile.read(int(self.headers["Content-Length"])))
        tricks = self.script.paid
        trick = tricks[min(self.script.paid_calls, len(tricks) - 1)]
        self.script.paid_calls += 1
        self._play(trick)

    def log_message(self, *words: object) -> None:
        """Say nothing."""

    def _note(self, body: bytes) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.script.seen.append((f"{self.command} {self.path}", headers, body))

    def _play(self, trick: str) -> None:
        with suppress(OSError):
            getattr(self, f"_{trick}", self._nothing)()

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def _json(self, status: int, body: object, **headers: str) -> None:
        self._send(status, json.dumps(body).encode(), Content_Type="application/json", **headers)

    def _nothing(self) -> None:
        self._send(404, b"")

    def _picture(self) -> None:
        self._send(200, PNG)

    def _queued(self) -> None:
        self._json(200, {"request_id": JOB, "status": "QUEUED"})

    def _processing(self) -> None:
        self._json(200, {"request_id": JOB, "status": "PROCESSING"})

    def _done(self) -> None:
        url = self.script.result if "://" in self.script.result else self.script.url + self.script.result
        self._json(200, {"request_id": JOB, "status": "COMPLETED", "output": url, "metrics": {"cost": 0.5}})

    def _failed(self) -> None:
        self._json(422, {"request_id": JOB, "status": "FAILED", "error": "no face found"})

    def _late(self) -> None:
        if not self.script.over.wait(3):
            self._picture()

    def _never(self) -> None:
        self.script.over.wait(10)

    def _dripping(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not self.script.over.wait(0.02):
            self.wfile.write(b"a")

    def _dripping_body(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not self.script.over.wait(0.02):
            self.wfile.write(b"a")

    def _closed(self) -> None:
        self.close_connection = True

    def _half(self) -> None:
        self._send(200, PNG[:40], Content_Length=str(len(PNG)))

    def _half_picture(self) -> None:
        self._send(200, PNG[:-60])

    def _text(self) -> None:
        self._send(200, b"Your picture is being made", Content_Type="text/plain")

    def _html(self) -> None:
        self._send(200, b"<!doctype html><title>Log in</title>", Content_Type="text/html")

    def _no_http(self) -> None:
        self.wfile.write(b"220 mail ready\r\n")

    def _bomb(self) -> None:
        self._send(200, gzip.compress(bytes(10**7)), Content_Encoding="gzip")

    def _vast(self) -> None:
        self._send(200, b"", Content_Length=str(2 * 10**9))
        self._pour()

    def _endless(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        self._pour()

    def _pour(self) -> None:
        while not self.script.over.is_set():
            self.wfile.write(bytes(1 << 16))

    def _pixel_bomb(self) -> None:
        head = b"IHDR" + (60_000).to_bytes(4, "big") * 2 + PNG[24:29]
        self._send(200, PNG[:12] + head + zlib.crc32(head).to_bytes(4, "big") + PNG[33:])

    def _redirect(self) -> None:
        self._send(302, b"", Location=f"{self.script.url}/inside")

    def _redirect_home(self) -> None:
        self._send(302, b"", Location="http://127.0.0.1:8009/inside")

    def _redirect_metadata(self) -> None:
        self._send(302, b"", Location="http://169.254.169.254/latest")

    def _402(self) -> None:
        self._json(402, {"error": {"detail": "API credits exhausted"}})

    def _406(self) -> None:
        self._json(406, {"error": "Not enough credits"})

    def _401(self) -> None:
        self._json(401, {"error": f"{KEY} is no key"})

    def _400(self) -> None:
        self._json(400, {"error": "prompt is mandatory"})

    def _429(self) -> None:
        self._json(429, {"error": "too many"}, Retry_After="0.05")

    def _429_long(self) -> None:
        self._json(429, {"error": "too many"}, Retry_After="3600")

    def _500(self) -> None:
        self._json(500, {"error": "it broke"})

    def _echo(self) -> None:
        """Every place that a client reads, full of its key."""
        self._send(200, PNG, X_Request_Id=f"id-{KEY}", X_Cost="1", Pr_Unsupported_Attributes=f"{KEY} is unsupported")

    def _echo_job(self) -> None:
        self._json(200, {"request_id": f"{KEY}", "status": "QUEUED"})

    def _echo_escaped(self) -> None:
        escaped = "".join(f"\\u{ord(letter):04x}" for letter in KEY)
        self._send(422, f'{{"status": "FAILED", "error": "bad {escaped}"}}'.encode())
