"""Calls to PixelDojo: Magic Lighting's knobs there and back, and the three models that are told in words."""

from __future__ import annotations

import random
from typing import Any

import pytest
from sending_cases import BOTH, PNG, URL, call_of, read_back, request, sender

from iclight_local.dialects import find_senders
from iclight_local.dialects.hearing import meant
from iclight_local.dialects.pixeldojo import DIALECT
from iclight_local.dialects.pixeldojo_fields import RATIOS
from iclight_local.dialects.sending import Sender, Sent, Subject
from iclight_local.errors import Unsupported

PATH = "/api/v1/models/image-relighting/run"
MAGIC = sender("magic-lighting")
WORDED = [sender(model) for model in ("nano-banana-pro", "nano-banana-2", "qwen-image-edit")]
DOCUMENTED = {
    *("subject_image", "prompt", "light_source", "model_type", "number_of_images", "aspectRatio", "negative_prompt"),
    *("appended_prompt", "output_format", "width", "height", "steps", "cfg", "highres_scale", "highres_denoise"),
    *("lowres_denoise", "output_quality", "seed"),
}
"""All names of the vendor's table."""
DEFAULTS = {
    **{"model_type": "magic-lighting", "number_of_images": 1, "appended_prompt": "best quality"},
    **{"output_format": "png", "steps": 25, "cfg": 2, "highres_scale": 1.5, "highres_denoise": 0.5},
    **{"lowres_denoise": 0.9, "output_quality": 100},
}
"""Defaults of that table; of ``width`` and ``height`` it is the text 1024."""


def chosen(dice: random.Random) -> dict[str, Any]:
    """Knobs that Magic Lighting knows, each there or not."""
    every = {
        "prompt": dice.choice(["golden hour", "a cat, é 日本", " blanks around "]),
        "appended_prompt": dice.choice(["sharp", ""]),
        "negative_prompt": dice.choice(["blurred", ""]),
        "light_source": dice.choice(["none", "left", "right", "top", "bottom"]),
        "model": "fc",
        "steps": dice.randint(10, 50),
        "cfg": dice.uniform(1, 32),
        "lowres_denoise": dice.uniform(0.1, 1),
        "highres_denoise": dice.uniform(0.1, 1),
        "number_of_images": dice.randint(1, 12),
        "seed": dice.getrandbits(63),
        "output_format": dice.choice(["png", "jpeg", "webp"]),
        "output_quality": dice.randint(1, 100),
    }
    knobs = {name: value for name, value in every.items() if dice.random() < 0.6}
    scale, sides = dice.choice([(1.0, (256, 640, 1024)), (1.5, (192, 512, 640)), (2.0, (128, 256, 512))])
    return knobs | {"highres_scale": scale, "width": dice.choice(sides), "height": dice.choice(sides)}


def body(sent: Sent) -> dict[str, Any]:
    assert (sent.method, sent.path, sent.job) == ("POST", PATH, None)
    assert not sent.form and not sent.files and not sent.query
    assert sent.json is not None and set(sent.json) <= DOCUMENTED
    return dict(sent.json)


def test_every_model_type_has_a_sender() -> None:
    assert list(find_senders("pixeldojo")) == ["magic-lighting", *(each.model for each in WORDED)]


def test_the_knobs_of_magic_lighting_have_the_vendors_names_and_defaults() -> None:
    sent = body(MAGIC.encode(request(prompt="golden hour", output_quality=100), Subject(url=URL)))
    assert {name: sent[name] for name in DEFAULTS} == DEFAULTS
    assert (sent["subject_image"], sent["prompt"]) == (URL, "golden hour")
    # The default frame at the default scale; sizes are texts.
    assert (sent["width"], sent["height"]) == ("768", "960")
    assert not {"seed", "light_source", "aspectRatio"} & set(sent)


@pytest.mark.parametrize("number", range(50))
def test_every_knob_comes_back(number: int) -> None:
    asked = request(**chosen(random.Random(number)))
    sent = MAGIC.encode(asked, BOTH)
    body(sent)
    said = meant(asked)
    if asked.output_format is None:
        said["output_format"] = "png"
    assert meant(read_back(MAGIC, sent)) == said
    assert DIALECT.read(call_of(sent)).ignored == ()


