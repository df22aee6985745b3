"""What the tests of benches share: a picture whose matte and truth are known, engines with a log, raw results."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from iclight_local.bench.answers import Live
from iclight_local.bench.cases import Case, read_cases
from iclight_local.bench.contestants import Contestant, Price
from iclight_local.request import RelightRequest
from iclight_local.result import ProgressCallback, RelightResult
from tests.fake_engine import FakeEngine

SIDE = 96


def disc(light: str = "left") -> np.ndarray[Any, Any]:
    """A striped disc before grey, lit from a side: uint8 SIDE x SIDE x 3."""
    y, x = np.mgrid[:SIDE, :SIDE] / (SIDE - 1)
    slope = {"left": 1 - x, "right": x, "top": 1 - y, "bottom": y}[light]
    stripes = 0.6 + 0.4 * (np.sin(x * 70) * np.sin(y * 50) > 0)
    tone = (0.15 + 0.8 * slope) * stripes
    pixels = np.where(matte()[..., None] > 127, tone[..., None] * np.array([1, 0.8, 0.6]), 0.4)
    return (pixels * 255).astype(np.uint8)


def matte() -> np.ndarray[Any, Any]:
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    return np.where(np.hypot(x, y) < SIDE * 0.4, 255, 0).astype(np.uint8)


def scenes(folder: Path, count: int = 1, **knobs: Any) -> list[Case]:
    """Scenes of the disc: given lit from the right, asked for and rendered from the left."""
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(disc("right")).save(folder / "picture.png")
    Image.fromarray(disc("left")).save(folder / "truth.png")
    Image.fromarray(matte()).save(folder / "matte.png")
    one = {"picture": "picture.png", "truth": "truth.png", "matte": "matte.png"}
    named = [{**one, "name": f"disc {place}", "knobs": {"light_source": "left", **knobs}} for place in range(count)]
    (folder / "scenes.json").write_text(json.dumps({"schema": 1, "scenes": named}))
    return read_cases([str(folder / "scenes.json")])


class Logged(FakeEngine):
    """A fake engine that writes down whose turn it is, and may do something at it."""

    def __init__(self, name: str, log: list[str], at: Callable[[int], None] | None = None) -> None:
        super().__init__(name=name)
        self._log, self._at, self._calls = log, at, 0

    def relight(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> RelightResult:
        self._log.append(self.name)
        if self._at is not None:
            self._calls += 1
            self._at(self._calls - 1)
        seeded = request if request.seed is not None else request.model_copy(update={"seed": len(self.requests)})
        return super().relight(seeded, progress=progress)


def live(engine: FakeEngine, price: Price | None = None) -> Live:
    return Live(Contestant(engine.name, lambda: engine, Price() if price is None else price))


def no_one(done: int, turns: int, whose: str) -> None:
    """Nobody looks on."""
