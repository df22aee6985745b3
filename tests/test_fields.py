"""The one reader of the declarations."""

from __future__ import annotations

from iclight_local.fields import KnobField, knob_fields, markdown_table
from iclight_local.request import Knobs, RelightRequest
from iclight_local.settings import ServeSettings

FIELDS = {field.name: field for field in knob_fields(RelightRequest)}


def test_every_parameter_once_pictures_first() -> None:
    names = [field.name for field in knob_fields(RelightRequest)]
    assert sorted(names) == sorted(RelightRequest.model_fields)
    pictures = {"subject_image", "background_image", "matte", "light_map", "light_reference"}
    assert set(names[:5]) == pictures
    assert names[0] == "subject_image"
    declared = [name for name in RelightRequest.model_fields if name not in pictures]
    assert names[5:] == declared
    assert [field.name for field in knob_fields(Knobs)] == list(Knobs.model_fields)


def test_every_parameter_is_described() -> None:
    for field in FIELDS.values():
        assert field.description.endswith(".")
        assert field.flag == "--" + field.name.replace("_", "-")
        assert field.accepts
        assert field.default


def test_a_number() -> None:
    assert FIELDS["highres_scale"] == KnobField(
        name="highres_scale",
        flag="--highres-scale",
        type=float,
        choices=(),
        default="1.5",
        accepts="a number from 1 to 3",
        range="1..3",
        description="Result size over lowres size, rounded to multiples of 64.",
        required=False,
    )


def test_ranges() -> None:
    assert {name: FIELDS[name].range for name in ("width", "steps", "lowres_denoise", "seed", "cfg", "cfg_until")} == {
        "width": "64..1024, multiples of 64",
        "steps": "1..100",
        "lowres_denoise": "0.1..1",
        "seed": "0..2^63-1",
        "cfg": "1..32",
        "cfg_until": "0..1",
    }
    assert next(field.range for field in knob_fields(ServeSettings) if field.name == "rate") == "0..1000000"
    assert FIELDS["prompt"].range == FIELDS["subject_image"].range == ""
    assert FIELDS["background_flip"].range == "on off"
    assert FIELDS["model"].range == "fc fcon fbc"


def test_defaults_in_words() -> None:
    assert {name: FIELDS[name].default for name in FIELDS} == {
        "subject_image": "required",
        "background_image": "none",
        "matte": "the picture's own transparency, else segmentation",
        "prompt": "empty",
        "appended_prompt": "best quality",
        "negative_prompt": "lowres, bad anatomy, bad hands, cropped, worst quality",
        "light_map": "none",
        "light_reference": "none",
        "light_source": "none",
        "light": "none",
        "fit": "crop",
        "keep": "none, or detail with fit input",
        "light_strength": "1",
        "background_mode": "generate; with fit input keep, or image where one is given",
        "background_strength": "0",
        "background_colour": "#ffffff",
        "contact_shadow": "off",
        "exposure": "as it comes",
        "exposure_compensation": "as it comes",
        "model": "fc, or fbc with a background",
        "width": "512",
        "height": "640",
        "steps": "25 (fc, fcon), 20 (fbc)",
        "cfg": "2 (fc, fcon), 7 (fbc)",
        "cfg_until": "1",
        "cache_interval": "1",
        "lowres_denoise": "0.9",
        "highres_scale": "1.5",
        "highres_denoise": "0.5",
        "number_of_images": "1",
        "seed": "random, reported",
        "background_flip": "off",
        "noise_device": "cpu",
        "output_format": "by the output's suffix, else png",
        "output_quality": "95",
    }


def test_only_the_subject_is_required() -> None:
    assert [field.name for field in FIELDS.values() if field.required] == ["subject_image"]


def test_types_and_choices() -> None:
    assert FIELDS["light_source"].choices == ("none", "left", "right", "top", "bottom", "ambient")
    assert FIELDS["output_format"].choices == ("png", "jpeg", "webp")
    assert [FIELDS[name].type for name in ("seed", "cfg", "background_flip", "prompt", "matte")] == [
        int, float, bool, str, object,
    ]  # fmt: skip


def test_the_table() -> None:
    lines = markdown_table(knob_fields(RelightRequest)).splitlines()
    assert lines[:2] == ["| name | default | values | what it does |", "|---|---|---|---|"]
    assert len(lines) == 2 + len(FIELDS)
    assert lines[2] == "| `subject_image` | required | picture | The picture whose subject is relit. |"
    assert "| `steps` | 25 (fc, fcon), 20 (fbc) | 1..100 | Denoising steps of each pass. |" in lines
    assert all(line.count("|") == 5 for line in lines)
