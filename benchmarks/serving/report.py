"""The measurements of a server, each as plain values for one JSON file."""

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
from benchmarks.serving.overhead import Beside, measure, measure_miniature
from benchmarks.serving.process import serving
from benchmarks.serving.waves import Wave, memory_of, run_wave, watched_memory

PACKAGES = ("starlette", "uvicorn", "h11", "python-multipart")
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
