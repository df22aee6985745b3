"""The world of a server under attack: a name server that lies, an internet on loopback, and a canary inside.

Whatever the server must not reach is played by the canary: it answers every call with a fine picture, so that a guard
with a hole ends in a picture where a refusal is expected, and in a visit that is noted.
"""

from __future__ import annotations

import io
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

from tests.imaging.hostile_server import PUBLIC, Handler
from tests.imaging.hostile_server import serving as trapped

INSIDE = "127.0.0.1"
NAMES: dict[str, list[str]] = {
    "public.test": [PUBLIC],
    "loopback.test": [INSIDE],
    "lan.test": ["192.168.1.1"],
    "carrier.test": ["100.64.0.1"],
    "nowhere.test": ["0.0.0.0"],
    "cloud.test": ["169.254.169.254"],
    "metadata.google.internal": ["169.254.169.254"],
    "instance-data.ec2.internal": ["169.254.169.254"],
    "mixed.test": [PUBLIC, INSIDE],
    "mixed-last.test": [INSIDE, PUBLIC],
    "six.test": ["::1"],
    "mapped.test": ["::ffff:127.0.0.1"],
    "nat64.test": ["64:ff9b::7f00:1"],
    "sixtofour.test": ["2002:7f00:1::"],
    "local-link.test": ["fe80::1"],
    "unique-local.test": ["fd00::1"],
}
"""What the name server says of each name, every time."""
REBINDING = "rebinding"
"""Begins the names that are public when they are looked up first, and this machine ever after."""


def picture(size: tuple[int, int] = (40, 30)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (90, 120, 60)).save(buffer, "png")
    return buffer.getvalue()


_PICTURE = picture()


class NameServer:
    """DNS over UDP, as far as A and AAAA go; it notes how often each name was asked for."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((INSIDE, 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                query, caller = self._socket.recvfrom(4096)
                self._socket.sendto(self._answer(query), caller)
            except OSError:
                return

    def _answer(self, query: bytes) -> bytes:
        labels, at = [], 12
        while length := query[at]:
            labels.append(query[at + 1 : at + 1 + length].decode("latin-1"))
            at += 1 + length
        name, kind = ".".join(labels).lower(), struct.unpack(">H", query[at + 1 : at + 3])[0]
        if kind == 1:
            self.asked[name] += 1
        family, wanted = (socket.AF_INET6, 28) if kind == 28 else (socket.AF_INET, 1)
        found = [each for each in self._addresses(name) if (":" in each) == (kind == 28)]
        # The name of each answer is a pointer to that of the question; nothing may be kept for a second.
        records = b"".join(
            b"\xc0\x0c" + struct.pack(">HHIH", wanted, 1, 0, 16 if kind == 28 else 4) + socket.inet_pton(family, each)
            for each in found
        )
        known = self._addresses(name) != []
        head = query[:2] + struct.pack(">HHHHH", 0x8180 if known else 0x8183, 1, len(found), 0, 0)
        return head + query[12 : at + 5] + records

    def _addresses(self, name: str) -> list[str]:
        if name.startswith(REBINDING):
            return [PUBLIC] if self.asked[name] <= 1 else [INSIDE]
        return NAMES.get(name, [])


class Internet(Handler):
    """Pictures, redirects to anywhere and traps, under every public name."""

    def _ok(self) -> None:
        self._send(200, {"Content-Length": str(len(_PICTURE))}, _PICTURE)


class Canary(ThreadingHTTPServer):
    """What stands inside: whoever connects is noted, even if nothing is said."""

    def __init__(self, address: str, visits: list[str]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.visits = visits
        super().__init__((address, 0), _Sings)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.visits.append(f"a connection to port {self.server_port}")
        super().process_request(request, client_address)


class _Sings(BaseHTTPRequestHandler):
    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65_537)
        if not self.parse_request():
            return
        self.server.visits.append(f"{self.command} {self.path}")  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(_PICTURE)

    def log_message(self, format: str, *args: object) -> None:
        return None


@dataclass
class World:
    """Ports of all that a hostile URL may name, and what was seen there."""

    names: NameServer
    internet: int
    inside: int
    inside_six: int
    visits: list[str] = field(default_factory=list)
    seen: list[Any] = field(default_factory=list)

    @property
    def fetched(self) -> list[str]:
        """Hosts and paths that the internet was asked for."""
        return [f"{headers['Host']}{path}" for _, path, headers, _ in self.seen]


@contextmanager
def world() -> Iterator[World]:
    visits: list[str] = []
    names = NameServer()
    canary = Canary(INSIDE, visits)
    canaries = [canary]
    # Without IPv6 here its addresses lead to a port where nobody is.
    with suppress(OSError):
        canaries.append(Canary("::1", visits))
    for each in canaries:
        threading.Thread(target=each.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    # What another world's server still calls, a webhook for instance, is not seen in this one.
    seen: list[Any] = []
    own = type("Internet", (Internet,), {"seen": seen})
    with trapped(ThreadingHTTPServer((INSIDE, 0), own)) as internet:
        yield World(names, internet, canary.server_port, canaries[-1].server_port, visits, seen)
    for each in canaries:
        each.shutdown()
        each.server_close()
    names.close()
