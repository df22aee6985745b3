"""What an edit may ask for, what stands behind its subject, and the sentence for what contradicts itself."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from iclight_local.errors import InvalidRequest
from iclight_local.request import EditRequest, Length, Placing
from iclight_local.request.edit import Blur, Metadata, OwnAlpha, Shadow
from iclight_local.request.placing import Horizontal, ReferenceBox, Scaling, Vertical
from tests.edit_requests import SIDES, edit, refused


def test_without_a_wish_a_subject_is_cut_out_and_nothing_else() -> None:
    request = edit()
    assert (request.behind, request.cuts_out, request.relit, request.on_canvas) == ("transparent", True, False, False)
    assert (request.fit, request.kept, request.output_format) == ("input", "detail", None)
    assert (request.output_size, request.max_width, request.max_height) == ("original", None, None)
    assert (request.scaling, request.background_scaling, request.reference_box) == ("fit", "fill", "subject")
    assert (request.horizontal_alignment, request.vertical_alignment, request.pad_cropped_sides) == (None, None, False)
    assert (request.outline_colour, request.shadow, request.background_blur) == (None, "none", "none")
    assert (request.own_alpha, request.metadata, request.dpi) == ("auto", "camera", None)
    for kind in ("margin", "padding"):
        for side in SIDES:
            assert request.length(kind, side) == Length(0, "ratio")


@pytest.mark.parametrize(
    ("knobs", "behind"),
    [
        ({}, "transparent"),
        ({"background_colour": "transparent"}, "transparent"),
        ({"background_colour": "#FF8800"}, "colour"),
        ({"background_colour": "#ff880000"}, "colour"),
        ({"background_image": "b.png"}, "image"),
        ({"background_image": "b.png", "background_colour": "#ffffff"}, "image"),
        ({"background_image": "b.png", "model": "fbc"}, "image"),
        ({"background_mode": "image", "background_image": "b.png"}, "image"),
        ({"background_mode": "colour", "background_colour": "#ffffff"}, "colour"),
        ({"background_mode": "transparent", "background_colour": "#ffffff"}, "transparent"),
        ({"background_mode": "keep"}, "keep"),
        ({"background_mode": "keep", "background_colour": "#ffffff"}, "keep"),
        ({"background_mode": "generate", "prompt": "a beach"}, "generate"),
        ({"prompt": "a beach"}, "transparent"),
    ],
)
def test_what_stands_behind_the_subject(knobs: dict[str, Any], behind: str) -> None:
    request = edit(**knobs)
    assert request.behind == behind
    assert request.cuts_out == (behind != "keep")


@pytest.mark.parametrize(
    ("knobs", "lights", "on_canvas"),
    [
        ({"background_image": "b.png"}, False, False),
        ({"background_image": "b.png", "model": "fc"}, False, False),
        ({"background_image": "b.png", "model": "fcon"}, False, False),
        ({"background_image": "b.png", "model": "fbc"}, True, True),
        ({"background_mode": "generate", "prompt": "a beach"}, False, True),
        ({"background_mode": "keep", "prompt": "a beach"}, False, False),
        ({"model": "fbc", "light_source": "ambient"}, False, False),
    ],
)
def test_the_model_sees_the_new_place_where_its_light_is_there(knobs: Any, lights: bool, on_canvas: bool) -> None:
    request = edit(**knobs)
    assert (request.has_background, request.on_canvas) == (lights, on_canvas)
    assert request.relit or not on_canvas


@pytest.mark.parametrize(
    ("knobs", "relit"),
    [
        ({"prompt": "soft light"}, True),
        ({"prompt": " \n"}, False),
        ({"light": "left"}, True),
        ({"light_source": "top"}, True),
        ({"light_source": "none"}, False),
        ({"light_map": "m.png"}, True),
        ({"light_reference": "r.png"}, True),
        ({"exposure": 0.18}, True),
        ({"exposure_compensation": 0}, True),
        ({"background_image": "b.png"}, False),
        ({"background_image": "b.png", "light": "left"}, True),
        ({"background_image": "b.png", "model": "fbc"}, True),
        ({"background_colour": "#ffffff", "padding": "10%", "shadow": "soft", "outline_colour": "#000000"}, False),
        ({"negative_prompt": "dark", "seed": 3, "steps": 5}, False),
        ({"background_mode": "keep"}, False),
    ],
)
def test_the_model_runs_where_a_light_is_asked_for(knobs: dict[str, Any], relit: bool) -> None:
    assert edit(**knobs).relit is relit


@pytest.mark.parametrize(
    ("knobs", "sentence"),
    [
        ({"output_size": "200x400", "max_width": 100},
         "output_size 200x400 says the size of the result, and so do max_width and max_height: "
         "leave one of them out."),
        ({"output_size": "200x400", "max_height": 500}, "output_size 200x400 says the size of the result, and so do "
         "max_width and max_height: leave one of them out."),
        ({"contact_shadow": True, "background_colour": "#ffffff"},
         "contact_shadow keeps a shadow in its old place, and an edit moves the subject: use shadow soft instead."),
        ({"background_mode": "generate"},
         "background_mode generate needs a prompt that says the scene: add --prompt TEXT."),
        ({"background_mode": "generate", "prompt": "  "},
         "background_mode generate needs a prompt that says the scene: add --prompt TEXT."),
        ({"keep": "none"},
         "keep is none, but must be one of detail, colour, all."),
        ({"background_mode": "image"},
         "background_mode image puts the background picture behind the subject, and none was given: "
         "add --background-image FILE."),
        ({"output_format": "jpeg"},
         "background_mode transparent needs a format that knows transparency, and jpeg does not: "
         "choose png or webp."),
        ({"exposure": 0.2, "exposure_compensation": 1},
         "exposure says how bright the subject shall be, and exposure_compensation how much brighter than it was: "
         "leave one of them out."),
        ({"light_map": "m.png", "light": "left"},
         "light 'left' and a light_map were both given, and there is one light: leave one of them out."),
        ({"background_image": "b.png", "model": "fbc", "light": "left"},
         "A background and light 'left' were both given, and with model fbc each one is the background: leave one of "
         "them out, or add --background-mode image --model fc, and the picture only stands behind the subject."),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_one_sentence(knobs: dict[str, Any], sentence: str) -> None:
    assert refused(**knobs) == sentence


@pytest.mark.parametrize(
    "knobs",
    [
        {"output_size": "original", "max_width": 100, "max_height": 100},
        {"output_size": "subject", "max_width": 1},
        {"output_size": "200x400"},
        {"output_format": "jpeg", "background_colour": "#ffffff"},
        {"output_format": "jpeg", "background_image": "b.png"},
        {"output_format": "jpeg", "background_mode": "keep"},
        {"output_format": "webp"},
        {"keep": "all", "light": "left"},
        {"keep": "colour", "background_mode": "generate", "prompt": "a beach"},
        {"shadow": "auto", "shadow_direction": 360, "shadow_spread": 90, "shadow_softness": 1, "shadow_intensity": 0},
        {"dpi": 72}, {"dpi": 1200.0}, {"max_width": 1, "max_height": 1_000_000},
        {"outline_colour": "#00000000", "outline_width": 0.1, "outline_blur": 0.025},
        {"background_blur": "bokeh", "background_blur_radius": 0},
        {"background_blur": "gaussian", "background_blur_radius": 0.05},
    ],
)  # fmt: skip
def test_what_goes_together(knobs: dict[str, Any]) -> None:
    request = edit(**knobs)
    assert {name: getattr(request, name) for name in knobs} == knobs


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"fit": "crop"}, "fit is crop, but must be one of input."),
        ({"output_size": "auto"}, "output_size is auto, but must be original, subject, or a size like 1000x1000."),
        ({"output_size": ""}, "output_size is empty, but must be original, subject, or a size like 1000x1000."),
        ({"output_size": "200X400"},
         "output_size is 200X400, but must be original, subject, or a size like 1000x1000."),
        ({"output_size": "2e3x400"},
         "output_size is 2e3x400, but must be original, subject, or a size like 1000x1000."),
        ({"output_size": "-5x400"},
         "output_size is -5x400, but must be original, subject, or a size like 1000x1000."),
        ({"output_size": "0x400"}, "output_size is 0x400, but must have at least 1 and at most 30000 pixels on a side, "
         "and 50 megapixels."),
        ({"output_size": "30001x1"}, "output_size is 30001x1, but must have at least 1 and at most 30000 pixels on a "
         "side, and 50 megapixels."),
        ({"output_size": "7072x7071"}, "output_size is 7072x7071, but must have at least 1 and at most 30000 pixels on "
         "a side, and 50 megapixels."),
        ({"scaling": "cover"}, "scaling is cover, but must be one of fit, fill."),
        ({"background_scaling": "stretch"}, "background_scaling is stretch, but must be one of fit, fill."),
        ({"horizontal_alignment": "top"}, "horizontal_alignment is top, but must be one of left, center, right."),
        ({"vertical_alignment": "left"}, "vertical_alignment is left, but must be one of top, center, bottom."),
        ({"reference_box": "canvas"}, "reference_box is canvas, but must be one of subject, picture."),
        ({"pad_cropped_sides": "perhaps"}, "pad_cropped_sides is perhaps, but must be true or false."),
        ({"own_alpha": "always"}, "own_alpha is always, but must be one of auto, never."),
        ({"background_colour": "#fff"},
         "background_colour is #fff, but must be transparent, or a colour like #ff8800 or #ff880080."),
        ({"background_colour": "red"},
         "background_colour is red, but must be transparent, or a colour like #ff8800 or #ff880080."),
        ({"background_colour": "#ff88001"},
         "background_colour is #ff88001, but must be transparent, or a colour like #ff8800 or #ff880080."),
        ({"outline_colour": "transparent"},
         "outline_colour is transparent, but must be a colour like #ff8800 or #ff880080."),
        ({"outline_colour": "ff8800"}, "outline_colour is ff8800, but must be a colour like #ff8800 or #ff880080."),
        ({"outline_width": 0.11}, "outline_width is 0.11, but must be a number from 0 to 0.1."),
        ({"outline_blur": 0.03}, "outline_blur is 0.03, but must be a number from 0 to 0.025."),
        ({"background_blur": "box"}, "background_blur is box, but must be one of none, gaussian, bokeh."),
        ({"background_blur_radius": 0.051}, "background_blur_radius is 0.051, but must be a number from 0 to 0.05."),
        ({"shadow": "sharp"}, "shadow is sharp, but must be one of none, soft, hard, floating, auto."),
        ({"shadow_direction": 361}, "shadow_direction is 361, but must be a number from 0 to 360."),
        ({"shadow_spread": -1}, "shadow_spread is -1, but must be a number from 0 to 90."),
        ({"shadow_softness": 1.1}, "shadow_softness is 1.1, but must be a number from 0 to 1."),
        ({"shadow_intensity": 2}, "shadow_intensity is 2, but must be a number from 0 to 1."),
        ({"shadow_pose": 91}, "shadow_pose is 91, but must be a number from 0 to 90."),
        ({"dpi": 71}, "dpi is 71, but must be a number from 72 to 1200."),
        ({"metadata": "all"}, "metadata is all, but must be one of none, camera, xmp, rights, rights_xmp."),
        ({"paddingg": "1%"}, "There is no parameter paddingg: did you mean padding?"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_one_sentence(wrong: dict[str, Any], sentence: str) -> None:
    assert refused(**wrong) == sentence


@pytest.mark.parametrize("name", ["max_width", "max_height"])
@pytest.mark.parametrize("wrong", [0, -1, 1_000_001, 2.5, "wide"])
def test_a_largest_side_is_a_whole_number(name: str, wrong: Any) -> None:
    assert refused(**{name: wrong}).startswith(f"{name} is {wrong}, but must be a whole number from 1 to ")


@pytest.mark.parametrize(
    ("knobs", "needed"),
    [
        ({"outline_width": 0.02}, "outline_colour"),
        ({"outline_blur": 0.02}, "outline_colour"),
        ({"shadow_direction": 90}, "shadow"),
        ({"shadow_pose": 0}, "shadow"),
        ({"background_blur_radius": 0.02}, "background_blur"),
        ({"background_scaling": "fit"}, "background_image"),
    ],
)
def test_what_changes_nothing_alone_is_told(knobs: dict[str, Any], needed: str) -> None:
    [name] = knobs
    assert refused(**knobs).startswith(f"{name} changes nothing without {needed}, which was not given: add --")


@pytest.mark.parametrize("mode", ["keep", "colour", "transparent", "generate"])
def test_a_background_picture_that_would_not_be_seen_is_refused(mode: str) -> None:
    told = refused(background_image="b.png", background_mode=mode, model="fc", prompt="a beach")
    assert told.startswith(f"A background picture was given, and background_mode {mode} puts something else")


def test_a_colour_is_needed_where_a_colour_is_asked_for() -> None:
    assert refused(background_mode="colour").startswith("background_mode colour needs a colour: add --background-")


def test_every_choice_can_be_made() -> None:
    choices = {"scaling": Scaling, "background_scaling": Scaling, "horizontal_alignment": Horizontal,
               "vertical_alignment": Vertical, "reference_box": ReferenceBox, "own_alpha": OwnAlpha,
               "background_blur": Blur, "shadow": Shadow, "metadata": Metadata}  # fmt: skip
    for name, words in choices.items():
        for word in get_args(words):
            with_it = {"background_image": "b.png"} if name == "background_scaling" else {}
            assert getattr(edit(**{name: word}, **with_it), name) == word


def test_an_edit_is_frozen_and_a_placing() -> None:
    request = edit(padding="1%")
    assert isinstance(request, Placing)
    with pytest.raises(ValidationError, match="frozen"):
        request.padding = "2%"  # type: ignore[misc]


def test_the_picture_cannot_be_missing() -> None:
    with pytest.raises(InvalidRequest, match=r"^subject_image is missing: "):
        EditRequest()
