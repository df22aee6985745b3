"""PixelDojo's spelling: every field, the exact size, the bodies of a job, the published schema."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from iclight_local.dialects import find_dialect
from iclight_local.dialects.base import Asked, Call, JobView, Link, Output
from iclight_local.dialects.pixeldojo import (
    DIALECT,
    job_body,
    model_body,
    models_body,
    side_and_words,
    submitted,
    unknown_model,
)
from iclight_local.dialects.pixeldojo_fields import FIELDS, request_schema
from iclight_local.errors import InvalidRequest
from iclight_local.plan import plan_of
from iclight_local.providers import list_providers
from iclight_local.request import RelightRequest
from iclight_local.result import RelightResult

URL = "https://example.com/photo.jpg"
_buffer = io.BytesIO()
Image.new("RGB", (8, 8)).save(_buffer, "png")
PICTURE = _buffer.getvalue()
SAMPLE = {"prompt": "A beautiful mountain landscape at golden hour, photorealistic", "aspect_ratio": "1:1"}
GOOD: list[tuple[str, Any, Any]] = [
    *[("prompt", words, words) for words in ("", "golden hour", "Морской закат")],
    *[("model_type", "magic-lighting", "magic-lighting")],
    *[("number_of_images", value, int(value)) for value in (1, 12, "3", 2.0)],
    *[("aspectRatio", ratio, ratio) for ratio in ("1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3")],
    *[("negative_prompt", words, words) for words in ("", "blur")],
    *[("appended_prompt", words, words) for words in ("", "sharp")],
    *[("output_format", value, value) for value in ("png", "jpg", "webp")],
    *[(name, value, 512) for name in ("width", "height") for value in ("512", 512, "512.0", 500, "540")],
    *[("width", value, size) for value, size in ((224, 256), (1056, 1024), ("1024", 1024), ("", 1024), (None, 1024))],
    *[("steps", value, int(value)) for value in (10, 50, "25")],
    *[("cfg", value, float(value)) for value in (1, 32, "7.5")],
    *[("highres_scale", value, float(value)) for value in (1, 3, "1.5")],
    *[(name, value, float(value)) for name in ("highres_denoise", "lowres_denoise") for value in (0.1, 1, "0.5")],
    *[("output_quality", value, int(value)) for value in (1, 100, "80")],
    *[("seed", value, int(value)) for value in (0, 2**63 - 1, str(2**63 - 1), "42")],
    *[("seed", None, None), ("webhook_url", "", None)],
    *[("webhook_url", url, url) for url in ("http://hook.example", "https://hook.example:8443/a?b=c")],
]
BAD: list[tuple[str, Any]] = [
    *[("prompt", value) for value in (1, ["a"], "x" * 2001, "\ud800")],
    *[("light_source", value) for value in (3, {"side": "left"})],
    *[("model_type", value) for value in ("sdxl", 1)],
    *[("number_of_images", value) for value in (0, 13, 1.5, "many", True)],
    *[("aspectRatio", value) for value in ("5:4", "1x1", 1)],
    *[("aspect_ratio", value) for value in ("5:4", 1)],
    *[("negative_prompt", 1), ("appended_prompt", [])],
    *[("output_format", value) for value in ("jpeg", "PNG", "gif", 1)],
    *[
        (name, value)
        for name in ("width", "height")
        for value in ("wide", 223, 1057, "2048", -512, 512.5, "512px", [1])
    ],
    *[("steps", value) for value in (9, 51, 25.5, "x")],
    *[("cfg", value) for value in (0.9, 33, "nan", "strong", True)],
    *[("highres_scale", value) for value in (0.9, 3.1, "big")],
    *[(name, value) for name in ("highres_denoise", "lowres_denoise") for value in (0, 1.1, "inf")],
    *[("output_quality", value) for value in (0, 101, 80.5)],
    *[("seed", value) for value in (-1, 2**63, 1.5, "x")],
    *[("webhook_url", value) for value in ("ftp://host/x", "hook.example", "http://", "http:// host", 1)],
    *[("subject_image", value) for value in (None, "", 1, "photo", "abcd", "photo.jpg", "ftp://h/p", "data:nothing")],
]


def read(**fields: Any) -> Asked:
    return DIALECT.read(Call({"subject_image": URL, **fields}))


def requested(**fields: Any) -> RelightRequest:
    return DIALECT.request(read(**fields), {"subject_image": PICTURE})


def job(**values: Any) -> JobView:
    return JobView(**{"id": "job_1", "state": "queued", "created": 0.0, "expires": 86400.5, **values})


@pytest.mark.parametrize(("name", "value", "expected"), GOOD)
def test_a_good_value_is_read(name: str, value: Any, expected: Any) -> None:
    asked = read(**{name: value})
    assert asked.values[name] == expected
    assert type(asked.values[name]) is type(expected)
    assert json.loads(json.dumps(asked.values)) == asked.values


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_refused_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidRequest, match=rf"^{name} "):
        read(**{name: value})


def test_every_field_is_tried() -> None:
    names = {field.name for field in FIELDS}
    assert {name for name, *_ in GOOD} | {"subject_image", "light_source"} == names
    assert {name for name, _ in BAD} - {"aspect_ratio"} == names


def test_the_documented_defaults() -> None:
    request = requested(seed=1)
    expected = {
        **{"prompt": "", "appended_prompt": "best quality", "light_source": "none", "steps": 25, "cfg": 2},
        **{"highres_scale": 1.5, "highres_denoise": 0.5, "lowres_denoise": 0.9, "number_of_images": 1},
        **{"output_format": "png", "output_quality": 100, "fit": "crop", "keep": None, "subject_image": PICTURE},
        "negative_prompt": RelightRequest.model_fields["negative_prompt"].default,
    }
    assert {name: getattr(request, name) for name in expected} == expected
    highres = plan_of(request).highres
    assert (highres.width, highres.height) == (1024, 1024)


@pytest.mark.parametrize("model_type", ["nano-banana-pro", "nano-banana-2", "qwen-image-edit"])
def test_other_models_are_their_providers(model_type: str) -> None:
    asked = read(model_type=model_type, prompt="dusk", light_source="Left Light", steps="30", aspectRatio="16:9")
    assert asked.provider == f"pixeldojo-{model_type}" and asked.provider in list_providers()
    request = DIALECT.request(asked, {"subject_image": PICTURE})
    assert request.model_fields_set - {"subject_image"} == {
        *("prompt", "light_source", "width", "height", "output_format")
    }
    assert (request.prompt, request.light_source, 9 * request.width) == ("dusk", "left", 16 * request.height)


def test_this_machines_model_is_nobodys() -> None:
    assert read(model_type="magic-lighting").provider is None is read().provider


def test_the_vendors_sample_body_lacks_its_picture() -> None:
    with pytest.raises(InvalidRequest, match=r"^subject_image is required$"):
        DIALECT.read(Call(SAMPLE))
    asked = read(**SAMPLE)
    assert asked.values["prompt"] == SAMPLE["prompt"]
    assert asked.ignored == ()


def test_a_picture_is_a_link_a_data_uri_or_a_file() -> None:
    assert read().pictures == {"subject_image": Link(URL)}
    assert read(subject_image="data:image/png;base64,aGk=").pictures == {"subject_image": b"hi"}
    assert DIALECT.read(Call({}, {"subject_image": b"file"})).pictures == {"subject_image": b"file"}


def test_unknown_names_are_ignored_and_told() -> None:
    assert read(strength=2, loras=["x"]).ignored == ("loras", "strength")


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({}, (1024, 1024)),
        ({"aspectRatio": "16:9"}, (1024, 576)),
        ({"aspect_ratio": "9:16"}, (576, 1024)),
        ({"aspectRatio": "4:3"}, (1024, 768)),
        ({"aspectRatio": "3:4"}, (768, 1024)),
        ({"aspectRatio": "3:2"}, (960, 640)),
        ({"aspectRatio": "2:3", "aspect_ratio": "1:1"}, (640, 960)),
        ({"width": "512"}, (512, 1024)),
        ({"width": "512", "aspectRatio": "1:1"}, (512, 512)),
        ({"height": 576, "aspect_ratio": "16:9"}, (1024, 576)),
        ({"width": 1024, "aspectRatio": "9:16"}, (1024, 1024)),
        ({"width": 640, "height": "448", "aspectRatio": "16:9"}, (640, 448)),
    ],
)
def test_the_size_comes_from_width_and_height_before_the_shape(fields: dict[str, Any], size: tuple[int, int]) -> None:
    values = read(**fields).values
    assert (values["width"], values["height"]) == size


@pytest.mark.parametrize(
    ("width", "height", "scale", "first"),
    [
        *[(1024, 1024, 1.5, (704, 704)), (768, 512, 1.5, (512, 320)), (1024, 768, 1, (1024, 768))],
        *[(256, 256, 3, (64, 64)), (1024, 256, 3, (320, 64))],
    ],
)
def test_the_lowres_pass_is_smaller_by_the_scale(width: int, height: int, scale: float, first: tuple[int, int]) -> None:
    request = requested(width=width, height=height, highres_scale=scale)
    assert (request.width, request.height) == first


@pytest.mark.parametrize(
    ("spoken", "side", "words"),
    [
        *[("left", "left", ""), ("Left Light", "left", ""), ("from the RIGHT side", "right", ""), ("", "none", "")],
        *[("None", "none", ""), ("Top", "top", ""), ("bottom_light", "bottom", ""), ("no light", "none", "no light")],
        *[("soft window", "none", "soft window"), ("sun from the left", "left", "sun from the left")],
        *[("top left", "none", "top left"), (" 日光 ", "none", "日光"), ("brightness", "none", "brightness")],
    ],
)
def test_the_light_in_free_text(spoken: str, side: str, words: str) -> None:
    assert side_and_words(spoken) == (side, words)
    request = requested(light_source=spoken, prompt="a cup")
    assert (request.light_source, request.prompt) == (side, f"a cup, {words}" if words else "a cup")
    assert requested(light_source=spoken).prompt == words


@pytest.mark.parametrize(
    ("spoken", "kind", "media_type"), [("png", "PNG", "png"), ("jpg", "JPEG", "jpeg"), ("webp", "WEBP", "webp")]
)
@pytest.mark.parametrize("made", [(512, 384), (512, 320), (480, 384)])
def test_pictures_come_in_the_asked_format_and_exactly_the_asked_size(
    spoken: str, kind: str, media_type: str, made: tuple[int, int]
) -> None:
    asked = read(output_format=spoken, width="512", height="384", number_of_images=2, seed=3)
    request = DIALECT.request(asked, {"subject_image": PICTURE})
    images = [Image.new("RGB", made, colour) for colour in ((200, 30, 40), (10, 90, 210))]
    result = RelightResult(images, 3, {"secret": "prompt"}, "fake", exif=b"Exif\0\0")
    delivered = DIALECT.deliver(asked, request, result)
    assert [each.media_type for each in delivered] == [f"image/{media_type}"] * 2
    for each, image in zip(delivered, images, strict=True):
        found = Image.open(io.BytesIO(each.data))
        assert (found.format, found.size) == (kind, (512, 384))
        assert np.abs(np.asarray(found.convert("RGB"), float) - image.getpixel((0, 0))).max() <= 3
        assert b"secret" not in each.data


def test_a_result_of_another_shape_is_cropped_and_not_stretched() -> None:
    asked = read(width=1024, height=256, highres_scale=3)
    disc = Image.fromarray((np.hypot(*np.ogrid[-96:96, -480:480]) < 60).astype(np.uint8) * 255).convert("RGB")
    [delivered] = DIALECT.deliver(asked, requested(), RelightResult([disc], 1, {}, "fake"))
    seen = np.asarray(Image.open(io.BytesIO(delivered.data)).convert("L")) > 127
    assert abs(int(seen.any(0).sum()) - int(seen.any(1).sum())) <= 2


def test_the_answer_to_a_submitted_job() -> None:
    answer = submitted(read(number_of_images=4), job(), "http://host/api/v1/jobs/job_1")
    assert answer.status == 202
    assert answer.body.pop("creditsRemaining") > 0
    assert answer.body == {
        **{"jobId": "job_1", "status": "pending", "creditCost": 4},
        **{"statusUrl": "http://host/api/v1/jobs/job_1", "expiresAt": "1970-01-02T00:00:00.500Z"},
    }


@pytest.mark.parametrize(("state", "status"), [("queued", "pending"), ("running", "processing")])
def test_a_job_that_is_on_its_way(state: str, status: str) -> None:
    assert job_body(read(), job(state=state)) == {
        **{"jobId": "job_1", "status": status, "createdAt": "1970-01-01T00:00:00.000Z"},
        "expiresAt": "1970-01-02T00:00:00.500Z",
    }


def test_a_completed_job() -> None:
    outputs = tuple(Output(f"http://host/{name}.png", "image/png", name, 1) for name in "ab")
    body = job_body(read(number_of_images=2), job(state="done", ended=60.0, outputs=outputs, used_seed=7))
    urls = ["http://host/a.png", "http://host/b.png"]
    assert body["output"] == {"images": urls, "image": urls[0]}
    assert body["assets"] == [{"url": url, "type": "image"} for url in urls]
    expected = {"status": "completed", "creditCost": 2, "seed": 7, "completedAt": "1970-01-01T00:01:00.000Z"}
    assert {name: body[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("state", "error", "sentence"),
    [
        ("failed", "No subject.", "No subject."),
        ("failed", None, "The job failed."),
        ("cancelled", None, "The job was cancelled."),
    ],
)
def test_a_failed_job(state: str, error: str | None, sentence: str) -> None:
    body = job_body(read(), job(state=state, ended=1.0, error=error))
    assert (body["status"], body["error"], body["creditCost"]) == ("failed", sentence, 0)


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        *[("invalid", "invalid_request", 400), ("too_large", "invalid_request", 400)],
        *[("unsupported", "invalid_request", 400), ("unauthorized", "unauthorized", 401)],
        *[("not_found", "job_not_found", 404), ("not_allowed", "invalid_request", 405)],
        *[("busy", "rate_limited", 429), ("failed", "internal_error", 500), ("late", "internal_error", 504)],
    ],
)
def test_refusals(fault: Any, code: str, status: int) -> None:
    answer = DIALECT.refusal(fault, "Why.")
    assert answer.status == status
    assert answer.body == {"error": {"code": code, "message": "Why.", "status": status}}


def test_the_models() -> None:
    [card] = models_body()["models"]
    assert (card["apiId"], card["capabilities"], models_body()["total"]) == ("image-relighting", ["Image to Image"], 1)
    assert model_body() == {**card, "requestSchema": request_schema()}
    assert unknown_model("flux").body["error"]["code"] == "model_not_found"
    assert unknown_model("flux").status == 404


def test_the_schema_agrees_with_the_reading() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = request_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for name, value in BAD:
        # A number is read from text, too, and a text's size or letters are looked into by the reading alone.
        if (name, value) not in (("width", "2048"), ("height", "2048"), ("prompt", "\ud800")):
            body = {"subject_image": URL, name: value}
            assert not validator.is_valid(body) or (name, value) == ("subject_image", "data:nothing"), (name, value)
    for name, value, _ in GOOD:
        if validator.is_valid({"subject_image": URL, name: value}):
            read(**{name: value})
    assert not validator.is_valid(SAMPLE)
    defaults = {name: part["default"] for name, part in schema["properties"].items() if "default" in part}
    assert validator.is_valid({"subject_image": URL, **defaults})
    read(**defaults)


def test_it_is_found_by_its_name() -> None:
    assert find_dialect("pixeldojo") is DIALECT