def test_a_light_that_is_one_of_its_words_is_said_by_it() -> None:
    assert body(MAGIC.encode(request(light="Top 1"), BOTH))["light_source"] == "top"


@pytest.mark.parametrize("each", WORDED, ids=lambda each: each.model)
def test_the_other_models_are_told_what_was_asked_and_no_more(each: Sender) -> None:
    least = {"subject_image": URL, "model_type": each.model, "output_format": "png", "output_quality": 95}
    assert body(each.encode(request(), BOTH)) == least
    knobs = {"prompt": "neon", "negative_prompt": "hands", "number_of_images": 3, "seed": 7, "output_quality": 80}
    assert body(each.encode(request(**knobs, output_format="jpeg"), BOTH)) == {**least, **knobs, "output_format": "jpg"}


@pytest.mark.parametrize("each", WORDED, ids=lambda each: each.model)
@pytest.mark.parametrize("light", ["left", "top-left 3200K softbox 0.8", "left #ff3030 + right #3060ff 0.7"])
def test_the_other_models_read_any_words_of_a_light(each: Sender, light: str) -> None:
    assert body(each.encode(request(light=light), BOTH))["light_source"] == light


def test_the_other_models_are_told_a_side() -> None:
    assert body(WORDED[0].encode(request(light_source="left"), BOTH))["light_source"] == "left"


@pytest.mark.parametrize("ratio", RATIOS)
def test_the_shape_of_a_frame_is_the_aspect_ratio(ratio: str) -> None:
    wide, tall = (int(side) for side in ratio.split(":"))
    sent = body(WORDED[0].encode(request(width=64 * wide, height=64 * tall), BOTH))
    assert sent["aspectRatio"] == ratio
    assert not {"width", "height"} & set(sent)


@pytest.mark.parametrize(
    ("knobs", "found"),
    [
        ({"steps": 5}, "steps must be a whole number between 10 and 50, not 5"),
        ({"output_quality": 0}, "output_quality must be a whole number between 1 and 100, not 0"),
        ({"width": 1024}, "ask for 1536 x 960: change one of them"),
        ({"highres_scale": 3}, "ask for 1536 x 1920: change one of them"),
        ({"width": 64, "height": 64}, "ask for 128 x 128"),
        ({"light": "left 0.5"}, 'cannot honour light "left 0.5"'),
        ({"light_source": "ambient", "model": "fbc"}, 'cannot honour light_source "ambient"'),
        ({"fit": "input"}, 'cannot honour fit "input"'),
        ({"keep": "all"}, 'cannot honour keep "all"'),
        ({"light_reference": PNG}, "takes no light_reference"),
    ],
)
def test_what_magic_lighting_cannot_do_is_refused(knobs: dict[str, Any], found: str) -> None:
    with pytest.raises(Unsupported) as refused:
        MAGIC.encode(request(**knobs), BOTH)
    assert found in str(refused.value) and "PixelDojo's magic-lighting" in str(refused.value)


@pytest.mark.parametrize("each", WORDED, ids=lambda each: each.model)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("appended_prompt", "sharp"), ("steps", 20), ("steps", 25), ("cfg", 3), ("lowres_denoise", 0.5)],
        *[("highres_scale", 2), ("highres_denoise", 0.4), ("width", 1024), ("height", 64), ("model", "fc")],
        *[("fit", "input"), ("background_mode", "keep"), ("light_strength", 0.5)],
    ],
)
def test_what_is_for_magic_lighting_alone_is_refused_of_the_others(each: Sender, name: str, value: Any) -> None:
    with pytest.raises(Unsupported, match=f"^PixelDojo's {each.model} cannot honour {name} "):
        each.encode(request(**{name: value}), BOTH)


@pytest.mark.parametrize("each", [MAGIC, *WORDED], ids=lambda each: each.model)
def test_a_file_alone_is_refused(each: Sender) -> None:
    assert not each.uploads
    with pytest.raises(Unsupported, match="takes a picture by its address alone"):
        each.encode(request(), Subject(PNG))
