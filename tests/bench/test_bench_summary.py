"""The summary, computed by hand, and the table."""

from __future__ import annotations

from typing import Any

import pytest

from iclight_local.bench.contestants import OwnMachine, Price
from iclight_local.bench.summary import FIGURES, summarise
from iclight_local.bench.table import markdown

SLOW = [1.0, 2.0, 3.0, 4.0, 10.0]


def run(seconds: float, images: int = 1, pixels: str = "x", peak: int = 0) -> dict[str, Any]:
    return {"seconds": seconds, "images": images, "pixels": pixels, "peak_memory": peak}


def answer(runs: list[dict[str, Any]], **figures: float) -> dict[str, Any]:
    return {"runs": runs, "figures": {**dict.fromkeys(FIGURES), **figures}}


def result() -> dict[str, Any]:
    fresh = {"fresh_process": True, **run(8.0, peak=4_000_000_000)}
    own = {"per_picture": None, "per_hour": 0.9, "words": "own"}
    charged = {"per_picture": 0.02, "per_hour": None, "words": "theirs"}
    odd = {"error": {"type": "EngineError", "message": "It broke."}, "seconds": 1.0}
    return {
        "contestants": {
            "ours": {"price": own, "cold": fresh, "warmup": []},
            "theirs": {"price": charged, "cold": {"fresh_process": False, **run(4.0)}, "warmup": [odd]},
        },
        "pictures": [
            {
                "answers": {
                    "ours": answer([run(each, peak=9_000_000_000) for each in SLOW], detail=0.5, light_error=44.9),
                    "theirs": answer([run(6.0, 2, "a"), run(6.0, 2, "b")], detail=0.8, light_error=100.0),
                }
            },
            {"answers": {"ours": answer([], detail=0.7, light_error=45.0), "theirs": answer([odd])}},
        ],
    }


def test_by_hand() -> None:
    ours, theirs = summarise(result()).values()
    assert (ours["p50_s"], ours["mean_s"], ours["cold_s"]) == (3.0, 4.0, 8.0)
    # Between the fourth and the fifth value: 95 % of the way from the first to the last is 3.8 steps.
    assert ours["p95_s"] == pytest.approx(4 + 0.8 * 6)
    assert ours["per_hour"] == pytest.approx(900)
    assert ours["cost_1000"] == pytest.approx(1000 * 0.9 * 4 / 3600)
    # The fresh process's memory: this one's holds the bench, too.
    assert ours["peak_memory"] == 4_000_000_000 and theirs["peak_memory"] is None
    assert (ours["detail"], ours["light_error"], ours["light_agrees"]) == (0.6, 44.95, 0.5)
    assert (ours["same"], theirs["same"]) == (True, False)
    # Two images an answer: twice the pictures.
    assert theirs["per_hour"] == pytest.approx(1200) and theirs["cost_1000"] == pytest.approx(20)
    assert (theirs["answered"], theirs["asked"]) == (2, 3)
    assert theirs["failures"] == [{"type": "EngineError", "message": "It broke.", "times": 2}]
    assert ours["ratios"]["p50_s"] == 1 and ours["ratios"]["cost_1000"] == 1
    assert theirs["ratios"] == {
        "cold_s": 0.5,
        "p50_s": 2.0,
        "p95_s": pytest.approx(6 / 8.8),
        "per_hour": pytest.approx(4 / 3),
        "cost_1000": pytest.approx(20.0),
        "peak_memory": None,
    }


def test_the_table() -> None:
    raw = result()
    raw["contestants"] = {"ours": raw["contestants"]["ours"], "a|b": raw["contestants"]["theirs"]}
    for picture in raw["pictures"]:
        picture["answers"]["a|b"] = picture["answers"].pop("theirs")
    raw["summary"] = summarise(raw)
    lines = markdown(raw).splitlines()
    assert lines[0] == "| | ours | a\\|b |" and lines[1] == "|---|---|---|"
    assert "| cold start | 8.00 s | 4.00 s (\u00d7 0.5) |" in lines
    assert "| cost of 1,000 pictures | $1.00 | $20.00 (\u00d7 20) |" in lines
    assert "| peak memory on this machine | 4.00 GB | \u2013 |" in lines
    assert "| answered | 5 of 5 | 2 of 3 |" in lines
    # What nobody knows has no row.
    assert not any("true render" in line for line in lines)


def test_what_a_machine_costs() -> None:
    both = OwnMachine(power_watts=500, kwh_price=0.4, hardware_price=8766, hardware_years=1).price
    assert both.per_hour == pytest.approx(0.5 * 0.4 + 1.0)
    assert both.of(1800) == pytest.approx(0.6)
    assert "electricity (500 W at $0.4 a kWh) and hardware ($8766 over 1 years" in both.words
    assert OwnMachine(power_watts=500, kwh_price=0.4).price.per_hour == pytest.approx(0.2)
    assert OwnMachine(power_watts=500, hardware_price=1).price.per_hour is None
    assert Price(0.02).of(1e6) == 0.02 and Price().of(1.0) is None
