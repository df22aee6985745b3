"""What the server adds to the engine: calls through it and the same work without it, in turns."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.serving.calls import HOUSE, SEGMIND, Client, Way, fault
from benchmarks.serving.engine import Echo, Run
from benchmarks.serving.marks import draw
from benchmarks.serving.process import serving
from iclight_local.dialects import find_dialect
from iclight_local.dialects.base import Call
from iclight_local.engines.base import Engine

DIALECTS = {"house": HOUSE, "segmind_ic_light": SEGMIND}
"""Ways that answer with the picture itself, by the name of their dialect; both write PNG."""


@dataclass(frozen=True)
class Beside:
    """Pairs of a call through the server and the same work in this process.

    Attributes:
        calls: pairs of each dialect, one after another.
        clients: callers at once, of as many calls again.
        seconds: that a relight takes.
        size: width and height of a picture in pixels, multiples of 8.
    """

    calls: int = 60
    clients: int = 8
    seconds: float = 0.05
    size: tuple[int, int] = (512, 640)


def measure(beside: Beside) -> dict[str, Any]:
    """Measure each dialect.

    Returns:
        By dialect ``alone`` and ``busy``, times in ms: of all pairs ``server_ms`` and ``engine_ms`` (the engine and
        the writing of its picture in this process), their difference as ``overhead_ms`` with median and p95, and where
        the time of a call goes.
    """
    found = {}
    for name, way in DIALECTS.items():
        with tempfile.TemporaryDirectory() as folder, serving(Path(folder), {"rate": 0}, beside.seconds) as server:
            calls, here = _pairs(server.port, way, name, beside)
            busy = _busy(server.port, way, beside)
            server.stop()
            runs = {run.seed: run for run in server.runs()}
        found[name] = {
            "alone": {**compared([end - sent for sent, end in calls.values()], [sum(each) for each in here])},
            "parts_ms": _parts(calls, runs, here),
            "busy": {**busy, "added_ms": _ms(busy["call_ms"] / 1000 - median(sum(each) for each in here))},
        }
    return found


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
            "p95": round(quantiles(added, n=20)[-1], 2),
        },
    }


def in_process(
    engine: Engine, dialect_name: str, fields: Iterable[tuple[str, str]], picture: bytes
) -> tuple[float, float]:
    """Seconds of a relight without a server: of the engine, and of writing its picture."""
    dialect = find_dialect(dialect_name)
    began = time.perf_counter()
    asked = dialect.read(Call(dict(fields), {"subject_image": picture}))
    request = dialect.request(asked, {"subject_image": picture})
    result = engine.relight(request)
    relit = time.perf_counter()
    dialect.deliver(asked, request, result)
    return relit - began, time.perf_counter() - relit


def checked(client: Client, way: Way, number: int, picture: bytes) -> tuple[float, float]:
    """Make a call: when it was sent and when its picture was here, by ``time.monotonic()``.

    Raises:
        RuntimeError: the answer is not the right one.
    """
    outgoing = way.outgoing(number, picture)
    sent = time.monotonic()
    reply = client.send(outgoing)
    end = time.monotonic()
    if wrong := fault(way, number, reply, reply.headers.get("x-seed-value")):
        raise RuntimeError(wrong)
    return sent, end


_Calls = dict[int, tuple[float, float]]


def _pairs(port: int, way: Way, dialect: str, beside: Beside) -> tuple[_Calls, list[tuple[float, float]]]:
    client, engine = Client(port), Echo(beside.seconds)
    calls: _Calls = {}
    here: list[tuple[float, float]] = []
    for number in range(beside.calls + 1):
        picture = draw(number, beside.size)
        calls[number] = checked(client, way, number, picture)
        fields = [("seed", str(number)), ("prompt", "a cup"), ("output_format", "png")]
        here.append(in_process(engine, dialect, fields, picture))
    client.close()
    # The first pair warms both up.
    del calls[0]
    return calls, here[1:]


def _busy(port: int, way: Way, beside: Beside) -> dict[str, Any]:
    numbers = range(10_000, 10_000 + beside.calls)
    pictures = {number: draw(number, beside.size) for number in numbers}

    def one(number: int) -> None:
        client = Client(port)
        checked(client, way, number, pictures[number])
        client.close()

    began = time.monotonic()
    with ThreadPoolExecutor(beside.clients) as pool:
        list(pool.map(one, numbers))
    return {"clients": beside.clients, "calls": len(numbers), "call_ms": _ms((time.monotonic() - began) / len(numbers))}


def _parts(calls: _Calls, runs: dict[int, Run], here: Sequence[tuple[float, float]]) -> dict[str, float]:
    """Where the time of a call goes, in the median."""
    encoding = median(each for _, each in here)
    return {
        "before_engine": _ms(median(runs[number].began - sent for number, (sent, _) in calls.items())),
        "engine": _ms(median(runs[number].ended - runs[number].began for number in calls)),
        "after_engine": _ms(median(end - runs[number].ended for number, (_, end) in calls.items())),
        "of_these_encoding": _ms(encoding),
    }


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 2)
