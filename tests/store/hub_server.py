"""A server on this machine that speaks what fetching needs of the hub's protocol, and can be told to misbehave."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PIECE = 1 << 16


@dataclass
class Trouble:
    """How answers go wrong.

    Attributes:
        status: answer so instead.
        headers: what that answer says besides.
        cut_after: break the connection behind so many bytes of the body.
        slow: seconds between two pieces of the body.
        wait: seconds before the answer.
        body: give these bytes instead.
        method: only answers to this.
        times: so many answers; without end where None.
    """

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    slow: float = 0.0
    wait: float = 0.0
    body: bytes | None = None
    method: str = ""
    times: int | None = None


@dataclass
class Seen:
    """One request: what was asked, how it was answered, and how many bytes of a body went out."""

    method: str
    path: str
    headers: dict[str, str]
    status: int = 0
    sent: int = 0


class HubServer:
    """Serves repositories as the hub does, and any other path as a plain server.

    Usage: ``with HubServer() as server``; ``server.put("owner/name", "path", data)``.

    Attributes:
        seen: every request so far.
        cdn: another server that requests for files are sent on to.
        heads: whether it answers ``HEAD``.
        ranges: whether it gives the rest of a file, and not always the whole.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.troubles: dict[str, deque[Trouble]] = {}
        self.seen: list[Seen] = []
        self.cdn: HubServer | None = None
        self.heads = True
        self.ranges = True
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> HubServer:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def put(self, repository: str, path: str, data: bytes, revision: str = COMMIT) -> None:
        """Publish a file of a repository."""
        self._put(f"/{repository}/resolve/{revision}/{path}", data)

    def mirror(self, path: str, data: bytes) -> None:
        """Publish a file at a plain path."""
        self._put(f"/{path}", data)

    def _put(self, place: str, data: bytes) -> None:
        self.files[place] = data
        if self.cdn is not None:
            self.cdn.files[f"/cdn{place}"] = data

    def trouble(self, end_of_path: str, *troubles: Trouble) -> None:
        """Answer requests for what ends so with troubles, one after another; afterwards as usual."""
        self.troubles[end_of_path] = deque(troubles)

    def bodies(self, end_of_path: str = "") -> list[int]:
        """How many bytes went out in each body, in the order of the requests."""
        gets = [seen for seen in self.seen if seen.method == "GET" and seen.path.endswith(end_of_path)]
        return [seen.sent for seen in gets if seen.status in (200, 206)]

    def next_trouble(self, method: str, path: str) -> Trouble:
        """What goes wrong with this request."""
        for end, troubles in self.troubles.items():
            if path.endswith(end) and troubles and troubles[0].method in ("", method):
                first = troubles[0]
                if first.times is not None:
                    first.times -= 1
                    if first.times == 0:
                        troubles.popleft()
                return first
        return Trouble()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that goes away is what is tested."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    hub: HubServer

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self) -> None:
        seen = Seen(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        self.hub.seen.append(seen)
        trouble = self.hub.next_trouble(self.command, self.path)
        data = self.hub.files.get(self.path) if trouble.body is None else trouble.body
        time.sleep(trouble.wait)
        if self.command == "HEAD" and not self.hub.heads:
            self._plain(seen, 405, {})
        elif trouble.status is not None:
            self._plain(seen, trouble.status, trouble.headers)
        elif data is None:
            self._plain(seen, 404, {"X-Error-Code": "EntryNotFound"})
        elif self.hub.cdn is not None:
            self._plain(seen, 302, {"Location": f"{self.hub.cdn.url}/cdn{self.path}", **self._facts(data)})
        else:
            self._body(seen, data, trouble)

    def _facts(self, data: bytes) -> dict[str, str]:
        large = len(data) > 1000
        git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        tag = hashlib.sha256(data).hexdigest() if large else git
        facts = {"ETag": f'"{tag}"'}
        if "/resolve/" in self.path:
            facts["X-Repo-Commit"] = COMMIT
            if large:
                facts |= {"X-Linked-Size": str(len(data)), "X-Linked-Etag": f'"{tag}"'}
        return facts

    def _plain(self, seen: Seen, status: int, headers: dict[str, str]) -> None:
        seen.status = status
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def _body(self, seen: Seen, data: bytes, trouble: Trouble) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", seen.headers.get("range", "")) if self.hub.ranges else None
        start = int(asked.group(1)) if asked is not None else 0
        if start >= len(data) and start > 0:
            self._plain(seen, 416, {"Content-Range": f"bytes */{len(data)}"})
            return
        seen.status = 206 if asked is not None else 200
        self.send_response(seen.status)
        facts = {**self._facts(data), "Accept-Ranges": "bytes", "Content-Length": str(len(data) - start)}
        if asked is not None:
            facts["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        for name, value in facts.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self._send(seen, memoryview(data)[start:], trouble)

    def _send(self, seen: Seen, rest: memoryview, trouble: Trouble) -> None:
        until = len(rest) if trouble.cut_after is None else min(trouble.cut_after, len(rest))
        while seen.sent < until:
            piece = rest[seen.sent : min(seen.sent + PIECE, until)]
            self.wfile.write(piece)
            seen.sent += len(piece)
            time.sleep(trouble.slow)
        if trouble.cut_after is not None:
            self.close_connection = True
