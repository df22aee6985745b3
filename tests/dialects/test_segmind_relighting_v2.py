"""Segmind Relighting V2: every word is read, and becomes light."""

from __future__ import annotations

import base64
from itertools import product
from typing import Any

import numpy as np
import pytest

from iclight_local.dialects.base import Call, Link
from iclight_local.dialects.segmind_relighting_v2 import DIALECT, WORDS
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.lightmap import draw_lights
from iclight_local.light import parse_lights
from iclight_local.plan import plan_of
from tests.dialects.relighting_v2_calls import LEAST, PICTURE, SAMPLE, URL, asked_for, knobs

CHOICES = {
    "light_direction": ("left", "right", "top", "back"),
    "light_intensity": ("mood", "bright", "medium", "strong"),
    "light_temperature": ("warm", "cool", "neutral", "sunset"),
    "light_type": ("softbox", "sunlight", "spotlight", "ambient"),
    "background": ("transparent", "opaque"),
    "output_format": ("png", "jpeg", "webp"),
    "quality": ("low", "medium", "high"),
    "size": ("1024x1024", "1536x1024", "1024x1536", "auto"),
}
LIGHTS = [dict(zip(WORDS, words, strict=True)) for words in product(*WORDS.values())]
BAD: list[tuple[str, Any]] = [
    *(("image", value) for value in (None, "", "ftp://host/a.png", 7, ["x"])),
    *((name, value) for name in CHOICES for value in ("other", 1, True, ["left"])),
    *(("light_direction", value) for value in ("bottom", "front", "Left", "top-left")),
    ("size", "512x512"),
    ("output_format", "jpg"),
    *(("output_compression", value) for value in (-1, 101, 50.5, "much", True)),
]


@pytest.mark.parametrize(("field", "value"), [(field, word) for field, words in CHOICES.items() for word in words])
def test_every_word_of_the_vendor_is_read(field: str, value: str) -> None:
    assert DIALECT.read(Call({**LEAST, field: value})).values[field] == value
    assert DIALECT.read(Call({**SAMPLE, field: value})).values == {**read_sample(), field: value}


def read_sample() -> dict[str, Any]:
    return {name: value for name, value in SAMPLE.items() if name != "image"}


@pytest.mark.parametrize(("field", "value"), BAD)
def test_a_bad_value_is_named_first(field: str, value: Any) -> None:
    with pytest.raises(InvalidRequest, match=rf"^{field} "):
        DIALECT.read(Call({**LEAST, field: value}))


def test_the_vendors_sample_is_the_defaults() -> None:
    assert DIALECT.read(Call(SAMPLE)).values == DIALECT.read(Call(LEAST)).values == read_sample()
    assert DIALECT.read(Call(SAMPLE)).ignored == ()
    assert knobs(asked_for(SAMPLE)) == knobs(asked_for({}))


@pytest.mark.parametrize("empty", ["", " ", None])
def test_an_empty_value_is_an_absent_one(empty: str | None) -> None:
    fields = {**dict.fromkeys((*CHOICES, "output_compression"), empty), **LEAST}
    assert DIALECT.read(Call(fields)).values == read_sample()


def test_a_form_says_the_same_as_json() -> None:
    form = {name: str(value) for name, value in SAMPLE.items()}
    assert DIALECT.read(Call(form)) == DIALECT.read(Call(SAMPLE))


@pytest.mark.parametrize("quality", [0, 37, 100, "37", 37.0])
def test_compression_is_the_encoders_quality(quality: Any) -> None:
    assert asked_for({"output_compression": quality}).output_quality == int(quality)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (Call(LEAST), Link(URL)),
        (Call({"image": base64.b64encode(PICTURE).decode()}), PICTURE),
        (Call({"image": "data:image/png;base64," + base64.b64encode(PICTURE).decode()}), PICTURE),
        (Call({}, {"image": PICTURE}), PICTURE),
    ],
    ids=["url", "base64", "data URI", "file"],
)
def test_every_form_of_a_picture(call: Call, expected: bytes | Link) -> None:
    assert DIALECT.read(call).pictures == {"subject_image": expected}


