"""Warming up loads what relights need, and compiles at once; what compiles is settled by the settings."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from relights import asked, local, pixels

from iclight_local.engines.compiling import compiler_for, computed_by, failure_of
from iclight_local.engines.warming import _counts, _steps
from iclight_local.errors import Cancelled
from iclight_local.pipelines import compiled
from iclight_local.pipelines.compiled import CompiledUNet
from iclight_local.result import Progress


@pytest.fixture(autouse=True)
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.compile that compiles nothing: what it does for real is tested with the pipelines."""
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "unused")


@pytest.mark.parametrize(
    ("compile", "lasting", "device", "preset", "hurried"),
    [
        ("auto", True, "cuda", "none", False), ("auto", False, "cuda", "none", None),
        ("auto", True, "cpu", "none", None), ("auto", True, "cuda", "fast", None),
        ("off", True, "cuda", "none", None), ("on", False, "cpu", "none", True),
    ],
)  # fmt: skip
def test_when_models_are_compiled(
    compile: str, lasting: bool, device: str, preset: str, hurried: bool | None, tmp_path: Path
) -> None:
    options: Any = SimpleNamespace(compile=compile, lasting=lasting, home=tmp_path, lora=(), preset=preset)
    placement: Any = SimpleNamespace(device=torch.device(device))
    found = compiler_for(options, placement)
    assert (None if found is None else found.hurried) == hurried


def test_a_relight_with_compile_on(mini: Path) -> None:
    engine = local(compile="on", weights=str(mini), segmenter="mini")
    plain = local(weights=str(mini), segmenter="mini").relight(asked())
    result = engine.relight(asked())
    assert isinstance(engine.load("fc").quick, CompiledUNet)
    assert result.record["engine"]["computed_by"] == "compiled"
    # Tensors come to it in one order in memory, in which sums may be rounded otherwise.
    assert np.abs(pixels(result.images[0]).astype(int) - pixels(plain.images[0])).max() <= 1
    assert engine.compiler is not None
    engine.compiler.failure = "It could not be compiled."
    told = [engine.relight(asked()).warnings.count("It could not be compiled.") for _ in range(2)]
    assert told == [1, 0]


def test_a_record_tells_what_computed_each_step(mini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def failing(function: Any, **options: Any) -> Any:
        def call(*inputs: Any) -> Any:
            calls.append(len(inputs))
            # Of the autoencoder's calls each has one input.
            if calls.count(3) == 3:
                raise RuntimeError("The compiler fell ill.")
            return function(*inputs)

        return call

    monkeypatch.setattr(torch, "compile", failing)
    engine = local(compile="on", weights=str(mini), segmenter="mini")
    told = [engine.relight(asked()) for _ in range(2)]
    assert [result.record["engine"].get("computed_by") for result in told] == ["partly compiled", None]
    assert any("The compiler fell ill" in warning for warning in told[0].warnings)


def test_a_size_is_compiled_from_a_run_on_and_not_in_its_middle(mini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "UNET_CALLS", 6)
    engine = local(compile="on", weights=str(mini), segmenter="mini")
    assert engine.compiler is not None
    engine.compiler.hurried = False
    # Both passes are of one size.
    found = [engine.relight(asked()).record["engine"].get("computed_by") for _ in range(3)]
    assert found == [None, None, "compiled"]


def test_ways_in_words() -> None:
    assert computed_by([]) == computed_by([None, None]) == {}
    assert computed_by(["packed", "packed"]) == {"computed_by": "packed"}
    assert computed_by([None, "compiled", "compiled"]) == {"computed_by": "partly compiled"}


def test_an_engine_that_is_closed_loads_nothing_for_who_comes_late(mini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = local(compile="on", weights=str(mini), segmenter="mini")
    settle = engine.memory.settle

    def closed_before(*args: Any) -> Any:
        engine._pipes.clear()
        return settle(*args)

    monkeypatch.setattr(engine.memory, "settle", closed_before)
    assert engine.relight(asked()).record["engine"]["computed_by"] == "compiled"
    assert engine._pipes == {}


def test_times_of_passes_are_the_devices(mini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    class Ticks:
        def __init__(self, device: torch.device) -> None:
            self.noted = 0

        def note(self) -> None:
            self.noted += 1

        def seconds(self) -> list[float]:
            assert told == ["decoded"] * 2, "nobody waits for the device before the picture is there"
            return [1.5, 2.5][: self.noted - 1]

    monkeypatch.setattr("iclight_local.engines.run.Ticks", Ticks)
    engine = local(weights=str(mini), segmenter="mini")
    vae = engine.load("fc").vae
    vae.decoder.register_forward_hook(lambda *args: told.append("decoded"))
    timings = engine.relight(asked()).timings
    assert (timings["lowres"], timings["highres"]) == (1.5, 2.5)


def test_warming_up_on_the_cpu(mini: Path) -> None:
    engine = local(weights=str(mini), segmenter="mini")
    told: list[str] = []
    engine.warm_up(4, progress=lambda progress: told.append(progress.stage))
    assert {"segment", "load", "highres"} <= set(told)
    assert list(engine._pipes) == ["fc"]
    assert told.count("load") == 1, "the CPU gains nothing by more than one"


def test_what_the_warm_up_is_warned_of_is_logged(mini: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Some warnings are told once alone, and nobody sees the picture that they came with."""
    engine = local(weights=str(mini), segmenter="mini")
    engine.loading_notices.append("It was converted.")
    engine.warm_up(1)
    assert [record.message for record in caplog.records].count("It was converted.") == 1
    assert "It was converted." not in engine.relight(asked(steps=1)).warnings


@pytest.mark.parametrize(("preset", "steps"), [("none", 2), ("fast", 4)])
def test_steps_that_nobody_is_warned_of(preset: str, steps: int) -> None:
    engine: Any = SimpleNamespace(options=SimpleNamespace(preset=preset))
    assert _steps(engine) == steps


def test_warming_up_can_be_stopped(mini: Path) -> None:
    def stop(progress: Progress) -> None:
        raise Cancelled("Enough.")

    with pytest.raises(Cancelled):
        local(weights=str(mini), segmenter="mini").warm_up(1, progress=stop)


def test_batches_that_are_warmed_up() -> None:
    assert [list(_counts(together)) for together in (1, 2, 4, 6)] == [[1], [1, 2], [1, 2, 4], [1, 2, 4, 6]]


def test_what_failed_is_told() -> None:
    assert failure_of(None) == ()
    assert failure_of(SimpleNamespace(failure="Why.")) == ("Why.",)  # type: ignore[arg-type]
