"""Segmind Relighting V2: every word becomes light, and the picture has the size that was asked for."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_engine import FakeEngine
from PIL import Image

from benchmarks.scenes import Sample, from_srgb, light_gradient, sample, warmth
from iclight_local import open_engine
from iclight_local.dialects.base import Asked, Call, Delivered, Link
from iclight_local.dialects.segmind_relighting_v2 import DIALECT, MAX_SIDE, WORDS, auto_size, seed_of
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.frame import Frame
from iclight_local.imaging.lightmap import draw_lights
from iclight_local.light import parse_lights
from iclight_local.plan import plan_of
from iclight_local.request import RelightRequest
from iclight_local.result import RelightResult

MINI = Path(__file__).parents[2] / "weights" / "mini"
URL = "https://segmind-resources.s3.amazonaws.com/output/b9b4e651-5e23ecbb-6875-4296-9b05-481c03eac5bf.png"
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
LEAST = {"image": URL}
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


def picture(size: tuple[int, int] = (90, 60), mode: str = "RGB", alpha: int = 0) -> bytes:
    """A picture whose left quarter is red and whose right quarter is blue; of RGBA its left half has ``alpha``."""
    image = Image.new(mode, size, "white")
    width, height = size
    image.paste((255, 0, 0), (0, 0, width // 4, height))
    image.paste((0, 0, 255), (width - width // 4, 0, width, height))
    if mode == "RGBA":
        image.putalpha(255)
        image.paste((0, 200, 0, alpha), (0, 0, width // 2, height))
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return buffer.getvalue()


PICTURE = picture()


def kept(asked: Asked) -> Asked:
    """What is left of a call that another process reads again."""
    return Asked(json.loads(json.dumps(asked.values)), asked.pictures, asked.ignored)


def asked_for(fields: dict[str, Any], data: bytes = PICTURE) -> RelightRequest:
    return DIALECT.request(kept(DIALECT.read(Call({**LEAST, **fields}))), {"subject_image": data})


def subject(request: RelightRequest) -> Image.Image:
    assert isinstance(request.subject_image, Image.Image)
    return request.subject_image


def knobs(request: RelightRequest) -> dict[str, Any]:
    return request.model_dump(exclude={"subject_image"})


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
    assert lamps == sorted(set(lamps))
    darkest = [map_of(direction="left", intensity=word).min() for word in ("mood", "medium", "bright", "strong")]
    assert darkest[0] == darkest[3] == 0 < darkest[1] < darkest[2]


@pytest.mark.parametrize(
    ("quality", "steps", "scale", "denoise"), [("low", 12, 1, 0.1), ("medium", 20, 1.5, 0.4), ("high", 30, 1.5, 0.5)]
)
def test_quality_sets_the_passes(quality: str, steps: int, scale: float, denoise: float) -> None:
    request = asked_for({"quality": quality})
    assert (request.steps, request.highres_scale, request.highres_denoise) == (steps, scale, denoise)


def test_an_opaque_background_is_kept_and_relit() -> None:
    request = asked_for({})
    assert (request.fit, request.kept, request.behind) == ("input", "detail", "keep")
    assert request.background_strength == 0.7


def test_a_transparent_background_is_left_out() -> None:
    for data in (PICTURE, picture(mode="RGBA")):
        request = asked_for({"background": "transparent", "output_format": "webp"}, data)
        assert (request.fit, request.kept, request.behind) == ("input", "detail", "transparent")


def test_a_cut_out_keeps_its_edge_and_gets_a_background() -> None:
    request = asked_for({"size": "1024x1024"}, picture(mode="RGBA"))
    assert request.behind == "generate"
    alpha = np.asarray(subject(request).getchannel("A"))
    assert (alpha[:, :400] == 0).all()
    assert (alpha[:, 600:] == 255).all()


def test_an_alpha_channel_that_hides_nothing_is_none() -> None:
    request = asked_for({}, picture(mode="RGBA", alpha=255))
    assert subject(request).mode == "RGB"
    assert request.behind == "keep"


@pytest.mark.parametrize("field", ["1024x1024", "1536x1024", "1024x1536"])
@pytest.mark.parametrize("size", [(90, 60), (60, 90), (2000, 700), (1, 1)])
def test_a_fixed_size_is_exact(field: str, size: tuple[int, int]) -> None:
    assert "x".join(map(str, subject(asked_for({"size": field}, picture(size))).size)) == field


def test_a_fixed_size_shows_the_middle_undistorted() -> None:
    # Of 400 x 100 the square in the middle has neither the red nor the blue quarter.
    pixels = np.asarray(subject(asked_for({"size": "1024x1024"}, picture((400, 100)))))
    assert (pixels[:, 20:-20] == 255).all()
    whole = np.asarray(subject(asked_for({"size": "1536x1024"}, picture((150, 100)))))
    assert (whole[:, :350] == (255, 0, 0)).all()
    assert (whole[:, -350:] == (0, 0, 255)).all()


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1024, 1024), (1024, 1024)),
        ((1000, 700), (1000, 700)),
        ((788, 1024), (788, 1024)),
        ((4000, 3000), (1182, 887)),
        ((3000, 4000), (887, 1182)),
        ((512, 512), (1024, 1024)),
        ((90, 60), (1254, 836)),
        ((1, 1), (1024, 1024)),
        ((100_000, 2), (MAX_SIDE, 1)),
        ((20_000, 40), (MAX_SIDE, 33)),
    ],
)
def test_an_open_size_is_about_a_megapixel_in_the_pictures_shape(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert auto_size(*size) == expected


def test_a_picture_of_a_good_size_is_not_touched() -> None:
    data = picture((1000, 700))
    assert subject(asked_for({}, data)).tobytes() == Image.open(io.BytesIO(data)).tobytes()


def test_the_result_has_the_size_of_the_prepared_picture() -> None:
    request = asked_for({"size": "1536x1024"})
    assert Frame(request.fit, subject(request).size, (640, 448)).result == (1536, 1024)
    assert not {"width", "height"} & request.model_fields_set


def test_a_rotated_photograph_is_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.new("RGB", (1000, 700)).save(buffer, "jpeg", exif=exif)
    assert subject(asked_for({}, buffer.getvalue())).size == (700, 1000)


def test_the_same_file_has_the_same_seed() -> None:
    assert asked_for({}).seed == asked_for({"quality": "low"}).seed == seed_of(PICTURE)
    assert seed_of(PICTURE) == int(hashlib.sha256(PICTURE).hexdigest()[:16], 16) // 2 < 2**63
    assert asked_for({}, picture((91, 60))).seed != seed_of(PICTURE)


def delivered(images: list[Image.Image], **fields: Any) -> list[Delivered]:
    asked = kept(DIALECT.read(Call({**LEAST, **fields})))
    request = DIALECT.request(asked, {"subject_image": PICTURE})
    return DIALECT.deliver(asked, request, RelightResult(images, 42, {"secret": "prompt"}, "fake"))


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("word", ["png", "jpeg", "webp"])
def test_pictures_are_of_the_format_that_was_asked(word: str, mode: str) -> None:
    (one,) = delivered([Image.new(mode, (64, 48))], output_format=word)
    image = Image.open(io.BytesIO(one.data))
    image.load()
    assert (one.media_type, image.format, image.size) == (f"image/{word}", word.upper(), (64, 48))
    assert image.has_transparency_data == (mode == "RGBA" and word != "jpeg")
    assert b"secret" not in one.data


@pytest.mark.parametrize("word", ["jpeg", "webp"])
def test_less_quality_is_a_smaller_file(word: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8))
    sizes = [
        len(delivered([noise], output_format=word, output_compression=quality)[0].data) for quality in (0, 50, 100)
    ]
    assert sizes == sorted(set(sizes))


def test_an_engine_takes_the_request() -> None:
    engine = FakeEngine()
    result = engine.relight(asked_for({}))
    assert result.seed == seed_of(PICTURE)


def relit(case: Sample, **words: str) -> tuple[float, float]:
    """How much lighter the subject became to the right, and its warmth, with the embedded model."""
    buffer = io.BytesIO()
    Image.fromarray(np.dstack([case.input, np.uint8(case.matte * 255)])).save(buffer, "png")
    fields = {"background": "transparent", "light_intensity": "medium", "light_type": "softbox", "quality": "low"}
    request = asked_for({**fields, **{f"light_{name}": word for name, word in words.items()}}, buffer.getvalue())
    quick = request.model_copy(update={"width": 256, "height": 256, "steps": 6})
    (image,) = open_engine(weights=str(MINI), device="cpu", offline=True).relight(quick).images
    assert image.size == (1024, 1024)
    linear = from_srgb(np.asarray(image.convert("RGB").resize((256, 256))) / np.float32(255))
    return light_gradient(linear, case.matte, case.albedo)[0], warmth(linear, case.matte)


def test_a_subject_is_lit_from_the_asked_side_in_the_asked_colour() -> None:
    case = sample(501, 256, "test")
    to_right, warm = relit(case, direction="left", temperature="sunset")
    other_right, cool = relit(case, direction="right", temperature="cool")
    assert to_right < -0.05 < 0.05 < other_right
    assert warm > cool + 0.3
