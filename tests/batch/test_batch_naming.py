"""Names of results: what a template makes of a row, and what no name may do."""

from __future__ import annotations

import re

import pytest

from iclight_local.batch.naming import Template, finished, folded, numbered, stem_of
from iclight_local.errors import InvalidRequest

VALUES = {"light_source": "left", "prompt": 'a/b: "c"\n', "background_image": "bg/sea.jpg", "cfg": "2.5"}


def named(text: str, place: str = "shots/photo.jpg", *, row: int = 7, output_format: str | None = None) -> str:
    return Template(text, "/data").name(row, place, VALUES, output_format)


def refused(text: str, place: str = "shots/photo.jpg", output_format: str | None = None) -> str:
    with pytest.raises(InvalidRequest) as caught:
        named(text, place, output_format=output_format)
    assert re.search(r"[.:] ?.*\.$", str(caught.value))
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("{stem}-relit", "photo-relit.png"),
        ("{folder}/{stem}-relit", "shots/photo-relit.png"),
        ("{row:06d}", "000007.png"),
        ("{row}-{light_source}/{stem}", "7-left/photo.png"),
        ("{stem}.jpg", "photo.jpg"),
        ("{stem}.JPEG", "photo.JPEG"),
        ("{prompt}", "a_b_ _c__.png"),
        ("{background_image}-{stem}", "sea-photo.png"),
        ("{stem}-{cfg}", "photo-2.5.png"),
        ("{stem}-{lowres_denoise}-{background_flip}", "photo-0.9-false.png"),
        ("100%s {{x}} {stem}", "100%s {x} photo.png"),
        ("v1.5/{stem}", "v1.5/photo.png"),
    ],
)
def test_a_template_is_filled_in(text: str, name: str) -> None:
    assert named(text) == name


def test_the_suffix_follows_the_format() -> None:
    assert named("{stem}", output_format="jpeg") == "photo.jpeg"
    assert named("{stem}.webp", output_format="webp") == "photo.webp"
    assert "is the name of a png file but the output format is webp" in refused("{stem}.png", output_format="webp")
    assert "has the suffix .gif" in refused("{stem}.gif")
    assert "has the suffix .json" in refused("{stem}.json")


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("photo.jpg", "photo.png"),
        ("/data/photo.jpg", "photo.png"),
        ("/data/a/b/photo.v2.jpg", "a/b/photo.v2.png"),
        ("file:///data/a/mein%20bild.jpg", "a/mein bild.png"),
        ("/database/photo.jpg", "database/photo.png"),
        ("../x/photo.jpg", "x/photo.png"),
        ("s3://bucket/a/photo.jpg", "bucket/a/photo.png"),
        ("https://user:secret@host:80/a/mein%20bild.jpg?token=b/secret.png", "host_80/a/mein bild.png"),
        ("data:image/png;base64,AAAA", "picture.png"),
        (".png", ".png"),
    ],
)
def test_the_folder_is_relative_to_where_the_pictures_are(place: str, name: str) -> None:
    if place == ".png":
        assert "is a suffix alone" in refused("{folder}/{stem}", place)
    else:
        assert named("{folder}/{stem}", place) == name


def test_a_stem() -> None:
    assert stem_of("a/.hidden") == ".hidden"
    assert stem_of("a/no_suffix") == "no_suffix"
    assert stem_of("a/we?ird*.png") == "we_ird_"
    assert stem_of("s3://bucket/a?b#c.png") == "a_b#c"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "--name is empty"),
        ("/abs/{stem}", "leads out of the output"),
        ("C:{stem}", "leads out of the output"),
        ("..\\{stem}", "odd characters"),
        ("a\0{stem}", "odd characters"),
        ("\udc80{stem}", "odd characters"),
        ("../{stem}", "leads out of the output"),
        ("{stem}/", "empty part"),
        ("a//{stem}", "empty part"),
        ("./{stem}", "empty part"),
        (".", "empty part"),
        (".iclight-{stem}", "begins with .iclight"),
        ("sub/.ICLIGHT/{stem}", "begins with .iclight"),
        ("x" * 237, "has 241 bytes, and 240 is the most"),
        ("ü" * 119, "has 242 bytes"),
        ("{steps}", "the name asks for {steps}, which has no value here"),
        ("{stemm}", "--name has no field {stemm}: the fields are stem, folder, row, prompt"),
        ("{}", "--name has no field {}"),
        ("{stem.__class__}", "--name has no field {stem.__class__}"),
        ("{stem:>9}", "only a row's number"),
        ("{stem!r}", "only a row's number"),
        ("{row:999999999d}", "only a row's number"),
        ("{stem", "cannot be read"),
    ],
)
def test_a_name_that_cannot_be(text: str, said: str) -> None:
    assert said in refused(text)


def test_a_name_from_a_column_has_a_suffix_of_its_own_or_none() -> None:
    assert finished("sub/a", None, own_suffix=True) == "sub/a.png"
    assert finished("v1.5/a", "webp", own_suffix=True) == "v1.5/a.webp"
    assert finished("a.jpg", None, own_suffix=True) == "a.jpg"
    for name in ("a.tiff", "a.json", ".png", "sub/.jpg", "../a.png", "/a.png", "", "a/", "a\ud800", "\\a.png", " .png"):
        with pytest.raises(InvalidRequest):
            finished(name, None, own_suffix=True)


def test_several_results_are_numbered() -> None:
    assert numbered("a/b.c.png", 1) == ("a/b.c.png",)
    assert numbered("a/b.c.png", 3) == ("a/b.c_0.png", "a/b.c_1.png", "a/b.c_2.png")


def test_names_that_some_systems_take_for_one() -> None:
    assert folded("Foto.PNG") == folded("foto.png")
    assert folded("Mu\u0308ller.png") == folded("M\u00dcLLER.png")
    assert folded("a.png") != folded("b.png")
