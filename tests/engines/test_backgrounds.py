"""What stands behind the subject, through the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from iclight_local.engines.local import LocalEngine
from iclight_local.errors import InvalidRequest
from tests.engines.discs import matte, photograph, relit
from tests.engines.relights import asked, pixels


class TestBackground:
    def test_transparent_keeps_the_matte(self, shared: LocalEngine) -> None:
        image = relit(shared, fit="input", background_mode="transparent").images[0]
        assert image.mode == "RGBA"
        assert np.array_equal(np.asarray(image)[..., 3], np.asarray(matte()))

    def test_keep_keeps_the_pictures_own_transparency(self, shared: LocalEngine) -> None:
        picture = photograph()
        picture.putalpha(matte())
        result = shared.relight(asked(picture, fit="input", light_source="left", light_strength=0))
        assert np.array_equal(pixels(result.images[0]), np.asarray(picture))

    def test_colour(self, shared: LocalEngine) -> None:
        found = pixels(relit(shared, background_mode="colour", background_colour="#102030", fit="input").images[0])
        assert (found[np.asarray(matte()) == 0] == (16, 32, 48)).all()

    @pytest.mark.parametrize("model", ["fc", "fbc"])
    def test_image_stands_behind_as_it_is(self, model: str, shared: LocalEngine) -> None:
        behind = Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8))
        knobs: dict[str, Any] = {"light_source": "none"} if model == "fbc" else {}
        result = relit(shared, background_mode="image", background_image=behind, model=model, **knobs)
        image = pixels(result.images[0])
        assert np.array_equal(image[:6], np.asarray(behind)[:6])

    def test_image_stands_behind_at_full_size(self, shared: LocalEngine) -> None:
        y, x = np.mgrid[:90, :150]
        checks = Image.fromarray(np.repeat(((x + y) % 2 * 255).astype(np.uint8)[..., None], 3, -1))
        knobs = {"fit": "input", "background_mode": "image", "background_image": checks, "light_source": "none"}
        image = pixels(relit(shared, **knobs).images[0])
        assert np.array_equal(image[:6], np.asarray(checks)[:6])

    def test_a_background_that_lights_the_whole_picture_stands_behind_it(self, shared: LocalEngine) -> None:
        behind = Image.new("RGB", (64, 64), (10, 200, 30))
        knobs = {"fit": "input", "light_source": "none", "background_image": behind}
        result = relit(shared, **knobs)
        assert result.record["request"]["model"] == "fbc"
        assert (pixels(result.images[0])[0] == (10, 200, 30)).all()

    def test_a_cut_out_has_no_shadow_to_keep(self, shared: LocalEngine) -> None:
        results = []
        for hidden in (0, 255):
            cut = np.full((90, 150, 4), hidden, np.uint8)
            cut[..., 3] = np.asarray(matte())
            cut[cut[..., 3] > 0, :3] = (180, 120, 60)
            knobs = {"fit": "input", "light_source": "left", "background_mode": "colour", "contact_shadow": True}
            results.append(shared.relight(asked(Image.fromarray(cut), **knobs)))
        assert np.array_equal(*(pixels(result.images[0]) for result in results))
        assert any("contact_shadow has no effect here: a cut-out" in warning for warning in results[0].warnings)

    def test_a_mirrored_background_stands_behind_mirrored(self, shared: LocalEngine) -> None:
        behind = Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8))
        knobs = {"background_mode": "image", "background_image": behind, "light_source": "none"}
        image = pixels(relit(shared, background_flip=True, **knobs).images[0])
        assert np.array_equal(image[:6], np.asarray(behind)[:6, ::-1])

    @pytest.mark.parametrize("hidden", [0, 255])
    def test_a_cut_out_has_no_background_to_take_away(self, hidden: int, shared: LocalEngine) -> None:
        cut = np.full((90, 150, 4), hidden, np.uint8)
        cut[..., 3] = np.asarray(matte().filter(ImageFilter.GaussianBlur(4)))
        cut[cut[..., 3] > 0, :3] = (180, 120, 60)
        knobs = {"fit": "input", "light_source": "left", "light_strength": 0, "background_mode": "transparent"}
        result = shared.relight(asked(Image.fromarray(cut), **knobs))
        shown = cut[..., 3] > 0
        assert np.array_equal(pixels(result.images[0])[shown], cut[shown])

    def test_what_a_cut_out_hides_does_not_shine_through_its_edge(self, shared: LocalEngine) -> None:
        results = []
        for hidden in (0, 255):
            cut = np.full((90, 150, 4), hidden, np.uint8)
            cut[..., 3] = np.asarray(matte().filter(ImageFilter.GaussianBlur(4)))
            cut[cut[..., 3] > 0, :3] = (180, 120, 60)
            knobs = {"fit": "input", "light_source": "left", "keep": "none", "background_mode": "keep"}
            results.append(pixels(shared.relight(asked(Image.fromarray(cut), **knobs)).images[0]))
        shown = results[0][..., 3] > 0
        assert np.array_equal(results[0][shown], results[1][shown])

    def test_keep_with_the_models_own_subject(self, shared: LocalEngine) -> None:
        found = pixels(relit(shared, fit="input", keep="none", background_mode="keep").images[0])
        outside = np.asarray(matte()) == 0
        assert np.array_equal(found[outside], np.asarray(photograph())[outside])

    def test_generate_puts_the_subject_before_what_the_model_made(self, shared: LocalEngine) -> None:
        made = relit(shared, fit="input", keep="none", background_mode="generate")
        kept = relit(shared, fit="input", keep="all", background_mode="generate")
        outside = np.asarray(matte()) == 0
        assert np.array_equal(pixels(made.images[0])[outside], pixels(kept.images[0])[outside])

    def test_a_shadow_stays_in_a_cut_out(self, shared: LocalEngine) -> None:
        picture = np.full((120, 120, 3), 200, np.uint8)
        picture[30:80, 40:80] = (150, 60, 40)
        picture[80:90, 35:85] = 90
        cut = np.zeros((120, 120), np.uint8)
        cut[30:80, 40:80] = 255
        knobs = {
            "fit": "input",
            "background_mode": "transparent",
            "light_source": "left",
            "matte": Image.fromarray(cut),
        }
        alpha = np.asarray(
            shared.relight(asked(Image.fromarray(picture), contact_shadow=True, **knobs)).images[0].getchannel("A")
        )
        assert alpha[84, 60] > 60
        assert alpha[10, 10] == 0

    def test_a_background_to_stand_behind_must_be_given(self) -> None:
        with pytest.raises(
            InvalidRequest, match="background_mode image puts the background picture behind the subject"
        ):
            asked(background_mode="image")

    def test_jpeg_knows_no_transparency(self) -> None:
        with pytest.raises(InvalidRequest, match="choose png or webp"):
            asked(background_mode="transparent", output_format="jpeg")
