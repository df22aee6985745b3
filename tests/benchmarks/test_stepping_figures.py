"""Step-level batching, measured on the random bundle: the figures are there, and told."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.speed.steps import Stepping, measure, table

BUNDLE = Path(__file__).parents[1] / "goldens" / "bundle"


def test_both_sides_are_measured(one_thread: None) -> None:
    size = (64, 64)
    asked = Stepping(1, (size,), (1, 2), size, long=2, long_steps=4, short_steps=1, weights=str(BUNDLE))
    found = measure(asked)
    assert {name: len(values) for name, values in found["throughput"]["64x64"].items()} == dict.fromkeys(
        ("alone_s", "alone_cpu_s", "together_s", "together_cpu_s"), 1
    )
    short, everything = (found["latency"][name][0] for name in ("together_s", "together_all_s"))
    assert short < 0.9 * everything, "the short one does not come last"
    short, everything = (found["latency"][name][0] for name in ("alone_s", "alone_all_s"))
    assert short > 0.9 * everything, "first come, first served"


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
