"""The one command that measures a graphics card, tried on the processor with the random bundle."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks.__main__ import main
from benchmarks.speed.gpu import Gpu, Report

TINY = (
    "--device",
    "cpu",
    "--size",
    "128x192",
    "--steps",
    "2",
    "--pairs",
    "1",
    "--callers",
    "2",
    "--matrix",
    "64",
    "--rows",
    "1,4",
)


@pytest.fixture(autouse=True)
def no_compiler(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    """Compiling takes a minute on a processor, and is tested elsewhere."""
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "unused")


def test_every_stage(mini: Path, tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    assert main(["gpu", "--out", str(out), "--bundle", str(mini), *TINY]) == 0
    found = json.loads(out.read_text())
    assert [name for name, value in found.items() if isinstance(value, str)] == []
    assert set(found["run"]["median_s"]) == {"plain", "iclight_local", "compiled"}
    assert found["run"]["levels_off_ours"]["compiled"][0]["levels_max"] <= 2
    assert found["run"]["levels_off_ours"]["plain"][0]["levels_max"] <= 2
    assert set(found["callers"]["times_one_by_one"]) == {"one_by_one", "threads", "batch"}
    assert len(found["unet"]) == 4 and all(call["compiled"]["of_peak"] > 0 for call in found["unet"])
    assert found["unet"][1]["tflop"] == pytest.approx(4 * found["unet"][0]["tflop"])
    assert found["warm_again"] > 0


def test_what_is_there_is_written_whatever_follows(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    report = Report(Gpu(out, device="cpu", seconds=3600))
    report.stage("first", lambda: 1)
    report.stage("second", lambda: [][0])
    late = Report(Gpu(tmp_path / "late.json", device="cpu", seconds=0))
    assert late.stage("third", lambda: 3) is None
    found = json.loads(out.read_text())
    assert found["first"] == 1
    assert found["second"].startswith("failed: IndexError")
    assert json.loads((tmp_path / "late.json").read_text())["third"].startswith("left out")
