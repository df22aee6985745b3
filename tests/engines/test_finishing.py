"""What is kept of the picture and what stands behind the subject, through the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from iclight_local.engines.local import LocalEngine
from iclight_local.errors import InvalidRequest, NoSubject
from iclight_local.imaging.linear import to_linear, to_srgb
from tests.engines.relights import MATTE, PLAIN, asked, local, pixels

SIZE = (150, 90)


def photograph(size: tuple[int, int] = SIZE) -> Image.Image:
    """A picture with a bright disc on a coloured ground, and fine stripes on both."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    disc = (x - width / 2) ** 2 + (y - height / 2) ** 2 < (min(size) / 3) ** 2
    picture = np.where(disc[..., None], (190, 150, 120), (60, 90, 130)) + ((x + y) % 4 * 6)[..., None]
    return Image.fromarray(picture.astype(np.uint8))


def matte(size: tuple[int, int] = SIZE) -> Image.Image:
    """The disc of ``photograph``, soft at its edge."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    away = np.sqrt((x - width / 2) ** 2 + (y - height / 2) ** 2)
    return Image.fromarray((np.clip(min(size) / 3 - away + 0.5, 0, 1) * 255).astype(np.uint8))


def relit(engine: LocalEngine, **knobs: Any) -> Any:
    return engine.relight(asked(photograph(), matte=matte(), **{"light_source": "left", **knobs}))


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

    def test_the_frame_takes_the_pictures_shape_where_no_size_is_asked(self) -> None:
        knobs = {"steps": 1, "highres_scale": 1, "seed": 1, "fit": "input", "light_source": "left"}
        engine = local()
        from iclight_local import RelightRequest

        result = engine.relight(RelightRequest(subject_image=photograph(), matte=matte(), **knobs))
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
        result = shared.relight(asked(photograph(size), matte=matte(size), fit="input", light_source="left"))
        assert result.images[0].size == size
        assert np.array_equal(pixels(result.images[0])[:100], np.asarray(photograph(size))[:100])

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
