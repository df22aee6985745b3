"""Compiled models give the plain ones' pictures; what cannot be compiled is computed plainly, and said."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from golden_pictures import SMALL, load_pipe, unet_calls
from torch._dynamo.utils import counters

from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.pipelines import compiled
from iclight_local.pipelines.compiled import CompiledUNet, Compiler, padded
from iclight_local.pipelines.iclight import ICLightPipeline
from iclight_local.pipelines.memory import Measures, Work
from iclight_local.pipelines.offloading import CardMemory
from iclight_local.pipelines.placement import choose_placement
from iclight_local.pipelines.programs import MOST_SHAPES, Shapes
from iclight_local.pipelines.unet_calls import UNetInput, plainly

KNOBS = {**SMALL, "highres_scale": 1.0}


@pytest.fixture
def own_torch(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No program and no setting of torch's compiler is left behind."""
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    limit = torch._dynamo.config.recompile_limit
    yield
    torch._dynamo.config.recompile_limit = limit
    torch._dynamo.reset()


@pytest.fixture
def plain_compile(monkeypatch: pytest.MonkeyPatch, own_torch: None) -> None:
    """torch.compile that traces and compiles nothing: the function itself."""
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)


@pytest.fixture(scope="module")
def own() -> ICLightPipeline:
    return load_pipe("fc")


def given(rows: int, pipe: ICLightPipeline, size: int = 8, **others: Any) -> UNetInput:
    random = torch.Generator().manual_seed(rows)
    width = pipe.unet.config.cross_attention_dim
    return UNetInput(
        torch.randn(rows, 8, size, size, generator=random),
        torch.tensor(500),
        torch.randn(rows, 77, width, generator=random),
        **others,
    )


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch, own_torch: None) -> None:
    """torch.compile that traces, guards and tells programs apart as it does for real, and leaves out the compiler.

    The compiler itself takes a minute for a UNet on a processor.
    """
    real = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, **options: real(function, backend="eager", **options))


def test_what_is_traced(own: ICLightPipeline, foreground: UInt8Array, tmp_path: Path, traced: None) -> None:
    expected = own(foreground, **KNOBS).images[0]
    compiler = Compiler(tmp_path, hurried=True)
    compiler.settle(own, Measures())
    counters.clear()
    try:
        picture: FloatArray = own(foreground, **KNOBS).images[0]
        assert counters["stats"]["unique_graphs"] == 3, "the UNet, the encoder and the decoder, each in one piece"
        own.predict(given(6, own, 16))
        several = counters["stats"]["unique_graphs"]
        own.predict(given(4, own, 16))
        assert counters["stats"]["unique_graphs"] == several, "another number of rows is no other program"
    finally:
        compiler.settle(own, Measures(offload="model"))
    assert compiler.failure is None
    assert np.abs(picture - expected).max() <= 1 / 255


@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="no C++ compiler is there")
def test_compiled_for_real(tmp_path: Path, own_torch: None) -> None:
    part = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.GroupNorm(2, 8), torch.nn.SiLU())
    values = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    compiler = Compiler(tmp_path, hurried=True)
    with torch.no_grad():
        expected = part(values)
        part.forward = compiled._CompiledForward(part.forward, compiler)
        assert torch.allclose(part(values), expected, atol=1e-5)
    assert compiler.failure is None
    assert any(tmp_path.rglob("*.so")), "programs are kept on the disk"


@pytest.mark.parametrize("rows", [1, 3, 5])
def test_padding_rows_change_nothing(rows: int, own: ICLightPipeline, plain_compile: None, tmp_path: Path) -> None:
    quick = CompiledUNet(own.unet, Compiler(tmp_path, hurried=True), rows=(2, 4, 8))
    asked = given(rows, own)
    with unet_calls(own) as sizes:
        predicted = quick(asked)
    assert sizes == [{1: 2, 3: 4, 5: 8}[rows]]
    with torch.no_grad():
        assert torch.allclose(predicted, plainly(own.unet)(asked), atol=1e-5)


def test_rows_keep_their_own_timesteps() -> None:
    asked = UNetInput(torch.arange(3.0).reshape(3, 1, 1, 1), torch.tensor([7, 8, 9]), torch.zeros(3, 2, 1))
    sample, timesteps, texts = padded(asked, 4)
    assert sample.flatten().tolist() == [0, 1, 2, 2]
    assert timesteps.tolist() == [7, 8, 9, 9]
    assert texts.shape == (4, 2, 1)


@pytest.mark.parametrize("why", ["too many rows", "attention arguments", "not seen often"])
def test_what_is_computed_plainly(why: str, own: ICLightPipeline, plain_compile: None, tmp_path: Path) -> None:
    quick = CompiledUNet(own.unet, Compiler(tmp_path, hurried=why != "not seen often"), rows=(4,))
    asked = given(5, own) if why == "too many rows" else given(3, own)
    if why == "attention arguments":
        asked = UNetInput(asked.sample, asked.timestep, asked.embeddings, {"scale": 0.5})
    with unet_calls(own) as sizes:
        quick(asked)
    assert sizes == [len(asked.sample)]


