"""Calls to Segmind's ic-light: the vendor's own example, every knob there and back, and what it cannot do."""

from __future__ import annotations

import base64
import random
from typing import Any

import pytest
from sending_cases import BOTH, PNG, URL, call_of, picture, read_back, request, sender

from iclight_local.dialects.hearing import meant
from iclight_local.dialects.segmind_ic_light import DIALECT
from iclight_local.dialects.sending import Subject
from iclight_local.errors import InvalidRequest, Unsupported

IC_LIGHT = sender("ic-light")
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
    "negative_prompt": "lowres, bad anatomy, bad hands, cropped, worst quality",
    "number_of_images": 1,
}
"""The body of the vendor's own example."""


def chosen(dice: random.Random) -> dict[str, Any]:
    """Knobs that the API knows, each there or not."""
    every = {
        "appended_prompt": dice.choice(["sharp", "é ü 日本", "a, b"]),
        "negative_prompt": dice.choice(["blurred", 'quotes " and \\ and \n lines']),
        "light_source": dice.choice(["none", "left", "right", "top", "bottom"]),
        "model": "fc",
        "width": dice.randrange(256, 1025, 64),
        "height": dice.randrange(256, 1025, 64),
        "steps": dice.randint(1, 100),
        "cfg": dice.uniform(1, 32),
        "lowres_denoise": dice.uniform(0.1, 1),
        "highres_scale": dice.uniform(1, 3),
        "highres_denoise": dice.uniform(0.1, 1),
        "number_of_images": dice.randint(1, 12),
        "seed": dice.getrandbits(63),
        "fit": "crop",
        "keep": "none",
        "background_mode": "generate",
        "output_format": dice.choice(["png", "jpeg", "webp"]),
        "output_quality": dice.randint(0, 100),
    }
    return {"prompt": "cat"} | {name: value for name, value in every.items() if dice.random() < 0.6}


def test_the_call_is_the_vendors_example() -> None:
    asked = request(prompt="cat, photoshoot, 4k", seed=42, output_format="webp", output_quality=80)
    sent = IC_LIGHT.encode(asked, Subject(url=URL))
    assert (sent.method, sent.path, sent.json, sent.job) == ("POST", "/v2/ic-light", SAMPLE, None)
    assert not sent.form and not sent.files and not sent.query


def test_a_file_goes_along_in_plain_base64() -> None:
    sent = IC_LIGHT.encode(request(prompt="cat"), BOTH)
    assert sent.json is not None
    assert base64.b64decode(sent.json["subject_image"], validate=True) == PNG
    assert DIALECT.read(call_of(sent)).pictures == {"subject_image": PNG}
    assert DIALECT.read(call_of(sent)).ignored == ()


@pytest.mark.parametrize("number", range(50))
def test_every_knob_comes_back(number: int) -> None:
    asked = request(**chosen(random.Random(number)))
    said, heard = meant(asked), meant(read_back(IC_LIGHT, IC_LIGHT.encode(asked, BOTH)))
    if asked.output_format is None:
        said["output_format"] = "png"
    assert heard == said


def test_a_seed_that_is_left_open_stays_open() -> None:
    sent = IC_LIGHT.encode(request(prompt="cat"), BOTH)
    assert sent.json is not None and "seed" not in sent.json


def test_a_light_that_is_one_of_its_words_is_said_by_it() -> None:
    sent = IC_LIGHT.encode(request(prompt="cat", light="LEFT 1.0"), BOTH)
    assert sent.json is not None and sent.json["light_source"] == "Left Light"


@pytest.mark.parametrize(
    ("knobs", "found"),
    [
        ({"prompt": ""}, "prompt is required"),
        ({"prompt": "  "}, "prompt is required"),
        ({"appended_prompt": ""}, "cannot honour appended_prompt"),
        ({"width": 64}, "width must be a whole number between 256 and 1024, not 64"),
        ({"light": "left 0.5"}, 'cannot honour light "left 0.5"'),
        ({"light_source": "ambient", "model": "fbc"}, "light_source must be one of"),
        ({"model": "fcon"}, 'cannot honour model "fcon"'),
        ({"fit": "pad"}, 'cannot honour fit "pad"'),
        ({"keep": "detail"}, 'cannot honour keep "detail"'),
        ({"background_mode": "transparent"}, 'cannot honour background_mode "transparent"'),
        ({"exposure": 0.18}, "cannot honour exposure 0.18"),
        ({"noise_device": "device"}, 'cannot honour noise_device "device"'),
        ({"light_map": PNG}, "takes no light_map"),
    ],
)
def test_what_it_cannot_do_is_refused(knobs: dict[str, Any], found: str) -> None:
    with pytest.raises(Unsupported) as refused:
        IC_LIGHT.encode(request(**{"prompt": "cat", **knobs}), BOTH)
    assert found in str(refused.value)
    assert "Segmind's ic-light" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("data", [b"no picture", picture("JPEG", size=(300, 300))[:700]], ids=["text", "cut off"])
def test_a_damaged_picture_is_no_matter_for_another_engine(data: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"^subject_image "):
        IC_LIGHT.encode(request(prompt="cat"), Subject(data))


def test_a_picture_needs_its_bytes_or_an_address() -> None:
    with pytest.raises(ValueError, match="an address"):
        Subject()
