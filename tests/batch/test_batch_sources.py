"""Sources: folders, globs, pictures and manifests as users give them, and the defaults of all rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from manifests import manifest, names_of, refused, rows_of, source_of

from iclight_local.errors import InvalidRequest

PHOTOS = (
    *("frame10.jpg", "frame2.JPG", "frame1.png", "note.txt", ".hidden.png", "._frame1.png", "raw.heic", "a.json"),
    *("sub/b.webp", "sub/deep/c.tif", ".cache/d.png", "out/frame1-relit.png", "sub10/e.png", "sub9/e.png"),
)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in PHOTOS:
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "photos"


def test_a_folder_gives_its_pictures_in_natural_order(photos: Path) -> None:
    rows = rows_of(photos, out=str(photos / "out"), steps="7")
    assert [row.where for row in rows] == [
        *("frame1.png", "frame2.JPG", "frame10.jpg", "sub/b.webp", "sub/deep/c.tif", "sub9/e.png", "sub10/e.png"),
    ]
    assert [row.number for row in rows] == [1, 2, 3, 4, 5, 6, 7]
    assert rows[3].values == {"subject_image": str(photos / "sub" / "b.webp"), "steps": "7"}
    assert [row.name for row in rows][3:6] == ["sub/b-relit.png", "sub/deep/c-relit.png", "sub9/e-relit.png"]
    assert rows[0].name == "frame1-relit.png"


def test_the_output_is_left_out_by_whatever_way_it_is_named(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(photos / "out")
    assert not [name for name in names_of(photos, out=str(tmp_path / "link")) if name.startswith("out/")]
    assert "out/frame1-relit-relit.png" in names_of(photos)
    for given in (photos, photos / "*.png"):
        with pytest.raises(InvalidRequest, match="the output is the folder of the pictures itself"):
            source_of(given, out=f"{photos}/")


def test_a_folder_with_somebodys_home_is_no_output(tmp_path: Path) -> None:
    home, output = tmp_path / "anna" / ".iclight", tmp_path / "relit" / ".iclight"
    for path in (home / "config.toml", home / "batches" / "0" / "batch.sqlite", output / "batch.sqlite"):
        path.parent.mkdir(parents=True)
        path.touch()
    for folder in ("anna", "relit"):
        (tmp_path / folder / "a.png").touch()
    assert [row.where for row in rows_of(tmp_path)] == ["anna/a.png"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.png", ["frame1.png"]),
        ("*", ["frame1.png", "frame2.JPG", "frame10.jpg"]),
        ("frame?.*", ["frame1.png", "frame2.JPG"]),
        ("frame[!1]*", ["frame2.JPG"]),
        (".*.png", ["._frame1.png", ".hidden.png"]),
        (".cache/*", [".cache/d.png"]),
        ("sub*/*.png", ["sub9/e.png", "sub10/e.png"]),
        ("**/*.png", ["frame1.png", "out/frame1-relit.png", "sub9/e.png", "sub10/e.png"]),
        ("**/deep/*", ["sub/deep/c.tif"]),
        ("sub/**", ["sub/b.webp", "sub/deep/c.tif"]),
        ("**/**/c.*", ["sub/deep/c.tif"]),
        ("**/sub/**/c.*", ["sub/deep/c.tif"]),
    ],
)
def test_a_glob(photos: Path, pattern: str, found: list[str]) -> None:
    places = [row.values["subject_image"] for row in rows_of(photos / pattern)]
    assert places == [str(photos / name) for name in found]


def test_a_globs_folders_are_those_below_its_fixed_part(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos.parent)
    assert names_of("photos/sub*/*.png") == ["sub9/e-relit.png", "sub10/e-relit.png"]
    assert names_of("photos/sub9/*") == ["e-relit.png"]
    monkeypatch.chdir(photos)
    assert names_of("*.png") == ["frame1-relit.png"]


def test_pictures_one_by_one(photos: Path) -> None:
    given = [photos / "frame2.JPG", photos / "sub" / "b.webp", photos / "sub9" / "*", "https://host/x/y.png?z=1"]
    rows = rows_of(*given[:3])
    assert [row.name for row in rows] == ["frame2-relit.png", "sub/b-relit.png", "sub9/e-relit.png"]
    assert [row.where for row in rows] == ["frame2.JPG", "b.webp", "e.png"]
    assert names_of(photos / "frame2.JPG") == ["frame2-relit.png"]
    assert names_of(given[3]) == ["host/x/y-relit.png"]
    assert rows_of(given[3])[0].values == {"subject_image": "https://host/x/y.png?z=1"}


def test_a_file_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "a[1].png").touch()
    assert names_of(tmp_path / "a[1].png") == ["a[1]-relit.png"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), "There is nothing to relight"),
        (("none.png",), "does not exist"),
        (("frame1.png", "none.png"), "does not exist"),
        (("none.csv",), "does not exist"),
        (("note.txt",), "of no known kind: a folder, a picture or a manifest (.csv, .tsv, .jsonl"),
        (("frame1.png", "sub"), "is a folder: give it alone"),
        (("frame1.png", "people.csv"), "is a manifest: give it alone"),
    ],
)
def test_what_is_no_source(photos: Path, given: tuple[str, ...], said: str) -> None:
    manifest(photos, "subject_image\na.png\n")
    with pytest.raises(InvalidRequest) as caught:
        source_of(*(photos / each for each in given))
    assert said in str(caught.value)


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "note.txt").touch()
    assert refused(tmp_path) == f"{tmp_path.name} has no pictures: there is nothing to relight."


def test_a_file_name_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / b"\xff.png".decode(errors="surrogateescape")).touch()
    assert "'\\udcff.png': the file's name is no valid UTF-8: rename it." in refused(tmp_path)


@pytest.fixture
def store() -> Iterator[Any]:
    memory = fsspec.filesystem("memory")
    for name in ("a10.png", "a9.png", "sub/b.jpg", "out/a9.png", "note.txt"):
        memory.pipe_file(f"/bucket/photos/{name}", b"x")
    yield memory
    memory.rm("/bucket", recursive=True)


def test_a_folder_and_a_glob_of_a_store(store: Any) -> None:
    rows = rows_of("memory://bucket/photos", out="memory://bucket/photos/out/")
    assert [row.values["subject_image"] for row in rows] == [
        f"memory://bucket/photos/{name}" for name in ("a9.png", "a10.png", "sub/b.jpg")
    ]
    assert [row.name for row in rows] == ["a9-relit.png", "a10-relit.png", "sub/b-relit.png"]
    assert names_of("memory://bucket/*/a*.png") == ["photos/a9-relit.png", "photos/a10-relit.png"]
    assert names_of("memory://bucket/photos/a9.png") == ["a9-relit.png"]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_manifest_of_a_store(store: Any, kind: str, tmp_path: Path) -> None:
    if kind == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"subject_image": ["photos/a9.png"]}), tmp_path / "m.parquet")
        data = (tmp_path / "m.parquet").read_bytes()
    else:
        data = b"subject_image\nphotos/a9.png\n" if kind == "csv" else b'{"subject_image": "photos/a9.png"}'
    store.pipe_file(f"/bucket/m.{kind}", data)
    (row,) = rows_of(f"memory://bucket/m.{kind}")
    assert row.values == {"subject_image": "memory://bucket/photos/a9.png"}
    assert row.where.endswith(f"1 of m.{kind}" if kind != "csv" else "line 2 of m.csv")


def test_defaults_fill_what_a_row_leaves_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sets").mkdir()
    path = manifest(tmp_path / "sets", "subject_image,steps,background_image\na.png,5,\nb.png,,own.jpg\n")
    first, second = rows_of(path, steps="9", background_image=Path("sea.jpg"), contact_shadow=True, cfg=2)
    assert first.values == {
        "subject_image": str(tmp_path / "sets" / "a.png"),
        # What the command line names lies where the user is, what the manifest names beside the manifest.
        "background_image": str(tmp_path / "sea.jpg"),
        "steps": "5",
        "contact_shadow": "true",
        "cfg": "2",
    }
    assert (second.values["steps"], second.values["background_image"]) == ("9", str(tmp_path / "sets" / "own.jpg"))


@pytest.mark.parametrize(
    "wrong", [{"steps": "0"}, {"light": "sideways"}, {"steeps": "5"}, {"matte": b"bytes"}, {"matte": " "}]
)
def test_a_default_that_is_wrong_is_told_without_any_line(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        source_of(manifest(tmp_path, "subject_image\na.png\n"), **wrong)
    assert "line" not in str(caught.value)


def test_a_default_that_only_some_rows_contradict_is_told_with_their_lines(tmp_path: Path) -> None:
    path = manifest(tmp_path, "subject_image,background_image\na.png,sea.jpg\nb.png,\n")
    source_of(path, model="fbc")
    assert refused(path, model="fbc").startswith("line 3 of people.csv: Model fbc needs a background")
    assert refused(path, model="fc").startswith("line 2 of people.csv: A background was given with model fc")


def test_names_come_from_the_column_the_template_and_the_number_of_images(tmp_path: Path) -> None:
    path = manifest(
        tmp_path,
        "subject_image,output,number_of_images,output_format\n"
        "x/a.png,,,\n" "x/b.png,best/b.jpg,,\n" "x/c.png,c,2,webp\n" "x/d.png,,2.0,jpeg\n",
    )  # fmt: skip
    rows = rows_of(path, name="{folder}/{row:03d}-{stem}")
    assert [row.names for row in rows] == [
        ("x/001-a.png",),
        ("best/b.jpg",),
        ("c_0.webp", "c_1.webp"),
        ("x/004-d_0.jpeg", "x/004-d_1.jpeg"),
    ]
    assert all("output" not in row.values for row in rows)
