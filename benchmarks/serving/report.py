"""The measurements of a server as one JSON file each, and as tables."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.environment import describe
from benchmarks.serving.crashes import Crashes
from benchmarks.serving.crashes import measure as measure_crashes
from benchmarks.serving.overhead import DIALECTS, Beside, measure, measure_miniature
from benchmarks.serving.process import serving
from benchmarks.serving.waves import Wave, memory_of, run_wave, watched_memory

PACKAGES = ("starlette", "uvicorn", "h11", "python-multipart")
ASKED_MS = 15
"""What the server may add to a call, in the median."""
ENGINE_S = 0.005
"""What a relight takes under load, in seconds."""
_FSYNCS = 20


@dataclass(frozen=True)
class Load:
    """What is measured.

    Attributes:
        waves: of ``wave``, one after another at the same server; the first one warms it up.
        wave: callers and calls.
        beside: pairs of calls and work in process.
    """

    waves: int = 5
    wave: Wave = field(default_factory=Wave)
    beside: Beside = field(default_factory=Beside)


def measure_load(load: Load) -> dict[str, Any]:
    """Everything about a server that is not killed, as plain values."""
    environment = describe_server()
    miniature = {"miniature": measure_miniature(load.beside.relights)} if load.beside.relights else {}
    overhead = measure(load.beside)
    wave = asdict(load.wave) | {"ways": [way.name for way in load.wave.ways]}
    return {
        "load": {"waves": load.waves, "wave": wave, "engine_s": ENGINE_S, "beside": asdict(load.beside)},
        "environment": environment,
        "overhead": overhead,
        **miniature,
        "waves": _waves(load),
    }


def measure_kills(crashes: Crashes) -> dict[str, Any]:
    """Everything about a server that is killed, as plain values."""
    environment = describe_server()
    with tempfile.TemporaryDirectory() as folder:
        return {"environment": environment, **measure_crashes(crashes, Path(folder))}


def describe_server() -> dict[str, Any]:
    """The environment, with the server's own packages and what it takes to have 4 KB on the disk."""
    return {
        **describe("cpu"),
        "server_packages": {name: metadata.version(name) for name in PACKAGES},
        "fsync_ms": _fsync_ms(),
    }


def load_table(found: dict[str, Any]) -> str:
    """What was measured, and what was asked."""
    waves, last = found["waves"], found["waves"][-1]
    wave = found["load"]["wave"]
    odd = sum(count for each in waves for name, count in each["statuses"].items() if name.split()[-1] not in _FINE)
    rows = [
        (f"{len(waves)} waves of {wave['clients']} callers, {wave['calls']} calls over every API", "", ""),
        (
            "answers with another's picture, a damaged one or a wrong seed",
            sum(len(each["faults"]) for each in waves),
            "0",
        ),
        ("statuses other than 200, 202 and 429", odd, "0"),
        ("429s that do not say when to come back", sum(each["unexplained"] for each in waves), "0"),
        ("seconds of the last wave", f"{last['seconds']:.1f}", ""),
        ("memory in the median of each wave, MiB", ", ".join(f"{each['median_mib']:.0f}" for each in waves), "flat"),
    ]
    for name in DIALECTS:
        each = found["overhead"][name]
        added, cpu = each["alone"]["overhead_ms"], each["cpu_ms"]
        rows += [
            (
                f"added to a call, {name}, median (p95)",
                f"{added['median']:.1f} ms ({added['p95']:.1f})",
                f"< {ASKED_MS} ms",
            ),
            ("… of it processor time", f"{cpu['server'] - cpu['engine']:.1f} ms", ""),
            (f"… to each of {each['busy']['clients']} callers' at once", f"{each['busy']['added_ms']:.1f} ms", ""),
        ]
    if "miniature" in found:
        mini = found["miniature"]
        figure = f"{mini['server_median_ms'] / 1000:.2f} s, {mini['engine_median_ms'] / 1000:.2f} s"
        rows.append(("a whole relight with the miniature, through the server and without", figure, ""))
    return _table(("figure", "measured", "asked"), rows)


def kills_table(found: dict[str, Any]) -> str:
    """What was measured, and what was asked."""
    left = found["left"]
    rows = [
        ("kills", found["crashes"]["kills"], "50"),
        ("jobs accepted meanwhile", found["accepted"], ""),
        ("… that did not come to their own picture", len(found["lost"]), "0"),
        ("… that ended twice for whoever looked", found["changed"], "0"),
        ("the database, as SQLite finds it", left["integrity"], "ok"),
        (
            "folders of no job, damaged results, jobs kept too long",
            f"{left['strays']}, {left['damaged']}, {left['over']}",
            "0, 0, 0",
        ),
        *((f"kills that met {what}", count, "") for what, count in found["under_way"].items()),
    ]
    return _table(("figure", "measured", "asked"), rows)


_FINE = ("200", "202", "429")


def _waves(load: Load) -> list[dict[str, Any]]:
    found = []
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), {"rate": 0}, ENGINE_S) as server:
        for index in range(load.waves):
            wave = Wave(**{**vars(load.wave), "first": 1 + index * load.wave.calls})
            with watched_memory(server) as samples:
                result = run_wave(server.port, wave)
            found.append({**result, **memory_of(samples)})
    return found


def _fsync_ms() -> float:
    with tempfile.NamedTemporaryFile() as file:
        times = []
        for _ in range(_FSYNCS):
            began = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - began)
    return round(1000 * median(times), 2)


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = ["| " + " | ".join(str(cell) for cell in row) + " |" for row in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]]) + "\n"
