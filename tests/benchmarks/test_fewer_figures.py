"""The benchmark of fewer operations: what was measured is what is named, and its figures mean what they say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.scenes import sample
from benchmarks.speed.fewer import FULL, PRESET, WAYS, _figures, _summary, short_table, table

MEASURED = Path(__file__).parents[2] / "benchmarks" / "measured" / "fewer.json"


def test_the_kept_measurement_is_of_these_ways() -> None:
    result = json.loads(MEASURED.read_text())
    assert list(result["ways"]) == [*WAYS, PRESET]
    for name, way in result["ways"].items():
        assert (way["summary"] is None) == (name == PRESET)
        if way["summary"] is not None:
            assert way["summary"] == pytest.approx(_summary(way["scenes"], result["ways"][FULL]["scenes"]))
    rows = table(result).splitlines()
    assert all(row.count("|") == 8 for row in rows[: len(WAYS) + 4])
    assert len(short_table(result).splitlines()) == len(WAYS) + 3


def test_pictures_are_judged_by_what_was_asked() -> None:
    case = sample(0, 64, "test")
    levels = np.full((64, 64, 3), 100, np.uint8)
    right = np.linspace(0.6, 1.4, 64)[None, :, None]
    lit = case.albedo * 150
    warm, cool = (
        np.clip(lit * ramp * np.float32(tint) + 20, 0, 255).astype(np.uint8)
        for ramp, tint in ((right[:, ::-1], [1.3, 1, 0.7]), (right, [0.7, 1, 1.3]))
    )
    found = _figures(case, [warm, cool], [warm, levels])
    assert found["psnr"][0] == 99 > 40 > found["psnr"][1]
    assert max(found["degrees"]) < 45
    assert found["warmer"] > 0
    swapped = _figures(case, [cool, warm], [cool, warm])
    assert min(swapped["degrees"]) > 135
    assert swapped["warmer"] == pytest.approx(-found["warmer"])
