"""Calls to Segmind's Relighting V2: its words for a light, there and back, its sizes, and what it cannot do."""

from __future__ import annotations

import io
import random
from typing import Any

import pytest
from PIL import Image
from sending_cases import BOTH, PNG, URL, call_of, picture, read_back, request, sender

from iclight_local.dialects.base import Call
from iclight_local.dialects.hearing import asked, meant
from iclight_local.dialects.segmind_relighting_v2 import DIALECT, QUALITIES, SIZES, WORDS
from iclight_local.dialects.sending import Subject
from iclight_local.errors import Unsupported

V2 = sender("segmind-relighting-v2")
SAMPLE: dict[str, Any] = {
    "image": URL,
    "light_direction": "back",
    "light_type": "spotlight",
    "light_temperature": "warm",
    "light_intensity": "strong",
    "size": "auto",
    "quality": "high",
    "background": "opaque",
    "output_compression": 100,
    "output_format": "png",
}
"""The body of the vendor's own example."""


def words_of(**knobs: Any) -> dict[str, Any]:
    """The light as it is said."""
    sent = V2.encode(request(**knobs), BOTH)
    assert sent.json is not None
    return {name.removeprefix("light_"): sent.json[name] for name in WORDS}


def fields_of(dice: random.Random) -> dict[str, Any]:
    """A call that the API takes."""
    fields = {name: dice.choice(list(words)) for name, words in WORDS.items()}
    fields |= {"background": dice.choice(["transparent", "opaque"]), "quality": dice.choice(list(QUALITIES))}
    formats = ["png", "webp"] if fields["background"] == "transparent" else ["png", "jpeg", "webp"]
    return fields | {"size": "auto", "output_format": dice.choice(formats), "output_compression": dice.randint(0, 100)}


def test_the_call_is_the_vendors_example() -> None:
    sent = V2.encode(request(light="back 3200K spotlight 1.0", output_quality=100), Subject(url=URL))
    assert (sent.method, sent.path, sent.json, sent.job) == ("POST", "/v2/segmind-relighting-v2", SAMPLE, None)
    assert DIALECT.read(call_of(sent)).ignored == ()


@pytest.mark.parametrize("number", range(24))
def test_a_call_is_said_again_by_its_request(number: int) -> None:
    fields = fields_of(random.Random(number))
    data = picture(mode=random.Random(number).choice(["RGB", "RGBA"]))
    asked_for = DIALECT.request(DIALECT.read(Call(fields, {"image": data})), {"subject_image": data})
    sent = V2.encode(asked_for, Subject(data, URL))
    assert sent.json == {"image": URL, **fields}
    assert meant(read_back(V2, sent, data)) == meant(asked_for)


@pytest.mark.parametrize("size", [size for size in SIZES if size != "auto"])
def test_the_size_of_a_whole_picture_is_said(size: str) -> None:
    fields = {**fields_of(random.Random(1)), "size": size}
    asked_for = DIALECT.request(DIALECT.read(Call(fields, {"image": PNG})), {"subject_image": PNG})
    buffer = io.BytesIO()
    assert isinstance(asked_for.subject_image, Image.Image)
    asked_for.subject_image.save(buffer, "PNG")
    # The seed is that of the picture's file, which is another one now.
    seedless = asked_for.model_copy(update={"seed": None})
    sent = V2.encode(seedless, Subject(buffer.getvalue(), URL))
    assert sent.json == {"image": URL, **fields}


@pytest.mark.parametrize(
    ("width", "height", "knobs", "size"),
    [
        (704, 704, {}, "1024x1024"),
        (1024, 704, {}, "1536x1024"),
        (704, 1024, {"steps": 20}, "1024x1536"),
        (1024, 1024, {"steps": 12}, "1024x1024"),
    ],
)
def test_a_frame_is_said_by_the_size_of_its_result(width: int, height: int, knobs: dict[str, Any], size: str) -> None:
    sent = V2.encode(request(light="left", width=width, height=height, **knobs), BOTH)
    assert sent.json is not None and sent.json["size"] == size


