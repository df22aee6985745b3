"""``--precision int8``: converted once, kept by what it was made from, near the float32 picture, and told."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft.tuners.tuners_utils import BaseTunerLayer

from benchmarks.scenes import sample
from benchmarks.speed.int8 import psnr
from iclight_local import ICLightPipeline
from iclight_local.engines import int8
from iclight_local.engines.int8 import Int8Source, int8_unet
from iclight_local.engines.local import LocalEngine
from iclight_local.errors import EngineError, Unsupported
from iclight_local.layouts.lora import LoraFile
from iclight_local.pipelines import calibration, openvino_unet, quantizing
from iclight_local.pipelines.adapters import add_loras
from iclight_local.pipelines.openvino_unet import OpenVINOUNet, library
from iclight_local.pipelines.placement import choose_placement
from iclight_local.pipelines.unet_calls import UNetInput, plainly
from iclight_local.result import Progress
from tests.engines.lora_files import write_lora
from tests.engines.relights import BUNDLE, asked, local, pixels

MINI = Path(__file__).parents[2] / "weights" / "mini"
SOURCE = Int8Source({"a.safetensors": "00"}, (), "fc", "none")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("int8_home")


@pytest.fixture(scope="module")
def told() -> list[Progress]:
    return []


@pytest.fixture(scope="module")
def engine(home: Path, told: list[Progress]) -> LocalEngine:
    """An engine that had to convert, and its first result."""
    torch.set_num_threads(1)
    made = local(precision="int8", home=home)
    with pytest.MonkeyPatch.context() as patch:
        # The random weights need no more to be told from wrong ones.
        patch.setattr(calibration, "RUNS", calibration.RUNS[:2])

        def note(progress: Progress) -> None:
            told.append(progress)
            print(progress.stage)

        with contextlib.redirect_stdout(io.StringIO()) as said:
            made.first = made.relight(asked(), progress=note)  # type: ignore[attr-defined]
        made.said = said.getvalue().splitlines()  # type: ignore[attr-defined]
    return made


@pytest.fixture
def unet(engine: LocalEngine) -> OpenVINOUNet:
    found = engine.load("fc").quick
    assert isinstance(found, OpenVINOUNet)
    return found


@pytest.fixture
def copied(home: Path, engine: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Copied:
    return Copied(home, tmp_path / "home", monkeypatch)


class Copied:
    """A home with a conversion in it; converting anew takes a moment and is counted."""

    def __init__(self, home: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (self.original,) = (home / "cache" / "int8").iterdir()
        self.home, self.conversions = here, 0
        self.folder = here / "cache" / "int8" / SOURCE.key
        shutil.copytree(self.original, self.folder)
        monkeypatch.setattr(int8, "write_int8", self.write)

    def write(self, pipe: Any, file: Path, tell: Any) -> None:
        self.conversions += 1
        for name in ("unet.xml", "unet.bin"):
            shutil.copy(self.original / name, file.parent)

    def open(self, pipe: ICLightPipeline) -> tuple[OpenVINOUNet, str | None]:
        return int8_unet(pipe, SOURCE, self.home, lambda done, of: None)


def rows(count: int, side: int = 8, seed: int = 0) -> UNetInput:
    random = torch.Generator().manual_seed(seed)
    return UNetInput(
        torch.randn(count, 8, side, side + 8, generator=random),
        torch.linspace(900, 100, count).long(),
        torch.randn(count, 77, 32, generator=random),
    )


class TestRun:
    def test_it_is_told(self, engine: LocalEngine, told: list[Progress]) -> None:
        first = engine.first  # type: ignore[attr-defined]
        assert first.record["engine"]["computed_by"] in ("openvino int8, bf16", "openvino int8, fp32")
        assert first.record["engine"]["dtype"] == "fp32"
        assert first.record["versions"]["openvino"]
        assert any("was converted to int8, which took" in warning for warning in first.warnings)
        steps = [each.step / each.steps for each in told if each.stage == "convert"]
        assert len(steps) > 10
        assert steps == sorted(steps)
        assert steps[0] == 0
        assert 0.9 < steps[-1] < 1

    def test_a_second_engine_reads_it(self, engine: LocalEngine, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(int8, "write_int8", lambda *args: pytest.fail("it was converted again"))
        again = local(precision="int8", home=home).relight(asked())
        first = engine.first  # type: ignore[attr-defined]
        assert np.array_equal(pixels(again.images[0]), pixels(first.images[0]))
        assert not any("converted" in warning for warning in again.warnings)

    def test_the_standard_output_stays_everybodys(self, engine: LocalEngine, told: list[Progress]) -> None:
        """NNCF writes nothing to it, and keeps nobody else off."""
        assert engine.said == [each.stage for each in told]  # type: ignore[attr-defined]

    def test_every_step_is_whole(self, engine: LocalEngine) -> None:
        first = engine.first  # type: ignore[attr-defined]
        for _ in range(2):
            result = engine.relight(asked(cache_interval=2))
            assert np.array_equal(pixels(result.images[0]), pixels(first.images[0]))
            assert int8.IDLE_CACHE in result.warnings
            assert result.record["request"]["cache_interval"] == 1
            assert result.record["engine"]["computed_by"].startswith("openvino int8")
        assert engine.plan(asked(cache_interval=2)).cache_interval == 1
        assert int8.IDLE_CACHE not in engine.relight(asked(steps=1)).warnings

    def test_so_is_every_step_of_a_normal_map(self) -> None:
        plain = local()
        plain.load("fbc")
        plain.placement = replace(plain.placement, int8=True)
        run = plain.normals(asked(steps=1, cache_interval=2)).run
        assert int8.IDLE_CACHE in run.warnings
        assert run.record["request"]["cache_interval"] == 1

    def test_the_plain_engine_says_nothing_of_it(self, shared: LocalEngine) -> None:
        assert "int8" not in str(shared.relight(asked(steps=1)).record["engine"])

    def test_it_is_near_float32(self, engine: LocalEngine, first: Any) -> None:
        off = pixels(engine.first.images[0])  # type: ignore[attr-defined]
        assert not np.array_equal(off, first)
        assert psnr(off, first) > 35


class TestCalls:
    def test_rows_with_their_own_timesteps(self, unet: OpenVINOUNet) -> None:
        """Rows of several requests share a call, and none looks at its neighbours."""
        together = unet(rows(3))
        for index in range(3):
            given = rows(3)
            one = UNetInput(*(each[index : index + 1] for each in (given.sample, given.timestep, given.embeddings)))
            assert torch.allclose(unet(one), together[index : index + 1], atol=1e-3)

    def test_one_timestep_is_that_of_every_row(self, unet: OpenVINOUNet) -> None:
        given = rows(2)
        same = replace(given, timestep=torch.tensor(500)), replace(given, timestep=torch.tensor([500, 500]))
        assert torch.equal(*(unet(each) for each in same))

    @pytest.mark.parametrize(("count", "side"), [(1, 8), (2, 16), (5, 24)])
    def test_any_size_and_number(self, engine: LocalEngine, unet: OpenVINOUNet, count: int, side: int) -> None:
        given = rows(count, side)
        with torch.no_grad():
            plain = plainly(engine.load("fc").unet)(given)
        found = unet(given)
        assert found.shape == plain.shape
        assert found.dtype == torch.float32
        # Noise for a condition is not what it was calibrated on.
        assert float((found - plain).norm() / plain.norm()) < 0.3

    def test_longer_texts(self, unet: OpenVINOUNet) -> None:
        given = rows(2)
        longer = replace(given, embeddings=torch.cat([given.embeddings, given.embeddings], dim=1))
        assert unet(longer).shape == (2, 4, 8, 16)

    def test_a_result_is_not_written_over(self, unet: OpenVINOUNet) -> None:
        found = unet(rows(2))
        kept = found.clone()
        unet(rows(2, seed=1))
        assert torch.equal(found, kept)

    def test_attention_arguments_are_left_to_torch(self, engine: LocalEngine, unet: OpenVINOUNet) -> None:
        given = replace(rows(2), attention={"scale": 1.0})
        with torch.no_grad():
            assert torch.equal(unet(given), plainly(engine.load("fc").unet)(given))


class TestKey:
    @pytest.mark.parametrize(
        "other",
        [
            replace(SOURCE, weights={"a.safetensors": "01"}),
            replace(SOURCE, model="fcon"),
            replace(SOURCE, preset="fast"),
            replace(SOURCE, loras=({"sha256": "00", "scale": 1.0, "name": "a"},)),
        ],
    )
    def test_all_that_it_is_made_from(self, other: Int8Source) -> None:
        assert other.key != SOURCE.key

    def test_a_loras_scale_and_not_its_name(self) -> None:
        facts = {"sha256": "00", "scale": 1.0, "name": "a"}
        one, weaker, renamed = (
            replace(SOURCE, loras=(each,)) for each in (facts, {**facts, "scale": 0.5}, {**facts, "name": "b"})
        )
        assert one.key == renamed.key != weaker.key

    def test_versions_and_calibration(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = SOURCE.key
        monkeypatch.setattr(int8, "VERSION", int8.VERSION + 1)
        other = SOURCE.key
        monkeypatch.setattr(int8, "versions", lambda: {"openvino": "1", "nncf": "2"})
        assert len({before, other, SOURCE.key}) == 3


class TestKept:
    def test_whole(self, copied: Copied, engine: LocalEngine) -> None:
        unet, notice = copied.open(engine.load("fc"))
        assert notice is None
        assert copied.conversions == 0
        assert unet(rows(1)).shape == (1, 4, 8, 16)

    @pytest.mark.parametrize(
        ("name", "damage"),
        [("unet.bin", "cut"), ("unet.bin", "changed"), ("unet.xml", "gone"), ("sha256.json", "changed")],
    )
    def test_damaged_is_made_anew(self, name: str, damage: str, copied: Copied, engine: LocalEngine) -> None:
        path = copied.folder / name
        data = bytearray(path.read_bytes())
        if damage == "gone":
            path.unlink()
        else:
            data[len(data) // 2] ^= 1
            path.write_bytes(data[:-10] if damage == "cut" else data)
        unet, notice = copied.open(engine.load("fc"))
        assert notice is not None
        assert copied.conversions == 1
        assert torch.equal(unet(rows(1)), engine.load("fc").predict(rows(1)))
        assert copied.open(engine.load("fc"))[1] is None

    @pytest.mark.skipif(sys.platform == "win32", reason="kills a forked process")
    def test_killed(self, copied: Copied, engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
        shutil.rmtree(copied.folder)
        pipe = engine.load("fc")

        def half(pipe: Any, file: Path, tell: Any) -> None:
            file.write_bytes(b"<net")
            os.kill(os.getpid(), signal.SIGKILL)

        child = os.fork()
        if child == 0:
            monkeypatch.setattr(int8, "write_int8", half)
            copied.open(pipe)
            os._exit(0)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
        assert not copied.folder.exists()
        assert len(list(copied.folder.parent.rglob("unet.xml"))) == 1
        assert copied.open(pipe)[1] is not None
        assert [path.parent for path in copied.folder.parent.rglob("unet.xml")] == [copied.folder]

    def test_no_room_is_a_sentence(self, copied: Copied, engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
        shutil.rmtree(copied.folder)

        def full(pipe: Any, file: Path, tell: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(int8, "write_int8", full)
        with pytest.raises(
            EngineError, match=r"cannot be written to .* \(No space left on device\): mend that, or use"
        ):
            copied.open(engine.load("fc"))


class TestLoras:
    def test_they_are_in_the_weights_until_these_are_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """OpenVINO's float32 model shares the weights' memory."""
        pipe = ICLightPipeline.from_pretrained(BUNDLE / "base", iclight=BUNDLE / "iclight_sd15_fc.safetensors")
        add_loras(pipe, [LoraFile(write_lora(tmp_path / "warm.safetensors"), 0.5)])
        layers = [each for each in pipe.unet.modules() if isinstance(each, BaseTunerLayer)]
        with torch.no_grad():
            before = plainly(pipe.unet)(rows(2))
        seen: dict[str, torch.Tensor] = {}

        def keep(model: Any, file: str, **options: Any) -> None:
            assert all(layer.merged for layer in layers)
            seen[file] = plainly(pipe.unet)(rows(2))

        monkeypatch.setattr(quantizing, "calibration_inputs", lambda *args: [])
        monkeypatch.setattr(quantizing, "converted", lambda *args: None)
        monkeypatch.setattr(quantizing, "quantize", lambda *args: None)
        monkeypatch.setattr(library("openvino"), "save_model", keep)
        with torch.no_grad():
            quantizing.write_int8(pipe, tmp_path / "unet.xml", lambda done, of: None)
            after = plainly(pipe.unet)(rows(2))
        assert not any(layer.merged for layer in layers)
        for found in (seen[str(tmp_path / "unet.xml")], after):
            assert torch.allclose(found, before, atol=1e-4)


class TestAsked:
    @pytest.mark.parametrize("lacking", [("openvino",), ("nncf",), ("openvino", "nncf")])
    def test_without_the_extra(self, lacking: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
        find: Callable[[str], Any] = openvino_unet.importlib.util.find_spec
        monkeypatch.setattr(
            openvino_unet.importlib.util, "find_spec", lambda name: None if name in lacking else find(name)
        )
        with pytest.raises(Unsupported) as caught:
            local(precision="int8")
        assert str(caught.value) == (
            f"Precision int8 was asked for, which needs {' and '.join(lacking)} and found no such library: "
            "pip install 'iclight-local[openvino]'."
        )

    def test_on_a_card(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        with pytest.raises(Unsupported, match="int8 was asked for on cuda, and it is for the CPU: add --device cpu"):
            choose_placement("auto", "int8")
        assert choose_placement("cpu", "int8").int8


def test_nothing_reports_its_use(engine: LocalEngine) -> None:
    """openvino and nncf would, from the moment of being imported."""
    assert sys.modules["openvino_telemetry"] is None
    stub = library("openvino").tools.ovc.telemetry_utils.tm
    assert stub.__name__.endswith("telemetry_stub")


def test_the_miniatures_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``python -m benchmarks int8`` measures more of them, with all of the calibration."""
    torch.set_num_threads(1)
    monkeypatch.setattr(calibration, "RUNS", calibration.RUNS[:3])
    engine = local(weights=str(MINI), precision="int8", home=tmp_path)
    pipe = engine.load("fc")
    cases = [sample(seed, 128, "test") for seed in (500, 501)]
    knobs: dict[str, Any] = {"width": 128, "height": 128, "highres_scale": 1.5, "steps": 6, "seed": [1, 2]}
    knobs |= {"light_source": ["left", "right"], "prompt": ["warm evening light", "neon light"]}
    quick = pipe([case.foreground for case in cases], **knobs).images
    pipe.quick = None
    plain = pipe([case.foreground for case in cases], **knobs).images
    assert min(psnr(np.asarray(a), np.asarray(b)) for a, b in zip(quick, plain, strict=True)) > 35
