"""Every parameter: what it accepts, and the sentence for what it does not."""

from __future__ import annotations

import math
from typing import Any

import PIL.Image
import pytest
from pydantic import ValidationError

from iclight_local.errors import InvalidRequest
from iclight_local.light import describe, parse_lights
from iclight_local.request import Knobs, RelightRequest, by_model, check_combination, resolve_model
from iclight_local.sentences import MAX_SEED, expectation, kind


def test_defaults_are_the_originals() -> None:
    knobs = Knobs()
    assert (knobs.width, knobs.height) == (512, 640)
    assert (knobs.lowres_denoise, knobs.highres_scale, knobs.highres_denoise) == (0.9, 1.5, 0.5)
    assert knobs.appended_prompt == "best quality"
    assert knobs.negative_prompt == "lowres, bad anatomy, bad hands, cropped, worst quality"
    assert (knobs.prompt, knobs.light_source, knobs.number_of_images, knobs.seed) == ("", "none", 1, None)
    assert knobs.noise_device == "cpu"


@pytest.mark.parametrize(("model", "steps", "cfg"), [("fc", 25, 2.0), ("fcon", 25, 2.0), ("fbc", 20, 7.0)])
def test_defaults_by_model(model: Any, steps: int, cfg: float) -> None:
    assert Knobs().for_model("steps", model) == by_model("steps")[model] == steps
    assert Knobs().for_model("cfg", model) == by_model("cfg")[model] == cfg
    assert Knobs(steps=3, cfg=1).for_model("steps", model) == 3
    assert Knobs(steps=3, cfg=1).for_model("cfg", model) == 1
    with pytest.raises(KeyError):
        by_model("width")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"width": 100}, "width is 100, but must be a multiple of 64 from 64 to 1024, like 512."),
        ({"width": 0}, "width is 0, but must be a multiple of 64 from 64 to 1024, like 512."),
        ({"height": 1088}, "height is 1088, but must be a multiple of 64 from 64 to 1024, like 640."),
        ({"height": "tall"}, "height is tall, but must be a multiple of 64 from 64 to 1024, like 640."),
        ({"steps": 0}, "steps is 0, but must be a whole number from 1 to 100."),
        ({"steps": 101}, "steps is 101, but must be a whole number from 1 to 100."),
        ({"steps": 2.5}, "steps is 2.5, but must be a whole number from 1 to 100."),
        ({"cfg": 0.5}, "cfg is 0.5, but must be a number from 1 to 32."),
        ({"cfg": 33}, "cfg is 33, but must be a number from 1 to 32."),
        ({"cfg": math.nan}, "cfg is nan, but must be a number from 1 to 32."),
        ({"cfg": math.inf}, "cfg is inf, but must be a number from 1 to 32."),
        ({"lowres_denoise": 0.05}, "lowres_denoise is 0.05, but must be a number from 0.1 to 1."),
        ({"lowres_denoise": None}, "lowres_denoise is None, but must be a number from 0.1 to 1."),
        ({"highres_denoise": 1.1}, "highres_denoise is 1.1, but must be a number from 0.1 to 1."),
        ({"cfg_until": 1.1}, "cfg_until is 1.1, but must be a number from 0 to 1."),
        ({"cache_interval": 0}, "cache_interval is 0, but must be a whole number from 1 to 10."),
        ({"cache_interval": 2.5}, "cache_interval is 2.5, but must be a whole number from 1 to 10."),
        ({"highres_denoise": math.nan}, "highres_denoise is nan, but must be a number from 0.1 to 1."),
        ({"highres_scale": 0.9}, "highres_scale is 0.9, but must be a number from 1 to 3."),
        ({"highres_scale": 3.1}, "highres_scale is 3.1, but must be a number from 1 to 3."),
        ({"number_of_images": 0}, "number_of_images is 0, but must be a whole number from 1 to 12."),
        ({"number_of_images": 13}, "number_of_images is 13, but must be a whole number from 1 to 12."),
        ({"seed": -1}, "seed is -1, but must be a whole number from 0 to 2^63-1."),
        ({"seed": 2**63}, f"seed is {2**63}, but must be a whole number from 0 to 2^63-1."),
        ({"prompt": None}, "prompt is None, but must be text."),
        ({"prompt": 3}, "prompt is 3, but must be text."),
        ({"light_source": "up"}, "light_source is up, but must be one of none, left, right, top, bottom, ambient."),
        ({"model": "sdxl"}, "model is sdxl, but must be one of fc, fcon, fbc."),
        ({"fit": "stretch"}, "fit is stretch, but must be one of crop, pad, input."),
        ({"keep": "face"}, "keep is face, but must be one of none, detail, colour, all."),
        ({"background_mode": "blur"},
         "background_mode is blur, but must be one of generate, keep, image, colour, transparent."),
        ({"background_colour": "red"}, "background_colour is red, but must be a colour like #ff8800."),
        ({"light_strength": 1.5}, "light_strength is 1.5, but must be a number from 0 to 1."),
        ({"exposure": 0}, "exposure is 0, but must be a number from 0.01 to 0.9."),
        ({"noise_device": "gpu"}, "noise_device is gpu, but must be one of cpu, device."),
        ({"background_flip": "perhaps"}, "background_flip is perhaps, but must be true or false."),
        ({"output_format": "gif"}, "output_format is gif, but must be one of png, jpeg, webp."),
        ({"output_quality": 101}, "output_quality is 101, but must be a whole number from 0 to 100."),
        ({"matte": 5}, "matte is 5, but must be a path, a URL, a data URI, the bytes of an image file or a PIL image."),
        ({"number_of_image": 2}, "There is no parameter number_of_image: did you mean number_of_images?"),
        ({"negative-prompt": "x"}, "There is no parameter negative-prompt: did you mean negative_prompt?"),
        ({"steps": 0, "cfg": 0}, "steps is 0, but must be a whole number from 1 to 100. "
         "cfg is 0, but must be a number from 1 to 32."),
    ],
)  # fmt: skip
def test_a_wrong_value_is_one_sentence(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        RelightRequest(subject_image="a.png", **wrong)
    assert str(caught.value) == sentence
    assert caught.value.exit_status == 2


def test_the_defaults_of_what_is_kept_follow_the_fit() -> None:
    kept = {fit: RelightRequest(subject_image="a.png", fit=fit) for fit in ("crop", "pad", "input")}
    assert {fit: (each.kept, each.behind) for fit, each in kept.items()} == {
        "crop": ("none", "generate"),
        "pad": ("none", "generate"),
        "input": ("detail", "keep"),
    }
    asked = RelightRequest(subject_image="a.png", fit="input", keep="none", background_mode="generate")
    assert (asked.kept, asked.behind) == ("none", "generate")


def test_a_light_is_text_or_lights() -> None:
    lights = parse_lights("left #ff0000 + right 0.5")
    assert Knobs(light=lights).light == describe(lights)
    assert Knobs(light=lights[0]).light == describe(lights[:1])
    assert Knobs(light="Top-Left 3200K").light == "Top-Left 3200K"
    with pytest.raises(InvalidRequest):
        Knobs(light="lefft")


def test_a_background_that_only_stands_behind_lights_nothing() -> None:
    picture = {"subject_image": "a.png", "background_image": "b.png"}
    assert RelightRequest(**picture).has_background
    assert RelightRequest(**picture, background_mode="image").has_background
    assert not RelightRequest(**picture, background_mode="image", model="fc").has_background
    with pytest.raises(InvalidRequest, match="which takes none"):
        RelightRequest(**picture, model="fc")


def test_an_unknown_name_lists_the_names() -> None:
    with pytest.raises(InvalidRequest, match=r"^There is no parameter zzz: the names are prompt, .*noise_device\.$"):
        Knobs(zzz=1)


def test_the_subject_cannot_be_missing() -> None:
    with pytest.raises(InvalidRequest, match=r"^subject_image is missing: the picture whose subject is relit\.$"):
        RelightRequest()


def test_a_long_value_is_shown_in_short() -> None:
    with pytest.raises(InvalidRequest) as caught:
        Knobs(model="x" * 500)
    assert "xxx..., but must be one of" in str(caught.value)
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize(
    "right",
    [
        {"width": 64, "height": 1024},
        {"steps": 1, "cfg": 1, "number_of_images": 12},
        {"steps": 100, "cfg": 32.0, "seed": MAX_SEED},
        {"lowres_denoise": 0.1, "highres_denoise": 1, "highres_scale": 3},
        {"steps": "25", "cfg": "2.5", "seed": "0"},
        {"prompt": "ü" * 10_000},
    ],
)
def test_values_at_the_ends_of_their_ranges(right: dict[str, Any]) -> None:
    knobs = Knobs(**right)
    assert {name: type(value)(getattr(knobs, name)) for name, value in right.items()} == right


@pytest.mark.parametrize("picture", ["a.png", "https://example.org/a.png", b"\x89PNG", PIL.Image.new("RGB", (1, 1))])
def test_pictures_of_every_kind(picture: Any) -> None:
    request = RelightRequest(subject_image=picture, matte=picture, background_image=picture)
    assert request.subject_image == request.matte == request.background_image == picture
    assert request.has_background


def test_requests_are_frozen() -> None:
    request = RelightRequest(subject_image="a.png")
    with pytest.raises(ValidationError, match="frozen"):
        request.steps = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("asked", "has_background", "model"),
    [(None, False, "fc"), (None, True, "fbc"), ("fc", True, "fc"), ("fcon", False, "fcon"), ("fbc", False, "fbc")],
)
def test_the_model_that_runs(asked: Any, has_background: bool, model: str) -> None:
    assert resolve_model(Knobs(model=asked), has_background=has_background) == model


