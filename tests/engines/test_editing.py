"""An edit: what the engine is asked for, and what is composed around its answer."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from iclight_local.errors import InvalidRequest, NoSubject
from tests.engines.editing_cases import BLUE, GREY, RED, at, cut_out, edited, photo, result_of
from tests.fake_engine import SCENE, FramedFake


def test_a_subject_is_cut_out_and_fills_the_frame() -> None:
    engine = FramedFake()
    image = edited(engine)
    assert (image.size, image.mode) == ((80, 40), "RGBA")
    # 40 x 40 in a frame of 80 x 40, against the left side, which cuts it off.
    assert np.array_equal(np.asarray(image)[..., 3], np.pad(np.full((40, 40), 255), ((0, 0), (0, 40))))
    assert at(image, 10, 10) == (*RED, 255)
    assert at(image, 60, 10) == (0, 0, 0, 0)
    assert len(engine.requests) == 1


def test_without_a_light_nothing_is_relit() -> None:
    engine = FramedFake()
    edited(engine, padding="10%", background_colour="#ffffff", shadow="soft")
    assert engine.batches == []


@pytest.mark.parametrize(
    "knobs", [{"light": "left 3200K"}, {"light_source": "top"}, {"prompt": "sunset"}, {"exposure": 0.3}]
)
def test_a_light_is_asked_for_in_the_picture_s_own_frame(knobs: dict[str, Any]) -> None:
    engine = FramedFake()
    image = edited(engine, seed=7, steps=3, **knobs)
    [asked] = engine.requests
    assert (asked.fit, asked.behind, asked.kept, asked.steps) == ("input", "transparent", "detail", 3)
    assert {name: getattr(asked, name) for name in knobs} == knobs
    assert at(image, 10, 10) == (*BLUE, 255)


def test_a_kept_background_is_relit_as_a_whole() -> None:
    engine = FramedFake()
    image = edited(engine, background_mode="keep", light="left", background_strength=0.4)
    [asked] = engine.requests
    assert (asked.behind, asked.background_strength) == ("keep", 0.4)
    assert image.mode == "RGB"
    assert np.array_equal(np.asarray(image), np.asarray(photo())[..., ::-1])


def test_nobody_is_asked_for_what_needs_no_engine() -> None:
    engine = FramedFake()
    image = edited(engine, background_mode="keep", output_size="200x100", padding="10px", background_colour="#00ff00")
    assert engine.requests == []
    assert (image.size, image.mode) == ((200, 100), "RGB")
    assert at(image, 5, 50) == (0, 255, 0)
    assert at(image, 100, 5) == (0, 255, 0)
    assert at(image, 50, 50) == RED


def test_a_picture_of_its_own_transparency_is_placed_by_it() -> None:
    image = edited(subject_image=cut_out(), output_size="subject")
    assert (image.size, image.mode) == ((20, 20), "RGBA")
    assert (np.asarray(image) == (*RED, 255)).all()


def test_own_alpha_never_cuts_out_all_the_same() -> None:
    engine = FramedFake()
    image = edited(engine, subject_image=cut_out(), own_alpha="never", reference_box="picture")
    assert engine.requests[0].subject_image.mode == "RGB"
    assert at(image, 35, 20) == (*RED, 255)
    assert at(image, 45, 20) == (0, 0, 0, 0)


def test_a_given_matte_wins() -> None:
    matte = Image.new("L", (80, 40))
    matte.paste(255, (50, 20, 70, 40))
    image = edited(matte=matte, output_size="subject")
    assert image.size == (20, 20)
    assert at(image, 5, 5)[:3] == GREY


def test_the_background_picture_covers_or_fits() -> None:
    green = Image.new("RGB", (10, 10), (0, 200, 0))
    filled = edited(background_image=green)
    assert at(filled, 79, 0) == (0, 200, 0)
    fitted = edited(background_image=green, background_scaling="fit")
    assert at(fitted, 50, 20) == (0, 200, 0, 255)
    assert at(fitted, 79, 20) == (0, 0, 0, 0)
    under = edited(background_image=green, background_scaling="fit", background_colour="#0000ff")
    assert at(under, 79, 20) == (0, 0, 255)
    assert under.mode == "RGB"


def test_a_scene_is_made_around_the_placed_subject() -> None:
    engine = FramedFake()
    image = edited(
        engine,
        background_mode="generate",
        prompt="a beach",
        output_size="200x100",
        padding="10%",
        pad_cropped_sides=True,
        light_strength=0.3,
    )
    asked = engine.requests[-1]
    assert (asked.behind, asked.prompt, asked.light_strength) == ("generate", "a beach", 0.3)
    seen = asked.subject_image
    # 40 x 40 in a frame of 160 x 80: 80 x 80 in the middle.
    assert (seen.size, seen.mode) == ((200, 100), "RGBA")
    assert seen.getchannel("A").getbbox() == (60, 10, 140, 90)
    assert (image.size, image.mode) == ((200, 100), "RGB")
    assert at(image, 100, 50) == BLUE
    assert at(image, 10, 50) == SCENE


def test_an_outline_comes_between_the_subject_and_its_scene() -> None:
    image = edited(
        background_mode="generate",
        prompt="a beach",
        output_size="200x100",
        padding="20%",
        pad_cropped_sides=True,
        outline_colour="#ffffff",
        outline_width=0.03,
    )
    # 60 x 60 in the middle, with 6 pixels around it.
    assert at(image, 100, 50) == BLUE
    assert at(image, 66, 50) == (255, 255, 255)
    assert at(image, 100, 83) == (255, 255, 255)
    assert at(image, 60, 50) == SCENE


def test_a_background_that_lights_is_given_with_the_placed_subject() -> None:
    engine = FramedFake()
    green = Image.new("RGB", (10, 10), (0, 200, 0))
    image = edited(engine, background_image=green, model="fbc", output_size="100x100")
    asked = engine.requests[-1]
    assert (asked.model, asked.behind, asked.has_background) == ("fbc", "transparent", True)
    assert asked.background_image.size == (100, 100)
    assert at(image, 10, 50) == BLUE


def test_a_blurred_background_has_nothing_of_the_subject_in_it() -> None:
    image = edited(background_mode="keep", background_blur="gaussian", background_blur_radius=0.05)
    pixels = np.asarray(image)
    assert (pixels[:, 42:] == GREY).all()
    assert (pixels[:, :39] == RED).all()


def test_a_kept_background_is_blurred_behind_the_relit_subject() -> None:
    engine = FramedFake()
    image = edited(engine, background_mode="keep", background_blur="bokeh", light="left")
    asked = engine.requests[-1]
    assert asked.matte is not None
    assert asked.behind == "keep"
    assert at(image, 10, 20) == BLUE
    assert at(image, 70, 20) == GREY


def test_a_shadow_falls_on_a_colour_and_not_on_the_subject() -> None:
    plain = np.asarray(edited(subject_image=cut_out(), reference_box="picture", background_colour="#ffffff"))
    dark = np.asarray(
        edited(subject_image=cut_out(), reference_box="picture", background_colour="#ffffff", shadow="soft")
    )
    assert (dark <= plain).all()
    assert (dark[30:34, 35:45] < 250).any()
    assert (dark[12:28, 32:48] == RED).all()


def test_a_shadow_on_a_kept_background_is_refused_but_not_of_a_cut_out() -> None:
    with pytest.raises(InvalidRequest, match="shadow needs a subject without a background"):
        edited(background_mode="keep", shadow="hard")
    image = edited(subject_image=cut_out(), background_mode="keep", shadow="hard")
    alpha = np.asarray(image)[..., 3]
    assert ((alpha > 0) & (alpha < 255)).any()


def test_a_flipped_background_lights_and_stands_flipped() -> None:
    engine = FramedFake()
    two = Image.new("RGB", (10, 10), (0, 200, 0))
    two.paste((200, 0, 200), (0, 0, 5, 10))
    placed = {"output_size": "100x100", "padding": "40px", "pad_cropped_sides": True}
    image = edited(engine, background_image=two, model="fbc", background_flip=True, **placed)
    asked = engine.requests[-1]
    assert not asked.background_flip
    assert asked.background_image.getpixel((10, 50)) == at(image, 10, 50) == (0, 200, 0)
    assert asked.background_image.getpixel((90, 50)) == at(image, 90, 50) == (200, 0, 200)


def test_what_a_background_hides_does_not_light() -> None:
    engine = FramedFake()
    veiled = Image.new("RGBA", (10, 10), (255, 0, 0, 0))
    edited(engine, background_image=veiled, model="fbc")
    seen = engine.requests[-1].background_image
    assert (seen.mode, seen.getchannel("A").getextrema()) == ("RGBA", (0, 0))


def test_margins_that_leave_nothing_are_told_before_anything_is_lit() -> None:
    engine = FramedFake()
    with pytest.raises(InvalidRequest, match="must leave at least 1 for the subject"):
        edited(engine, light="left", output_size="50x50", margin="25px")
    assert engine.requests == []


def test_a_subject_that_left_the_scene_is_told() -> None:
    knobs = {"reference_box": "picture", "scaling": "fill", "output_size": "20x300", "horizontal_alignment": "center"}
    with pytest.raises(NoSubject, match="Nothing of the subject lies in the result"):
        edited(subject_image=cut_out(box=(0, 10, 5, 30)), background_mode="generate", prompt="beach", **knobs)


def test_several_pictures_are_composed_each() -> None:
    result = result_of(subject_image=photo(), light="left", number_of_images=3, output_size="50x50")
    assert [image.size for image in result.images] == [(50, 50)] * 3


@pytest.mark.parametrize("scale", [1, 0.5])
def test_a_result_is_shrunk_to_its_largest_size(scale: float) -> None:
    image = edited(max_width=int(80 * scale), max_height=1000)
    assert image.size == (int(80 * scale), int(40 * scale))
