"""What the server adds to the engine: calls through it and the same work without it, in turns."""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

import skimage.data
from PIL import Image

from benchmarks.serving.calls import HOUSE, SEGMIND, Client, Outgoing, Way, fault, form
from benchmarks.serving.engine import Echo, Run
from benchmarks.serving.marks import draw
from benchmarks.serving.process import serving
from iclight_local.assemble import open_engine
from iclight_local.dialects import find_dialect
from iclight_local.dialects.base import Call
from iclight_local.engines.base import Engine

DIALECTS = {"house": HOUSE, "segmind_ic_light": SEGMIND}
"""Ways that answer with the picture itself, a form and JSON, by the name of their dialect; both write PNG."""
REAL = {"width": "256", "height": "320", "steps": "8", "highres_scale": "1", "prompt": "warm light", "light": "left"}
"""What the miniature is asked for."""


@dataclass(frozen=True)
class Beside:
    """Pairs of a call through the server and the same work in this process.

    Attributes:
        calls: pairs of each dialect, one after another.
        clients: callers at once, of as many calls again.
        seconds: that a relight takes.
        size: width and height of a picture in pixels, multiples of 8.
        relights: pairs with the embedded miniature in place of an engine of a known duration.
    """

    calls: int = 60
    clients: int = 8
    seconds: float = 0.05
    size: tuple[int, int] = (512, 640)
    relights: int = 5


class Alone(NamedTuple):
    """A relight without a server: seconds of the engine, of writing its picture, and of the processor for both."""

    engine: float
    encoding: float
    cpu: float

    @property
    def whole(self) -> float:
        """Seconds of both."""
        return self.engine + self.encoding


class Through(NamedTuple):
    """A call: when it was sent and when its picture was here, by ``time.monotonic()``."""

    sent: float
    here: float

    @property
    def whole(self) -> float:
        """Seconds of the call."""
        return self.here - self.sent


def measure(beside: Beside) -> dict[str, Any]:
    """Measure each dialect.

    Returns:
        By dialect ``alone`` and ``busy``, times in ms: of all pairs ``server_ms`` and ``engine_ms`` (the engine and
        the writing of its picture in this process), their difference as ``overhead_ms`` with median and p95; processor
        time of a call on both sides; and where the time of a call goes.
    """
    found = {}
    for name, way in DIALECTS.items():
        # One engine, as in this process: its time is taken off.
        options = {"rate": 0, "most_together": 1}
        with tempfile.TemporaryDirectory() as folder, serving(Path(folder), options, beside.seconds) as server:
            _pairs(server.port, way, name, beside, range(-3, 0))
            before = server.cpu_seconds()
            calls, here = _pairs(server.port, way, name, beside, range(beside.calls))
            cpu = (server.cpu_seconds() - before) / len(calls)
            busy = _busy(server.port, way, beside)
            server.stop()
            runs = {run.seed: run for run in server.runs()}
        found[name] = {
            "alone": compared([call.whole for call in calls.values()], [each.whole for each in here]),
            "cpu_ms": {"server": _ms(cpu), "engine": _ms(sum(each.cpu for each in here) / len(here))},
            "parts_ms": _parts(calls, runs, here),
            "busy": {**busy, "added_ms": round(busy["call_ms"] - _ms(median(each.whole for each in here)), 2)},
        }
    return found


def measure_miniature(relights: int) -> dict[str, Any]:
    """Whole relights with the embedded miniature, :data:`REAL`, through the server and in this process, in turns."""
    buffer = io.BytesIO()
    Image.fromarray(skimage.data.astronaut()).save(buffer, "png")
    picture, calls, here = buffer.getvalue(), [], []
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), {"weights": "mini"}, None) as server:
        engine = open_engine(weights="mini", home=Path(folder) / "other")
        for index in range(-1, relights):
            fields = {**REAL, "seed": str(index + 1)}
            # On a new connection: while the other side works, an idle one may be closed.
            client = Client(server.port)
            call, reply = _timed(client, form("/relight", {**fields, "subject_image": picture}))
            client.close()
            if reply.status != 200:
                raise RuntimeError(f"The miniature answered {reply.status}: {reply.data[:200]!r}")
            alone = in_process(engine, "house", fields, picture)
            # The first pair loads and warms up.
            if index >= 0:
                calls.append(call.whole)
                here.append(alone.whole)
        engine.close()
    return {"asked": REAL, **compared(calls, here)}