def test_shapes_are_chosen_by_patience_and_bounded() -> None:
    shapes = Shapes(2)
    assert [shapes.ripe("a", hurried=False) for _ in range(4)] == [False] * 4, "not in the middle of a run"
    shapes.ripe("b", hurried=False)
    shapes.choose()
    assert [shapes.ripe(name, hurried=False) for name in "ab"] == [True, False]
    assert [shapes.ripe(index, hurried=True) for index in range(MOST_SHAPES)] == [True] * (MOST_SHAPES - 1) + [False]
    shapes.choose()
    assert shapes.ripe("a", hurried=False) and not shapes.ripe("b", hurried=True)


def test_a_failing_compiler_costs_no_picture(
    own: ICLightPipeline, foreground: UInt8Array, monkeypatch: pytest.MonkeyPatch, own_torch: None, tmp_path: Path
) -> None:
    def broken(*inputs: Any) -> Any:
        raise RuntimeError("Cannot find a working compiler.\nA long trace.")

    expected = own(foreground, **KNOBS).images[0]
    monkeypatch.setattr(torch, "compile", lambda function, **options: broken)
    compiler = Compiler(tmp_path, hurried=True)
    compiler.settle(own, Measures())
    picture = own(foreground, **KNOBS).images[0]
    assert np.array_equal(picture, expected)
    assert compiler.failure is not None
    assert "RuntimeError: Cannot find a working compiler.)" in compiler.failure
    assert "\n" not in compiler.failure
    compiler.settle(own, Measures())
    assert own.quick is None and not isinstance(own.vae.decoder.forward, compiled._CompiledForward)


@pytest.mark.parametrize(
    "measures", [Measures(offload="model"), Measures(offload="sequential"), Measures(attention_slicing=True)]
)
def test_models_that_come_and_go_are_not_compiled(
    measures: Measures, own: ICLightPipeline, plain_compile: None, tmp_path: Path
) -> None:
    compiler = Compiler(tmp_path, hurried=True)
    compiler.settle(own, Measures())
    assert isinstance(own.quick, CompiledUNet)
    compiler.settle(own, measures)
    assert own.quick is None
    assert not isinstance(own.vae.encoder.forward, compiled._CompiledForward)


def test_tiles_leave_the_autoencoder_plain_and_the_unet_compiled(
    own: ICLightPipeline, plain_compile: None, tmp_path: Path
) -> None:
    compiler = Compiler(tmp_path, hurried=True)
    compiler.settle(own, Measures(vae_tiling=True))
    assert isinstance(own.quick, CompiledUNet)
    assert not isinstance(own.vae.decoder.forward, compiled._CompiledForward)
    compiler.settle(own, Measures(offload="model"))


def test_another_fast_form_is_left_alone(own: ICLightPipeline, plain_compile: None, tmp_path: Path) -> None:
    other = plainly(own.unet)
    own.quick = other
    compiler = Compiler(tmp_path, hurried=True)
    compiler.settle(own, Measures())
    assert own.quick is other
    compiler.settle(own, Measures(offload="model"))
    assert own.quick is other
    own.quick = None


def test_the_owners_cache_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "/elsewhere")
    Compiler(tmp_path, hurried=True)
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "/elsewhere"


@pytest.mark.gpu
@pytest.mark.parametrize("images", [1, 2])
def test_on_a_card(images: int, foreground: UInt8Array, tmp_path: Path, own_torch: None) -> None:
    pipe = load_pipe("fc").to("cuda")
    knobs = {**KNOBS, "number_of_images": images}
    expected = pipe(foreground, **knobs).images
    compiler = Compiler(tmp_path, hurried=True)
    compiler.settle(pipe, Measures())
    for _ in range(2):
        pictures = pipe(foreground, **knobs).images
        assert compiler.failure is None
        for picture, plain in zip(pictures, expected, strict=True):
            assert np.abs(picture - plain).max() <= 2 / 255
    assert isinstance(pipe.quick, CompiledUNet) and pipe.quick._recordings


@pytest.mark.gpu
def test_on_a_card_after_its_weights_were_away(foreground: UInt8Array, tmp_path: Path, own_torch: None) -> None:
    memory, pipes = CardMemory(choose_placement("cuda"), "auto", recorded=True), [load_pipe("fc") for _ in range(2)]
    compiler, work = Compiler(tmp_path, hurried=True), Work(64 * 128, 1, guided=True)
    pictures = []
    for pipe in (pipes[0], pipes[1], pipes[0]):
        compiler.settle(pipe, memory.settle(pipe, work))
        pictures.append(pipe(foreground, **KNOBS).images[0])
        memory._park([pipe])
    assert compiler.failure is None
    assert np.array_equal(pictures[0], pictures[2])
