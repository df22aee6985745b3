"""The same pictures through a batch, through one process each, and through a plain loop over the engine."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.environment import describe

_LOOP = """
import sys
from pathlib import Path
from iclight_local import RelightRequest, open_engine
weights, out, knobs, *pictures = sys.argv[1:]
engine = open_engine(weights=weights, device="cpu", offline=True)
for picture in pictures:
    request = RelightRequest(subject_image=picture, **dict(pair.split("=") for pair in knobs.split(",")))
    engine.relight(request).images[0].save(Path(out, Path(picture).stem + ".png"))
"""


@dataclass(frozen=True)
class Speed:
    """What is compared.

    Attributes:
        weights: bundle.
        pictures: how many.
        side: pixels of the larger side of each, a JPEG that has to be cut out.
        width, height, steps, highres_scale: of the relight.
        runs: of all three, in turns.
        ways: which of ``batch``, ``loop``, ``processes``.
    """

    weights: str = "mini"
    pictures: int = 8
    side: int = 3000
    width: int = 256
    height: int = 320
    steps: int = 8
    highres_scale: float = 1.0
    runs: int = 3
    ways: tuple[str, ...] = ("batch", "loop", "processes")

    @property
    def knobs(self) -> dict[str, str]:
        """The knobs of every relight."""
        names = ("width", "height", "steps", "highres_scale")
        return {**{name: str(getattr(self, name)) for name in names}, "light_source": "left", "seed": "1"}


def measure(speed: Speed, folder: Path) -> dict[str, Any]:
    """Seconds of each way in each run, their ratios to the batch's, and the batch's share of sampling."""
    pictures = _photographs(folder / "in", speed)
    seconds: dict[str, list[float]] = {way: [] for way in speed.ways}
    shares = []
    for run in range(speed.runs):
        for way in speed.ways:
            out = folder / f"{way}-{run}"
            out.mkdir()
            began = time.perf_counter()
            told = _WAYS[way](speed, pictures, out)
            seconds[way].append(time.perf_counter() - began)
            if way == "batch":
                shares.append(_share(told))
            assert len(list(out.glob("*.png"))) == speed.pictures, f"{way} lost pictures"
            shutil.rmtree(out)
    ratios = {
        way: statistics.median(other / own for other, own in zip(times, seconds["batch"], strict=True))
        for way, times in seconds.items()
    }
    return {
        "speed": asdict(speed),
        "environment": describe("cpu"),
        "seconds": seconds,
        "times_a_batch": ratios,
        "sampling_share": shares,
    }


def _photographs(folder: Path, speed: Speed) -> list[Path]:
    """A bright ball before a soft ground, with grain, as large as a camera's."""
    folder.mkdir(parents=True)
    wide, high = speed.side, speed.side * 2 // 3
    y, x = np.mgrid[0:high, 0:wide].astype(np.float32)
    found = []
    for number in range(speed.pictures):
        chance = np.random.default_rng(number)
        inside = ((y - high / 2) ** 2 + (x - wide * chance.uniform(0.4, 0.6)) ** 2) ** 0.5 < high * 0.3
        pixels = np.where(inside[..., None], chance.integers(120, 250, 3), 40 + (x / wide * 40)[..., None])
        pixels = pixels + chance.normal(0, 4, (high, wide, 1))
        path = folder / f"photo-{number}.jpg"
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=92)
        found.append(path)
    return found


def _batch(speed: Speed, pictures: Sequence[Path], out: Path) -> str:
    options = [f"--{name.replace('_', '-')}={value}" for name, value in speed.knobs.items()]
    words = ("batch", str(pictures[0].parent), "--out", str(out), "--weights", speed.weights, "--json", "--offline")
    return _ran([sys.executable, "-m", "iclight_local.cli", *words, *options])


def _processes(speed: Speed, pictures: Sequence[Path], out: Path) -> str:
    options = [f"--{name.replace('_', '-')}={value}" for name, value in speed.knobs.items()]
    for picture in pictures:
        words = ("relight", str(picture), "-o", str(out / f"{picture.stem}.png"), "--weights", speed.weights)
        _ran([sys.executable, "-m", "iclight_local.cli", *words, "--offline", *options])
    return ""


def _loop(speed: Speed, pictures: Sequence[Path], out: Path) -> str:
    knobs = ",".join(f"{name}={value}" for name, value in speed.knobs.items())
    return _ran([sys.executable, "-c", _LOOP, speed.weights, str(out), knobs, *map(str, pictures)])


_WAYS: dict[str, Callable[[Speed, Sequence[Path], Path], str]] = {
    "batch": _batch,
    "loop": _loop,
    "processes": _processes,
}


def _ran(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    if done.returncode:
        raise RuntimeError(f"{command[:4]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def _share(told: str) -> float:
    """The part of a batch's time, the loading of its models apart, in which the model was sampled."""
    lines = [json.loads(line) for line in told.splitlines()]
    summary = lines[-1]
    loading = sum(line["timings"].get(stage, 0.0) for line in lines[:-1] for stage in ("load", "hash"))
    return float(summary["sampling_seconds"] / (summary["seconds"] - loading))
