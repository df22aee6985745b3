"""Recordings on a card, on paper: where they are made, what they hold, and when they are let go of."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from golden_pictures import load_pipe
from paper_card import PaperCard
from torch._dynamo.utils import counters

from iclight_local.pipelines.compiled import COMPILED, CompiledUNet, Compiler, way_of_last_call
from iclight_local.pipelines.graphs import Recordings
from iclight_local.pipelines.iclight import ICLightPipeline
from iclight_local.pipelines.memory import Measures, Work
from iclight_local.pipelines.offloading import CardMemory
from iclight_local.pipelines.placement import choose_placement
from iclight_local.pipelines.programs import program_of
from iclight_local.pipelines.unet_calls import UNetInput, plainly

CARD = torch.device("cuda:1")


def no_memory() -> torch.OutOfMemoryError:
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> PaperCard:
    return PaperCard(monkeypatch)


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.compile that compiles nothing."""
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "unused")


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Any:
    """torch.compile that tells programs apart as it does for real, and leaves out the compiler."""
    real = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, **options: real(function, backend="eager", **options))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "unused")
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


class Net(torch.nn.Module):
    """What is called as a UNet is, and takes a moment.

    Attributes:
        most: rows that fit into its memory.
        seen: the rows of each call, and those that did not fit.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(8, 4, 1)
        self.device, self.most = torch.device("cpu"), 1000
        self.seen: list[int] = []

    def forward(self, sample: Any, timestep: Any, *, encoder_hidden_states: Any, **options: Any) -> Any:
        return (self.layer(sample) + encoder_hidden_states.mean() + timestep.reshape(-1, 1, 1, 1),)


class Narrow(Net):
    def forward(self, sample: Any, timestep: Any, **options: Any) -> Any:
        self.seen.append(len(sample))
        if len(sample) > self.most:
            raise no_memory()
        return super().forward(sample, timestep, **options)


def given(rows: int, size: int = 4) -> UNetInput:
    source = torch.Generator().manual_seed(rows)
    sample = torch.randn(rows, 8, size, size, generator=source)
    return UNetInput(sample, torch.tensor(5), torch.randn(rows, 7, 6, generator=source))


def on_card(unet: Any, compiler: Compiler) -> CompiledUNet:
    """A compiled UNet whose calls are recorded, on paper."""
    quick = CompiledUNet(unet, compiler, rows=(1, 2, 4, 8, 16))
    quick._recordings = Recordings(quick._compute, CARD)
    compiler._unets.add(quick)
    return quick


def recordings(quick: Any) -> int:
    return len(quick._recordings)


class TestRecording:
    def test_on_the_card_that_was_asked_for(self, card: PaperCard) -> None:
        Recordings(lambda values: values * 2, CARD)(torch.ones(3))
        assert card.recorded == [(CARD, CARD, 1)]

    def test_played_for_other_values(self, card: PaperCard) -> None:
        calls: list[int] = []

        def call(values: torch.Tensor) -> torch.Tensor:
            calls.append(len(values))
            return values * 2 + 1

        recorded = Recordings(call, CARD)
        one, other = recorded(torch.ones(3)), recorded(torch.zeros(3))
        assert one.tolist() == [3, 3, 3], "it is the caller's own"
        assert other.tolist() == [1, 1, 1]
        assert len(calls) == 3, "twice before it is recorded, and once for it"

    def test_types_and_shapes_are_told_apart(self, card: PaperCard) -> None:
        recorded = Recordings(lambda values: values * 2, CARD)
        assert recorded(torch.ones(3)).dtype == torch.float32
        assert recorded(torch.ones(3, dtype=torch.float64)).dtype == torch.float64
        assert recorded(torch.ones(4)).shape == (4,)
        assert [pool for _, _, pool in card.recorded] == [1, 1, 1], "they share memory"

    def test_memory_that_was_left_is_not_recorded_into(self, card: PaperCard) -> None:
        recorded = Recordings(lambda values: values * 2, CARD)
        recorded(torch.ones(3))
        recorded.clear()
        assert len(recorded) == 0
        recorded(torch.ones(3))
        assert [pool for _, _, pool in card.recorded] == [1, 2]


class TestWeightsThatMove:
    @pytest.fixture
    def pipe(self, card: PaperCard, uncompiled: None, tmp_path: Path) -> ICLightPipeline:
        pipe = load_pipe("fc")
        compiler = Compiler(tmp_path, hurried=True)
        pipe.quick = on_card(pipe.unet, compiler)
        pipe.quick(self.given(pipe))
        assert recordings(pipe.quick) == 1
        pipe.compiler = compiler
        return pipe

    def given(self, pipe: ICLightPipeline) -> UNetInput:
        return UNetInput(
            torch.randn(2, 8, 8, 8), torch.tensor(5), torch.randn(2, 77, pipe.unet.config.cross_attention_dim)
        )

    def test_parked_and_placed_again(self, pipe: ICLightPipeline, card: PaperCard) -> None:
        memory = CardMemory(choose_placement("cpu"), "auto")
        memory.settle(pipe, Work(64 * 64, 1, guided=True))
        assert recordings(pipe.quick) == 0
        pipe.predict(self.given(pipe))
        memory._park([pipe])
        assert recordings(pipe.quick) == 0, "and their memory is free for the others"
        memory.settle(pipe, Work(64 * 64, 1, guided=True))
        pipe.compiler.settle(pipe, Measures())
        pipe.predict(self.given(pipe))
        assert recordings(pipe.quick) == 1 and len(card.recorded) == 3

    def test_moved_by_anybody(self, pipe: ICLightPipeline) -> None:
        pipe.compiler.settle(pipe, Measures())
        assert recordings(pipe.quick) == 1, "nothing has moved"
        pipe.unet.conv_out.weight.data = pipe.unet.conv_out.weight.data.clone()
        pipe.compiler.settle(pipe, Measures())
        assert recordings(pipe.quick) == 0


class TestPrograms:
    def test_recorded_numbers_of_rows_share_one(self, card: PaperCard, traced: None, tmp_path: Path) -> None:
        card.plays = False
        quick = on_card(Net(), Compiler(tmp_path, hurried=True))
        # A convolution on the processor is another one from 16 rows on.
        for rows in (2, 4, 8):
            found = quick(given(rows))
            assert torch.allclose(found, plainly(quick._unet)(given(rows)), atol=1e-6)
        assert recordings(quick) == 3
        assert counters["stats"]["unique_graphs"] == 1
        quick(given(1))
        assert counters["stats"]["unique_graphs"] == 2, "a lone row has its own"

    def test_as_many_in_every_thread(self, traced: None) -> None:
        program = program_of(lambda values: values * 2)
        sizes = range(2, 14)

        def call() -> None:
            for size in sizes:
                program(torch.ones(size))

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        assert counters["stats"]["unique_graphs"] == len(sizes)


class TestMemory:
    def test_what_does_not_fit_is_computed_plainly_and_alone(
        self, card: PaperCard, uncompiled: None, tmp_path: Path
    ) -> None:
        net, compiler = Narrow(), Compiler(tmp_path, hurried=True)
        quick, others = on_card(net, compiler), on_card(Net(), compiler)
        others(given(2))
        quick(given(2))
        # Four rows do not fit beside what was recorded.
        compute, quick._recordings._call = quick._recordings._call, lambda *inputs: refuse()

        def refuse() -> Any:
            raise RuntimeError("The compiler failed.") from no_memory()

        found = quick(given(4))
        assert torch.equal(found, plainly(net)(given(4)))
        assert compiler.failure is None and quick.last_way is None
        assert recordings(quick) == recordings(others) == 0, "all memory was given back"
        quick._recordings._call = compute
        quick(given(4))
        assert recordings(quick) == 0, "it is not tried again"
        quick(given(2))
        assert recordings(quick) == 1 and quick.last_way == COMPILED

    def test_what_fits_in_no_way_is_told(self, card: PaperCard, uncompiled: None, tmp_path: Path) -> None:
        net, compiler = Narrow(), Compiler(tmp_path, hurried=True)
        quick, net.most = on_card(net, compiler), 2
        with pytest.raises(torch.OutOfMemoryError):
            quick(given(4))
        assert compiler.failure is None
        assert torch.equal(quick(given(2)), plainly(net)(given(2)))
        assert recordings(quick) == 1

    def test_the_autoencoder_takes_what_recordings_hold(
        self, card: PaperCard, uncompiled: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pipe, compiler = load_pipe("fc"), Compiler(tmp_path, hurried=False)
        quick = on_card(Net(), compiler)
        plain = pipe.vae.decoder.forward

        def decode(values: torch.Tensor, *others: Any) -> Any:
            if recordings(quick):
                raise no_memory()
            return plain(values, *others)

        monkeypatch.setattr(pipe.vae.decoder, "forward", decode)
        compiler.settle(pipe, Measures())
        compiler.hurried = True
        latents = torch.zeros(1, 4, 8, 8)
        for compiled in (False, True):
            compiler.hurried = compiled
            quick(given(2))
            with torch.no_grad():
                assert torch.equal(pipe.vae.decoder(latents), plain(latents))
            assert compiler.failure is None


class TestWays:
    def test_of_each_call(self, card: PaperCard, uncompiled: None, tmp_path: Path) -> None:
        pipe, compiler = load_pipe("fc"), Compiler(tmp_path, hurried=False)
        pipe.quick = quick = on_card(Net(), compiler)
        for _ in range(100):
            quick(given(2))
            assert way_of_last_call(pipe) is None, "a run goes on as it began"
        quick.settle()
        quick(given(2))
        assert way_of_last_call(pipe) == COMPILED
        quick(given(17))
        assert way_of_last_call(pipe) is None
        pipe.quick, pipe.computed_by = None, "packed"
        assert way_of_last_call(pipe) == "packed"
