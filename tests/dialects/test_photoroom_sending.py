"""Calls to Photoroom: the vendor's own example, what is honoured there and back, and what is not."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from sending_cases import BOTH, PNG, URL, call_of, picture, read_back, request, sender

from iclight_local.dialects.base import Call, Link
from iclight_local.dialects.hearing import asked, meant
from iclight_local.dialects.photoroom import DIALECT
from iclight_local.dialects.sending import Subject, Upload
from iclight_local.errors import InvalidRequest, Unsupported

PHOTOROOM = sender("edit")
SAMPLE = {"referenceBox": "originalImage", "removeBackground": "false", "lighting.mode": "ai.auto"}
"""The fields of the vendor's own example, but for its largest size: a request has none."""
CUT_OUT = {"removeBackground": "true", "keepExistingAlphaChannel": "auto"}


def test_a_file_is_sent_as_the_vendors_example_does() -> None:
    sent = PHOTOROOM.encode(request(), Subject(PNG))
    assert (sent.method, sent.path, sent.json, sent.job) == ("POST", "/v2/edit", None, None)
    assert sent.form == {**SAMPLE, "export.format": "png"}
    assert sent.files == {"imageFile": Upload("image.png", "image/png", PNG)}
    assert not sent.query


def test_an_address_is_sent_in_a_query_and_is_paid_for_alike() -> None:
    sent = PHOTOROOM.encode(request(), Subject(url=URL))
    assert (sent.method, sent.path, sent.job) == ("GET", "/v2/edit", None)
    assert sent.query == {"imageUrl": URL, **SAMPLE, "export.format": "png"}
    assert not sent.form and not sent.files and sent.json is None
    assert DIALECT.read(call_of(sent)).pictures == {"subject_image": Link(URL)}


@pytest.mark.parametrize(("kind", "word"), [("PNG", "png"), ("JPEG", "jpeg"), ("WEBP", "webp")])
def test_a_file_is_named_by_its_kind(kind: str, word: str) -> None:
    sent = PHOTOROOM.encode(request(), Subject(picture(kind)))
    upload = sent.files["imageFile"]
    assert (upload.name, upload.media_type) == (f"image.{word}", f"image/{word}")


@pytest.mark.parametrize(
    ("knobs", "fields"),
    [
        ({"keep": "detail"}, {"lighting.mode": "ai.auto"}),
        ({"keep": "colour"}, {"lighting.mode": "ai.preserve-hue-and-saturation"}),
        ({"fit": "input"}, {}),
        ({"background_mode": "keep"}, {}),
        ({"background_mode": "transparent"}, CUT_OUT),
        ({"background_mode": "colour", "background_colour": "#FF8000"}, {**CUT_OUT, "background.color": "FF8000"}),
        ({"background_mode": "colour"}, {**CUT_OUT, "background.color": "ffffff"}),
        ({"output_format": "jpeg"}, {"export.format": "jpeg"}),
        ({"output_format": "jpeg", "output_quality": 80}, {"export.format": "jpeg"}),
        ({"output_format": "webp", "output_quality": 90}, {"export.format": "webp"}),
        ({"output_quality": 10}, {"export.format": "png"}),
        ({"model": "fc"}, {}),
    ],
    ids=str,
)
def test_what_is_honoured(knobs: dict[str, Any], fields: dict[str, str]) -> None:
    sent = PHOTOROOM.encode(request(**knobs), BOTH)
    assert sent.form == {**SAMPLE, "export.format": "png", **fields}
    assert DIALECT.read(call_of(sent)).ignored == ()


@pytest.mark.parametrize(
    ("mode", "cut_out", "data"),
    list(
        product(
            ("ai.auto", "ai.preserve-hue-and-saturation"),
            ("true", "false"),
            (PNG, picture(mode="RGBA"), picture("JPEG", size=(20, 90)), picture("WEBP", size=(700, 300))),
        )
    ),
)
def test_a_call_is_said_again_by_its_request(mode: str, cut_out: str, data: bytes) -> None:
    fields = {**SAMPLE, "lighting.mode": mode, "removeBackground": cut_out, "keepExistingAlphaChannel": "auto"}
    edit = DIALECT.request(DIALECT.read(Call(fields, {"imageFile": data})), {"subject_image": data})
    # What the engine gets of an edit.
    asked_for = edit.light_of(subject_image=data, background_mode=edit.behind)
    assert asked(asked_for, "prompt") and asked(asked_for, "seed")
    sent = PHOTOROOM.encode(asked_for, Subject(data))
    if cut_out == "false":
        del fields["keepExistingAlphaChannel"]
    assert sent.form == {**fields, "export.format": "png"}
    assert meant(read_back(PHOTOROOM, sent, data)) == meant(asked_for)


@pytest.mark.parametrize(
    ("knobs", "found"),
    [
        ({"prompt": "sunset"}, 'cannot honour prompt "sunset"'),
        ({"light": "left"}, 'cannot honour light "left"'),
        ({"light_source": "left"}, 'cannot honour light_source "left"'),
        ({"seed": 5}, "cannot honour seed 5"),
        ({"number_of_images": 2}, "cannot honour number_of_images 2"),
        ({"width": 768}, "cannot honour width 768"),
        ({"fit": "pad"}, 'cannot honour fit "pad"'),
        ({"keep": "none"}, 'cannot honour keep "none"'),
        ({"keep": "all"}, 'cannot honour keep "all"'),
        ({"background_mode": "generate"}, 'cannot honour background_mode "generate"'),
        ({"background_colour": "#ff0000"}, 'cannot honour background_colour "#ff0000"'),
        ({"background_mode": "image", "background_image": PNG}, "takes no background_image"),
        ({"light_strength": 0.5}, "cannot honour light_strength 0.5"),
        ({"contact_shadow": True}, "cannot honour contact_shadow true"),
        ({"output_format": "jpeg", "output_quality": 50}, "cannot honour output_quality 50"),
    ],
)
def test_what_it_cannot_do_is_refused(knobs: dict[str, Any], found: str) -> None:
    with pytest.raises(Unsupported) as refused:
        PHOTOROOM.encode(request(**knobs), BOTH)
    assert f"Photoroom {found}" in str(refused.value)


def test_a_picture_beyond_its_limits_is_for_another_engine() -> None:
    with pytest.raises(Unsupported, match="up to 3500 x 3500 pixels, and this one has 3501 x 8"):
        PHOTOROOM.encode(request(), Subject(picture(size=(3501, 8))))
    with pytest.raises(Unsupported, match="takes PNG, JPEG and WebP files"):
        PHOTOROOM.encode(request(), Subject(picture("BMP")))
    with pytest.raises(Unsupported, match="must have at most 30 MB"):
        PHOTOROOM.encode(request(), Subject(PNG + bytes(30 << 20)))


def test_a_damaged_picture_is_no_matter_for_another_engine() -> None:
    with pytest.raises(InvalidRequest, match="damaged"):
        PHOTOROOM.encode(request(), Subject(picture("JPEG", size=(300, 300))[:700]))
