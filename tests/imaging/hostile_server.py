"""A server full of traps, names that lie about where it is, and what a refusal must not tell."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import quote, unquote

import pytest

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.guarded import Guard, fetch, open_socket

PUBLIC = "93.184.216.34"
BODY = b"\x89PNG not decoded here"


class Handler(BaseHTTPRequestHandler):
    seen: list[tuple[str, str, dict[str, str], bytes]]
    done: threading.Event
    location: str

    def do_GET(self) -> None:
        self._note(b"")
        kind, _, rest = self.path.partition("?")[0][1:].partition("/")
        if kind == "to":
            status, _, location = rest.partition("/")
            return self._send(int(status), {"Location": unquote(location, "latin-1"), "Content-Length": "0"})
        if kind == "hop":
            return self._send(302, {"Location": f"/hop/{int(rest) - 1}" if rest != "0" else "/ok"})
        if kind == "status":
            return self._send(int(rest), {"X-Secret": "hidden"}, b"secret words")
        if kind == "odd":
            return self._send(302, {"Location": Handler.location})
        getattr(self, f"_{kind}", self._ok)()
        return None

    def do_POST(self) -> None:
        self._note(self.rfile.read(int(self.headers["Content-Length"])))
        status = int(self.path.partition("?")[0].removeprefix("/hook/"))
        self._send(status, {"Location": "/ok", "Content-Length": str(10**12)})

    def _note(self, body: bytes) -> None:
        self.seen.append((self.command, self.path, dict(self.headers), body))

    def _send(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _ok(self) -> None:
        self._send(200, {"Content-Length": str(len(BODY))}, BODY)

    def _drip(self, head: bytes) -> None:
        """Byte by byte, each well before any timeout of a single read."""
        self.wfile.write(head)
        while not Handler.done.wait(0.02):
            self.wfile.write(b"a")

    def _slowbody(self) -> None:
        self._drip(b"HTTP/1.1 200 OK\r\n\r\n")

    def _slowheaders(self) -> None:
        self._drip(b"HTTP/1.1 200 OK\r\nX: ")

    def _slowchunk(self) -> None:
        self._drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;")

    def _silent(self) -> None:
        Handler.done.wait(5)

    def _endless(self) -> None:
        self._send(200, {})
        while not Handler.done.is_set():
            self.wfile.write(bytes(1 << 14))

    def _endlesschunks(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not Handler.done.is_set():
            self.wfile.write(b"400\r\n" + bytes(1024) + b"\r\n")

    def _chunks(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")

    def _brokenchunks(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n30\r\nabc")

    def _huge(self) -> None:
        self._send(200, {"Content-Length": str(10**15)})
        Handler.done.wait(5)

    def _bomb(self) -> None:
        self._send(200, {"Content-Encoding": "gzip"}, gzip.compress(bytes(10**6)))

    def _transferbomb(self) -> None:
        self._send(200, {"Transfer-Encoding": "gzip, chunked"}, gzip.compress(bytes(10**6)))

    def _short(self) -> None:
        self._send(200, {"Content-Length": "100"}, BODY)

    def _empty(self) -> None:
        self._send(200, {"Content-Length": "0"})

    def _longheader(self) -> None:
        self._send(200, {"X": "a" * 70_000}, BODY)

    def _manyheaders(self) -> None:
        self._send(200, {f"X-{number}": "a" for number in range(200)}, BODY)

    def _continues(self) -> None:
        while not Handler.done.is_set():
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _garbage(self) -> None:
        self.wfile.write(b"SSH-2.0-secret\r\n")

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            return

    def log_message(self, format: str, *args: object) -> None:
        return None


@contextmanager
def serving(httpd: HTTPServer) -> Iterator[int]:
    Handler.seen = []
    Handler.done = threading.Event()
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield httpd.server_port
    Handler.done.set()
    httpd.shutdown()
    httpd.server_close()
    thread.join()


class Names:
    """A resolver of made-up names, and the way to them: public addresses lead to the local server, and are noted."""

    def __init__(self, port: int, **answers: list[str] | Callable[[], list[str]]) -> None:
        self.port = port
        self.answers = {name.replace("_", "."): answer for name, answer in answers.items()}
        self.asked: list[str] = []
        self.reached: list[str] = []

    def resolve(self, host: str, port: int, family: int, kind: int) -> list[tuple[Any, Any, int, str, tuple[Any, ...]]]:
        self.asked.append(host)
        if host not in self.answers:
            return socket.getaddrinfo(host, port, family, kind)  # type: ignore[return-value]
        answer = self.answers[host]
        found = answer() if callable(answer) else answer
        if not found:
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    def connect(self, address: str, port: int, seconds: float) -> socket.socket:
        self.reached.append(address)
        if address == "93.184.216.99":
            raise ConnectionRefusedError(f"[Errno 111] {address}")
        return open_socket("127.0.0.1", self.port, seconds)

    def guard(self, **changes: Any) -> Guard:
        return replace(Guard(seconds=3.0, resolve=self.resolve, connect=self.connect), **changes)


def refusal(url: str, guard: Guard) -> str:
    with pytest.raises(InvalidRequest) as caught:
        fetch(url, guard)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence
    for secret in ("secret", "hidden", "token", "10.0.0.7", "93.184"):
        assert secret not in sentence
    return sentence


def redirect(location: str, status: int = 302) -> str:
    return f"http://pictures.test/to/{status}/{quote(location, safe='')}"
