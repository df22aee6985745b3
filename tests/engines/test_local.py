"""What the engine on this machine takes and what its results say of themselves."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from iclight_local.engines.local import LocalEngine
from iclight_local.errors import (
    InvalidRequest,
    NoSubject,
    WeightsError,
)
from tests.engines.relights import BACKGROUND, BUNDLE, GOLDENS, MATTE, PLAIN, SUBJECT, asked, local, pixels, sha256
from tests.segmenters.onnx_models import bright_disc, write_brightness_net


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
        own = {
            "name": "local",
            "device": "cpu",
            "dtype": "fp32",
            "vae_dtype": "fp32",
            "computed_by": "packed",
        }
        assert record["engine"] == own
        assert record["versions"]["torch"] == metadata.version("torch")
        assert [image.size for image in result.images] == [(128, 128)] * 2
        assert result.record_of(1) == {**record, "image": 1, "measures": result.measures[1]}

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
        stages = {"decode", "load", "lowres", "highres", "finish", "hash"}
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
