"""Encoding and writing: tagged, lossless where promised, whole or not at all, and never over a picture."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.colour import adobe_rgb_profile
from iclight_local.imaging.encode import encode, format_for
from iclight_local.imaging.files import decode
from iclight_local.imaging.metadata import XMP_BYTES, Embedded

PIXELS = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
SMOOTH = np.stack([*np.meshgrid(np.arange(64) * 4, np.arange(64) * 4), np.full((64, 64), 90)], -1).astype(np.uint8)


def encoded(image: Any, output_format: str = "png", quality: int = 95, **options: Any) -> bytes:
    return encode(image, output_format=output_format, quality=quality, embedded=Embedded(**options))


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def sentence_of(kind: type[Exception], call: Callable[[], object]) -> str:
    with pytest.raises(kind) as caught:
        call()
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert not re.search(r"\. [A-Z]", sentence), f"more than one sentence: {sentence}"
    return sentence


@pytest.mark.parametrize(
    ("name", "asked", "expected"),
    [
        ("a.png", None, "png"),
        ("a.PNG", "png", "png"),
        ("dir.x/a.jpg", None, "jpeg"),
        ("a.JPEG", "jpeg", "jpeg"),
        ("a.b.webp", None, "webp"),
        ("result", "webp", "webp"),
    ],
)
def test_format_for(name: str, asked: str | None, expected: str) -> None:
    assert format_for(name, asked) == expected
    assert format_for(Path(name), asked) == expected


@pytest.mark.parametrize(
    ("name", "asked", "words"),
    [
        ("a.tiff", None, "suffix .tiff"),
        ("a.tiff", "png", "suffix .tiff"),
        ("a", None, "no suffix"),
        ("a.png", "jpeg", "name of a png file but the output format is jpeg"),
        ("a.jpg", "webp", "name of a jpeg file"),
    ],
)
def test_format_for_refuses(name: str, asked: str | None, words: str) -> None:
    assert words in sentence_of(InvalidRequest, lambda: format_for(name, asked))


@pytest.mark.parametrize("quality", [0, 50, 100])
def test_png_is_lossless_at_any_quality(quality: int) -> None:
    data = encoded(PIXELS, quality=quality)
    assert np.array_equal(np.asarray(opened(data)), PIXELS)
    assert data == encoded(PIXELS, quality=95)
    assert encoded(Image.fromarray(PIXELS)) == data


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_png_keeps_the_mode(mode: str) -> None:
    image = Image.fromarray(PIXELS).convert(mode)
    again = opened(encoded(image))
    assert again.mode == mode
    assert again.tobytes() == image.tobytes()
    assert encoded(np.asarray(image)) == encoded(image)


@pytest.mark.parametrize(
    ("mode", "expected"), [("1", "L"), ("LA", "RGBA"), ("P", "RGB"), ("CMYK", "RGB"), ("YCbCr", "RGB")]
)
@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_other_modes_are_converted(mode: str, expected: str, output_format: str) -> None:
    again = opened(encoded(Image.new(mode, (8, 8)), output_format))
    alternatives = {"jpeg": {"RGBA": "RGB"}, "webp": {"L": "RGB"}}.get(output_format, {})
    assert again.format == output_format.upper()
    assert again.mode == alternatives.get(expected, expected)


def test_palette_with_transparency_keeps_it() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([200, 100, 50, 1, 2, 3])
    image.info["transparency"] = 0
    again = opened(encoded(image))
    assert again.mode == "RGBA"
    assert again.getpixel((0, 0)) == (200, 100, 50, 0)


@pytest.mark.parametrize("output_format", ["jpeg", "webp"])
def test_quality_from_0_to_100(output_format: str) -> None:
    sizes = [len(encoded(PIXELS, output_format, quality)) for quality in (0, 10, 50, 80, 90, 100)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1] / 3
    best = opened(encoded(SMOOTH, output_format, 100)).convert("RGB")
    assert np.abs(np.asarray(best).astype(int) - SMOOTH).mean() < 2
    worst = opened(encoded(SMOOTH, output_format, 0))
    assert worst.size == (64, 64)


@pytest.mark.parametrize(("quality", "sampling"), [(89, (2, 2)), (90, (1, 1)), (100, (1, 1))])
def test_chroma_of_jpeg(quality: int, sampling: tuple[int, int]) -> None:
    image = Image.open(io.BytesIO(encoded(PIXELS, "jpeg", quality)))
    assert image.layer[0][1:3] == sampling  # type: ignore[attr-defined]


def test_jpeg_lays_transparency_on_white() -> None:
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[8:, :, 3] = 255
    pixels[:, :, 0] = 200
    again = np.asarray(opened(encoded(pixels, "jpeg", 100)))
    assert again.shape == (16, 16, 3)
    assert np.abs(again[:7].astype(int) - 255).max() <= 3
    assert np.abs(again[9:].astype(int) - (200, 0, 0)).max() <= 3
    half = encoded(np.full((16, 16, 4), (0, 0, 0, 128), np.uint8), "jpeg", 100)
    assert np.abs(np.asarray(opened(half)).astype(int) - 127).max() <= 1


def test_webp_keeps_alpha() -> None:
    pixels = np.dstack([PIXELS, PIXELS[..., 0]])
    again = np.asarray(opened(encoded(pixels, "webp", 100)))
    assert np.array_equal(again[..., 3], PIXELS[..., 0])


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_results_are_tagged_as_srgb(output_format: str) -> None:
    data = encoded(SMOOTH, output_format, 100)
    image = Image.open(io.BytesIO(data))
    if output_format == "png":
        assert b"sRGB" in data[:80]
        assert image.info["srgb"] == 1
    else:
        assert b"sRGB" in image.info["icc_profile"] or b"s\0R\0G\0B" in image.info["icc_profile"]
        assert image.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ColorSpace] == 1
    assert np.array_equal(decode(data).rgb, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_the_images_own_profile_and_exif_do_not_leak(output_format: str) -> None:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(PIXELS).save(buffer, "PNG", icc_profile=adobe_rgb_profile(), exif=exif)
    source = Image.open(buffer)
    data = encoded(source, output_format)
    again = Image.open(io.BytesIO(data))
    assert again.info.get("icc_profile") != adobe_rgb_profile()
    assert ExifTags.Base.Orientation not in again.getexif()
    assert "icc_profile" in source.info


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_the_same_picture_gives_the_same_bytes(output_format: str) -> None:
    assert encoded(PIXELS, output_format, record={"seed": 1}) == encoded(PIXELS, output_format, record={"seed": 1})


@pytest.mark.parametrize(("output_format", "side"), [("jpeg", 65500), ("webp", 16383)])
def test_sides_that_a_format_cannot_have(output_format: str, side: int) -> None:
    assert opened(encoded(np.zeros((1, side), np.uint8), output_format)).width == side
    words = sentence_of(InvalidRequest, lambda: encoded(np.zeros((1, side + 1), np.uint8), output_format))
    assert str(side) in words
    assert "png" in words


def test_unknown_format() -> None:
    assert "choose png, jpeg or webp" in sentence_of(InvalidRequest, lambda: encoded(PIXELS, "tiff"))


@pytest.mark.parametrize("density", [72, 299.5, 1200])
@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("camera", [False, True])
def test_density_is_told_wherever_a_format_tells_it(output_format: str, density: float, camera: bool) -> None:
    kept = Image.Exif()
    kept[ExifTags.Base.XResolution] = kept[ExifTags.Base.YResolution] = 11
    kept[ExifTags.Base.ResolutionUnit] = 3
    kept[ExifTags.Base.Make] = "Camera"
    data = encoded(PIXELS, output_format, exif=kept.tobytes() if camera else None, density=density)
    image = opened(data)
    assert np.array_equal(np.asarray(image), np.asarray(opened(encoded(PIXELS, output_format))))
    if output_format != "webp":
        assert image.info["dpi"] == pytest.approx((density, density), abs=0.51)
    if output_format != "png" or camera:
        exif = image.getexif()
        found = exif[ExifTags.Base.XResolution], exif[ExifTags.Base.YResolution], exif[ExifTags.Base.ResolutionUnit]
        assert [float(each) for each in found] == pytest.approx([density, density, 2])
        assert exif.get(ExifTags.Base.Make) == ("Camera" if camera else None)
    if output_format == "jpeg":
        assert (data[:4], data[6:10], data[13]) == (b"\xff\xd8\xff\xe0", b"JFIF", 1)


def test_density_shares_a_jpeg_with_the_longest_record() -> None:
    longest = next(size for size in range(65_533, 0, -1) if room(size, None))
    assert not room(longest, 300)
    assert room(longest - 100, 300)


def room(size: int, density: float | None) -> bool:
    try:
        encoded(PIXELS, "jpeg", record={"p": "x" * size}, density=density)
    except InvalidRequest:
        return False
    return True


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("packet", ["<a>ü 日本</a>".encode(), b"x" * XMP_BYTES])
def test_an_xmp_packet_comes_out_as_it_went_in(output_format: str, packet: bytes) -> None:
    data = encoded(PIXELS, output_format, xmp=packet, record={"seed": 1})
    assert opened(data).info["xmp"] == packet
    assert "xmp" not in opened(encoded(PIXELS, output_format)).info


def test_an_xmp_packet_that_is_too_long_for_a_jpeg_is_told() -> None:
    packet = b"x" * (XMP_BYTES + 1)
    assert opened(encoded(PIXELS, "png", xmp=packet)).info["xmp"] == packet
    assert "has 65503 bytes" in sentence_of(InvalidRequest, lambda: encoded(PIXELS, "jpeg", xmp=packet))


def test_exif_that_is_too_long_for_a_jpeg_is_not_called_a_request() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Copyright] = "x" * 70_000
    words = sentence_of(InvalidRequest, lambda: encoded(PIXELS, "jpeg", exif=exif.tobytes()))
    assert words.startswith("the source's EXIF is too long to be kept")
