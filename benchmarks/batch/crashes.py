"""A batch that is killed at random moments and run again: whether every picture comes out once, whole, and the same."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.batch.pictures import draw

KNOBS = ("--width", "64", "--height", "64", "--steps", "1", "--highres-scale", "1", "--light-source", "left")


@dataclass(frozen=True)
class Crashes:
    """How often and of what.

    Attributes:
        kills: ``kill -9`` of the batch's process.
        pictures: of the batch.
        together: rows that are sampled in one call.
        weights: bundle.
        seed: of the moments.
        alive: seconds that a process lives beyond its start at most.
        extra: further options of ``iclight batch``.
    """

    kills: int = 20
    pictures: int = 500
    together: int = 4
    weights: str = "tests/goldens/bundle"
    seed: int = 0
    alive: float = 4.0
    extra: tuple[str, ...] = ()


def measure(crashes: Crashes, folder: Path) -> dict[str, Any]:
    """Run a batch to its end, and another one of the same pictures that is killed; compare.

    Returns:
        ``missing``, ``different`` and ``strange`` files of the killed one, each expected to be empty; ``events``: how
        often a picture was reported done, by how many pictures; and at what each kill met it.
    """
    draw(folder / "in", crashes.pictures)
    whole, killed = folder / "whole", folder / "killed"
    first = _run(crashes, folder, whole)
    first.wait()
    chance, told, done_at = random.Random(crashes.seed), [], []
    for number in range(crashes.kills):
        log = folder / f"events-{number}.jsonl"
        process = _run(crashes, folder, killed, log)
        # Some while it starts, most while it works.
        _wait_for_events(process, log, chance.choice([0, 1, 1, 1]))
        time.sleep(chance.uniform(0, crashes.alive))
        process.send_signal(signal.SIGKILL)
        process.wait()
        told.append(log)
        done_at.append(len(_results(killed)))
    last = folder / "events-last.jsonl"
    status = _run(crashes, folder, killed, last).wait()
    told.append(last)
    wanted, found = _hashes(whole), _hashes(killed)
    names = [name for log in told for name in _done(log)]
    return {
        "crashes": asdict(crashes),
        "exit_status": status,
        "pictures": len(wanted),
        "missing": sorted(set(wanted) - set(found)),
        "different": sorted(name for name in wanted if name in found and wanted[name] != found[name]),
        "strange": sorted(set(found) - set(wanted)) + sorted(str(p.name) for p in killed.rglob(".iclight-*")),
        "done_at_each_kill": done_at,
        "told_done": len(names),
        "told_twice": len(names) - len(set(names)),
        "last_run": _summary(last),
    }


def _run(crashes: Crashes, folder: Path, out: Path, log: Path | None = None) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "iclight_local.cli", "batch", str(folder / "in"), "--out", str(out)]
    options = (
        "--weights",
        crashes.weights,
        "--together",
        str(crashes.together),
        "--device",
        "cpu",
        "--offline",
        "--json",
    )
    # One thread each: what is measured is not speed.
    env = {**os.environ, "OMP_NUM_THREADS": "1", "ICLIGHT_HOME": str(folder / "home")}
    with (log if log is not None else folder / "events-whole.jsonl").open("wb") as stream:
        return subprocess.Popen(
            [*command, *KNOBS, *options, *crashes.extra], stdout=stream, stderr=subprocess.DEVNULL, env=env
        )


def _wait_for_events(process: subprocess.Popen[bytes], log: Path, count: int) -> None:
    while process.poll() is None and len(_done(log)) < count:
        time.sleep(0.02)


def _lines(log: Path) -> Sequence[dict[str, Any]]:
    # The last line of a killed process may be torn.
    lines = log.read_text().splitlines()
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def _done(log: Path) -> list[str]:
    return [line["name"] for line in _lines(log) if line.get("event") == "done"]


def _summary(log: Path) -> dict[str, Any]:
    return next((line for line in _lines(log) if line.get("event") == "summary"), {})


def _results(out: Path) -> list[Path]:
    return [path for path in out.rglob("*.png") if path.is_file()]


def _hashes(out: Path) -> dict[str, str]:
    """Of all files but the ledger: pictures, and what is said of them."""
    files = [path for path in out.rglob("*") if path.is_file() and ".iclight" not in path.parts]
    return {path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
