"""Segmind's ic-light: every field's good and bad values, and the request that comes of them."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from iclight_local.dialects.base import Asked, Call, Delivered, Link
from iclight_local.dialects.segmind_ic_light import DIALECT, SIZES, several
from iclight_local.errors import InvalidRequest
from iclight_local.plan import plan_of
from iclight_local.request import RelightRequest
from iclight_local.result import RelightResult

NEGATIVE = "lowres, bad anatomy, bad hands, cropped, worst quality"
URL = "https://segmind-sd-models.s3.amazonaws.com/display_images/ic-lighting-input.jpeg"
SAMPLE: dict[str, Any] = {
    "cfg": 2,
    "seed": 42,
    "steps": 25,
    "width": 512,
    "height": 640,
    "prompt": "cat, photoshoot, 4k",
    "light_source": "None",
    "highres_scale": 1.5,
    "output_format": "webp",
    "subject_image": URL,
    "lowres_denoise": 0.9,
    "output_quality": 80,
    "appended_prompt": "best quality",
    "highres_denoise": 0.5,
    "negative_prompt": NEGATIVE,
    "number_of_images": 1,
}
"""The body of the vendor's own example."""
LEAST: dict[str, Any] = {"prompt": "cat", "subject_image": URL}
CASES: list[tuple[str, Any, str, Any]] = [
    ("prompt", " a cat ", "prompt", " a cat "),
    ("appended_prompt", "sharp", "appended_prompt", "sharp"),
    ("appended_prompt", "", "appended_prompt", "best quality"),
    ("negative_prompt", "blurred", "negative_prompt", "blurred"),
    ("negative_prompt", " ", "negative_prompt", NEGATIVE),
    ("cfg", 1, "cfg", 1),
    ("cfg", 32, "cfg", 32),
    ("cfg", 7.5, "cfg", 7.5),
    ("seed", 0, "seed", 0),
    ("seed", 2**63 - 1, "seed", 2**63 - 1),
    ("seed", -1, "seed", None),
    ("seed", "", "seed", None),
    ("steps", 1, "steps", 1),
    ("steps", 100.0, "steps", 100),
    *(("width", size, "width", size) for size in SIZES),
    *(("height", size, "height", size) for size in SIZES),
    ("light_source", "None", "light_source", "none"),
    ("light_source", "Left Light", "light_source", "left"),
    ("light_source", "Right Light", "light_source", "right"),
    ("light_source", "Top Light", "light_source", "top"),
    ("light_source", "Bottom Light", "light_source", "bottom"),
    ("lowres_denoise", 0.1, "lowres_denoise", 0.1),
    ("lowres_denoise", 1, "lowres_denoise", 1),
    ("highres_scale", 1, "highres_scale", 1),
    ("highres_scale", 3, "highres_scale", 3),
    ("highres_denoise", 0.1, "highres_denoise", 0.1),
    ("highres_denoise", 1, "highres_denoise", 1),
    ("number_of_images", 12, "number_of_images", 12),
    ("output_format", "webp", "output_format", "webp"),
    ("output_format", "jpg", "output_format", "jpeg"),
    ("output_format", "png", "output_format", "png"),
    ("output_quality", 0, "output_quality", 0),
    ("output_quality", 100, "output_quality", 100),
]
BAD: list[tuple[str, Any]] = [
    ("subject_image", None),
    ("subject_image", ""),
    ("subject_image", "ftp://host/cat.png"),
    ("subject_image", 5),
    ("prompt", None),
    ("prompt", ""),
    ("prompt", 5),
    ("prompt", ["cat"]),
    ("prompt", "x" * 2001),
    ("appended_prompt", {"a": 1}),
    ("negative_prompt", True),
    *(("cfg", value) for value in (0.99, 33, "much", True, "nan")),
    *(("seed", value) for value in (-2, 2**63, 1.5, "x")),
    *(("steps", value) for value in (0, 101, 2.5, "many")),
    *((name, value) for name in ("width", "height") for value in (192, 600, 1088, "wide", 512.5)),
    *(("light_source", value) for value in ("Front Light", "left", 1, "none")),
    *((name, value) for name in ("lowres_denoise", "highres_denoise") for value in (0.09, 1.01, "x")),
    *(("highres_scale", value) for value in (0.9, 3.1)),
    *(("number_of_images", value) for value in (0, 13)),
    *(("output_format", value) for value in ("gif", "PNG", 1)),
    *(("output_quality", value) for value in (-1, 101, 50.5)),
]


def picture(kind: str = "png", size: tuple[int, int] = (24, 16)) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


PICTURE = picture()


def kept(asked: Asked) -> Asked:
    """What is left of a call that another process reads again."""
    return Asked(json.loads(json.dumps(asked.values)), asked.pictures, asked.ignored)


def asked_for(fields: dict[str, Any]) -> RelightRequest:
    asked = kept(DIALECT.read(Call(fields)))
    return DIALECT.request(asked, {"subject_image": PICTURE})


def knobs(request: RelightRequest) -> dict[str, Any]:
    return request.model_dump(exclude={"subject_image"})


