"""What cannot be opened: bombs, damage and other files, each with one sentence."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from picture_files import chunk, refusal, saved, tiff
from PIL import Image, features

from iclight_local.errors import InvalidRequest, OutOfMemory
from iclight_local.imaging.files import decode
from iclight_local.imaging.opening import MAX_PIXELS

NOISE = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8))


def bomb(width: int, height: int, body: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(30000, 30000), (13378, 13377), (2**31 - 1, 2**31 - 1)])
def test_bomb_is_refused_before_decoding(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    def never(self: Image.Image) -> None:
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr(Image.Image, "load", never)
    assert size[0] * size[1] > MAX_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "at most 179 million" in refusal(bomb(*size))


def test_real_zlib_bomb_is_refused() -> None:
    packer = zlib.compressobj(9)
    head = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    mebibyte = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    body = head + mebibyte * 900
    assert zlib.decompressobj().decompress(body, 4 << 20) == bytes(4 << 20)
    assert len(body) < 2 << 20
    assert "pixels" in refusal(bomb(30000, 30000, body))


def test_large_picture_gives_no_bomb_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 60)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(saved(Image.new("L", (10, 10), 3), "PNG")).size == (10, 10)


def test_a_size_that_only_pillow_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)
    assert "too many pixels" in refusal(saved(Image.new("L", (10, 10), 3), "PNG"))


def test_oversized_pil_image() -> None:
    image = Image.new("1", (1, 1))
    image._size = (30000, 30000)
    assert "30000 x 30000" in refusal(image)


def test_empty_pil_image() -> None:
    assert "no pixels" in refusal(Image.new("RGB", (0, 5)))


def test_memory_that_does_not_suffice(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Image.Image) -> None:
        raise MemoryError

    data = saved(Image.new("RGB", (5, 4)), "PNG")
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", full)
    with pytest.raises(OutOfMemory, match=r"5 x 4 pixels"):
        decode(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF", "JPEG2000"])
@pytest.mark.parametrize("part", [0.5, 0.9])
def test_truncated_files(kind: str, part: float, tmp_path: Path) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    data = saved(NOISE, kind)
    path = tmp_path / "photo.xyz"
    path.write_bytes(data[: int(len(data) * part)])
    sentence = refusal(path)
    assert sentence.startswith("photo.xyz ")
    assert "copy or download it again" in sentence


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"This is a letter.", "is text"),
        (b"\xef\xbb\xbfname,value\n1,2", "is text"),
        (("ü" * 400).encode(), "is text"),
        (b"x" + ("ü" * 400).encode(), "is text"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"<?xml version='1.0'?><svg></svg>", "SVG"),
        (b"%PDF-1.7\n", "PDF"),
        (b"PK\x03\x04" + bytes(40), "ZIP"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"),
        (b"\0\0\0\x18ftypisom" + bytes(40), "video"),
        (b"\0\0\0\x18ftypcrx " + bytes(40), "camera raw"),
        (b"FUJIFILMCCD-RAW 0201", "camera raw"),
        (b"\xff\x0a" + bytes(40), "JPEG XL"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"\xff\xd8\xff\xe0", "damaged"),
        (bytes(range(256)), "no picture that is known"),
        (bytes(100), "no picture that is known"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n", "PostScript"),
    ],
)
def test_what_is_no_picture(data: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    sentence = refusal(path)
    assert sentence.startswith("photo.png ")
    assert words in sentence
    assert "a PNG, JPEG, WebP or TIFF picture is needed" in sentence


@pytest.mark.parametrize("tag", [{50706: 0x01040000}, {254: 1}])
def test_preview_of_a_raw_file_is_not_taken_for_the_photo(tag: dict[int, int]) -> None:
    data = tiff(np.zeros((4, 4, 3), np.uint16), photometric=2, extra=tag)
    assert "camera raw" in refusal(data)


def test_random_damage_is_always_one_sentence() -> None:
    rng = np.random.default_rng(2)
    sources = [saved(NOISE, kind) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "GIF")]
    refused = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for index in range(250):
            data = bytearray(sources[index % len(sources)])
            for position in rng.integers(0, min(len(data), 400), 4):
                data[position] = rng.integers(0, 256)
            try:
                assert decode(bytes(data)).rgb.ndim == 3
            except InvalidRequest as error:
                refused += 1
                assert "\n" not in str(error)
    assert refused > 20
