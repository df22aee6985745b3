import logging
import sys
from pathlib import Path

import pytest

from iclight_local.errors import EngineError, InvalidRequest, OutOfMemory, Unsupported, WeightsError
from iclight_local.segmenters.catalogue import DEFAULT, MODELS, REFUSED
from iclight_local.segmenters.rembg_session import open_segmenter
from tests.segmenters.onnx_models import Net, bright_disc, put_model, write_brightness_net


def one_sentence(error):
    text = str(error.value)
    assert "\n" not in text and text.endswith(".") and "Traceback" not in text
    return text


class TestRefusals:
    def test_missing_model(self, home):
        with pytest.raises(WeightsError) as error:
            open_segmenter()
        text = one_sentence(error)
        assert f"'{DEFAULT}' is not on this machine" in text
        assert str(home / "models" / DEFAULT / f"{DEFAULT}.onnx") in text
        assert str(home / f"{DEFAULT}.onnx") in text
        assert f"`iclight weights pull {DEFAULT}`" in text

    @pytest.mark.parametrize("path", ["nowhere/mine.onnx", "dis_custom:nowhere/mine.onnx", "folder.onnx"])
    def test_missing_file(self, tmp_path, monkeypatch, path):
        monkeypatch.chdir(tmp_path)
        Path("folder.onnx").mkdir()
        with pytest.raises(WeightsError) as error:
            open_segmenter(path)
        assert f"{path.partition(':')[2] or path} is not a file" in one_sentence(error)

    @pytest.mark.parametrize("content", [b"", b"not onnx at all" * 99, b"\x08\x09\x12\x00"])
    def test_damaged_file(self, tmp_path, content):
        path = tmp_path / "mine.onnx"
        path.write_bytes(content)
        with pytest.raises(WeightsError) as error:
            open_segmenter(str(path))
        assert f"{path} is not a readable ONNX model" in one_sentence(error)

    def test_truncated_file(self, tmp_path):
        path = write_brightness_net(tmp_path / "mine.onnx")
        path.write_bytes(path.read_bytes()[:-40])
        with pytest.raises(WeightsError):
            open_segmenter(str(path))

    @pytest.mark.parametrize("net", [Net(inputs=2), Net(channels=4)])
    def test_wrong_inputs(self, tmp_path, net):
        path = write_brightness_net(tmp_path / "mine.onnx", net)
        with pytest.raises(WeightsError) as error:
            open_segmenter(str(path))
        assert "one tensor(float) 1x3xHxW is needed" in one_sentence(error)

    @pytest.mark.parametrize("net", [Net(squeezed=True), Net(masks=3)])
    def test_wrong_answers(self, tmp_path, net):
        segmenter = open_segmenter(str(write_brightness_net(tmp_path / "mine.onnx", net)))
        with pytest.raises(WeightsError) as error:
            segmenter.segment(bright_disc())
        assert "1x1xHxW is needed" in one_sentence(error)

    def test_answers_that_are_not_numbers(self, tmp_path):
        net = Net(gain=float("nan"))
        segmenter = open_segmenter(str(write_brightness_net(tmp_path / "mine.onnx", net)))
        with pytest.raises(EngineError) as error:
            segmenter.segment(bright_disc())
        assert "not numbers" in one_sentence(error)

    def test_a_failing_device(self, home, monkeypatch):
        import onnxruntime
        from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException

        def fail(*args):
            raise RuntimeException("[ONNXRuntimeError] : the device went away\nand more")

        put_model(home, "u2net")
        segmenter = open_segmenter("u2net")
        monkeypatch.setattr(onnxruntime.InferenceSession, "run", fail)
        with pytest.raises(EngineError) as error:
            segmenter.segment(bright_disc())
        assert one_sentence(error) == "u2net failed on this picture (the device went away)."

    def test_too_little_memory(self, home, monkeypatch):
        import onnxruntime
        from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException

        def fail(*args):
            raise RuntimeException("[ONNXRuntimeError] : 6 : Failed to allocate memory for requested buffer")

        put_model(home, "u2net")
        segmenter = open_segmenter("u2net")
        monkeypatch.setattr(onnxruntime.InferenceSession, "run", fail)
        with pytest.raises(OutOfMemory):
            segmenter.segment(bright_disc())

    def test_unknown_name(self):
        with pytest.raises(InvalidRequest) as error:
            open_segmenter("birefnet-generl")
        text = one_sentence(error)
        assert "the closest are birefnet-general, " in text
        assert all(name in text for name in MODELS)

    def test_part_of_a_name(self):
        with pytest.raises(InvalidRequest, match="closest are birefnet-general-lite, birefnet-general, "):
            open_segmenter("birefnet")

    @pytest.mark.parametrize("name", ["", "?", "photo.jpg"])
    def test_nothing_like_a_name(self, name):
        with pytest.raises(InvalidRequest, match="There is no segmentation model"):
            open_segmenter(name)

    @pytest.mark.parametrize("name", REFUSED)
    def test_refused_sessions(self, name):
        with pytest.raises(Unsupported, match="is not used here") as error:
            open_segmenter(name)
        assert REFUSED[name] in one_sentence(error)

    def test_a_kind_without_a_file(self):
        with pytest.raises(InvalidRequest, match=r"write dis_custom:FILE\.onnx"):
            open_segmenter("dis_custom")

    def test_an_older_rembg(self, home, monkeypatch):
        put_model(home, "u2net")
        monkeypatch.setattr("rembg.sessions.sessions_class", [])
        with pytest.raises(Unsupported, match="does not know 'u2net'"):
            open_segmenter("u2net")

    def test_no_rembg(self, home, monkeypatch):
        put_model(home, "u2net")
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        with pytest.raises(Unsupported, match="rembg cannot be loaded"):
            open_segmenter("u2net")


class TestLicences:
    @pytest.mark.parametrize("prefix", ["", "u2net_custom:"])
    @pytest.mark.parametrize("file", ["bria-rmbg.onnx", "bria-rmbg-2.0.onnx"])
    def test_noncommercial_file(self, tmp_path, file, prefix):
        path = write_brightness_net(tmp_path / file)
        with pytest.raises(Unsupported, match="--allow-noncommercial"):
            open_segmenter(f"{prefix}{path}")

    def test_noncommercial_name(self, home):
        put_model(home, "bria-rmbg", Net(size=(64, 64)))
        with pytest.raises(Unsupported) as error:
            open_segmenter("bria-rmbg")
        text = one_sentence(error)
        assert "CC BY-NC 4.0" in text and "--allow-noncommercial" in text and DEFAULT in text
        segmenter = open_segmenter("bria-rmbg", allow_noncommercial=True)
        assert segmenter.segment(bright_disc()).max() == 1
        with pytest.raises(Unsupported):
            open_segmenter("bria-rmbg")

    def test_an_open_question_is_said_once(self, home, caplog):
        put_model(home, "silueta")
        put_model(home, "u2net")
        with caplog.at_level(logging.WARNING, logger="iclight_local"):
            for name in ("silueta", "silueta", "u2net"):
                open_segmenter(name)
        assert [record.args[0] for record in caplog.records] == ["silueta"]