@pytest.mark.parametrize(("field", "value", "knob", "expected"), CASES)
def test_a_good_value_reaches_its_knob(field: str, value: Any, knob: str, expected: Any) -> None:
    assert getattr(asked_for({**LEAST, field: value}), knob) == expected


@pytest.mark.parametrize(("field", "value", "knob", "expected"), CASES)
def test_a_form_says_the_same_as_json(field: str, value: Any, knob: str, expected: Any) -> None:
    assert knobs(asked_for({**LEAST, field: str(value)})) == knobs(asked_for({**LEAST, field: value}))


@pytest.mark.parametrize(("field", "value"), BAD)
def test_a_bad_value_is_named_first(field: str, value: Any) -> None:
    with pytest.raises(InvalidRequest, match=rf"^{field} "):
        DIALECT.read(Call({**LEAST, field: value}))


def test_the_vendors_sample_is_the_defaults() -> None:
    sample, least = asked_for(SAMPLE), asked_for(LEAST)
    assert knobs(sample.model_copy(update={"seed": None, "prompt": "cat"})) == {
        **knobs(least),
        # Left open, so that a preset may stand in; they are what model fc has anyway.
        "steps": 25,
        "cfg": 2,
    }
    plan = plan_of(least)
    assert (plan.lowres.steps, plan.cfg, plan.lowres.from_image) == (25, 2, False)
    assert (plan.highres.width, plan.highres.height) == (768, 960)
    assert (least.output_format, least.output_quality) == ("webp", 80)


def test_the_vendors_sample_sent_as_a_form() -> None:
    assert knobs(asked_for({name: str(value) for name, value in SAMPLE.items()})) == knobs(asked_for(SAMPLE))


def test_the_models_own_picture_is_asked_for() -> None:
    request = asked_for(LEAST)
    assert (request.model, request.fit, request.kept, request.behind) == ("fc", "crop", "none", "generate")


def test_what_is_left_out_stays_open_for_a_preset() -> None:
    assert not {"steps", "cfg"} & asked_for(LEAST).model_fields_set
    assert asked_for({**LEAST, "steps": 25}).model_fields_set >= {"steps"}


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (Call(LEAST), Link(URL)),
        (Call({**LEAST, "subject_image": base64.b64encode(PICTURE).decode()}), PICTURE),
        (Call({**LEAST, "subject_image": "data:image/png;base64," + base64.b64encode(PICTURE).decode()}), PICTURE),
        (Call({"prompt": "cat"}, {"subject_image": PICTURE}), PICTURE),
    ],
    ids=["url", "base64", "data URI", "file"],
)
def test_every_form_of_a_picture(call: Call, expected: bytes | Link) -> None:
    assert DIALECT.read(call).pictures == {"subject_image": expected}


def test_what_is_not_read_is_told() -> None:
    call = Call({**LEAST, "base64": True, "guidance": 3}, {"mask": b"x", "prompt": b"x"})
    assert DIALECT.read(call).ignored == ("base64", "guidance", "mask", "prompt")
    assert DIALECT.read(Call(SAMPLE)).ignored == ()


@pytest.mark.parametrize("data", [b"no picture", picture("jpeg", (300, 300))[:700]], ids=["text", "cut off"])
def test_a_damaged_picture_is_refused_before_any_model_runs(data: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"^subject_image "):
        DIALECT.request(DIALECT.read(Call(LEAST)), {"subject_image": data})


def noise(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (48, 64, 3), np.uint8))


def delivered(**fields: Any) -> list[Delivered]:
    asked = kept(DIALECT.read(Call({**LEAST, **fields})))
    request = DIALECT.request(asked, {"subject_image": PICTURE})
    images = [noise(index) for index in range(request.number_of_images)]
    return DIALECT.deliver(asked, request, RelightResult(images, 42, {"secret": "prompt"}, "fake"))


@pytest.mark.parametrize(
    ("word", "media_type", "kind"),
    [("webp", "image/webp", "WEBP"), ("jpg", "image/jpeg", "JPEG"), ("png", "image/png", "PNG")],
)
def test_pictures_are_of_the_format_that_was_asked(word: str, media_type: str, kind: str) -> None:
    (one,) = delivered(output_format=word)
    image = Image.open(io.BytesIO(one.data))
    image.load()
    assert (one.media_type, image.format, image.size) == (media_type, kind, (64, 48))
    assert b"secret" not in one.data


@pytest.mark.parametrize("word", ["webp", "jpg"])
def test_quality_is_honoured(word: str) -> None:
    sizes = [len(delivered(output_format=word, output_quality=quality)[0].data) for quality in (0, 50, 100)]
    assert sizes == sorted(set(sizes))


def test_png_knows_no_quality() -> None:
    assert delivered(output_format="png", output_quality=0) == delivered(output_format="png", output_quality=100)


def test_several_pictures_are_one_json_body() -> None:
    pictures = delivered(output_format="jpg", number_of_images=3)
    body = json.loads(json.dumps(several(pictures, [7, 7, 7])))
    assert (body["format"], body["seeds"]) == ("jpg", [7, 7, 7])
    assert [base64.b64decode(one) for one in body["images"]] == [one.data for one in pictures]
