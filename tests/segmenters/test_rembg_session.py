import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iclight_local.errors import InvalidRequest, Unsupported
from iclight_local.segmenters.catalogue import MODELS
from iclight_local.segmenters.rembg_session import find_model, looked_in, open_segmenter
from tests.segmenters.onnx_models import HALF, IMAGENET, Net, bright_disc, put_model, write_brightness_net

NORMALISED = {"isnet-general-use": HALF, "isnet-anime": (IMAGENET[0], HALF[1])}


def expected(rgb, gain=20.0, threshold=0.5):
    """What the brightness net says, stretched to 0..1 as rembg does."""
    alpha = 1 / (1 + np.exp(-gain * (rgb.mean(axis=2) / 255 - threshold)))
    return (alpha - alpha.min()) / (alpha.max() - alpha.min())


class TestSoftAlpha:
    def test_own_file(self, tmp_path):
        rgb = bright_disc()
        segmenter = open_segmenter(str(write_brightness_net(tmp_path / "mine.onnx", Net(gain=8))))
        alpha = segmenter.segment(rgb)
        assert segmenter.name == "mine.onnx"
        assert alpha.dtype == np.float32 and alpha.shape == rgb.shape[:2]
        assert alpha.min() == 0 and alpha.max() == 1
        assert ((alpha > 0.1) & (alpha < 0.9)).mean() > 0.05
        np.testing.assert_allclose(alpha, expected(rgb, gain=8), atol=0.03)

    @pytest.mark.parametrize("size", [(64, 64), (256, 256), (512, 512), (48, 160)])
    def test_own_file_of_a_fixed_size(self, tmp_path, size):
        rgb = bright_disc()
        path = write_brightness_net(tmp_path / "mine.onnx", Net(gain=8, size=size))
        np.testing.assert_allclose(open_segmenter(str(path)).segment(rgb), expected(rgb, gain=8), atol=0.1)

    def test_own_file_that_answers_logits(self, tmp_path):
        rgb = bright_disc()
        path = write_brightness_net(tmp_path / "mine.onnx", Net(gain=20, logits=True))
        np.testing.assert_allclose(open_segmenter(str(path)).segment(rgb), expected(rgb), atol=0.05)

    @pytest.mark.parametrize("kind", ["dis_custom", "ben_custom"])
    def test_own_file_of_another_kind(self, tmp_path, kind):
        rgb = bright_disc()
        path = write_brightness_net(tmp_path / "mine.onnx", Net(normalised=HALF, size=(128, 128)))
        np.testing.assert_allclose(open_segmenter(f"{kind}:{path}").segment(rgb), expected(rgb), atol=0.1)

    @pytest.mark.parametrize("name", [name for name in MODELS if name != "bria-rmbg"])
    def test_by_name(self, home, name):
        rgb = bright_disc()
        normalised = NORMALISED.get(name, IMAGENET)
        put_model(home, name, Net(normalised=normalised, logits=name.startswith("birefnet"), size=(128, 128)))
        segmenter = open_segmenter(name)
        assert segmenter.name == name
        np.testing.assert_allclose(segmenter.segment(rgb), expected(rgb), atol=0.1)

    @pytest.mark.parametrize("name", ["u2net", "isnet-general-use", "birefnet-general-lite", "silueta"])
    def test_equals_what_rembg_itself_says(self, home, name):
        import rembg

        rgb = bright_disc()
        put_model(home, name, Net(gain=6, threshold=0.4, logits=name.startswith("birefnet")))
        mask = rembg.new_session(name).predict(Image.fromarray(rgb))[0]
        np.testing.assert_array_equal(open_segmenter(name).segment(rgb), np.float32(mask) / 255)

    def test_a_file_with_a_known_name_is_fed_as_that_model(self, tmp_path):
        rgb = bright_disc()
        net = Net(normalised=HALF, size=(128, 128))
        segmenter = open_segmenter(str(write_brightness_net(tmp_path / "isnet-general-use.onnx", net)))
        assert segmenter.name == "isnet-general-use"
        np.testing.assert_allclose(segmenter.segment(rgb), expected(rgb), atol=0.1)

    def test_a_subject_that_fills_the_picture_gets_no_invented_background(self, tmp_path):
        rgb = np.full((40, 30, 3), 255, np.uint8)
        rgb[:20] = 200
        alpha = open_segmenter(str(write_brightness_net(tmp_path / "mine.onnx"))).segment(rgb)
        assert alpha.shape == (40, 30) and alpha.dtype == np.float32
        assert alpha.min() > 0.98 and alpha.max() <= 1

    def test_one_column_and_odd_sizes(self, tmp_path):
        segmenter = open_segmenter(str(write_brightness_net(tmp_path / "mine.onnx")))
        for height, width in [(101, 1), (33, 517)]:
            rgb = np.zeros((height, width, 3), np.uint8)
            rgb[: height // 2] = 255
            assert segmenter.segment(rgb).shape == (height, width)


class TestReuse:
    def test_the_same_segmenter_comes_back(self, home, loads):
        path = put_model(home, "u2net")
        first = open_segmenter("u2net")
        first.segment(bright_disc())
        assert open_segmenter("u2net") is first
        assert loads == [str(path)]

    def test_many_threads_open_and_use_one(self, home, loads):
        put_model(home, "u2net")
        start = threading.Barrier(8)
        pictures = [bright_disc(radius=10 + 4 * number) for number in range(8)]

        def work(rgb):
            start.wait()
            return open_segmenter("u2net").segment(rgb)

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(work, pictures))
        assert len(loads) == 1
        for rgb, alpha in zip(pictures, found, strict=True):
            np.testing.assert_array_equal(alpha, open_segmenter("u2net").segment(rgb))

    def test_a_replaced_file_is_loaded_again(self, tmp_path, loads):
        path = write_brightness_net(tmp_path / "mine.onnx")
        first = open_segmenter(str(path))
        write_brightness_net(path, Net(gain=5))
        os.utime(path, ns=(1, 1))
        assert open_segmenter(str(path)) is not first
        assert len(loads) == 2

    def test_one_inference_a_picture(self, home, monkeypatch):
        import onnxruntime

        runs = []
        run = onnxruntime.InferenceSession.run
        monkeypatch.setattr(onnxruntime.InferenceSession, "run", lambda *args: runs.append(args) or run(*args))
        put_model(home, "u2net")
        open_segmenter("u2net").segment(bright_disc())
        assert len(runs) == 1


