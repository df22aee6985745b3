"""The one command that measures a graphics card, tried on the processor with the random bundle."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from benchmarks.__main__ import main
from benchmarks.speed import card, gpu
from benchmarks.speed.card import Gpu
from benchmarks.speed.gpu import COSTS_S, Report
from iclight_local import RelightRequest
from iclight_local.engines.local import LocalEngine
from iclight_local.errors import EngineError
from tests.fake_engine import FakeEngine

TINY = ("--device", "cpu", "--size", "128x192", "--steps", "2", "--pairs", "1", "--callers", "2", "--rows", "1,4")


@pytest.fixture(autouse=True)
def no_compiler(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    """Compiling takes a minute on a processor, and is tested elsewhere."""
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "unused")
    monkeypatch.setattr("iclight_local.pipelines.speed.SIDES", (64, 128))


def tiny(mini: Path, out: Path) -> Gpu:
    return Gpu(out, bundle=mini, device="cpu", width=64, height=64, steps=2, callers=2, rows=(2,))


def test_every_stage(mini: Path, tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    assert main(["gpu", "--out", str(out), "--bundle", str(mini), *TINY]) == 0
    found = json.loads(out.read_text())
    assert [name for name, value in found.items() if isinstance(value, str)] == []
    assert set(found["stages_s"]) == set(COSTS_S) - {"build"}
    assert set(found["run"]["median_s"]) == {"plain", "iclight_local", "compiled"}
    assert found["run"]["levels_off_ours"]["compiled"][0]["levels_max"] <= 2
    assert found["run"]["levels_off_ours"]["plain"][0]["levels_max"] <= 2
    assert set(found["callers"]["times_one_by_one"]) == {"one_by_one", "threads", "batch"}
    assert found["callers"]["not_compiled"] is None
    assert len(found["unet"]) == 4 and all(call["compiled"]["of_peak"] > 0 for call in found["unet"])
    assert found["unet"][1]["tflop"] == pytest.approx(4 * found["unet"][0]["tflop"])
    assert found["warm_again"] > 0


def test_what_is_there_is_written_whatever_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "COSTS_S", {"first": 1, "second": 1})
    out = tmp_path / "gpu.json"
    report = Report(Gpu(out, device="cpu", seconds=3600))
    assert report.stage("first", lambda: 1) == 1
    assert report.stage("second", lambda: [][0]) is None
    found = json.loads(out.read_text())
    assert found["first"] == 1
    assert found["second"].startswith("failed: IndexError")


def test_no_stage_begins_that_would_end_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "COSTS_S", {"long": 4000, "short": 60})
    report, begun = Report(Gpu(tmp_path / "late.json", device="cpu", seconds=3600)), list[str]()
    assert report.stage("long", lambda: begun.append("long")) is None
    report.stage("short", lambda: begun.append("short"))
    assert begun == ["short"]
    found = json.loads((tmp_path / "late.json").read_text())
    assert found["long"].startswith("left out: about 4000 s were needed, and 3")
    assert list(found["stages_s"]) == ["short"]


def test_by_the_costs_none_is_left_out() -> None:
    assert sum(COSTS_S.values()) <= Gpu(Path("out")).seconds <= 8 * 60


@pytest.mark.parametrize("way", [card._at_once, card._batch])
def test_a_caller_without_a_picture_is_no_figure(way: Callable[..., None]) -> None:
    class Failing(FakeEngine):
        def relight(self, request: RelightRequest, **more: Any) -> Any:
            if request.seed == 1:
                raise EngineError("The device failed.")
            return super().relight(request, **more)

    subject = Image.new("RGB", (8, 8))
    requests = [RelightRequest(subject_image=subject, seed=seed) for seed in range(3)]
    way(Failing(), requests[:1])
    with pytest.raises(EngineError, match=r"The device failed\."):
        way(Failing(), requests)


@pytest.mark.parametrize("whose", ["relight", "relight_together"])
def test_a_stage_whose_callers_fail_has_their_sentence(
    whose: str, mini: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain: Any = getattr(LocalEngine, whose)

    def failing(engine: LocalEngine, given: Any, **more: Any) -> Any:
        error = EngineError("The device failed.")
        if whose == "relight" and given.seed == 1:
            raise error
        return [error, error] if isinstance(given, list) and len(given) == 2 else plain(engine, given, **more)

    monkeypatch.setattr(LocalEngine, whose, failing)
    asked = tiny(mini, tmp_path / "gpu.json")
    report = Report(asked)
    assert report.stage("callers", lambda: card.together(asked, tmp_path / "home")) is None
    assert report.values["callers"] == "failed: EngineError: The device failed."


def test_what_could_not_be_compiled_has_no_figures(mini: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*values: Any) -> Any:
        raise RuntimeError("no compiler here")

    monkeypatch.setattr(torch, "compile", lambda function, **options: broken)
    asked = tiny(mini, tmp_path / "gpu.json")
    for calls in card.unet_calls(asked, tmp_path / "home", 1.0):
        assert calls["plain"]["ms"] > 0 and list(calls["compiled"]) == ["failed"]
        assert "no compiler here" in calls["compiled"]["failed"]
    with pytest.raises(RuntimeError, match="no compiler here"):
        card.runs(asked, tmp_path / "home")


def test_the_peak_is_the_best_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card, "matrix_products", lambda placement: {1000: [1.0, 0.5, 2.0], 100: [1.0]})
    assert card.peak_tflops(Gpu(Path("out"), device="cpu")) == pytest.approx(2 * 1000**3 / 0.5 / 1e12)
