"""Memory profiles: which measures are chosen, and that they change no picture that they must not."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from iclight_local.engines import local as local_engine
from iclight_local.engines.local import LocalEngine
from iclight_local.pipelines import offloading
from iclight_local.pipelines.iclight import ICLightPipeline
from iclight_local.pipelines.memory import (
    DEFAULT_WORK,
    GIB,
    SD15,
    Measures,
    Work,
    choose_measures,
    needs_of,
    peak,
    usable,
    work_of,
)
from iclight_local.pipelines.offloading import CardMemory, card_memory
from iclight_local.pipelines.placement import Placement
from iclight_local.plan import make_plan
from iclight_local.segmenters import rembg_session
from tests.engines.relights import asked, local, pixels
from tests.segmenters.onnx_models import bright_disc

CPU, CUDA, MPS = (torch.device(name) for name in ("cpu", "cuda:0", "mps"))
LARGE, HUGE = Work(1536 * 1536, 1, guided=True), Work(3072 * 3072, 1, guided=True)
FOUR = Work(768 * 960, 4, guided=True)
SLICED, MODEL = Measures(vae_slicing=True), Measures("model", vae_slicing=True)
TILED = Measures("model", vae_slicing=True, vae_tiling=True)
LAYERS = Measures("sequential", vae_slicing=True)
LAYERS_TILED = Measures("sequential", vae_slicing=True, vae_tiling=True)


class TestChoice:
    @pytest.mark.parametrize(
        ("card", "work", "expected"),
        [
            (24, DEFAULT_WORK, Measures()), (24, HUGE, Measures()),
            (12, DEFAULT_WORK, Measures()), (12, HUGE, TILED),
            (8, DEFAULT_WORK, Measures()), (8, FOUR, Measures()), (8, LARGE, Measures()), (8, HUGE, TILED),
            (6, DEFAULT_WORK, Measures()), (6, FOUR, Measures()), (6, LARGE, MODEL), (6, HUGE, LAYERS_TILED),
            (4, DEFAULT_WORK, MODEL), (4, FOUR, LAYERS), (4, LARGE, TILED), (4, HUGE, LAYERS_TILED),
            (2, DEFAULT_WORK, LAYERS),
        ],
    )  # fmt: skip
    def test_by_card_and_work(self, card: int, work: Work, expected: Measures) -> None:
        found = choose_measures(card * GIB, SD15, work)
        several = work.pictures > 1 and expected != Measures()
        assert found == Measures(**{**vars(expected), "vae_slicing": several, "drop_segmenter": card <= 8})

    def test_the_sums_for_a_default_relight(self) -> None:
        """1.72 GB of UNet, 0.25 of text encoder, 0.17 of autoencoder; 0.38 for sampling, 1.13 for decoding."""
        assert peak(Measures(), SD15, DEFAULT_WORK) == 2_132_000_000 + 768 * 960 * 1536
        assert peak(MODEL, SD15, DEFAULT_WORK) == 1_719_000_000 + 167_000_000 + 96 * 120 * 2 * 16640
        assert usable(4 * GIB) == int(3.0 * GIB)

    def test_a_stronger_measure_never_takes_more(self) -> None:
        order = [Measures(), SLICED, MODEL, TILED]
        for work in (DEFAULT_WORK, FOUR, LARGE, HUGE):
            sums = [peak(each, SD15, work) for each in order]
            assert sums == sorted(sums, reverse=True)

    def test_shared_memory_is_not_saved_by_moving_weights(self) -> None:
        for card, work in ((5, DEFAULT_WORK), (10, FOUR), (5, HUGE)):
            found = choose_measures(card * GIB, SD15, work, shared=True)
            assert found.offload == "none"
            assert found.attention_slicing
        assert choose_measures(10 * GIB, SD15, DEFAULT_WORK, shared=True) == Measures()

    def test_what_a_plan_computes(self) -> None:
        plan = make_plan(asked(number_of_images=3, highres_scale=2, cfg=1), has_background=False)
        assert work_of(plan, 4) == Work(128 * 128, 12, guided=False)
        lit = make_plan(asked(model="fbc", light_source="left"), has_background=False)
        assert work_of(lit, 1) == Work(64 * 64, 1, guided=True, conditions=2)

    def test_a_foreground_and_its_background_are_encoded_together(self) -> None:
        two = replace(DEFAULT_WORK, conditions=2)
        assert peak(Measures(), SD15, two) == peak(Measures(), SD15, DEFAULT_WORK) + 768 * 960 * 1536
        assert choose_measures(int(5.2 * GIB), SD15, two).words == [
            "autoencoder one picture at a time", "segmenter let go of",
        ]  # fmt: skip

    def test_a_recording_keeps_its_memory_while_the_autoencoder_works(self) -> None:
        recorded = replace(SD15, recorded=True)
        assert peak(Measures(), recorded, DEFAULT_WORK) == peak(Measures(), SD15, DEFAULT_WORK) + 96 * 120 * 2 * 16640
        assert peak(MODEL, recorded, DEFAULT_WORK) == peak(MODEL, SD15, DEFAULT_WORK), "nothing is recorded then"
        assert choose_measures(int(4.2 * GIB), SD15, DEFAULT_WORK).offload == "none"
        assert choose_measures(int(4.2 * GIB), recorded, DEFAULT_WORK).offload == "model"

    def test_features_that_steps_share_are_kept(self) -> None:
        sharing = replace(LARGE, shares_steps=True)
        tiled = Measures(vae_tiling=True)
        assert peak(tiled, SD15, sharing) == peak(tiled, SD15, LARGE) + 192 * 192 * 2 * 2 * 320 * 2
        plan = make_plan(asked(cache_interval=2), has_background=False)
        assert work_of(plan, 1).shares_steps and not work_of(make_plan(asked(), has_background=False), 1).shares_steps

    def test_needs_are_read_from_the_models(self, shared: LocalEngine) -> None:
        needs = needs_of(shared.load("fc"))
        assert needs.unet == 4 * sum(p.numel() for p in shared.load("fc").unet.parameters())
        assert (needs.per_latent, needs.per_pixel, needs.tile) == (26 * 16 * 4, 6 * 8 * 4, 64 * 64)
        assert needs.per_deep == 2 * 16 * 4

    def test_in_words(self) -> None:
        assert Measures().words == []
        assert TILED.words == ["models offloaded", "autoencoder one picture at a time", "autoencoder in tiles"]


class TestCard:
    def test_auto_reads_the_cards(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Card:
            total_memory = 6_000_000_000

        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: Card())
        monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 11_000_000_000)
        assert card_memory(CUDA, "auto") == 6_000_000_000
        assert card_memory(MPS, "auto") == 11_000_000_000
        assert card_memory(CUDA, "12") == card_memory(MPS, "12") == 12 * GIB

    def test_a_cpu_has_none(self) -> None:
        assert card_memory(CPU, "auto") is None
        assert card_memory(CPU, "4") is None
        result = local(vram="4").relight(asked(steps=1))
        assert "memory" not in result.record["engine"]
        assert any("vram 4 has no effect on the CPU" in each for each in result.warnings)

    def test_small_cards(self) -> None:
        sizes = {"4": True, "8": True, "12": False}
        for vram, small in sizes.items():
            assert CardMemory(Placement(CUDA, torch.float16, torch.bfloat16), vram).is_small is small


class Card(CardMemory):
    """A card of SD1.5's models, which nothing is moved to; pipelines are names."""

    def __init__(self, vram: str, monkeypatch: pytest.MonkeyPatch, *, recorded: bool = False) -> None:
        super().__init__(Placement(CUDA, torch.float16, torch.bfloat16), vram, recorded=recorded)
        monkeypatch.setattr(offloading, "needs_of", lambda pipe: SD15)
        monkeypatch.setattr(offloading, "_divide", lambda pipe, measures: None)
        self.parked: list[Any] = []

    def _move(self, pipe: Any, measures: Measures) -> None:
        pass

    def _park(self, others: list[Any]) -> None:
        self.parked += others
        for other in others:
            del self._settled[other]

    def rows(self, work: Work) -> int:
        self.settle("fc", work)  # type: ignore[arg-type]
        return self.most_rows("fc", work.pixels // 64, [("fc", work)])  # type: ignore[arg-type,list-item]


class TestTogether:
    @pytest.mark.parametrize(
        ("vram", "work", "rows"),
        [
            ("24", DEFAULT_WORK, 32), ("24", LARGE, 32), ("8", DEFAULT_WORK, 16), ("8", LARGE, 8), ("6", LARGE, 4),
            ("4", DEFAULT_WORK, 4), ("4", HUGE, 1),
        ],
    )  # fmt: skip
    def test_a_call_takes_what_fits_beside_the_weights(
        self, vram: str, work: Work, rows: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert Card(vram, monkeypatch).rows(work) == rows

    def test_what_else_is_kept_leaves_room_for_fewer_rows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert [Card("8", monkeypatch, recorded=recorded).rows(DEFAULT_WORK) for recorded in (False, True)] == [16, 8]
        card, sharing = Card("8", monkeypatch), replace(DEFAULT_WORK, shares_steps=True)
        card.settle("fc", sharing)  # type: ignore[arg-type]
        rows = [card.most_rows("fc", 96 * 120, [("fc", sharing)] * count) for count in (1, 100)]  # type: ignore[arg-type,list-item]
        assert rows == [16, 8], "each of a hundred runs keeps some"

    def test_the_cpu_shares_small_calls_alone(self, shared: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
        memory, pipe = shared.memory, shared.load("fc")
        going = [(pipe, DEFAULT_WORK)]
        assert memory.most_rows(pipe, 64 * 80, going) == 16
        monkeypatch.setattr(offloading, "needs_of", lambda pipe: replace(SD15, per_latent=26 * 320 * 4))
        memory = CardMemory(memory.placement, "auto")
        assert [memory.most_rows(pipe, latents, going) for latents in (16 * 20, 32 * 40, 64 * 80)] == [16, 1, 1]

    @pytest.mark.parametrize(
        ("vram", "pipe", "work", "goes"),
        [
            ("8", "fc", DEFAULT_WORK, True), ("8", "fc", FOUR, True), ("8", "fc", HUGE, False),
            ("4", "fc", DEFAULT_WORK, True), ("4", "fbc", DEFAULT_WORK, False),
            ("24", "fbc", LARGE, True), ("8", "fbc", DEFAULT_WORK, True), ("6", "fbc", LARGE, False),
        ],
    )  # fmt: skip
    def test_who_goes_beside_a_default_relight(
        self, vram: str, pipe: Any, work: Work, goes: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        going: list[Any] = [("fc", DEFAULT_WORK)]
        assert Card(vram, monkeypatch).goes_beside(pipe, work, going) is goes
        assert Card(vram, monkeypatch).goes_beside(pipe, work, [])

    def test_what_runs_is_not_parked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        card = Card("6", monkeypatch)
        names: list[Any] = ["fcon", "fc", "fbc"]
        for name in names[:2]:
            card.settle(name, DEFAULT_WORK)
        assert card.parked == [], "two fit"
        going = [(names[1], DEFAULT_WORK)]
        assert card.goes_beside(names[2], DEFAULT_WORK, going)
        card.settle(names[2], DEFAULT_WORK, going)
        assert card.parked == ["fcon"], "three do not"

    def test_slicing_stays_for_who_needs_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        card, two = Card("4", monkeypatch), replace(DEFAULT_WORK, pictures=2)
        going: list[Any] = [("fc", two)]
        assert card.settle(going[0][0], two).vae_slicing
        assert card.goes_beside(going[0][0], DEFAULT_WORK, going)
        assert card.settle(going[0][0], DEFAULT_WORK, going).vae_slicing
        assert not card.settle(going[0][0], DEFAULT_WORK).vae_slicing


class TestFailing:
    @pytest.mark.parametrize("where", ["placed", "brought to rest"])
    def test_what_could_not_be_moved_is_moved_anew(
        self, where: str, shared: LocalEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        memory, pipe = CardMemory(shared.memory.placement, "auto"), shared.load("fc")
        moved: list[Any] = []

        def move(self: Any, pipe: Any, measures: Measures) -> None:
            moved.append(measures.offload)
            if len(moved) == 2:
                raise RuntimeError("CUDA error: unspecified launch failure")

        def rest(self: Any) -> None:
            raise RuntimeError("CUDA error: unspecified launch failure")

        monkeypatch.setattr(CardMemory, "_move", move)
        memory.settle(pipe, DEFAULT_WORK)
        if where == "placed":
            monkeypatch.setattr(offloading, "measures_for", lambda *args: MODEL)
            with pytest.raises(RuntimeError):
                memory.settle(pipe, DEFAULT_WORK)
            monkeypatch.undo()
            monkeypatch.setattr(CardMemory, "_move", move)
        else:
            monkeypatch.setattr(ICLightPipeline, "maybe_free_model_hooks", rest)
            with pytest.raises(RuntimeError):
                memory.rest()
            moved.append("a place between")
        memory.settle(pipe, DEFAULT_WORK)
        assert len(moved) == 3 and moved[-1] == "none"


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes every run take the given measures, on the CPU, which stands in for the card."""

    def take(measures: Measures) -> None:
        monkeypatch.setattr(offloading, "measures_for", lambda *args: measures)

    return take


@pytest.fixture
def layers(monkeypatch: pytest.MonkeyPatch) -> list[torch.device]:
    """The devices that layers were to be offloaded from one by one; accelerate cannot do that from the CPU itself."""
    calls: list[torch.device] = []
    monkeypatch.setattr(ICLightPipeline, "enable_sequential_cpu_offload", lambda self, device: calls.append(device))
    return calls


class TestPictures:
    @pytest.mark.parametrize("measures", [SLICED, MODEL], ids=["sliced", "model"])
    def test_they_stay_the_same(self, measures: Measures, measured: Any, first: Any) -> None:
        measured(measures)
        engine = local()
        result = engine.relight(asked())
        assert np.array_equal(pixels(result.images[0]), first)
        assert result.record["engine"]["memory"] == measures.words
        pipe = engine.load("fc")
        for module in (pipe.unet, pipe.vae, pipe.text_encoder):
            assert hasattr(module, "_hf_hook") == (measures.offload == "model")

    def test_layers_one_by_one(self, measured: Any, layers: list[torch.device], first: Any) -> None:
        measured(LAYERS)
        engine = local()
        for _ in range(2):
            assert np.array_equal(pixels(engine.relight(asked()).images[0]), first)
        assert layers == [CPU], "asked for once, and not before each run"

    def test_several_images_and_normals_stay_the_same(self, measured: Any, shared: LocalEngine) -> None:
        one, normals = asked(number_of_images=2, steps=1), asked(steps=1)
        plain = [*shared.relight(one).images, *shared.normals(normals).relit.values()]
        measured(MODEL)
        engine = local()
        found = [*engine.relight(one).images, *engine.normals(normals).relit.values()]
        for each, other in zip(plain, found, strict=True):
            assert np.abs(pixels(each).astype(int) - pixels(other)).max() <= 2

    def test_tiles_are_said_to_change_it(self, measured: Any) -> None:
        measured(TILED)
        engine = local()
        result = engine.relight(asked(highres_scale=2))
        assert engine.load("fc").vae.use_tiling
        assert any("worked in tiles" in each for each in result.warnings)
        assert "autoencoder in tiles" in result.record["engine"]["memory"]

    def test_from_one_measure_to_another_and_back(self, measured: Any, layers: list[torch.device], first: Any) -> None:
        engine = local()
        for measures in (MODEL, LAYERS, TILED):
            measured(measures)
            engine.relight(asked(steps=1))
        measured(Measures())
        assert np.array_equal(pixels(engine.relight(asked()).images[0]), first)
        pipe = engine.load("fc")
        assert not pipe.vae.use_tiling and not pipe.vae.use_slicing
        assert not hasattr(pipe.unet, "_hf_hook")

    def test_models_that_take_turns(self, measured: Any, shared: LocalEngine, first: Any) -> None:
        engine = local()
        other = asked(model="fbc", light_source="left", steps=1)
        expected = pixels(shared.relight(other).images[0])
        measured(Measures("model"))
        for request, picture in ((other, expected), (asked(), first), (other, expected)):
            assert np.array_equal(pixels(engine.relight(request).images[0]), picture)

    def test_attention_slicing_changes_next_to_nothing(self, measured: Any, first: Any) -> None:
        measured(Measures(attention_slicing=True))
        engine = local()
        found = pixels(engine.relight(asked()).images[0]).astype(int)
        kinds = {type(each).__name__ for each in engine.load("fc").unet.attn_processors.values()}
        assert kinds == {"SlicedAttnProcessor"}
        assert np.abs(found - first).max() <= 1
        measured(Measures())
        assert np.array_equal(pixels(engine.relight(asked()).images[0]), first)

    def test_an_autoencoder_in_bfloat16_stays_so_while_it_waits(self, shared: LocalEngine) -> None:
        pipe = local().load("fc")
        torch.nn.Module.to(pipe.unet, torch.float16)
        torch.nn.Module.to(pipe.vae, torch.bfloat16)
        pipe.enable_model_cpu_offload(device="cpu")
        assert pipe.vae.dtype == torch.bfloat16


class TestSegmenter:
    def test_it_is_let_go_of_before_sampling(self, net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        sessions: list[weakref.ref[Any]] = []
        make = rembg_session.load_session

        def load(*args: Any) -> Any:
            session = make(*args)
            sessions.append(weakref.ref(session.inner_session))
            return session

        monkeypatch.setattr(rembg_session, "load_session", load)
        monkeypatch.setattr(CardMemory, "is_small", True)
        alive: list[bool] = []
        engine = local(segmenter=str(net))

        def look(progress: Any) -> None:
            if progress.stage == "lowres":
                gc.collect()
                alive.append(any(each() is not None for each in sessions))

        engine.relight(asked(Image.fromarray(bright_disc()), steps=1), progress=look)
        assert len(sessions) == 1
        assert alive[0] is False
        engine.relight(asked(Image.fromarray(bright_disc()), steps=1))
        assert len(sessions) == 2, "it comes back for the next picture"

    def test_a_large_card_keeps_it(self, net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        dropped: list[int] = []
        monkeypatch.setattr(local_engine, "drop_segmenters", lambda: dropped.append(1))
        local(segmenter=str(net)).relight(asked(Image.fromarray(bright_disc()), steps=1))
        assert dropped == []