def compared(through: Sequence[float], alone: Sequence[float]) -> dict[str, Any]:
    """Times of pairs in seconds: raw values, medians and the difference of each pair, in ms."""
    added = [_ms(one - other) for one, other in zip(through, alone, strict=True)]
    return {
        "server_ms": [_ms(each) for each in through],
        "engine_ms": [_ms(each) for each in alone],
        "server_median_ms": _ms(median(through)),
        "engine_median_ms": _ms(median(alone)),
        "overhead_ms": {
            "values": added,
            "median": round(median(added), 2),
            "p95": round(quantiles(added, n=20, method="inclusive")[-1], 2),
        },
    }


def in_process(engine: Engine, name: str, fields: Mapping[str, str], picture: bytes) -> Alone:
    """Relight without a server, as the dialect ``name`` asks."""
    dialect, began, worked = find_dialect(name), time.perf_counter(), time.process_time()
    asked = dialect.read(Call(fields, {"subject_image": picture}))
    request = dialect.request(asked, {"subject_image": picture})
    result = engine.relight(request)
    relit = time.perf_counter()
    dialect.deliver(asked, request, result)
    return Alone(relit - began, time.perf_counter() - relit, time.process_time() - worked)


def _pairs(port: int, way: Way, dialect: str, beside: Beside, indices: range) -> tuple[dict[int, Through], list[Alone]]:
    client, engine, calls, here = Client(port), Echo(beside.seconds), {}, []
    for index in indices:
        number = 1000 + index
        picture = draw(number, beside.size)
        calls[number] = _checked(client, way, number, picture)
        fields = {"seed": str(number), "prompt": "a cup", "output_format": "png"}
        here.append(in_process(engine, dialect, fields, picture))
    client.close()
    return calls, here


def _busy(port: int, way: Way, beside: Beside) -> dict[str, Any]:
    """Seconds from one picture to the next where the server always has the next call already."""
    numbers = range(10_000, 10_000 + beside.calls)
    pictures = {number: draw(number, beside.size) for number in numbers}

    def one(number: int) -> None:
        client = Client(port)
        _checked(client, way, number, pictures[number])
        client.close()

    began = time.monotonic()
    with ThreadPoolExecutor(beside.clients) as pool:
        list(pool.map(one, numbers))
    return {"clients": beside.clients, "calls": len(numbers), "call_ms": _ms((time.monotonic() - began) / len(numbers))}


def _checked(client: Client, way: Way, number: int, picture: bytes) -> Through:
    """Make a call; RuntimeError where the answer is not the right one."""
    call, reply = _timed(client, way.outgoing(number, picture))
    if wrong := fault(way, number, reply, reply.headers.get("x-seed-value")):
        raise RuntimeError(wrong)
    return call


def _timed(client: Client, outgoing: Outgoing) -> tuple[Through, Any]:
    sent = time.monotonic()
    reply = client.send(outgoing)
    return Through(sent, time.monotonic()), reply


def _parts(calls: Mapping[int, Through], runs: Mapping[int, Run], here: Sequence[Alone]) -> dict[str, float]:
    """Where the time of a call goes, in the median."""
    return {
        "before_engine": _ms(median(runs[number].began - call.sent for number, call in calls.items())),
        "engine": _ms(median(runs[number].ended - runs[number].began for number in calls)),
        "after_engine": _ms(median(call.here - runs[number].ended for number, call in calls.items())),
        "of_these_encoding": _ms(median(each.encoding for each in here)),
    }


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 2)
