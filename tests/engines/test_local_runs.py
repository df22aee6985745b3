"""Runs of the engine on this machine: their progress, models, failures and normals."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from iclight_local import Engine
from iclight_local.engines.local import LocalEngine
from iclight_local.errors import (
    Cancelled,
    EngineError,
    InvalidRequest,
    OutOfMemory,
    Unsupported,
    WeightsError,
)
from iclight_local.result import Progress
from tests.engines.relights import BACKGROUND, BUNDLE, asked, local, pixels
from tests.fake_engine import FakeEngine
from tests.segmenters.onnx_models import bright_disc


class TestProgress:
    def test_stages_in_order(self, net: Path) -> None:
        told: list[Progress] = []
        local(segmenter=str(net)).relight(asked(Image.fromarray(bright_disc()), steps=3), progress=told.append)
        assert told == [
            Progress("segment", 0, 6),
            Progress("load", 0, 6),
            Progress("lowres", 0, 6),
            Progress("lowres", 1, 6),
            Progress("lowres", 2, 6),
            *(Progress("highres", step, 6) for step in (3, 4, 5, 6)),
        ]

    def test_of_normals(self, shared: LocalEngine) -> None:
        told: list[Progress] = []
        shared.normals(asked(), progress=told.append)
        stages = [(each.stage, each.step) for each in told]
        assert stages == [("load", 0), ("lowres", 0), ("lowres", 1), ("highres", 2), ("highres", 3), ("highres", 4)]

    @pytest.mark.parametrize("stop", [Cancelled("Enough."), KeyboardInterrupt()], ids=["Cancelled", "Ctrl-C"])
    @pytest.mark.parametrize("step", [0, 1, 3])
    def test_it_can_stop_the_run(self, stop: BaseException, step: int, shared: LocalEngine, first: Any) -> None:
        calls = Calls(shared.load("fc").unet)

        def stopping(progress: Progress) -> None:
            if (progress.stage, progress.step) == ("lowres" if step < 2 else "highres", step):
                raise stop

        with calls, pytest.raises(type(stop)) as caught:
            shared.relight(asked(), progress=stopping)
        assert caught.value is stop
        assert calls.count == step
        assert np.array_equal(pixels(shared.relight(asked()).images[0]), first), "the engine goes on working"


class Calls:
    """Counts a module's calls, and the most that ran at once, within a block."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.module, self.count, self.running, self.most = module, 0, 0, 0

    def __enter__(self) -> Calls:
        self._hooks = [
            self.module.register_forward_pre_hook(self._began),
            self.module.register_forward_hook(self._ended, always_call=True),
        ]
        return self

    def __exit__(self, *failure: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _began(self, *call: Any) -> None:
        self.count += 1
        self.running += 1
        self.most = max(self.most, self.running)

    def _ended(self, *call: Any) -> None:
        self.running -= 1


class TestModels:
    def test_they_share_text_encoder_and_autoencoder(self, shared: LocalEngine) -> None:
        fc, fbc = shared.load("fc"), shared.load("fbc")
        assert fc is shared.load("fc")
        assert fc.vae is fbc.vae
        assert fc.text_encoder is fbc.text_encoder
        assert fc.unet is not fbc.unet
        assert fc.scheduler is not fbc.scheduler
        assert (fc.config.model, fbc.config.model) == ("fc", "fbc")

    def test_another_model_in_between_changes_nothing(self, first: Any) -> None:
        engine = local()
        engine.relight(asked(model="fbc", light_source="left"))
        assert np.array_equal(pixels(engine.relight(asked()).images[0]), first)

    def test_close_forgets_them_and_they_come_back(self, first: Any) -> None:
        engine = local()
        before = engine.load("fc")
        engine.close()
        assert np.array_equal(pixels(engine.relight(asked()).images[0]), first)
        assert engine.load("fc") is not before

    def test_a_missing_model_is_refused_before_anything_slow(self, tmp_path: Path) -> None:
        shutil.copytree(BUNDLE, tmp_path / "bundle")
        (tmp_path / "bundle" / "iclight_sd15_fbc.safetensors").unlink()
        engine = local(weights=str(tmp_path / "bundle"))
        told: list[Progress] = []
        nowhere = tmp_path / "nowhere.png"
        with pytest.raises(WeightsError, match="has fc, fcon, and model fbc was asked for"):
            engine.relight(asked(nowhere, light_source="left", model="fbc"), progress=told.append)
        with pytest.raises(WeightsError, match="model fbc was asked for"):
            engine.normals(asked(nowhere), progress=told.append)
        assert told == []

    def test_threads_share_the_calls_which_are_made_one_at_a_time(self, shared: LocalEngine, first: Any) -> None:
        found: list[Any] = []
        work = [
            threading.Thread(target=lambda: found.append(pixels(shared.relight(asked()).images[0]))) for _ in range(3)
        ]
        with Calls(shared.load("fc").unet) as calls:
            for thread in work:
                thread.start()
            for thread in work:
                thread.join()
        assert 4 < calls.count <= 3 * 4
        assert calls.most == 1
        assert all(np.abs(each.astype(int) - first).max() <= 1 for each in found)
        assert len(found) == 3


class TestNormals:
    @pytest.mark.parametrize(
        "knobs",
        [
            {"light_source": "left", "model": "fbc"},
            {"light_source": "left"},
            {"number_of_images": 2},
            {"background_image": BACKGROUND},
            {"background_image": BACKGROUND, "background_flip": True},
            {"model": "fc"},
            {"model": "fcon"},
        ],
        ids=str,
    )
    def test_knobs_that_the_runs_set_are_refused(self, knobs: dict[str, Any], shared: LocalEngine) -> None:
        with pytest.raises(InvalidRequest, match="Normals come from four runs that set"):
            shared.normals(asked(**knobs))

    def test_pictures_and_record(self, shared: LocalEngine) -> None:
        found = shared.normals(asked(highres_scale=2))
        assert found.run.record["kind"] == "normals"
        assert found.run.record["request"]["model"] == "fbc"
        assert found.run.seed == 5
        assert found.run.images == [found.normal]
        pictures = [found.normal, *found.ratios.values(), *found.relit.values()]
        assert [picture.size for picture in pictures] == [(128, 128)] * 9
        assert list(found.ratios) == list(found.relit) == ["left", "right", "bottom", "top"]
        left = shared.relight(asked(light_source="left", model="fbc", highres_scale=2)).images[0]
        assert left.size == found.relit["left"].size
        assert pixels(found.normal)[0, 0].tolist() == [127, 127, 255], "outside of the matte it faces the viewer"


class TestFailingDevice:
    @pytest.mark.parametrize(
        ("failure", "kind", "says"),
        [
            (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), OutOfMemory, "--device cpu"),
            (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), OutOfMemory, "--highres-scale"),
            (
                RuntimeError("unspecified launch failure\nCompile with TORCH_USE_CUDA_DSA"),
                EngineError,
                "launch failure",
            ),
        ],
        ids=["CUDA memory", "memory", "launch"],
    )
    @pytest.mark.parametrize("method", ["relight", "normals"])
    def test_its_errors_are_the_houses(
        self, failure: Exception, kind: type[EngineError], says: str, method: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = local()
        unet = engine.load("fc" if method == "relight" else "fbc").unet

        def fail(*args: Any, **kwargs: Any) -> None:
            raise failure

        with monkeypatch.context() as patch:
            patch.setattr(unet, "forward", fail)
            with pytest.raises(EngineError) as caught:
                getattr(engine, method)(asked())
        assert type(caught.value) is kind
        assert says in str(caught.value)
        assert "\n" not in str(caught.value)
        assert caught.value.exit_status == 1
        getattr(engine, method)(asked(steps=1))

    def test_a_device_that_is_not_there(self) -> None:
        with pytest.raises(Unsupported, match="Device cuda:99 was asked for"):
            local(device="cuda:99")

    @pytest.mark.gpu
    def test_cuda_gives_nearly_the_same(self, first: Any) -> None:
        found = local(device="cuda").relight(asked())
        assert found.record["engine"]["dtype"] == "fp16"
        assert found.peak_memory > 0
        assert np.abs(pixels(found.images[0]).astype(int) - first).mean() < 8


class TestTheSeam:
    def test_both_engines_fit_it(self, shared: LocalEngine) -> None:
        fake: Engine = FakeEngine()
        assert isinstance(fake, Engine)
        assert isinstance(shared, Engine)
        assert not isinstance(object(), Engine)

    def test_the_fake_does_as_engines_do(self) -> None:
        fake = FakeEngine(exif=b"exif", warnings=("Odd.",))
        told: list[Progress] = []
        result = fake.relight(asked(number_of_images=2), progress=told.append)
        assert (result.seed, len(result.images), result.warnings, result.exif) == (5, 2, ("Odd.",), b"exif")
        assert not np.array_equal(pixels(result.images[0]), pixels(result.images[1]))
        assert [each.stage for each in told] == ["load", "lowres", "lowres", "highres"]
        assert fake.requests == [asked(number_of_images=2)]
        assert fake.normals(asked()).relit.keys() == {"left", "right", "bottom", "top"}
        fake.error = EngineError("No.")
        with pytest.raises(EngineError):
            fake.relight(asked())
        fake.close()
        assert fake.closed
