"""What a result keeps of its source's metadata, from every kind of file to every kind of file."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import ExifTags, Image, PngImagePlugin

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.encode import encode
from iclight_local.imaging.kept import Kept, kept_metadata
from iclight_local.imaging.metadata import Embedded, read_record
from iclight_local.request.edit import Metadata

KINDS = ("JPEG", "PNG", "WEBP")
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XMP = (
    f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about="" '
    'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" tiff:Orientation="6" '
    'dc:source="ü"/></rdf:RDF></x:xmpmeta>'
).encode()
NOTICE, COMMENT = "© Müller 日本", b"ASCII\0\0\0taken by hand"
BROKEN_EXIF = b"Exif\0\0II*\0\xff\xff\xff\xff"


def source(
    kind: str, notice: str | None = NOTICE, comment: bytes | None = COMMENT, xmp: bytes | None = XMP, **options: Any
) -> bytes:
    """A file with all that metadata can be."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Camera"
    exif[ExifTags.Base.Orientation] = 6
    details: dict[int, Any] = {ExifTags.Base.ISOSpeedRatings: 400, ExifTags.Base.MakerNote: b"maker's secret"}
    if notice is not None:
        exif[ExifTags.Base.Copyright] = notice.encode()
    if comment is not None:
        details[ExifTags.Base.UserComment] = comment
    exif[ExifTags.IFD.Exif] = details
    how: dict[str, Any] = {"exif": exif, **options}
    if xmp is not None and kind == "PNG":
        how["pnginfo"] = PngImagePlugin.PngInfo()
        how["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode())
    elif xmp is not None:
        how["xmp"] = xmp
    buffer = io.BytesIO()
    Image.new("RGB", (12, 8), (90, 60, 30)).save(buffer, kind, **how)
    return buffer.getvalue()


def result(kept: Kept, kind: str, record: dict[str, Any] | None = None) -> Image.Image:
    data = encode(
        np.zeros((8, 12, 3), np.uint8),
        output_format=kind.lower(),
        quality=90,
        embedded=Embedded(record, kept.exif, kept.xmp),
    )
    image = Image.open(io.BytesIO(data))
    image.load()
    assert b"maker's secret" not in data
    assert image.getexif().get(ExifTags.Base.Orientation, 1) == 1
    return image


def notice_of(image: Image.Image) -> str | None:
    found = image.getexif().get(ExifTags.Base.Copyright)
    return None if found is None else found.encode("latin-1").decode()


def comment_of(image: Image.Image) -> bytes | None:
    found = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment)
    assert found is None or isinstance(found, bytes)
    return found


def told(xmp: bytes, name: str) -> list[str | None]:
    return [each.text for each in ElementTree.fromstring(xmp).findall(f".//{name}/{{{RDF}}}Alt/{{{RDF}}}li")]


RIGHTS, COMMENTS = "{http://purl.org/dc/elements/1.1/}rights", "{http://ns.adobe.com/exif/1.0/}UserComment"


@pytest.mark.parametrize("target", KINDS)
@pytest.mark.parametrize("kind", KINDS)
class TestEveryChoice:
    def test_none(self, kind: str, target: str) -> None:
        kept = kept_metadata(source(kind), "none")
        assert kept == Kept()
        image = result(kept, target)
        assert notice_of(image) is None and "xmp" not in image.info

    def test_camera(self, kind: str, target: str) -> None:
        image = result(kept_metadata(source(kind), "camera"), target)
        assert (notice_of(image), image.getexif()[ExifTags.Base.Make], comment_of(image)) == (NOTICE, "Camera", None)
        assert image.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] == 400
        assert "xmp" not in image.info

    def test_xmp(self, kind: str, target: str) -> None:
        kept = kept_metadata(source(kind), "xmp")
        assert (kept.exif, kept.warnings) == (None, ())
        image = result(kept, target)
        assert image.info["xmp"] == kept.xmp
        assert b'tiff:Orientation="1"' in image.info["xmp"] and 'dc:source="ü"'.encode() in image.info["xmp"]
        assert ExifTags.Base.Make not in image.getexif()

    def test_rights(self, kind: str, target: str) -> None:
        image = result(kept_metadata(source(kind), "rights"), target)
        assert (notice_of(image), comment_of(image)) == (NOTICE, COMMENT)
        details = image.getexif().get_ifd(ExifTags.IFD.Exif)
        assert set(details) <= {ExifTags.Base.UserComment, ExifTags.Base.ColorSpace}
        assert ExifTags.Base.Make not in image.getexif() and "xmp" not in image.info

    def test_rights_xmp(self, kind: str, target: str) -> None:
        image = result(kept_metadata(source(kind), "rights_xmp"), target)
        assert (notice_of(image), comment_of(image)) == (NOTICE, COMMENT)
        assert told(image.info["xmp"], RIGHTS) == [NOTICE]
        assert told(image.info["xmp"], COMMENTS) == ["taken by hand"]
        assert b"dc:source" not in image.info["xmp"]


