import numpy as np
import pytest

from iclight_local.errors import NoSubject
from iclight_local.segmenters.rembg_session import open_segmenter
from iclight_local.segmenters.subject import sigmoid
from tests.segmenters.onnx_models import Net, bright_disc, put_model, write_brightness_net

NOISE = Net(gain=2, threshold=3.0)


@pytest.mark.filterwarnings("error")
def test_sigmoid_does_not_overflow():
    found = sigmoid(np.array([[-1e30, -4, 0, 4, 1e30]], dtype=np.float32))
    np.testing.assert_allclose(found, [[0, 0.017986, 0.5, 0.982014, 1]], atol=1e-6)
    assert found.dtype == np.float32


class TestNoSubject:
    def refused(self, path, rgb):
        with pytest.raises(NoSubject) as error:
            open_segmenter(str(path)).segment(rgb)
        assert "--matte" in str(error.value) and "found no subject" in str(error.value)
        return str(error.value)

    def test_noise_near_zero(self, tmp_path):
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
        path = write_brightness_net(tmp_path / "mine.onnx", NOISE)
        assert "2% sure" in self.refused(path, noise)

    @pytest.mark.parametrize("name", ["u2net", "birefnet-general-lite"])
    def test_noise_near_zero_by_name(self, home, name):
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
        net = Net(gain=2, threshold=3.0, logits=name.startswith("birefnet"), size=(64, 64))
        put_model(home, name, net)
        with pytest.raises(NoSubject, match=name):
            open_segmenter(name).segment(noise)

    def test_noise_of_logits(self, tmp_path):
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
        self.refused(write_brightness_net(tmp_path / "mine.onnx", Net(gain=2, threshold=3.0, logits=True)), noise)

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("level", [0, 128, 255])
    def test_a_picture_of_one_colour(self, tmp_path, level):
        flat = np.full((32, 32, 3), level, np.uint8)
        self.refused(write_brightness_net(tmp_path / "mine.onnx"), flat)

    @pytest.mark.filterwarnings("error")
    def test_a_constant_answer(self, tmp_path):
        path = write_brightness_net(tmp_path / "mine.onnx", Net(gain=0))
        assert "none stands out" in self.refused(path, bright_disc())

    def test_a_speck(self, tmp_path):
        rgb = np.zeros((320, 320, 3), np.uint8)
        rgb[100:104, 100:104] = 255
        path = write_brightness_net(tmp_path / "mine.onnx")
        assert "a speck" in self.refused(path, rgb)
        rgb[100:110, 100:110] = 255
        assert open_segmenter(str(path)).segment(rgb).max() == 1

    def test_the_segmenter_goes_on_working(self, tmp_path):
        path = write_brightness_net(tmp_path / "mine.onnx")
        self.refused(path, np.zeros((32, 32, 3), np.uint8))
        assert open_segmenter(str(path)).segment(bright_disc()).max() == 1
