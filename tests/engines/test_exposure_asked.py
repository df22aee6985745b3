"""How bright the subject becomes where that is asked, through the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from iclight_local.engines.local import LocalEngine
from iclight_local.imaging.linear import to_linear, to_srgb
from tests.engines.discs import SIZE, matte, photograph, relit
from tests.engines.relights import asked, pixels


class TestExposure:
    @pytest.mark.parametrize("knobs", [{}, {"fit": "input"}, {"background_mode": "colour"}])
    def test_the_subject_is_as_bright_as_asked(self, knobs: dict[str, Any], shared: LocalEngine) -> None:
        result = relit(shared, exposure=0.3, **knobs)
        assert result.measures[0]["luminance_after"] == pytest.approx(0.3, rel=0.07)

    @pytest.mark.parametrize("keep", ["none", "detail", "all"])
    def test_a_cut_out_is_exposed_to_its_transparent_edge(self, keep: str, shared: LocalEngine) -> None:
        cut = photograph()
        cut.putalpha(matte().filter(ImageFilter.GaussianBlur(5)))
        knobs = {"fit": "input", "light_source": "left", "keep": keep, "exposure": 0.06}
        result = shared.relight(asked(cut, **knobs))
        assert result.measures[0]["luminance_after"] == pytest.approx(0.06, rel=0.03)
        assert not [warning for warning in result.warnings if "exposure" in warning]

    def test_a_darkened_subject_has_no_bright_rim(self, shared: LocalEngine) -> None:
        y, x = np.mgrid[:90, :150]
        soft = np.clip((28 - np.hypot(x - 75, y - 45)) / 6 + 0.5, 0, 1)[..., None]
        light = soft * to_linear(np.uint8(220)) + (1 - soft) * to_linear(np.uint8(60))
        picture = Image.fromarray(to_srgb(np.repeat(light, 3, -1).astype(np.float32)))
        mask = Image.fromarray((soft[..., 0] * 255).astype(np.uint8))
        knobs = {"fit": "input", "light_source": "left", "light_strength": 0, "exposure": 0.08}
        row = pixels(shared.relight(asked(picture, matte=mask, **knobs)).images[0])[45, 75:, 1].astype(int)
        # From the subject, 79, down to the background, 60, and never up.
        assert row[0] > row[-1] == 60 and np.diff(row).max() <= 2

    def test_what_the_model_made_is_exposed_as_one_picture(self, shared: LocalEngine) -> None:
        knobs = {"fit": "input", "keep": "detail", "background_mode": "generate"}
        plain, dark = (pixels(relit(shared, **knobs, **more).images[0]) for more in ({}, {"exposure": 0.02}))
        outside = np.asarray(matte()) == 0
        assert dark[outside].mean() < 0.8 * plain[outside].mean()

    def test_a_value_out_of_reach_is_told(self, shared: LocalEngine) -> None:
        dark = Image.new("RGB", SIZE, (12, 12, 12))
        knobs = {"fit": "input", "light_source": "left", "light_strength": 0, "matte": matte()}
        warnings = [shared.relight(asked(dark, exposure=value, **knobs)).warnings for value in (0.01, 0.9)]
        assert [[each for each in told if "exposure" in each] for told in warnings] == [
            [],
            [
                "exposure 0.9 was not reached: the subject's mean luminance came to 0.0293, because light is made "
                "8 times stronger or weaker at most."
            ],
        ]

    def test_a_kept_background_keeps_its_brightness(self, shared: LocalEngine) -> None:
        found = pixels(relit(shared, fit="input", exposure=0.4).images[0])
        outside = np.asarray(matte()) == 0
        assert np.array_equal(found[outside], np.asarray(photograph())[outside])
