"""The record: what goes into a result comes out of it, in every format, or one sentence says why not."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, PngImagePlugin

from iclight_local import __version__
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.encode import encode
from iclight_local.imaging.files import decode
from iclight_local.imaging.metadata import Embedded, check_record, read_record

PICTURE = np.zeros((16, 16, 3), np.uint8)
RECORD: dict[str, Any] = {
    "request": {
        "prompt": 'sunset over the sea, 日本, \U0001f305, ü\n"quoted" \\ \0',
        "cfg": 2.0,
        "matte": None,
    },
    "seed": 2**63 - 1,
    "models": {"unet": "a" * 64},
    "images": [1, 2],
}


def result(output_format: str, record: dict[str, Any] | None, exif: bytes | None = None) -> bytes:
    return encode(PICTURE, output_format=output_format, quality=95, embedded=Embedded(record, exif))


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_round_trip(output_format: str, tmp_path: Any) -> None:
    data = result(output_format, RECORD)
    assert read_record(data) == RECORD
    path = tmp_path / "result"
    path.write_bytes(data)
    assert read_record(path) == RECORD
    with Image.open(path) as image:
        assert read_record(image) == RECORD


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("size", [40_000, 60_000])
def test_records_of_tens_of_kilobytes(output_format: str, size: int) -> None:
    record = {"prompt": "x" * size}
    check_record(output_format, Embedded(record))
    assert read_record(result(output_format, record)) == record


@pytest.mark.parametrize("output_format", ["png", "webp"])
def test_a_megabyte(output_format: str) -> None:
    record = {"prompt": "日" * 200_000}
    check_record(output_format, Embedded(record))
    assert read_record(result(output_format, record)) == record


def test_jpeg_is_refused_exactly_where_it_has_no_room() -> None:
    sizes = range(65_300, 65_533)
    fitting = []
    for size in sizes:
        try:
            check_record("jpeg", Embedded({"p": "x" * size}))
        except InvalidRequest as error:
            assert "choose the output format png" in str(error)
            break
        fitting.append(size)
    assert 0 < len(fitting) < len(sizes)
    longest = {"p": "x" * fitting[-1]}
    assert read_record(result("jpeg", longest)) == longest
    with pytest.raises(InvalidRequest, match="too long to be recorded in a JPEG"):
        result("jpeg", {"p": "x" * (fitting[-1] + 1)})


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("record", [RECORD, None])
def test_software_is_named(output_format: str, record: dict[str, Any] | None) -> None:
    image = Image.open(io.BytesIO(result(output_format, record)))
    image.load()
    found = image.info["Software"] if output_format == "png" else image.getexif()[ExifTags.Base.Software]
    assert found == f"iclight-local {__version__}"


@pytest.mark.parametrize("output_format", ["jpeg", "webp"])
def test_user_comment_is_ascii_json(output_format: str) -> None:
    image = Image.open(io.BytesIO(result(output_format, RECORD)))
    comment = image.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment]
    assert comment.startswith(b"ASCII\0\0\0{")
    assert comment.isascii()


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_the_cameras_exif_stays_beside_the_record(output_format: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Camera"
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.ISOSpeedRatings: 400, ExifTags.Base.ExposureTime: 0.004}
    exif[ExifTags.IFD.GPSInfo] = {
        ExifTags.GPS.GPSLatitudeRef: "N",
        ExifTags.GPS.GPSLatitude: (50.0, 30.0, 1.5),
    }
    buffer = io.BytesIO()
    Image.fromarray(PICTURE).save(buffer, "JPEG", exif=exif)
    source = decode(buffer.getvalue())
    data = result(output_format, RECORD, source.exif)
    assert read_record(data) == RECORD
    again = Image.open(io.BytesIO(data)).getexif()
    assert again[ExifTags.Base.Make] == "Camera"
    details = again.get_ifd(ExifTags.IFD.Exif)
    assert details[ExifTags.Base.ISOSpeedRatings] == 400
    assert float(details[ExifTags.Base.ExposureTime]) == pytest.approx(0.004)
    place = again.get_ifd(ExifTags.IFD.GPSInfo)
    assert [float(value) for value in place[ExifTags.GPS.GPSLatitude]] == [50, 30, 1.5]
    assert decode(data).exif == decode(result(output_format, None, source.exif)).exif


def test_record_of_a_result_does_not_enter_the_next_result() -> None:
    first = result("jpeg", RECORD)
    second = result("jpeg", None, decode(first).exif)
    with pytest.raises(InvalidRequest):
        read_record(second)


def test_text_chunk_behind_the_pixels() -> None:
    data = result("png", None)
    text = PngImagePlugin.PngInfo()
    text.add_text("iclight", '{"seed": 3}')
    buffer = io.BytesIO()
    Image.fromarray(PICTURE).save(buffer, "PNG", pnginfo=text)
    raw = buffer.getvalue()
    start = raw.index(b"tEXt") - 4
    chunk = raw[start : start + 12 + int.from_bytes(raw[start : start + 4], "big")]
    end = data.index(b"IEND") - 4
    assert read_record(data[:end] + chunk + data[end:]) == {"seed": 3}


def test_international_text_chunk() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_itxt("iclight", '{"prompt": "日本"}', zip=True)
    buffer = io.BytesIO()
    Image.fromarray(PICTURE).save(buffer, "PNG", pnginfo=text)
    assert read_record(buffer.getvalue()) == {"prompt": "日本"}


def foreign(kind: str, comment: bytes | None) -> bytes:
    exif = Image.Exif()
    if comment is not None:
        exif[ExifTags.IFD.Exif] = {ExifTags.Base.UserComment: comment}
    buffer = io.BytesIO()
    Image.fromarray(PICTURE).save(buffer, kind, exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "GIF"])
@pytest.mark.parametrize(
    "comment",
    [None, b"ASCII\0\0\0taken by hand", b"ASCII\0\0\0[1, 2]", b"UNICODE\0{\0}\0", b"", b"ASCII\0\0\0\xff{"],
)
def test_pictures_without_a_record(kind: str, comment: bytes | None) -> None:
    if kind in ("TIFF", "GIF"):
        comment = None
    with pytest.raises(InvalidRequest, match="the picture given as bytes carries no iclight record"):
        read_record(foreign(kind, comment))


def test_png_text_that_is_no_record() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("iclight", "not json")
    buffer = io.BytesIO()
    Image.fromarray(PICTURE).save(buffer, "PNG", pnginfo=text)
    with pytest.raises(InvalidRequest, match="carries no iclight record"):
        read_record(buffer.getvalue())


def test_record_of_what_is_no_picture() -> None:
    with pytest.raises(InvalidRequest, match="is text"):
        read_record(b"{}")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_values_that_json_cannot_hold_are_a_programming_error(value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        result("png", {"value": value})


@pytest.mark.parametrize("text", ['{"seed":NaN}', "[" * 100_000])
def test_what_is_no_json_is_no_record(text: str) -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("iclight", text)
    buffer = io.BytesIO()
    Image.new("RGB", (2, 2)).save(buffer, "png", pnginfo=chunks)
    with pytest.raises(InvalidRequest, match="carries no iclight record"):
        read_record(buffer.getvalue())
