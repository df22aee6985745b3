"""The subject cut out, without a model of light."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from iclight_local.engines.local import LocalEngine
from iclight_local.errors import Cancelled, NoSubject
from iclight_local.result import Progress
from tests.engines.relights import MATTE, PLAIN, SUBJECT, asked, local, pixels


def test_its_own_alpha_is_the_matte(shared: LocalEngine) -> None:
    result = shared.cut_out(asked())
    (image,) = result.images
    assert np.array_equal(pixels(image), pixels(Image.open(SUBJECT).convert("RGBA")))
    assert result.record["kind"] == "cut_out"
    assert "load" not in result.timings


def test_soft_edges_show_the_subject_alone(shared: LocalEngine) -> None:
    found = pixels(shared.cut_out(asked(PLAIN, matte=MATTE)).images[0])
    plain, matte = pixels(Image.open(PLAIN).convert("RGB")), pixels(Image.open(MATTE).convert("L"))
    assert np.array_equal(found[..., 3], matte)
    assert np.array_equal(found[matte == 255, :3], plain[matte == 255])
    soft = (matte > 40) & (matte < 215)
    assert np.abs(found[soft, :3].astype(int) - plain[soft]).max() > 8


def test_no_model_is_loaded() -> None:
    engine = local()
    engine.cut_out(asked())
    assert not engine._pipes


def test_nothing_to_cut_out(shared: LocalEngine) -> None:
    with pytest.raises(NoSubject, match="empty"):
        shared.cut_out(asked(Image.new("RGBA", (32, 32))))


def test_it_can_be_stopped(shared: LocalEngine, net: object) -> None:
    def stop(progress: Progress) -> None:
        raise Cancelled("Enough.")

    with pytest.raises(Cancelled):
        local(segmenter=str(net)).cut_out(asked(PLAIN), progress=stop)


def test_what_is_said_of_weights_waits_for_a_light() -> None:
    engine = local()
    engine.options = replace(engine.options, notices=("There is no sd15.",))
    assert engine.cut_out(asked()).warnings == ()
    assert "There is no sd15." in engine.relight(asked()).warnings
