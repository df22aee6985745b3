"""A manifest of a million rows, of which few run: how soon the first picture comes, and whether memory stays flat."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.batch.pictures import draw, write_manifest
from benchmarks.environment import MIB, describe

EVERY_S = 0.05


@dataclass(frozen=True)
class Million:
    """What is measured.

    Attributes:
        rows: of the manifest, each with a prompt, a seed and a name of its own.
        few: rows of the manifest that it is compared with.
        limit: rows that run.
        weights: bundle.
    """

    rows: int = 1_000_000
    few: int = 1_000
    limit: int = 50
    weights: str = "tests/goldens/bundle"


def measure(million: Million, folder: Path) -> dict[str, Any]:
    """Seconds to the first picture and to the end, and peak memory in MiB, for a short and for the long manifest."""
    pictures = draw(folder / "in", 16)
    found: dict[str, Any] = {"million": asdict(million), "environment": describe("cpu")}
    for name, rows in (("few", million.few), ("rows", million.rows)):
        manifest = folder / f"{name}.csv"
        write_manifest(manifest, pictures, rows)
        found[name] = {"bytes": manifest.stat().st_size, **_run(million, manifest, folder / f"out-{name}")}
        manifest.unlink()
    found["memory_ratio"] = found["rows"]["peak_mib"] / found["few"]["peak_mib"]
    return found


def _run(million: Million, manifest: Path, out: Path) -> dict[str, Any]:
    words = [
        sys.executable,
        "-m",
        "iclight_local.cli",
        "batch",
        str(manifest),
        "--out",
        str(out),
        "--json",
        "--offline",
    ]
    knobs = ("--width=64", "--height=64", "--steps=1", "--highres-scale=1", f"--limit={million.limit}")
    log = manifest.with_suffix(".events")
    began, first, peak = time.monotonic(), None, 0
    with log.open("wb") as stream:
        command = [*words, *knobs, "--weights", million.weights, "--device=cpu"]
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.DEVNULL, env=env)
        seen = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                peak = max(peak, seen.memory_info().rss)
            except psutil.NoSuchProcess:
                break
            if first is None and log.stat().st_size:
                first = time.monotonic() - began
            time.sleep(EVERY_S)
    status = process.wait()
    summary = json.loads(log.read_text().splitlines()[-1])
    return {
        "exit_status": status,
        "made": summary["made"],
        "first_s": first,
        "all_s": time.monotonic() - began,
        "peak_mib": round(peak / MIB, 1),
    }