@pytest.mark.parametrize(
    ("knobs", "sentence"),
    [
        ({"model": "fc", "background_image": "b.png"},
         "A background was given with model fc, which takes none: use --model fbc, or leave the background out."),
        ({"model": "fcon", "background_image": "b.png"}, "A background was given with model fcon, which takes none"),
        ({"light_source": "ambient"}, "light_source ambient is a background of model fbc, and the model here is fc: "),
        ({"light_source": "ambient", "model": "fcon"}, "and the model here is fcon: use --model fbc, or light_source"),
        ({"background_image": "b.png", "light_source": "left"},
         "A background and light_source left were both given, and with model fbc each one is the background: "),
        ({"model": "fbc"}, "Model fbc needs a background and none was given: add --background-image FILE, or "),
        ({"background_flip": True}, "background_flip mirrors the background picture that lights the subject, and "),
        ({"model": "fbc", "light_source": "left", "background_flip": True}, "background_flip mirrors the background"),
    ],
)  # fmt: skip
def test_knobs_that_contradict_each_other(knobs: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        RelightRequest(subject_image="a.png", **knobs)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "knobs",
    [
        {},
        {"light_source": "left"},
        {"model": "fcon", "light_source": "bottom"},
        {"background_image": "b.png"},
        {"background_image": "b.png", "background_flip": True, "model": "fbc"},
        {"model": "fbc", "light_source": "ambient"},
        {"model": "fbc", "light_source": "top"},
    ],
)
def test_knobs_that_go_together(knobs: dict[str, Any]) -> None:
    request = RelightRequest(subject_image="a.png", **knobs)
    check_combination(request, has_background=request.has_background)


def test_kinds_and_expectations() -> None:
    fields = RelightRequest.model_fields
    assert kind(fields["steps"]) == (int, ())
    assert kind(fields["cfg"]) == (float, ())
    assert kind(fields["prompt"]) == (str, ())
    assert kind(fields["background_flip"]) == (bool, ())
    assert kind(fields["model"]) == (str, ("fc", "fcon", "fbc"))
    assert kind(fields["subject_image"]) == kind(fields["background_image"]) == (object, ())
    assert expectation(fields["seed"]) == "a whole number from 0 to 2^63-1"


def test_text_that_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"prompt is .* but must be text"):
        RelightRequest(subject_image="a.png", prompt="\udce4")


def test_other_kinds_of_bytes_are_bytes_and_no_path() -> None:
    assert RelightRequest(subject_image=bytearray(b"x")).subject_image == b"x"
