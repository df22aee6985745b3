"""A server as it is served, as a process of its own in a made-up world: ``python -m tests.server.hostile_process``.

The arguments are one JSON object. Names that are no numbers are asked of the name server of the world, by DNS over UDP,
in place of the system's; a connection to a public address is led to the internet of the world, every other one goes
where it says. Both happen below `iclight_local.imaging.guarded`, of which nothing is changed.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import struct
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

TOLD: dict[str, Any] = json.loads(sys.argv[1]) if __name__ == "__main__" else {}
_SYSTEM = socket.getaddrinfo
Found = list[tuple[Any, ...]]


def looked_up(host: Any, port: Any, family: int = 0, kind: int = 0, proto: int = 0, flags: int = 0) -> Found:
    """`socket.getaddrinfo`: numbers as the system reads them, names as the name server says."""
    try:
        return _SYSTEM(host, port, family, kind, proto, flags | socket.AI_NUMERICHOST)
    except socket.gaierror:
        if host.rstrip(".").lower() == "localhost":
            return _SYSTEM(host, port, family, kind, proto, flags)
    found = [each for record in (1, 28) for each in _asked(host, record)]
    if not found:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return [entry for each in found for entry in _SYSTEM(each, port, family, kind, proto, socket.AI_NUMERICHOST)]


def _asked(host: str, record: int) -> list[str]:
    """The addresses of one kind (1: A, 28: AAAA) that a name server gives for a name."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in host.split(".") if part)
    query = secrets.token_bytes(2) + struct.pack(">HHHHH", 0x0100, 1, 0, 0, 0) + labels + b"\0"
    query += struct.pack(">HH", record, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.settimeout(2)
        wire.sendto(query, ("127.0.0.1", TOLD["names"]))
        answer = wire.recv(4096)
    found, at = [], len(query)
    for _ in range(struct.unpack(">H", answer[6:8])[0]):
        size = struct.unpack(">H", answer[at + 10 : at + 12])[0]
        data = answer[at + 12 : at + 12 + size]
        found.append(socket.inet_ntop(socket.AF_INET6 if size == 16 else socket.AF_INET, data))
        at += 12 + size
    return found


def main() -> None:
    # Before anything holds the system's own.
    socket.getaddrinfo = looked_up
    from iclight_local.engines.base import Engine
    from iclight_local.imaging.files import decode
    from iclight_local.imaging.guarded import open_socket
    from iclight_local.server import serving
    from iclight_local.server.watching import JsonLines
    from iclight_local.settings import ServeSettings, Settings
    from tests.fake_engine import FakeEngine, FramedFake
    from tests.imaging.hostile_server import PUBLIC

    def connect(address: str, port: int, seconds: float) -> socket.socket:
        with Path(TOLD["reached"]).open("a") as file:
            file.write(f"{address}\n")
        if address == PUBLIC:
            return open_socket("127.0.0.1", TOLD["internet"], seconds)
        # The canary is there; nothing beyond this machine is spoken to, whatever is wrong with the guard.
        if not address.startswith(("127.", "::1", "0.", "::ffff:127.")):
            raise OSError(address)
        return open_socket(address, port, seconds)

    class Decoding(FramedFake):
        """Reads its pictures as an engine does, and keeps none of them."""

        def relight(self, request: Any, **how: Any) -> Any:
            for given in (request.subject_image, request.background_image, request.matte, request.light_map):
                if given is not None:
                    decode(given, offline=True)
            if request.light_reference is not None:
                decode(request.light_reference, offline=True)
            self.requests.clear()
            # An edit is composed around a picture of the subject's own size; the others are small for all the same.
            return (
                super().relight(request, **how) if request.fit == "input" else FakeEngine.relight(self, request, **how)
            )

        def cut_out(self, request: Any, **how: Any) -> Any:
            self.requests.clear()
            return super().cut_out(request, **how)

    def opened() -> Engine:
        return Decoding()

    # Whoever started it holds the other end: it goes when they do, however that happens.
    threading.Thread(target=lambda: os._exit(len(sys.stdin.read())), daemon=True).start()
    handler = logging.FileHandler(TOLD["log"])
    handler.setFormatter(JsonLines())
    logging.getLogger().handlers[:] = [handler]
    logging.getLogger().setLevel(logging.INFO)
    serving.Guard = partial(serving.Guard, connect=connect, seconds=2.0)  # type: ignore[misc, assignment]
    options = ServeSettings(port=0, **TOLD["options"])
    settings = Settings(home=Path(TOLD["home"]), offline=TOLD["offline"])
    listener = serving.listening_socket(options)
    serving.serve(opened, settings, options, listener, lambda url: print(url, os.getpid(), flush=True))


if __name__ == "__main__":
    main()
