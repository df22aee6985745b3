"""The engine on this machine, through ``open_engine``."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from iclight_local import Engine, RelightRequest, open_engine
from iclight_local.engines.local import LocalEngine
from iclight_local.errors import (
    Cancelled,
    EngineError,
    InvalidRequest,
    NoSubject,
    OutOfMemory,
    Unsupported,
    WeightsError,
)
from iclight_local.result import Progress
from tests.fake_engine import FakeEngine
from tests.segmenters.onnx_models import bright_disc, write_brightness_net

GOLDENS = Path(__file__).parents[1] / "goldens"
BUNDLE = GOLDENS / "bundle"
SUBJECT, PLAIN, MATTE, BACKGROUND = (
    GOLDENS / "inputs" / name for name in ("subject_rgba.png", "subject.png", "alpha.png", "background.png")
)
SMALL: dict[str, Any] = {"width": 64, "height": 64, "steps": 2, "highres_scale": 1, "seed": 5}
"""Knobs of a relight that takes a moment."""

pytestmark = pytest.mark.usefixtures("one_thread")


def local(**settings: Any) -> LocalEngine:
    engine = open_engine(**{"weights": str(BUNDLE), "device": "cpu", **settings})
    assert isinstance(engine, LocalEngine)
    return engine


def asked(subject: Any = SUBJECT, **knobs: Any) -> RelightRequest:
    return RelightRequest(subject_image=subject, **{**SMALL, **knobs})


def pixels(image: Image.Image) -> Any:
    return np.asarray(image)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def shared() -> LocalEngine:
    return local()


@pytest.fixture(scope="module")
def first(shared: LocalEngine) -> Any:
    """The pixels that ``asked()`` gives, on one thread as in every test here."""
    torch.set_num_threads(1)
    return pixels(shared.relight(asked()).images[0])


@pytest.fixture
def net(tmp_path: Path) -> Path:
    return write_brightness_net(tmp_path / "mine.onnx")


class TestSources:
    @pytest.mark.parametrize("kind", ["path", "text", "bytes", "data URI", "PIL"])
    def test_every_kind_gives_the_same(self, kind: str, shared: LocalEngine, first: Any) -> None:
        data = SUBJECT.read_bytes()
        sources: dict[str, tuple[Any, str]] = {
            "path": (SUBJECT, "subject_rgba.png"),
            "text": (str(SUBJECT), "subject_rgba.png"),
            "bytes": (data, "the picture given as bytes"),
            "data URI": ("data:image/png;base64," + base64.b64encode(data).decode(), "the data URI"),
            "PIL": (Image.open(SUBJECT), "subject_rgba.png"),
        }
        source, name = sources[kind]
        result = shared.relight(asked(source))
        assert np.array_equal(pixels(result.images[0]), first)
        assert result.record["subject"]["name"] == name
        assert (result.record["subject"]["sha256"] == sha256(SUBJECT)) == (kind != "PIL")

    def test_a_background(self, shared: LocalEngine) -> None:
        result = shared.relight(asked(background_image=BACKGROUND))
        flipped = shared.relight(asked(background_image=BACKGROUND, background_flip=True))
        by_hand = Image.open(BACKGROUND).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        assert result.record["request"]["model"] == "fbc"
        assert result.record["background"] == {"sha256": sha256(BACKGROUND)}
        mirrored = shared.relight(asked(background_image=by_hand))
        assert np.array_equal(pixels(flipped.images[0]), pixels(mirrored.images[0]))
        assert not np.array_equal(pixels(flipped.images[0]), pixels(result.images[0]))

    def test_a_transparent_background_is_laid_on_grey(self, shared: LocalEngine) -> None:
        clear = Image.new("RGBA", (40, 40), (255, 0, 0, 0))
        grey = Image.new("RGB", (40, 40), (127, 127, 127))
        found = [pixels(shared.relight(asked(background_image=each)).images[0]) for each in (clear, grey)]
        assert np.array_equal(*found)

    def test_exif_is_handed_on(self, shared: LocalEngine) -> None:
        image = Image.open(SUBJECT)
        image.getexif()[ExifTags.Base.Artist] = "A. Nonymous"
        result = shared.relight(asked(image))
        assert result.exif is not None
        assert b"A. Nonymous" in result.exif

    def test_no_url_offline(self) -> None:
        with pytest.raises(InvalidRequest, match="offline mode is on"):
            local(offline=True).relight(asked("https://example.org/a.png"))


class TestMatte:
    def test_given_before_alpha(self, shared: LocalEngine, first: Any) -> None:
        whole = shared.relight(asked(matte=Image.new("L", (200, 260), 255)))
        assert whole.record["subject"]["matte"] == "given"
        assert not np.array_equal(pixels(whole.images[0]), first)
        own = shared.relight(asked(matte=MATTE))
        assert own.record["subject"]["matte"] == "given"
        assert own.record["subject"]["matte_sha256"] == sha256(MATTE)
        assert np.array_equal(pixels(own.images[0]), first)

    def test_alpha_before_segmentation(self, shared: LocalEngine) -> None:
        """The engine has no segmenter at all, which it would need to ask one."""
        assert shared.relight(asked()).record["subject"]["matte"] == "alpha"
        with pytest.raises(WeightsError, match="'birefnet-general-lite' is not on this machine"):
            shared.relight(asked(PLAIN))

    def test_given_before_segmentation(self, shared: LocalEngine, first: Any) -> None:
        result = shared.relight(asked(PLAIN, matte=MATTE))
        assert np.array_equal(pixels(result.images[0]), first)

    def test_segmentation(self, net: Path) -> None:
        engine = local(segmenter=str(net))
        rgb = bright_disc()
        result = engine.relight(asked(Image.fromarray(rgb)))
        assert result.record["subject"]["matte"] == "mine.onnx"
        assert result.record["weights"]["sha256"]["segmenter"] == sha256(net)
        by_hand = Image.fromarray((1 / (1 + np.exp(-20 * (rgb.mean(axis=2) / 255 - 0.5))) * 255).astype(np.uint8))
        expected = engine.relight(asked(Image.fromarray(rgb), matte=by_hand))
        off = np.abs(pixels(result.images[0]).astype(int) - pixels(expected.images[0]))
        assert off.mean() < 1
        black = asked(Image.new("RGB", (64, 64)))
        with pytest.raises(NoSubject):
            engine.relight(black)

    def test_a_session_serves_every_call_and_engine(self, net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import onnxruntime

        loaded: list[str] = []
        make = onnxruntime.InferenceSession.__init__

        def counting(self: Any, path: str, *args: Any, **kwargs: Any) -> None:
            loaded.append(path)
            make(self, path, *args, **kwargs)

        monkeypatch.setattr(onnxruntime.InferenceSession, "__init__", counting)
        engine = local(segmenter=str(net))
        for each in (engine, engine, local(segmenter=str(net))):
            each.relight(asked(Image.fromarray(bright_disc()), steps=1))
        assert loaded == [str(net)]


class TestThreads:
    def test_cutting_a_subject_out_leaves_their_number_alone(self, tmp_path: Path) -> None:
        """rembg imports numba, which sets OpenMP's threads to the number of cores."""
        code = (
            "import torch, sys; torch.set_num_threads(1); torch.get_num_threads()\n"
            "from PIL import Image; from iclight_local import RelightRequest, open_engine\n"
            "from tests.segmenters.onnx_models import bright_disc\n"
            "engine = open_engine(weights=sys.argv[1], segmenter=sys.argv[2])\n"
            "picture = Image.fromarray(bright_disc())\n"
            "engine.relight(RelightRequest(subject_image=picture, width=64, height=64, steps=1))\n"
            "print(torch.get_num_threads())"
        )
        net = write_brightness_net(tmp_path / "mine.onnx")
        words = [sys.executable, "-c", code, str(BUNDLE), str(net)]
        done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=GOLDENS.parent.parent)
        assert done.stdout == "1\n"