class TestFindModel:
    def test_nothing(self):
        assert find_model("u2net") is None

    def test_both_layouts_below_u2net_home(self, home):
        home.mkdir()
        flat = write_brightness_net(home / "u2net.onnx")
        assert find_model("u2net") == flat
        new = put_model(home, "u2net")
        assert find_model("u2net") == new
        assert looked_in("u2net") == [new, flat]

    def test_a_model_in_the_old_layout_opens(self, home):
        home.mkdir()
        write_brightness_net(home / "u2net.onnx")
        assert open_segmenter("u2net").segment(bright_disc()).max() == 1

    @pytest.mark.parametrize(
        "variables",
        [
            {},
            {"XDG_DATA_HOME": "xdg"},
            {"REMBG_HOME": "rembg"},
            {"REMBG_HOME": "~/rembg", "XDG_DATA_HOME": "xdg"},
            {"U2NET_HOME": "~/shared", "REMBG_HOME": "rembg"},
        ],
    )
    def test_looks_where_rembg_looks(self, variables, monkeypatch):
        from rembg.sessions.u2net import U2netSession

        monkeypatch.delenv("U2NET_HOME")
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert looked_in("u2net") == [
            Path(U2netSession.model_dir(), "u2net.onnx"),
            Path(U2netSession.legacy_home(), "u2net.onnx"),
        ]

    def test_an_empty_variable_is_none(self, monkeypatch, tmp_path):
        monkeypatch.setenv("U2NET_HOME", "")
        monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
        assert looked_in("u2net")[1] == tmp_path / "nobody" / ".u2net" / "u2net.onnx"

    @pytest.mark.parametrize(("name", "error"), [("u2nett", InvalidRequest), ("sam", Unsupported)])
    def test_names_it_does_not_have(self, name, error):
        with pytest.raises(error):
            find_model(name)

    def test_does_not_import_rembg(self):
        code = (
            "import sys; from iclight_local.segmenters.rembg_session import find_model; find_model('u2net'); "
            "assert not {'rembg', 'onnxruntime', 'torch'} & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], check=True)
