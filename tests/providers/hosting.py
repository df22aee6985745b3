"""What the tests of providers share: engines for a server on this machine, and addresses for pictures."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from iclight_local.engines.remote import RemoteEngine, RemoteOptions
from iclight_local.providers import list_providers
from iclight_local.providers.base import Account, Secret

KEY = "sk-0123456789-NeverShown"


def remote(name: str, url: str, home: Path, seconds: float = 10) -> RemoteEngine:
    """The engine of a provider whose API is at ``url``."""
    account = Account(list_providers()[name], url, Secret(KEY), "a test")
    return RemoteEngine(account, RemoteOptions(home, seconds))


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a server with a handler."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def shelf(data: bytes) -> Iterator[str]:
    """The address of a picture."""

    class Shelf(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    with listening(Shelf) as url:
        yield f"{url}/picture.png"
