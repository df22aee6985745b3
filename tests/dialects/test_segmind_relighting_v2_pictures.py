"""Segmind Relighting V2: background, size and format of its pictures, and light on them."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_engine import FakeEngine
from PIL import Image

from benchmarks.scenes import Sample, from_srgb, light_gradient, sample, warmth
from iclight_local import open_engine
from iclight_local.dialects.base import Call, Delivered
from iclight_local.dialects.segmind_relighting_v2 import DIALECT, MAX_SIDE, auto_size, seed_of
from iclight_local.imaging.frame import Frame
from iclight_local.result import RelightResult
from tests.dialects.relighting_v2_calls import LEAST, PICTURE, asked_for, kept, picture, subject

MINI = Path(__file__).parents[2] / "weights" / "mini"


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
