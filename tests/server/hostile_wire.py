"""Hostile bytes on a socket: HTTP that is none, lies about lengths, or comes slowly."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass
from typing import Any

from tests.server.hostile import HOUSE, PROPER

_BODY = json.dumps(PROPER[HOUSE]).encode()
_POST = b"POST /relight HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
_GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


@dataclass(frozen=True)
class Wire:
    """Bytes that are sent as they are.

    Attributes:
        pieces: bytes, and seconds that are waited in between.
        expected: the status of the answer; 0: the connection is closed without one.
        answers: answers that come at most.
        leaves: whether the caller goes away without reading.
        keeps: whether the connection stays open for another call; the others are closed.
    """

    name: str
    pieces: tuple[bytes | float, ...]
    expected: int = 400
    answers: int = 1
    leaves: bool = False
    keeps: bool = False


def _head(name: str, line: bytes, **how: Any) -> Wire:
    return Wire(name, (_POST + line + b"\r\n\r\n" + _BODY,), **how)


def _drip(head: bytes, drop: bytes, times: int) -> tuple[bytes | float, ...]:
    return (head, *(each for _ in range(times) for each in (0.1, drop)))


WIRES = [
    Wire("noise", (bytes(range(256)) * 4,)),
    Wire("zeros", (bytes(5000),)),
    Wire("line ends", (b"\r\n" * 10 + b"\0",)),
    Wire("a TLS hello", (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(508) + b"\r\n\r\n",)),
    Wire("an SSH banner", (b"SSH-2.0-OpenSSH_9.6\r\n\r\n",)),
    Wire("a Redis command", (b"*1\r\n$4\r\nINFO\r\n\r\n",)),
    Wire("HTTP/0.9", (b"GET /healthz\r\n\r\n",)),
    Wire("HTTP/2", (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",), expected=404, answers=2),
    Wire("HTTP/3.7", (b"GET /healthz HTTP/3.7\r\nHost: x\r\n\r\n",), expected=200, keeps=True),
    Wire("no version", (b"GET /healthz HTTP/\r\nHost: x\r\n\r\n",)),
    Wire("no host", (b"GET /healthz HTTP/1.1\r\n\r\n",)),
    Wire("two hosts", (_GET + b"Host: y\r\n\r\n",)),
    Wire("a space in the path", (b"GET /health z HTTP/1.1\r\nHost: x\r\n\r\n",)),
    Wire("a path beyond ASCII", (b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",)),
    Wire("no path", (b"GET HTTP/1.1\r\nHost: x\r\n\r\n",)),
    Wire("a path without a slash", (b"GET relight HTTP/1.1\r\nHost: x\r\n\r\n",), expected=404, keeps=True),
    Wire(
        "another server's URL", (b"GET http://evil.test/healthz HTTP/1.1\r\nHost: x\r\n\r\n",), expected=404, keeps=True
    ),
    Wire("a tunnel", (b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n\r\n",), expected=404, keeps=True),
    Wire("a star", (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",), expected=404, keeps=True),
    Wire(
        "a method of 5000 letters", (b"A" * 5000 + b" /healthz HTTP/1.1\r\nHost: x\r\n\r\n",), expected=405, keeps=True
    ),
    Wire("a method with a space", (b"GE T /healthz HTTP/1.1\r\nHost: x\r\n\r\n",)),
    Wire("a path of a megabyte", (b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\nHost: x\r\n\r\n",)),
    Wire("a header of a megabyte", (_GET + b"X: " + b"a" * (1 << 20) + b"\r\n\r\n",)),
    Wire("100 000 headers", (_GET + b"X: a\r\n" * 100_000 + b"\r\n",)),
    Wire("a header without a colon", (_GET + b"evil\r\n\r\n",)),
    Wire("a space before a colon", (_GET + b"X : a\r\n\r\n",)),
    Wire("a NUL in a header", (_GET + b"X: a\0b\r\n\r\n",)),
    Wire("a name beyond ASCII", (_GET + b"\xc3\xbc: a\r\n\r\n",)),
    Wire("a line end alone in a header", (_GET + b"X: a\rY: b\r\n\r\n",)),
    Wire("a first header that goes on", (b"GET /healthz HTTP/1.1\r\n Host: x\r\n\r\n",)),
    _head("a negative length", b"Content-Length: -5"),
    _head("a length with a sign", b"Content-Length: +5"),
    _head("a length in hexadecimal", b"Content-Length: 0x10"),
    _head("a length with a fraction", b"Content-Length: 1e3"),
    _head("a length of 5000 digits", b"Content-Length: " + b"9" * 5000),
    _head("a length of an exabyte", b"Content-Length: 1000000000000000000", expected=413),
    _head("two lengths", b"Content-Length: 5\r\nContent-Length: 6"),
    _head("two lengths in one", b"Content-Length: 5, 6"),
    _head("a length that is too small", b"Content-Length: 5", answers=2, keeps=True),
    _head("a length that is too large", b"Content-Length: 5000"),
    _head("a length and chunks", b"Content-Length: 5\r\nTransfer-Encoding: chunked"),
    _head("chunks and a length", b"Transfer-Encoding: chunked\r\nContent-Length: 5"),
    _head("a coding that is none", b"Transfer-Encoding: xchunked"),
    _head("a compressed transfer", b"Transfer-Encoding: gzip, chunked"),
    _head("two codings", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
    Wire(
        "a hidden call", (_POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + _GET + b"\r\n",)
    ),
    Wire("a chunk of all bytes there are", (_POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"F" * 16 + b"\r\nab",)),
    Wire("a chunk of a negative size", (_POST + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nab",)),
    Wire("a chunk of no size", (_POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nab",)),
    Wire("a chunk of another size", (_POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabcdef\r\n0\r\n\r\n",)),
    Wire("a chunk with a long remark", (_POST + b"Transfer-Encoding: chunked\r\n\r\n2;" + b"a" * 200_000 + b"\r\nab",)),
    Wire("chunks without an end", (_POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 50,)),
    Wire("an expectation of nothing", (_POST + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n",)),
    Wire("nothing at all", (b"",)),
    Wire("half a line", (b"GET /hea",)),
    Wire("headers that drip", _drip(_GET, b"X: a\r\n", 30)),
    Wire("a first line that drips", _drip(b"G", b"E", 30)),
    Wire("a body that drips", _drip(_POST + b"Content-Length: 5000\r\n\r\n{", b" ", 30)),
    Wire("chunks that drip", _drip(_POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", 30)),
    Wire("a body that drips where none is read", _drip(_GET + b"Content-Length: 5000\r\n\r\n", b" ", 45), expected=200),
    Wire("a second call that drips", _drip(_GET + b"\r\n" + _GET, b"X: a\r\n", 30), expected=200, answers=2),
    Wire("gone in the headers", (_GET,), leaves=True),
    Wire("gone in the body", (_POST + b"Content-Length: 5000\r\n\r\n{", 0.1), leaves=True),
    Wire("gone in a chunk", (_POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", 0.1), leaves=True),
    Wire("gone before the answer", (_POST + b"Content-Length: %d\r\n\r\n" % len(_BODY) + _BODY,), leaves=True),
]
"""All of them; a body has two seconds to come."""


@dataclass(frozen=True)
class Heard:
    """What came back: the statuses, everything that was said, and how long it took."""

    statuses: tuple[int, ...]
    said: bytes
    seconds: float
    closed: bool


def heard(wire: Wire, port: int, patience: float) -> Heard:
    """Send bytes and listen until the server closes, or for ``patience`` seconds."""
    began, said, closed = time.monotonic(), b"", False
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as link:
        try:
            for piece in wire.pieces:
                if isinstance(piece, bytes):
                    link.sendall(piece)
                else:
                    time.sleep(piece)
        except OSError:
            # The server has closed already; what it said may still be read.
            closed = True
        if wire.leaves:
            return Heard((), b"", time.monotonic() - began, True)
        try:
            while (left := began + patience - time.monotonic()) > 0:
                link.settimeout(left)
                more = link.recv(1 << 16)
                if not more:
                    closed = True
                    break
                said += more
        except TimeoutError:
            pass
        except ConnectionResetError:
            closed = True
    statuses = tuple(int(each[:3]) for each in said.split(b"HTTP/1.1 ")[1:] if each[:3] != b"100")
    return Heard(statuses, said, time.monotonic() - began, closed)