class TestRecord:
    @pytest.mark.parametrize("model", ["fc", "fcon", "fbc"])
    def test_hashes_of_the_weights_that_were_used(self, model: str, shared: LocalEngine) -> None:
        light = "left" if model == "fbc" else "none"
        weights = shared.relight(asked(model=model, light_source=light, steps=1)).record["weights"]
        files = [BUNDLE / name for name in weights["sha256"]]
        assert {path.parent.name for path in files} == {"unet", "vae", "text_encoder", "bundle"}
        assert f"iclight_sd15_{model}.safetensors" in weights["sha256"]
        assert len(files) == 4
        assert weights == {"bundle": "bundle", "sha256": {str(p.relative_to(BUNDLE)): sha256(p) for p in files}}

    def test_what_ran(self, shared: LocalEngine) -> None:
        knobs = {"light_source": "top", "steps": 3, "lowres_denoise": 0.7, "highres_scale": 2.0, "prompt": "dusk"}
        result = shared.relight(asked(**knobs, number_of_images=2))
        record = result.record
        assert record["kind"] == "relight"
        assert record["request"] | knobs == record["request"]
        assert record["request"]["cfg"] == 2.0
        assert record["request"]["seed"] == record["seed"] == result.seed == 5
        assert record["passes"] == {
            "lowres": {"width": 64, "height": 64, "steps": 2, "of": 4},
            "highres": {"width": 128, "height": 128, "steps": 3, "of": 6},
        }
        assert record["engine"] == {"name": "local", "device": "cpu", "dtype": "fp32", "vae_dtype": "fp32"}
        assert record["versions"]["torch"] == torch.__version__
        assert [image.size for image in result.images] == [(128, 128)] * 2
        assert result.record_of(1) == {**record, "image": 1}

    def test_a_random_seed_is_told_and_repeats(self, shared: LocalEngine) -> None:
        result = shared.relight(asked(seed=None))
        again = shared.relight(asked(seed=result.seed))
        assert result.seed == result.record["seed"]
        assert np.array_equal(pixels(result.images[0]), pixels(again.images[0]))
        assert shared.relight(asked(seed=None, steps=1)).seed != result.seed

    @pytest.mark.parametrize("subject", ["path", "PIL"])
    def test_no_path_of_this_machine_is_in_it(self, subject: str, tmp_path: Path, net: Path) -> None:
        picture = tmp_path / "photo.png"
        Image.fromarray(bright_disc()).save(picture)
        bundle = tmp_path / "weights"
        shutil.copytree(BUNDLE, bundle)
        engine = local(weights=str(bundle), segmenter=str(net), home=tmp_path / "home")
        source = picture if subject == "path" else Image.open(picture)
        result = engine.relight(asked(source, background_image=picture, steps=1))
        text = json.dumps(result.record)
        assert str(tmp_path) not in text
        assert str(Path.home()) not in text
        assert [each for each in leaves(dict(result.record)) if PurePath(each).is_absolute()] == []

    def test_timings(self, shared: LocalEngine, net: Path) -> None:
        stages = {"decode", "load", "lowres", "highres", "hash"}
        plain = shared.relight(asked())
        assert plain.timings.keys() == stages
        segmented = local(segmenter=str(net)).relight(asked(Image.fromarray(bright_disc())))
        assert segmented.timings.keys() == stages | {"segment"}
        assert all(seconds >= 0 for result in (plain, segmented) for seconds in result.timings.values())
        assert plain.peak_memory > 100_000_000


def leaves(value: Any) -> Iterator[str]:
    """Every text in a record, keys included."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield key
            yield from leaves(part)
    elif isinstance(value, str):
        yield value


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

    def test_threads_wait_for_each_other(self, shared: LocalEngine, first: Any) -> None:
        found: list[Any] = []
        work = [
            threading.Thread(target=lambda: found.append(pixels(shared.relight(asked()).images[0]))) for _ in range(3)
        ]
        with Calls(shared.load("fc").unet) as calls:
            for thread in work:
                thread.start()
            for thread in work:
                thread.join()
        assert calls.count == 3 * 4
        assert calls.most == 1
        assert all(np.array_equal(each, first) for each in found)
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