def test_what_is_not_read_is_told() -> None:
    call = Call({**LEAST, "use_case_config": "x", "seed": 5}, {"mask": b"x"})
    assert DIALECT.read(call).ignored == ("mask", "seed", "use_case_config")


def test_jpeg_cannot_be_transparent() -> None:
    with pytest.raises(InvalidRequest) as caught:
        DIALECT.read(Call({**LEAST, "background": "transparent", "output_format": "jpeg"}))
    assert str(caught.value) == "background=transparent needs output_format png or webp"


@pytest.mark.parametrize("data", [b"no picture", PICTURE[:90]], ids=["text", "cut off"])
def test_a_damaged_picture_is_refused_before_any_model_runs(data: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"^image "):
        asked_for({}, data)


@pytest.mark.parametrize("words", LIGHTS, ids=lambda words: "-".join(words.values()))
def test_every_light_can_be_drawn_and_said(words: dict[str, str]) -> None:
    request = asked_for(words)
    assert request.light is not None
    first = parse_lights(request.light)[0]
    assert (first.word, first.softness) == (words["light_direction"], words["light_type"])
    for field, word in words.items():
        assert WORDS[field][word].prompt in request.prompt
    assert plan_of(request).lowres.from_image


def test_the_prompt_follows_the_mapping() -> None:
    request = asked_for({})
    assert plan_of(request).prompt == (
        "spotlight, focused beam, dramatic light, dark surroundings, backlit, rim light, light from behind, "
        "warm light, strong light, high contrast, best quality, photorealistic"
    )
    assert plan_of(request).negative_prompt.endswith("worst quality, flat lighting")
    soft = asked_for({"light_type": "softbox"})
    assert set(soft.negative_prompt.split(", ")[-2:]) == {"flat lighting", "harsh shadows"}
    assert asked_for({"light_type": "sunlight", "light_intensity": "medium"}).negative_prompt.endswith("worst quality")


def map_of(**words: str) -> np.ndarray:
    light = asked_for({f"light_{name}": word for name, word in words.items()}).light
    assert light is not None
    return draw_lights(parse_lights(light), 96, 64, (255, 0)).astype(float)


@pytest.mark.parametrize("kind", ["softbox", "sunlight", "spotlight", "ambient"])
@pytest.mark.parametrize(("direction", "turn"), [("left", 0), ("top", 1), ("right", 2)])
def test_the_asked_side_is_the_bright_one(direction: str, turn: int, kind: str) -> None:
    # Turned so that the asked side lies at the left.
    seen = np.rot90(map_of(direction=direction, type=kind, temperature="neutral"), turn).mean(axis=(0, 2))
    half = len(seen) // 2
    assert seen[:half].mean() > 1.1 * seen[half:].mean()


def test_warm_is_warmer_than_neutral_and_cool_is_cooler() -> None:
    order = ("cool", "neutral", "warm", "sunset")
    warmth = [map_of(direction="left", temperature=word).mean(axis=(0, 1)) for word in order]
    ratios = [colour[0] / colour[2] for colour in warmth]
    assert ratios == sorted(ratios)
    assert ratios[1] == pytest.approx(1, abs=0.01)
    assert ratios[0] < 0.97
    assert ratios[2] > 1.2


def test_intensities_are_in_order() -> None:
    lamps = [WORDS["light_intensity"][word].lamp for word in ("mood", "medium", "bright", "strong")]
    assert lamps == sorted(lamps)
    asked = {word: asked_for({"light_intensity": word}).exposure_compensation for word in WORDS["light_intensity"]}
    assert asked == {"mood": -0.7, "medium": 0, "bright": 0.3, "strong": 0.2}
    darkest = [map_of(direction="left", intensity=word).min() for word in ("mood", "medium", "bright", "strong")]
    assert darkest[0] == darkest[3] == 0 < darkest[1] < darkest[2]


@pytest.mark.parametrize(
    ("quality", "steps", "scale", "denoise"), [("low", 12, 1, 0.1), ("medium", 20, 1.5, 0.4), ("high", 30, 1.5, 0.5)]
)
def test_quality_sets_the_passes(quality: str, steps: int, scale: float, denoise: float) -> None:
    request = asked_for({"quality": quality})
    assert (request.steps, request.highres_scale, request.highres_denoise) == (steps, scale, denoise)
