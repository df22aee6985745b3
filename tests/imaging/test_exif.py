"""Orientation and EXIF: upright pictures, and what of the camera's notes is kept."""

from __future__ import annotations

import numpy as np
import pytest
from picture_files import saved
from PIL import ExifTags, Image

from iclight_local.imaging.files import decode, decode_matte

STORED = np.array([[[10] * 3, [20] * 3, [30] * 3], [[40] * 3, [50] * 3, [60] * 3]], np.uint8)
UPRIGHT = {
    1: [[10, 20, 30], [40, 50, 60]],
    2: [[30, 20, 10], [60, 50, 40]],
    3: [[60, 50, 40], [30, 20, 10]],
    4: [[40, 50, 60], [10, 20, 30]],
    5: [[10, 40], [20, 50], [30, 60]],
    6: [[40, 10], [50, 20], [60, 30]],
    7: [[60, 30], [50, 20], [40, 10]],
    8: [[30, 60], [20, 50], [10, 40]],
}


@pytest.mark.parametrize("turn", UPRIGHT)
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_exif_orientation(turn: int, kind: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = turn
    alpha = STORED[..., :1] * 4
    image = Image.fromarray(np.concatenate([STORED, alpha], axis=-1))
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    data = saved(image, kind, exif=exif, **options)
    picture = decode(data)
    assert picture.rgb[..., 0].tolist() == UPRIGHT[turn]
    assert picture.alpha is not None
    assert (picture.alpha // 4).tolist() == UPRIGHT[turn]
    assert picture.rgb.flags.c_contiguous
    matte = decode_matte(data).values
    assert np.rint(matte * 255 / 4).astype(int).tolist() == UPRIGHT[turn]


@pytest.mark.parametrize("turn", UPRIGHT)
def test_exif_orientation_of_a_jpeg(turn: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = turn
    blocks = Image.fromarray(STORED.repeat(16, 0).repeat(16, 1))
    picture = decode(saved(blocks, "JPEG", quality=100, exif=exif))
    assert np.abs(picture.rgb[8::16, 8::16, 0].astype(int) - UPRIGHT[turn]).max() <= 1


@pytest.mark.parametrize("turn", [0, 9, 77])
def test_impossible_orientation_is_ignored(turn: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = turn
    assert decode(saved(Image.fromarray(STORED), "PNG", exif=exif)).size == (3, 2)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "exif", [b"Exif\0\0rubbish", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\0\x09"]
)
def test_broken_exif_is_ignored(exif: bytes) -> None:
    picture = decode(saved(Image.new("RGB", (16, 8), (9, 9, 9)), "JPEG", exif=exif))
    assert picture.size == (16, 8)
    assert picture.exif is None


def camera_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Camera"
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Copyright] = "A. Photographer"
    exif[ExifTags.IFD.Exif] = {
        ExifTags.Base.DateTimeOriginal: "2024:05:06 07:08:09",
        ExifTags.Base.ISOSpeedRatings: 400,
        ExifTags.Base.MakerNote: b"secret offsets",
        ExifTags.Base.UserComment: b"ASCII\0\0\0old",
        ExifTags.Base.ExifImageWidth: 3,
    }
    exif[ExifTags.IFD.GPSInfo] = {ExifTags.GPS.GPSLatitudeRef: "N"}
    return exif


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_what_is_kept_of_exif(kind: str) -> None:
    data = saved(Image.new("RGB", (32, 16)), kind, exif=camera_exif().tobytes())
    picture = decode(data)
    assert picture.size == (16, 32)
    assert picture.exif is not None
    kept = Image.Exif()
    kept.load(picture.exif)
    assert kept[ExifTags.Base.Make] == "Camera"
    assert kept[ExifTags.Base.Copyright] == "A. Photographer"
    assert ExifTags.Base.Orientation not in kept
    assert ExifTags.Base.ImageWidth not in kept
    assert dict(kept.get_ifd(ExifTags.IFD.Exif)) == {
        ExifTags.Base.DateTimeOriginal: "2024:05:06 07:08:09",
        ExifTags.Base.ISOSpeedRatings: 400,
    }
    assert dict(kept.get_ifd(ExifTags.IFD.GPSInfo)) == {ExifTags.GPS.GPSLatitudeRef: "N"}


def test_picture_without_exif_has_none() -> None:
    assert decode(saved(Image.new("RGB", (2, 2)), "PNG")).exif is None
