"""What is kept of the picture, whatever picture comes in, through the engine."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from iclight_local import RelightRequest
from iclight_local.engines.local import LocalEngine
from iclight_local.errors import NoSubject
from tests.engines.discs import SIZE, matte, photograph, relit
from tests.engines.relights import MATTE, PLAIN, asked, local, pixels


class TestFit:
    def test_input_has_the_pictures_size_and_with_no_strength_its_pixels(self, shared: LocalEngine) -> None:
        result = relit(shared, fit="input", light_strength=0)
        assert np.array_equal(pixels(result.images[0]), np.asarray(photograph()))

    def test_input_changes_the_subject_alone(self, shared: LocalEngine) -> None:
        found = pixels(relit(shared, fit="input").images[0])
        outside = np.asarray(matte()) == 0
        assert np.array_equal(found[outside], np.asarray(photograph())[outside])
        assert np.abs(found[~outside].astype(int) - np.asarray(photograph())[~outside]).mean() > 2

    def test_pad_shows_the_whole_picture_at_the_models_size(self, shared: LocalEngine) -> None:
        result = relit(shared, fit="pad", width=128, height=64)
        assert result.images[0].size == (107, 64)
        assert result.record["passes"]["lowres"]["width"] == 128

    def test_the_frame_takes_the_pictures_shape_where_no_size_is_asked(self, shared: LocalEngine) -> None:
        knobs = {"steps": 1, "highres_scale": 1, "seed": 1, "fit": "input", "light_source": "left"}
        result = shared.relight(RelightRequest(subject_image=photograph(), matte=matte(), **knobs))
        assert result.images[0].size == SIZE
        passes = result.record["passes"]["lowres"]
        assert (passes["width"], passes["height"]) == (768, 448)
        assert (result.record["request"]["width"], result.record["request"]["height"]) == (768, 448)

    @pytest.mark.parametrize("size", [(1, 40), (40, 1), (64, 64), (3, 3)])
    @pytest.mark.parametrize("fit", ["crop", "pad", "input"])
    def test_small_and_thin_pictures(self, size: tuple[int, int], fit: str, shared: LocalEngine) -> None:
        full = Image.new("L", size, 255)
        result = shared.relight(asked(Image.new("RGB", size, (120, 90, 60)), matte=full, fit=fit, light_source="left"))
        wanted = size if fit == "input" else (64, 64) if fit == "crop" else result.images[0].size
        assert result.images[0].size == wanted


class TestKeep:
    @pytest.mark.parametrize("keep", ["colour", "all"])
    def test_hue_and_saturation_stay(self, keep: str, shared: LocalEngine) -> None:
        measures = relit(shared, keep=keep, background_mode="keep", fit="input").measures[0]
        assert abs(measures["hue_change"]) < 1
        assert abs(measures["saturation_change"]) < 0.02

    def test_none_is_the_models_own_picture(self, shared: LocalEngine) -> None:
        plain = relit(shared)
        assert np.array_equal(pixels(relit(shared, keep="none").images[0]), pixels(plain.images[0]))
        assert plain.record["request"]["keep"] == "none"

    def test_detail_follows_the_picture_and_none_does_not(self, shared: LocalEngine) -> None:
        kept, lost = (relit(shared, keep=keep, fit="input").measures[0] for keep in ("detail", "none"))
        assert kept["detail"] > 2 * lost["detail"]

    def test_strength_goes_half_the_way(self, shared: LocalEngine) -> None:
        original = np.asarray(photograph()).astype(float)
        far = [
            np.abs(pixels(relit(shared, fit="input", light_strength=strength).images[0]) - original).mean()
            for strength in (0.0, 0.5, 1.0)
        ]
        assert far[0] == 0
        assert far[0] < far[1] < far[2]


def test_every_image_of_a_run_is_measured(shared: LocalEngine) -> None:
    result = relit(shared, number_of_images=2)
    assert len(result.measures) == 2
    assert result.record_of(1)["measures"] == result.measures[1]
    assert {"delta_e", "detail", "shift"} <= set(result.measures[0])


def test_sixteen_bits(shared: LocalEngine) -> None:
    deep = Image.fromarray(np.asarray(photograph().convert("L")).astype(np.uint16) * 257)
    result = shared.relight(asked(deep, matte=matte(), fit="input", light_source="left", light_strength=0))
    assert result.images[0].size == SIZE


def test_matte_file(shared: LocalEngine) -> None:
    result = shared.relight(asked(PLAIN, matte=MATTE, fit="input", light_source="left"))
    assert result.images[0].size == Image.open(PLAIN).size


class TestInputs:
    """Whatever comes in works, or is refused in one sentence."""

    def test_3500_by_3500(self, shared: LocalEngine) -> None:
        size = (3500, 3500)
        picture = photograph(size)
        result = shared.relight(asked(picture, matte=matte(size), fit="input", light_source="left"))
        assert result.images[0].size == size
        assert np.array_equal(pixels(result.images[0])[:100], np.asarray(picture)[:100])

    def test_hair(self, shared: LocalEngine) -> None:
        """Strands of soft alpha stay exactly as soft."""
        y, x = np.mgrid[:120, :160]
        alpha = np.clip(1.5 - np.abs((x + 0.3 * y) % 9 - 4.5), 0, 1) * (x > 40) * (x < 120)
        picture = np.where(alpha[..., None] > 0.5, (200, 160, 110), (30, 80, 200)).astype(np.uint8)
        rgba = Image.fromarray(np.dstack([picture, (alpha * 255).astype(np.uint8)]))
        cut = shared.relight(asked(rgba, fit="input", background_mode="transparent", light_source="left")).images[0]
        assert np.array_equal(np.asarray(cut)[..., 3], (alpha * 255).astype(np.uint8))

    def test_nothing_to_see(self) -> None:
        with pytest.raises(NoSubject, match="alpha channel is empty, so there is no subject to relight"):
            local().relight(asked(Image.new("RGBA", SIZE, (9, 9, 9, 0)), fit="input", light_source="left"))

    def test_opaque(self, shared: LocalEngine) -> None:
        picture = photograph()
        picture.putalpha(255)
        result = shared.relight(asked(picture, fit="input", light_source="left"))
        assert result.images[0].mode == "RGBA"
        assert any("alpha channel is opaque everywhere" in warning for warning in result.warnings)
