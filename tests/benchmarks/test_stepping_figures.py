"""Step-level batching, measured on the random bundle: the figures are there, and told."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from benchmarks.speed import steps
from benchmarks.speed.steps import Stepping, _in_turns, _wait, measure, table
from iclight_local import RelightRequest
from iclight_local.errors import EngineError
from iclight_local.pipelines import relighting
from iclight_local.result import Progress
from tests.fake_engine import FakeEngine

BUNDLE = Path(__file__).parents[1] / "goldens" / "bundle"
PATIENCE_S = 60.0


def test_both_sides_are_measured(one_thread: None, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded, before = list[str](), list[int]()
    encode, throughputs = relighting._encode_text, steps._throughputs

    def noted(pipe: Any, text: str, device: Any) -> Any:
        encoded.append(text)
        return encode(pipe, text, device)

    def begun(*given: Any) -> Any:
        before.append(len(encoded))
        return throughputs(*given)

    monkeypatch.setattr(relighting, "_encode_text", noted)
    monkeypatch.setattr(steps, "_throughputs", begun)
    size = (64, 64)
    asked = Stepping(1, (size,), (1, 2, 1, 2, 1), size, long=2, long_steps=4, short_steps=1, weights=str(BUNDLE))
    found = measure(asked)
    assert {name: len(values) for name, values in found["throughput"]["64x64"].items()} == dict.fromkeys(
        ("alone_s", "alone_cpu_s", "together_s", "together_cpu_s"), 1
    )
    for side in ("alone", "together"):
        short, everything = (found["latency"][f"{side}{which}_s"][0] for which in ("", "_all"))
        assert 0 < short <= everything
    # Every prompt and what it is steered away from; nothing of that is left for the side that comes first.
    assert before == [len(encoded)] == [2 * len(steps._PROMPTS)]


class Lanes(FakeEngine):
    """Its long requests, those whose progress is told, end after the short one where both are under way at once."""

    def __init__(self, at_once: bool) -> None:
        super().__init__()
        self.order: list[str] = []
        self._at_once, self._over = at_once, threading.Event()

    def relight(self, request: RelightRequest, *, progress: Any = None) -> Any:
        if progress is None:
            self.order.append("short")
            self._over.set()
        else:
            progress(Progress("lowres", 1, 40))
            assert not self._at_once or self._over.wait(PATIENCE_S)
            self.order.append("long")
        return super().relight(request)


@pytest.mark.parametrize(
    ("threads", "order"), [(3, ["short", "long", "long"]), (1, ["long", "long", "short"])], ids=["at once", "in turn"]
)
def test_a_short_request_overtakes_where_it_can(threads: int, order: list[str]) -> None:
    engine = Lanes(at_once=threads > 1)
    short, everything = _wait(engine, Stepping(size=(64, 64), long=2), threads)
    assert engine.order == order and 0 < short <= everything


def test_a_long_request_that_fails_is_not_waited_for() -> None:
    class Failing(FakeEngine):
        def relight(self, request: RelightRequest, *, progress: Any = None) -> Any:
            if progress is not None:
                raise EngineError("The device failed.")
            return super().relight(request)

    with pytest.raises(EngineError, match=r"The device failed\."):
        _wait(Failing(), Stepping(size=(64, 64), long=2), 1)


def test_who_comes_first_changes() -> None:
    assert [_in_turns(index, 4) for index in range(3)] == [
        [("alone", 1), ("together", 4)],
        [("together", 4), ("alone", 1)],
        [("alone", 1), ("together", 4)],
    ]


def test_the_table_tells_the_medians() -> None:
    pairs = {"alone_s": [3.0, 4.0, 8.0], "together_s": [2.0, 2.0, 2.0], "alone_cpu_s": [2.0] * 3}
    told = table(
        json.loads(
            json.dumps(
                {
                    "stepping": vars(Stepping()),
                    "environment": {
                        **{"processor": "A processor", "cores": 2, "memory_gib": 8, "load_average": [1.5, 0, 0]},
                        "time": "2026-11-22T10:00:00",
                    },
                    "throughput": {"64x64": {**pairs, "together_cpu_s": [1.0] * 3}},
                    "latency": {**pairs, "alone_all_s": [9.0], "together_all_s": [6.0]},
                    "load_average_after": [2.5, 0, 0],
                }
            )
        )
    )
    assert "3, 4, 5, 6 steps at once, 64x64 | 4.00 s | 2.00 s | **x2.00** | 1.50 2.00 4.00 | x0.50 | >= 1.0 |" in told
    assert "3 steps behind 3 of 20, 256x320: until it is there | 4.00 s | 2.00 s | **x2.00**" in told
    assert "load 1.5 before and 2.5 after" in told
