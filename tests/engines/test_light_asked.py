"""The light in all its forms, and advice on settings that do not help, through the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from iclight_local.engines.local import LocalEngine
from iclight_local.errors import InvalidRequest
from tests.engines.discs import relit
from tests.engines.relights import PLAIN, asked, pixels


class TestLight:
    @pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
    @pytest.mark.parametrize("model", ["fc", "fbc"])
    def test_a_plain_word_is_the_originals_ramp(self, side: str, model: str, shared: LocalEngine) -> None:
        by_word = shared.relight(asked(light=side, model=model))
        by_source = shared.relight(asked(light_source=side, model=model))
        assert np.array_equal(pixels(by_word.images[0]), pixels(by_source.images[0]))

    def test_a_painted_map_is_taken_as_it_is(self, shared: LocalEngine) -> None:
        from iclight_local.imaging.lightmap import INITIAL_LATENT_RAMP, light_map

        painted = Image.fromarray(light_map("left", 64, 64, INITIAL_LATENT_RAMP))
        by_map = shared.relight(asked(light_map=painted))
        assert np.array_equal(pixels(by_map.images[0]), pixels(shared.relight(asked(light_source="left")).images[0]))
        assert len(by_map.record["light_map"]["sha256"]) == 64

    @pytest.mark.parametrize("light", ["top-left", "back", "front 3200K", "left #ff0000 + right #0000ff 0.5"])
    def test_every_light_gives_its_own_picture(self, light: str, shared: LocalEngine) -> None:
        result = shared.relight(asked(light=light))
        assert not np.array_equal(
            pixels(result.images[0]), pixels(shared.relight(asked(light_source="left")).images[0])
        )
        assert result.record["request"]["light"] == light

    def test_a_reference(self, shared: LocalEngine) -> None:
        result = shared.relight(asked(light_reference=Image.open(PLAIN)))
        assert len(result.record["light_reference"]["sha256"]) == 64

    def test_two_lights_contradict_each_other(self) -> None:
        with pytest.raises(InvalidRequest, match="light_source left and light 'right' were both given"):
            asked(light_source="left", light="right")
        with pytest.raises(InvalidRequest, match="A background and light 'left' were both given"):
            asked(light="left", background_image=PLAIN)


class TestAdvice:
    @pytest.mark.parametrize(
        ("knobs", "words"),
        [
            ({"cfg": 4}, "cfg 4 is high for model fc"),
            ({"lowres_denoise": 0.4}, "lowres_denoise 0.4 leaves much of the light map"),
            ({"light_strength": 0.5}, "light_strength has no effect here"),
            ({"background_strength": 0.5}, "background_strength has no effect here"),
            ({"background_colour": "#000000"}, "background_colour has no effect here"),
            ({"contact_shadow": True}, "contact_shadow has no effect here"),
        ],
    )
    def test_settings_that_fail_or_do_nothing_are_named(
        self, knobs: dict[str, Any], words: str, shared: LocalEngine
    ) -> None:
        assert any(warning.startswith(words) for warning in relit(shared, **knobs).warnings)

    def test_usual_settings_are_not(self, shared: LocalEngine) -> None:
        assert relit(shared).warnings == ()

    def test_black_around_the_subject(self, shared: LocalEngine) -> None:
        picture = Image.new("RGB", (80, 80), "black")
        picture.paste((200, 180, 160), (25, 25, 55, 55))
        result = shared.relight(asked(picture, matte=Image.new("L", (80, 80), 255)))
        assert any("border is black" in warning for warning in result.warnings)
