"""The CPU against plain diffusers, in turns: the UNet's call by itself, a whole run by its stages, and a profile.

Plain diffusers and each form of the product are a process of their own, two of them at a time, and one waits while the
other works; so neither's settings or memory touch the other's. The product's pipeline is the one that its engine
loads: whatever form of the UNet the engine chooses is what is measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.compare import QUIET, read_through
from benchmarks.environment import describe

SCHEMA = 1
PLAIN = "plain"
PRECISIONS = {"lossless": "auto", "int8": "int8"}
"""The forms of the product, and the precision that each is opened with."""


@dataclass(frozen=True)
class Cpu:
    """Everything that decides what is measured.

    Attributes:
        bundle: folder with ``base/`` and the offsets.
        model: ``fc``, ``fcon`` or ``fbc``.
        latents: heights and widths of the calls by themselves.
        pairs: calls of each side at each of these sizes, after one that is not counted.
        width, height: of a whole run's lowres pass, in pixels.
        steps: of each of its passes; the default run takes 25.
        runs: whole runs of each side; none is a warm-up.
        sides: forms of the product.
        threads: of torch; None: as torch chooses.
    """

    bundle: str
    model: str = "fc"
    latents: Sequence[Sequence[int]] = ((64, 80), (32, 40))
    pairs: int = 5
    width: int = 512
    height: int = 640
    steps: int = 4
    runs: int = 1
    seed: int = 12345
    sides: Sequence[str] = tuple(PRECISIONS)
    threads: int | None = None


class Side:
    """A side in a process of its own, that answers orders.

    Raises:
        RuntimeError: the process ended; the message is the end of what it wrote.
    """

    def __init__(self, name: str, experiment: Cpu, folder: Path) -> None:
        self._errors = (folder / f"{name}.log").open("w+")
        root = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.speed.side", name, json.dumps(asdict(experiment)), str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True,
            env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
        self.opened = self._answer()

    def ask(self, do: str, **values: Any) -> dict[str, Any]:
        """Have something done, and wait for it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **values}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
        self._errors.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._errors.seek(0)
            raise RuntimeError(f"A side failed in its own process:\n{self._errors.read()[-2000:]}")
        return json.loads(line)


def measure(experiment: Cpu) -> dict[str, Any]:
    """All figures as plain values for one JSON file."""
    read_through(Path(experiment.bundle))
    environment = describe("cpu")
    with tempfile.TemporaryDirectory(prefix="iclight-speed-") as place, _side(PLAIN, experiment, Path(place)) as plain:
        found = {name: _against(plain, name, experiment, Path(place)) for name in experiment.sides}
        machine = plain.ask("machine")
        profile = plain.ask("profile", latents=list(experiment.latents[0]))["profile"]
    return {
        "schema": SCHEMA,
        "experiment": {**asdict(experiment), "bundle": Path(experiment.bundle).name},
        "environment": environment,
        **machine,
        "plain": {**plain.opened, "profile": profile},
        "sides": found,
    }


def _against(plain: Side, name: str, experiment: Cpu, folder: Path) -> dict[str, Any]:
    """One form of the product and plain diffusers, in turns."""
    with _side(name, experiment, folder) as ours:
        if "left_out" in ours.opened:
            return ours.opened
        sides = {PLAIN: plain, name: ours}
        calls = {f"{h}x{w}": _calls(sides, [h, w], experiment.pairs, folder) for h, w in experiment.latents}
        whole = _whole(sides, experiment, folder) if experiment.runs else None
        profile = ours.ask("profile", latents=list(experiment.latents[0]))["profile"]
        memory = {side: each.ask("memory")["peak_mib"] for side, each in sides.items()}
    return {**ours.opened, "calls": calls, "whole": whole, "profile": profile, "peak_mib": memory}


def _calls(sides: dict[str, Side], latents: list[int], pairs: int, folder: Path) -> dict[str, Any]:
    """Calls of the UNet by themselves; the first of each side is not counted, and its output compared."""
    for each in sides.values():
        each.ask("call", latents=latents, keep=True)
    expected, got = (np.load(folder / f"{side}-call.npy") for side in sides)
    runs: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    for index in range(pairs):
        for side, each in _in_turns(sides, index):
            runs[side].append(each.ask("call", latents=latents, keep=False))
    largest = float(np.abs(expected - got).max() / np.abs(expected).max())
    return {**compared(*runs.values()), "difference": largest}


def _whole(sides: dict[str, Side], experiment: Cpu, folder: Path) -> dict[str, Any]:
    """Whole runs, with what the UNet and the autoencoder took of them."""
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    differences = []
    for index in range(experiment.runs):
        for side, each in _in_turns(sides, index):
            runs[side].append(each.ask("relight", seed=experiment.seed + index))
        ours, theirs = (np.load(folder / f"{side}-picture.npy").astype(np.int16) for side in sides)
        distance = np.abs(ours - theirs)
        differences.append({"levels_max": int(distance.max()), "levels_mean": float(distance.mean())})
    return {**compared(*runs.values()), "difference": differences}


def _in_turns(sides: dict[str, Side], index: int) -> list[tuple[str, Side]]:
    """The sides of a pair; who comes first changes from pair to pair."""
    return list(sides.items())[:: -1 if index % 2 else 1]


def compared(plain: list[dict[str, Any]], ours: list[dict[str, Any]]) -> dict[str, Any]:
    """Raw values of pairs, and how many times as fast ours is.

    Returns:
        ``speedup``: the median of the pairs that nothing else disturbed, None where all were; ``speedup_all``: of all.
    """
    ratios = [theirs["wall_s"] / own["wall_s"] for theirs, own in zip(plain, ours, strict=True)]
    quiet = [
        ratio
        for ratio, pair in zip(ratios, zip(plain, ours, strict=True), strict=True)
        if all(run["others_cpu_s"] < QUIET * run["wall_s"] for run in pair)
    ]
    return {
        "plain": plain,
        "ours": ours,
        "speedups": ratios,
        "quiet_pairs": len(quiet),
        "speedup": median(quiet) if quiet else None,
        "speedup_all": median(ratios),
    }


@contextmanager
def _side(name: str, experiment: Cpu, folder: Path) -> Iterator[Side]:
    side = Side(name, experiment, folder)
    try:
        yield side
    finally:
        side.close()