@pytest.mark.parametrize("choice", ["camera", "xmp", "rights", "rights_xmp"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_path_bytes_and_a_picture_say_the_same(kind: str, choice: Metadata, tmp_path: Path) -> None:
    data, path = source(kind), tmp_path / "a"
    path.write_bytes(data)
    expected = kept_metadata(data, choice)
    assert expected != Kept()
    assert kept_metadata(path, choice) == kept_metadata(str(path), choice) == expected
    assert kept_metadata(Image.open(path), choice) == expected


@pytest.mark.parametrize("choice", ["camera", "xmp", "rights", "rights_xmp"])
@pytest.mark.parametrize("kind", KINDS)
def test_of_nothing_nothing_is_kept(kind: str, choice: Metadata) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, kind)
    assert kept_metadata(buffer.getvalue(), choice) == Kept()


def test_metadata_behind_the_pixels_of_a_png() -> None:
    data = source("PNG")
    ends = {name: data.index(name) - 4 for name in (b"eXIf", b"iTXt", b"IEND")}
    chunks = {}
    for name, start in ends.items():
        size = struct.unpack(">I", data[start : start + 4])[0]
        chunks[name] = data[start : start + 12 + size]
    moved = data
    for chunk in chunks.values():
        moved = moved.replace(chunk, b"")
    moved += chunks[b"eXIf"] + chunks[b"iTXt"] + chunks[b"IEND"]
    for choice in ("xmp", "rights_xmp"):
        assert kept_metadata(moved, choice) == kept_metadata(data, choice)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("mark", [False, True])
@pytest.mark.parametrize("text", ["grüße", "日本語", "\U0001f305 sunset"])
def test_a_comment_in_utf16_is_in_the_order_of_its_exif(order: str, mark: bool, text: str) -> None:
    """As a camera writes it: both the EXIF and the text in one order, which is another in the result."""
    body = text.encode("utf-16-le" if order == "<" else "utf-16-be")
    if mark:
        body = (b"\xff\xfe" if order == "<" else b"\xfe\xff") + body
    kept = kept_metadata(raw_jpeg(order, b"UNICODE\0" + body), "rights_xmp")
    image = result(kept, "JPEG")
    assert image.getexif().endian == ">"
    assert comment_of(image) == b"UNICODE\0" + text.encode("utf-16-be")
    assert told(image.info["xmp"], COMMENTS) == [text]


def test_latin_letters_in_the_wrong_order_are_read_all_the_same() -> None:
    kept = kept_metadata(raw_jpeg(">", b"UNICODE\0" + "by hand".encode("utf-16-le")), "rights_xmp")
    assert kept.xmp is not None and told(kept.xmp, COMMENTS) == ["by hand"]


def raw_jpeg(order: str, comment: bytes) -> bytes:
    """A JPEG whose EXIF is in a given byte order, with nothing in it but a UserComment."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    first = struct.pack(f"{order}HHHIII", 1, ExifTags.IFD.Exif, 4, 1, 26, 0)
    second = struct.pack(f"{order}HHHIII", 1, ExifTags.Base.UserComment, 7, len(comment), 44, 0)
    exif = b"Exif\0\0" + head + first + second + comment
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("comment", "kept", "text"),
    [
        (b"ASCII\0\0\0plain  \0\0", b"ASCII\0\0\0plain  \0\0", "plain"),
        (b"ASCII\0\0\0\xfcber", b"ASCII\0\0\0\xfcber", "über"),
        ("\0\0\0\0\0\0\0\0ü".encode(), "\0\0\0\0\0\0\0\0ü".encode(), "ü"),
        (b"no code at all", b"\0\0\0\0\0\0\0\0no code at all", "no code at all"),
        (b"Unicode\0\0a\0b", b"UNICODE\0\0a\0b", "ab"),
        (b"JIS\0\0\0\0\0\x24\x22", b"JIS\0\0\0\0\0\x24\x22", None),
        (b"ASCII\0\0\0   \0", None, None),
        (b"ASCII\0\0\0", None, None),
        (b"UNICODE\0\0 \0 ", None, None),
        (b"", None, None),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_character_codes(kind: str, comment: bytes, kept: bytes | None, text: str | None) -> None:
    found = kept_metadata(source(kind, None, comment), "rights_xmp")
    assert comment_of(result(found, kind)) == kept
    assert (None if found.xmp is None else told(found.xmp, COMMENTS)) == (None if text is None else [text])


@pytest.mark.parametrize(
    ("notice", "text"),
    [
        ("</rdf:li><x>", "</rdf:li><x>"),
        ("plain & simple", "plain & simple"),
        ("Photographer\0Editor", "Photographer, Editor"),
        (" \0Editor", "Editor"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_notices(kind: str, notice: str, text: str) -> None:
    found = kept_metadata(source(kind, notice, None), "rights_xmp")
    assert notice_of(result(found, kind)) == notice
    assert found.xmp is not None and told(found.xmp, RIGHTS) == [text]


@pytest.mark.parametrize("notice", ["", " ", " \0 "])
def test_an_empty_notice_is_none(notice: str) -> None:
    assert kept_metadata(source("JPEG", notice, None), "rights_xmp") == Kept()


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_what_is_too_long_is_left_out_and_told(kind: str) -> None:
    found = kept_metadata(source(kind, "x" * 100_000, None), "rights_xmp")
    assert (found.exif, found.xmp, len(found.warnings)) == (None, None, 2)
    assert found.warnings[0].startswith("The EXIF to be kept has 100") and found.warnings[0].endswith(".")
    assert kept_metadata(source(kind, None, b"ASCII\0\0\0" + b"x" * 100_000), "rights").exif is None
    long = XMP.replace(b"</rdf:RDF>", b"<rdf:Description>" + b"x" * 100_000 + b"</rdf:Description></rdf:RDF>")
    warned = kept_metadata(source(kind, xmp=long), "xmp")
    assert warned.xmp is None and "XMP to be kept has 100" in warned.warnings[0]


def test_what_is_kept_has_room_in_every_format() -> None:
    notice = "x" * 64_900
    found = kept_metadata(source("PNG", notice, None), "rights_xmp")
    assert found.warnings == ()
    for target in KINDS:
        assert notice_of(result(found, target)) == notice


@pytest.mark.parametrize("packet", [b"<broken", XMP[:-9], b"<a/>"])
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_xmp_is_left_out_and_told(kind: str, packet: bytes) -> None:
    assert kept_metadata(source(kind, xmp=packet), "xmp") == Kept(
        warnings=("The source's XMP is damaged and was left out.",)
    )


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("choice", ["camera", "rights", "rights_xmp"])
def test_damaged_exif_is_nothing(choice: Metadata) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", exif=BROKEN_EXIF)
    assert kept_metadata(buffer.getvalue(), choice) == Kept()


def test_a_record_takes_the_comment_s_place_and_nothing_else() -> None:
    kept = kept_metadata(source("JPEG"), "rights")
    for target in ("JPEG", "WEBP"):
        image = result(kept, target, {"seed": 3})
        assert (read_record(image), notice_of(image)) == ({"seed": 3}, NOTICE)
    beside = result(kept, "PNG", {"seed": 3})
    assert (read_record(beside), comment_of(beside)) == ({"seed": 3}, COMMENT)


def test_what_is_no_picture() -> None:
    with pytest.raises(InvalidRequest, match="is text"):
        kept_metadata(b"{}", "xmp")
    with pytest.raises(InvalidRequest, match="offline"):
        kept_metadata("https://host/a.png", "rights", offline=True)
