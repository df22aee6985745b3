"""Marked calls in the words of every API that the server speaks, and how their pictures are got."""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from benchmarks.serving.marks import read

BOUNDARY = "between-the-parts-of-a-form"
POLL_S = 0.2
"""Seconds from one question about a job to the next."""
TIMEOUT_S = 600
ENDED = ("done", "failed", "cancelled", "completed", "COMPLETED", "FAILED")
"""How the APIs call jobs that have ended."""


class Reply(NamedTuple):
    """An answer; the names of its headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    data: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.data)


class Outgoing(NamedTuple):
    """A request to be sent."""

    path: str
    kind: str
    body: bytes


class Client:
    """One caller with one connection, who comes back when told to."""

    def __init__(self, port: int, statuses: Counter[str] | None = None) -> None:
        """``statuses`` counts what is answered, by the first part of the path and the status."""
        self._wire = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        self._statuses = statuses if statuses is not None else Counter()
        self.untold = 0
        """429s without ``Retry-After``."""

    def get(self, url: str) -> Reply:
        """Ask for a path, or for a whole URL of this server."""
        return self._answered("GET", urlsplit(url).path, None, {})

    def send(self, outgoing: Outgoing) -> Reply:
        """Send a call."""
        return self._answered("POST", outgoing.path, outgoing.body, {"content-type": outgoing.kind})

    def close(self) -> None:
        """Hang up."""
        self._wire.close()

    def _answered(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        while True:
            self._wire.request(method, path, body, dict(headers))
            answer = self._wire.getresponse()
            reply = Reply(answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read())
            self._statuses[f"{method} {_route(path)} {reply.status}"] += 1
            if reply.status != 429:
                return reply
            self.untold += "retry-after" not in reply.headers
            # Its whole wait would be for those who have time; one second is asked for at least.
            time.sleep(min(float(reply.headers.get("retry-after", 1)), 1.0))


@dataclass(frozen=True)
class Way:
    """One way to have a picture relit.

    Attributes:
        name: for tables.
        outgoing: makes the call for a number and its marked picture.
        job: the URL that tells of the job an answer speaks of; None: the answer is the picture.
        image: the URL of the picture in what is told of a job that is done.
        told: whether the seed of an answer is the number that was sent.
    """

    name: str
    outgoing: Callable[[int, bytes], Outgoing]
    job: Callable[[Any], str] | None = None
    image: Callable[[Any], str] | None = None
    told: bool = True


def relit(client: Client, way: Way, number: int, picture: bytes) -> str | None:
    """Have a marked picture relit; None, or what was wrong with the answer."""
    reply = client.send(way.outgoing(number, picture))
    if way.job is None:
        return fault(way, number, reply, reply.headers.get("x-seed-value"))
    if reply.status not in (200, 202):
        return f"{way.name}: {reply.status} {reply.data[:200]!r}"
    return fetched(client, way, number, way.job(reply.json))


def fetched(client: Client, way: Way, number: int, url: str) -> str | None:
    """Wait for a job and get its picture; None, or what was wrong."""
    while (found := client.get(url)).status == 200 and _state(found.json) not in ENDED:
        time.sleep(POLL_S)
    if found.status != 200 or way.image is None or _state(found.json) in ("failed", "cancelled", "FAILED"):
        return f"{way.name}: {found.status} {found.data[:200]!r}"
    return fault(way, number, client.get(way.image(found.json)), found.json.get("seed"))


def fault(way: Way, number: int, reply: Reply, seed: Any) -> str | None:
    """What is wrong with a picture that was got; None where it is the right one."""
    if reply.status != 200:
        return f"{way.name}: {reply.status} {reply.data[:200]!r}"
    found = read(reply.data)
    if found != number:
        return f"{way.name}: the picture of {number} bears {found}"
    if way.told and str(seed) != str(number):
        return f"{way.name}: the seed of {number} is told as {seed}"
    return None


def form(path: str, fields: Mapping[str, str | bytes]) -> Outgoing:
    """A multipart form; bytes are files."""
    parts = []
    for name, value in fields.items():
        file = '; filename="a.png"' if isinstance(value, bytes) else ""
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
        parts += [head.encode(), value if isinstance(value, bytes) else value.encode(), b"\r\n"]
    body = b"".join([*parts, f"--{BOUNDARY}--\r\n".encode()])
    return Outgoing(path, f"multipart/form-data; boundary={BOUNDARY}", body)


def as_json(path: str, fields: Mapping[str, Any]) -> Outgoing:
    """A JSON object; bytes are written in base64."""
    texts = {name: _text(value) if isinstance(value, bytes) else value for name, value in fields.items()}
    return Outgoing(path, "application/json", json.dumps(texts).encode())


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _state(job: Mapping[str, Any]) -> str:
    return str(job["state"] if "state" in job else job["status"])


def _route(path: str) -> str:
    return "/" + path.split("/")[1]


def _ic_light(version: str) -> Callable[[int, bytes], Outgoing]:
    asked = {"prompt": "a cup", "output_format": "png"}
    return lambda number, picture: as_json(f"/{version}/ic-light", {"subject_image": picture, "seed": number, **asked})


def _relighting_v2(version: str) -> Callable[[int, bytes], Outgoing]:
    path = f"/{version}/segmind-relighting-v2"
    return lambda number, picture: form(path, {"image": picture, "output_format": "jpeg", "quality": "low"})


def _house(path: str) -> Callable[[int, bytes], Outgoing]:
    return lambda number, picture: form(path, {"subject_image": picture, "seed": str(number)})


def _pixeldojo(number: int, picture: bytes) -> Outgoing:
    link = f"data:image/png;base64,{_text(picture)}"
    asked = {"seed": number, "width": 256, "height": 256, "output_format": "jpg"}
    return as_json("/api/v1/models/image-relighting/run", {"subject_image": link, **asked})


def _photoroom(number: int, picture: bytes) -> Outgoing:
    return form("/v2/edit", {"imageFile": picture, "lighting.mode": "ai.auto", "removeBackground": "false"})


HOUSE = Way("house, at once", _house("/relight"))
HOUSE_JOB = Way(
    "house, job",
    _house("/relight/jobs"),
    job=lambda told: f"/relight/jobs/{told['id']}",
    image=lambda job: job["images"][0]["url"],
)
SEGMIND = Way("ic-light, at once", _ic_light("v1"))
IC_LIGHT_JOB = Way(
    "ic-light, job", _ic_light("v2"), job=lambda told: told["response_url"], image=lambda job: job["output"]
)
PIXELDOJO = Way(
    "PixelDojo, job", _pixeldojo, job=lambda told: told["statusUrl"], image=lambda job: job["output"]["images"][0]
)
WAYS = (
    HOUSE,
    HOUSE_JOB,
    SEGMIND,
    IC_LIGHT_JOB,
    Way("Relighting V2, at once", _relighting_v2("v1"), told=False),
    Way(
        "Relighting V2, job",
        _relighting_v2("v2"),
        job=lambda told: told["response_url"],
        image=lambda job: job["output"],
        told=False,
    ),
    PIXELDOJO,
    Way("Photoroom, at once", _photoroom, told=False),
)
"""All of them."""
