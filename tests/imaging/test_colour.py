"""Profiles: colours of any kind become sRGB, and sRGB stays as it is."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from picture_files import first, grey_profile, palette_image, saved
from PIL import ExifTags, Image, ImageCms

from iclight_local.imaging.colour import adobe_rgb_profile, srgb_profile
from iclight_local.imaging.files import decode


def adobe_to_srgb(colour: tuple[int, int, int]) -> np.ndarray:
    """Both specifications' own formulas, in D65, independent of any ICC code."""
    linear = (np.array(colour) / 255) ** 2.19921875
    to_xyz = np.array([[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]])
    to_srgb = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    light = np.clip(to_srgb @ to_xyz @ linear, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("colour", [(255, 255, 255), (128, 128, 128), (150, 100, 80), (90, 120, 110), (0, 255, 0)])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_adobe_rgb_becomes_srgb(colour: tuple[int, int, int], kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    image = Image.new("RGB", (8, 8), colour)
    picture = decode(saved(image, kind, icc_profile=adobe_rgb_profile(), **options))
    assert np.abs(picture.rgb - adobe_to_srgb(colour)).max() <= 1.5
    assert picture.rgb.std(axis=(0, 1)).max() == 0


def test_profile_with_alpha_leaves_the_alpha() -> None:
    data = saved(Image.new("RGBA", (2, 2), (150, 100, 80, 77)), "PNG", icc_profile=adobe_rgb_profile())
    picture = decode(data)
    assert np.abs(picture.rgb - adobe_to_srgb((150, 100, 80))).max() <= 1.5
    assert picture.alpha is not None
    assert np.all(picture.alpha == 77)


@pytest.mark.parametrize("value", ["R03", "R98"])
def test_adobe_rgb_named_by_exif_only(value: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.IFD.Exif] = {ExifTags.IFD.Interop: {1: value}}
    data = saved(Image.new("RGB", (16, 16), (150, 100, 80)), "JPEG", quality=100, subsampling=0, exif=exif)
    expected = adobe_to_srgb((150, 100, 80)) if value == "R03" else np.array((150, 100, 80))
    assert np.abs(decode(data).rgb - expected).max() <= 3


def test_srgb_profile_leaves_every_pixel() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert np.array_equal(decode(saved(Image.fromarray(pixels), "PNG", icc_profile=srgb_profile())).rgb, pixels)


def test_rgb_profile_on_grey_and_palette() -> None:
    grey = decode(saved(Image.new("L", (2, 2), 100), "PNG", icc_profile=adobe_rgb_profile()))
    assert np.abs(grey.rgb - adobe_to_srgb((100, 100, 100))).max() <= 1.5
    coloured = decode(saved(palette_image(), "PNG", icc_profile=adobe_rgb_profile()))
    assert np.abs(coloured.rgb[0, 0] - adobe_to_srgb((200, 100, 50))).max() <= 1.5


def test_grey_profile_of_8_and_16_bits() -> None:
    light = (100 / 255) ** 1.0
    expected = 255 * (1.055 * light ** (1 / 2.4) - 0.055)
    profile = grey_profile(1.0)
    assert abs(first(saved(Image.new("L", (2, 2), 100), "PNG", icc_profile=profile))[0] - expected) <= 1.5
    deep = saved(Image.fromarray(np.full((2, 2), 25700, np.uint16)), "PNG", icc_profile=profile)
    assert abs(first(deep)[0] - expected) <= 1.5


def test_profile_of_another_space_is_ignored() -> None:
    assert first(saved(Image.new("RGB", (2, 2), (9, 99, 199)), "PNG", icc_profile=grey_profile(1.0))) == [
        9,
        99,
        199,
    ]
    assert first(saved(Image.new("CMYK", (2, 2)), "TIFF", icc_profile=adobe_rgb_profile())) == [255, 255, 255]


@pytest.mark.parametrize("profile", [b"rubbish", adobe_rgb_profile()[:200], bytes(500)])
def test_broken_profile_is_ignored(profile: bytes) -> None:
    assert first(saved(Image.new("RGB", (2, 2), (9, 99, 199)), "PNG", icc_profile=profile)) == [9, 99, 199]


def cmyk_profile() -> bytes:
    """A CMYK output profile of one 2^4 table: no ink is white, full yellow an orange, all else black."""
    lab = np.zeros((2, 2, 2, 2, 3), np.uint8)
    lab[..., 1:] = 128
    lab[0, 0, 0, 0] = (255, 128, 128)
    lab[0, 0, 1, 0] = (166, 168, 198)
    identity = bytes(range(256))
    table = struct.pack(">4B9i", 4, 3, 2, 0, 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    lut = b"mft1\0\0\0\0" + table + identity * 4 + lab.tobytes() + identity * 3
    title = b"inks\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(title)) + title + bytes(79),
        b"wtpt": b"XYZ \0\0\0\0" + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D),
        b"A2B0": lut,
        b"A2B1": lut,
    }
    head, body, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        head += name + struct.pack(">II", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(body), bytes(4), 0x02100000, b"prtr", b"CMYK", b"Lab ")
    header += struct.pack(">6H4s", 2000, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    header += struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    return header.ljust(128, b"\0") + head + body


def test_cmyk_with_profile_takes_its_colours_from_the_profile() -> None:
    profile = cmyk_profile()
    yellow = Image.new("CMYK", (16, 16), (0, 0, 255, 0))
    lab = Image.new("LAB", (1, 1), (166, 168, 198))
    orange = first(lab)
    assert orange[0] > 190 > orange[1] > 120 > orange[2]
    for data in (
        saved(yellow, "TIFF", icc_profile=profile),
        saved(yellow, "JPEG", quality=100, icc_profile=profile),
    ):
        assert np.abs(decode(data).rgb.astype(int) - orange).max() <= 4
    naive = first(saved(yellow, "TIFF"))
    assert naive == [255, 255, 0]


def test_cmyk_jpeg_is_not_inverted() -> None:
    data = saved(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=100)
    red = first(data)
    assert red[0] > 250
    assert max(red[1:]) < 5


def test_srgb_profile_is_the_same_at_every_call() -> None:
    assert srgb_profile() == srgb_profile()
    opened = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
    assert opened.profile.xcolor_space.strip() == "RGB"
    assert "sRGB" in ImageCms.getProfileDescription(opened)
