"""The embedded segmenter: asked for by name, or standing in for the default model."""

import numpy as np
import pytest

from iclight_local.errors import InvalidRequest, NoSubject, WeightsError
from iclight_local.segmenters.catalogue import DEFAULT, EMBEDDED
from iclight_local.segmenters.choice import Choice, choose_segmenter
from iclight_local.segmenters.rembg_session import find_model, open_segmenter
from tests.segmenters.onnx_models import bright_disc, put_model


class TestByName:
    def test_it_is_fed_as_a_file_of_ones_own(self, mini):
        rgb = bright_disc()
        segmenter = open_segmenter("mini")
        assert (segmenter.name, segmenter.file) == ("mini", mini / "segmenter.onnx")
        by_file = open_segmenter(f"u2net_custom:{mini / 'segmenter.onnx'}")
        np.testing.assert_array_equal(segmenter.segment(rgb), by_file.segment(rgb))

    def test_a_package_without_it(self):
        with pytest.raises(WeightsError, match=r"'mini' is not on this machine .*: install iclight-local again, or"):
            open_segmenter("mini")

    def test_a_word_like_it(self):
        with pytest.raises(InvalidRequest, match="the closest are mini"):
            open_segmenter("minni")


class TestChoice:
    def test_what_was_asked_for(self, mini):
        for name in ("u2net", DEFAULT, "mini", "nonsense"):
            assert choose_segmenter(name) == Choice(name)

    def test_the_default_where_it_is(self, mini, home):
        put_model(home, DEFAULT)
        assert choose_segmenter(None) == Choice(DEFAULT)

    def test_the_embedded_one_in_its_place(self, mini, home):
        put_model(home, "u2net")
        name, notice = choose_segmenter(None)
        assert name == EMBEDDED.name
        assert find_model(name) == mini / "segmenter.onnx"
        assert f"'{DEFAULT}' is not on this machine" in notice
        assert f"`iclight weights pull {DEFAULT}`" in notice
        assert "\n" not in notice
        assert notice.endswith(".")

    def test_neither_is_there(self):
        assert choose_segmenter(None) == Choice(DEFAULT)

    def test_no_subject_names_the_better_one_where_one_stands_in(self, mini):
        dark = np.zeros((64, 64, 3), np.uint8)
        told = []
        for choice in (Choice("mini"), choose_segmenter(None)):
            with pytest.raises(NoSubject) as caught:
                choice.segment(dark, allow_noncommercial=False)
            told.append(str(caught.value))
        assert told[1] == (
            f"{told[0].removesuffix('.')}, or fetch the better '{DEFAULT}' once with `iclight weights pull {DEFAULT}`."
        )