@pytest.mark.parametrize(
    ("knobs", "quality"),
    [
        ({}, "high"),
        ({"steps": 30}, "high"),
        ({"highres_denoise": 0.5}, "high"),
        ({"steps": 20}, "medium"),
        ({"highres_denoise": 0.4}, "medium"),
        ({"steps": 12, "highres_scale": 1}, "low"),
        ({"highres_scale": 1}, "low"),
        ({"highres_denoise": 0.1}, "low"),
    ],
)
def test_quality_is_the_best_that_has_what_was_asked(knobs: dict[str, Any], quality: str) -> None:
    asked_for = request(light="left", **knobs)
    sent = V2.encode(asked_for, BOTH)
    assert sent.json is not None and sent.json["quality"] == quality
    heard = meant(read_back(V2, sent))
    assert all(heard[name] == value for name, value in meant(asked_for).items() if name in knobs)


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"light_source": "left"}, ("left", "strong", "neutral", "softbox")),
        ({"light": "top"}, ("top", "strong", "neutral", "softbox")),
        ({"light": "azimuth=180 elevation=0 sunlight"}, ("back", "strong", "neutral", "sunlight")),
        ({"light": "right #ffffff"}, ("right", "strong", "neutral", "softbox")),
        ({"light": "right 2500K ambient 0.26"}, ("right", "mood", "sunset", "ambient")),
        ({"light": "ambient 7500K 0.26 + left 7500K 0.6"}, ("left", "medium", "cool", "softbox")),
        ({"light": "back 1.0 + ambient 1.0"}, ("back", "bright", "neutral", "softbox")),
    ],
)
def test_a_light_is_said_in_four_words(knobs: dict[str, Any], said: tuple[str, ...]) -> None:
    assert words_of(**knobs) == dict(zip(("direction", "intensity", "temperature", "type"), said, strict=True))


@pytest.mark.parametrize(
    "knobs",
    [
        *({"light": text} for text in ("bottom", "top-left", "front", "ambient", "azimuth=30", "left 4000K")),
        *({"light": text} for text in ("left #ff0000", "left 0.8", "left 0.6", "left 2", "left + right")),
        *({"light": text} for text in ("left + ambient 0.26 + ambient 1", "left 3200K 0.6 + ambient 0.26")),
        *({"light": "left 0.6 + ambient #ff0000 0.26"}, {"light": "left 1.0 + ambient 0.26"}),
        {"light_source": "bottom"},
    ],
    ids=str,
)
def test_a_light_without_words_is_refused_with_those_there_are(knobs: dict[str, Any]) -> None:
    with pytest.raises(Unsupported) as refused:
        V2.encode(request(**knobs), BOTH)
    assert f"Segmind's Relighting V2 cannot honour {next(iter(knobs))} " in str(refused.value)
    for word in ("left, right, top, back", "3200K", "softbox", "0.6 with + ambient 0.26"):
        assert word in str(refused.value)


@pytest.mark.parametrize(
    ("knobs", "found"),
    [
        ({"light": None}, "needs a light"),
        ({"light": None, "prompt": "sunset"}, 'cannot honour prompt "sunset"'),
        ({"prompt": "sunset"}, 'cannot honour prompt "sunset"'),
        ({"negative_prompt": "hands"}, "cannot honour negative_prompt"),
        ({"seed": 5}, "cannot honour seed 5"),
        ({"number_of_images": 2}, "cannot honour number_of_images 2"),
        ({"steps": 25}, "cannot honour steps 25"),
        ({"steps": 12, "highres_denoise": 0.4}, "cannot honour steps 12"),
        ({"width": 768}, "cannot honour width 768"),
        ({"fit": "input", "width": 704, "height": 704}, "cannot honour width 704"),
        ({"lowres_denoise": 0.5}, "cannot honour lowres_denoise 0.5"),
        ({"fit": "pad"}, 'cannot honour fit "pad"'),
        ({"keep": "colour"}, 'cannot honour keep "colour"'),
        ({"background_mode": "generate"}, 'cannot honour background_mode "generate"'),
        ({"background_strength": 0.2}, "cannot honour background_strength 0.2"),
        ({"background_image": PNG, "light": None}, "takes no background_image"),
    ],
)
def test_what_it_cannot_do_is_refused(knobs: dict[str, Any], found: str) -> None:
    with pytest.raises(Unsupported) as refused:
        V2.encode(request(**{"light": "left", **knobs}), BOTH)
    assert f"Segmind's Relighting V2 {found}" in str(refused.value)


def test_what_the_words_mean_may_be_asked_for() -> None:
    asked_for = request(light="left 1.0", lowres_denoise=0.85, background_mode="keep", background_strength=0.7)
    assert asked(asked_for, "lowres_denoise")
    assert V2.encode(asked_for, BOTH).json == V2.encode(request(light="left"), BOTH).json


def test_a_cut_out_may_have_a_background_made() -> None:
    cut_out = Subject(picture(mode="RGBA"), URL)
    assert V2.encode(request(light="left", background_mode="generate"), cut_out).json is not None


def test_a_file_alone_is_refused() -> None:
    with pytest.raises(Unsupported, match="takes a picture by its address alone"):
        V2.encode(request(light="left"), Subject(PNG))
