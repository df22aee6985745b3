"""How bright and how warm the subject comes out, by what was asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from iclight_local.engines.local import LocalEngine
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.linear import to_linear
from tests.engines.relights import SUBJECT, asked, pixels

WHOLE: dict[str, Any] = {"fit": "input", "light_source": "left"}


@pytest.mark.parametrize("ev", [-1, 0, 0.5])
@pytest.mark.parametrize("keep", ["detail", "colour"])
def test_the_subject_is_as_much_brighter_as_asked(shared: LocalEngine, ev: float, keep: str) -> None:
    (measures,) = shared.relight(asked(**WHOLE, keep=keep, exposure_compensation=ev)).measures
    ratio = measures["luminance_after"] / measures["luminance_before"]
    assert ratio == pytest.approx(2**ev, rel=0.04)


def test_what_cannot_be_reached_is_told(shared: LocalEngine) -> None:
    picture = Image.open(SUBJECT)
    bright = Image.merge("RGBA", [*(Image.new("L", picture.size, 250) for _ in "rgb"), picture.getchannel("A")])
    told = shared.relight(asked(bright, **WHOLE, exposure_compensation=2)).warnings
    assert any("was not reached" in each for each in told)


def test_one_of_both() -> None:
    with pytest.raises(InvalidRequest, match="exposure says how bright"):
        asked(**WHOLE, exposure=0.3, exposure_compensation=1)


def test_a_colour_temperature_is_met(shared: LocalEngine) -> None:
    """The random bundle knows nothing of colours, so all that is seen here is made up for."""
    mean = {}
    for kelvin in (3200, 6500, 9000):
        found = pixels(shared.relight(asked(fit="input", light=f"left {kelvin}K")).images[0])
        light = to_linear(found[..., :3])[np.asarray(Image.open(SUBJECT).getchannel("A")) > 200].mean(0)
        mean[kelvin] = light[0] / light[2]
    assert mean[3200] > 1.2 * mean[6500]
    assert mean[9000] <= mean[6500]
