"""Places: what an address means, what is read and written there, and one sentence for every failure."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from iclight_local.batch import places
from iclight_local.errors import EngineError, InvalidRequest


class Broken(MemoryFileSystem):
    """A file system whose network is down."""

    protocol = "broken"

    def cat_file(self, path: str, *args: Any, **how: Any) -> bytes:
        raise RuntimeError("no route to host\nfurther lines")

    def info(self, path: str, **how: Any) -> dict[str, Any]:
        raise PermissionError("403")


fsspec.register_implementation("broken", Broken, clobber=True)


@pytest.fixture
def memory() -> Iterator[str]:
    yield "memory://photos"
    fsspec.filesystem("memory").rm("/photos", recursive=True)


def refused(work: Any, *args: Any, **how: Any) -> str:
    with pytest.raises(InvalidRequest) as caught:
        work(*args, **how)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("place", "base", "means"),
    [
        ("a.png", "/data", "/data/a.png"),
        ("../x/./a.png", "/data/sets", "/data/x/a.png"),
        ("/b/a.png", "/data", "/b/a.png"),
        ("file:///b/mein%20bild.png", "/data", "/b/mein bild.png"),
        ("https://host/a.png?x=1", "/data", "https://host/a.png?x=1"),
        ("data:,x", "/data", "data:,x"),
        ("s3://bucket/a.png", "/data", "s3://bucket/a.png"),
        ("shots/a.png", "s3://bucket/sets", "s3://bucket/sets/shots/a.png"),
        ("../a.png", "s3://bucket/sets/", "s3://bucket/a.png"),
        ("/b/a.png", "s3://bucket/sets", "/b/a.png"),
    ],
)
def test_a_place_means_the_same_wherever_it_is_read(place: str, base: str, means: str) -> None:
    assert places.absolute(place, base) == means
    assert places.absolute(means, "/elsewhere") == means


def test_a_place_that_is_none() -> None:
    assert "is empty" in refused(places.absolute, " ", "/data")
    assert "this machine" in refused(places.absolute, "file://nas/a.png", "/data")


def test_pictures_come_with_their_names(tmp_path: Path, memory: str) -> None:
    (tmp_path / "a b.png").write_bytes(b"local")
    fsspec.filesystem("memory").pipe_file("/photos/sub/c.png", b"far")
    cases = {
        str(tmp_path / "a b.png"): (b"local", "a b.png"),
        "data:;base64,eA==": (b"x", "the data URI"),
        f"{memory}/sub/c.png": (b"far", "c.png"),
    }
    for place, (data, name) in cases.items():
        fetched = places.fetch(place, offline=True)
        assert (fetched, fetched.name) == (data, name)
        assert places.is_folder(place) is False
    assert places.read(f"{memory}/sub/c.png") == b"far"
    assert places.is_folder(f"{memory}/sub")


def test_what_is_not_there(tmp_path: Path, memory: str) -> None:
    fsspec.filesystem("memory").pipe_file("/photos/a.png", b"far")
    for place in (str(tmp_path / "no.png"), f"{memory}/no.png"):
        for work in (places.fetch, places.read, places.stamp):
            assert "does not exist" in refused(work, place)
        assert places.exists(place) is False
    assert places.exists(f"{memory}/a.png")
    assert "is a folder" in refused(places.read, str(tmp_path))
    assert "null" in refused(places.read, "a\0b")


def test_a_stamp_changes_with_the_file(tmp_path: Path, memory: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"one")
    first = places.stamp(str(path))
    assert places.stamp(str(path)) == first
    os.utime(path, ns=(1, 1))
    assert places.stamp(str(path)) != first
    far = fsspec.filesystem("memory")
    far.pipe_file("/photos/a.png", b"one")
    first = places.stamp(f"{memory}/a.png")
    assert places.stamp(f"{memory}/a.png") == first
    far.pipe_file("/photos/a.png", b"three")
    assert places.stamp(f"{memory}/a.png") != first
    assert places.stamp("https://host/a.png", offline=True) != places.stamp("https://host/b.png", offline=True)


def test_offline_refuses_what_is_far(tmp_path: Path) -> None:
    for place in ("s3://bucket/a.png", "broken://a.png", "https://host/a.png"):
        assert "offline mode is on" in refused(places.fetch, place, offline=True)
    assert "offline mode is on" in refused(places.write_all, "s3://bucket/out", {"a.png": b"x"}, offline=True)


def test_a_driver_that_is_missing_and_a_kind_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(scheme: str) -> None:
        raise ImportError("Install it") from ModuleNotFoundError("No module named 'paramiko'", name="paramiko")

    monkeypatch.setattr(sys.modules["fsspec.registry"], "get_filesystem_class", absent)
    assert refused(places.read, "s3://b/a") == "s3:// addresses need the package s3fs: pip install s3fs."
    assert refused(places.read, "sftp://b/a") == "sftp:// addresses need the package paramiko: pip install paramiko."
    monkeypatch.undo()
    assert "no address that is known here" in refused(places.fetch, "zzz://user:secret@host/a.png")
    assert "secret" not in refused(places.fetch, "zzz://user:secret@host/a.png")


def test_a_network_that_fails_is_no_fault_of_the_request() -> None:
    with pytest.raises(EngineError, match=r"^broken://…/a\.png could not be read \(no route to host\): check"):
        places.fetch("broken://folder/a.png")
    assert "may not be read by this user" in refused(places.stamp, "broken://folder/a.png")


def test_a_folder_is_listed_without_links_to_folders(tmp_path: Path, memory: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.png").touch()
    (tmp_path / "round").symlink_to(tmp_path)
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    os.mkfifo(tmp_path / "pipe")
    assert sorted(places.entries(str(tmp_path))) == [("a.png", False), ("b.png", False), ("sub", True)]
    fsspec.filesystem("memory").pipe_file("/photos/sub/c.png", b"far")
    assert list(places.entries(memory)) == [("sub", True)]


def test_results_are_written_whole_into_folders_that_are_made(tmp_path: Path, memory: str) -> None:
    files = {"sub/a.png": b"picture", "sub/a.png.json": b"{}"}
    for out in (str(tmp_path / "new" / "out"), f"{memory}/out"):
        places.write_all(out, files, offline=True)
        assert {name: places.read(places.join(out, name)) for name in files} == files
        assert "exists already" in refused(places.write_all, out, {"sub/a.png": b"other"})
        assert places.read(places.join(out, "sub/a.png")) == b"picture"
        places.write_all(out, {"sub/a.png": b"other"}, overwrite=True)
        assert places.read(places.join(out, "sub/a.png")) == b"other"
    assert sorted(path.name for path in (tmp_path / "new" / "out" / "sub").iterdir()) == ["a.png", "a.png.json"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_no_result_leaves_the_output(tmp_path: Path, overwrite: bool) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    (elsewhere / "a.png").write_bytes(b"precious")
    (out / "folder").symlink_to(elsewhere)
    (out / "link.png").symlink_to(elsewhere / "a.png")
    for name in ("../elsewhere/a.png", "folder/a.png", "folder/new/b.png", "link.png", "/b.png", "folder/..", "."):
        assert "leads out of the output" in refused(places.write_all, str(out), {name: b"x"}, overwrite=overwrite)
    assert [(path.name, path.read_bytes()) for path in elsewhere.iterdir()] == [("a.png", b"precious")]


def test_an_output_that_is_a_link_itself_is_the_users_wish(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    places.write_all(str(tmp_path / "out"), {"sub/a.png": b"x"})
    assert (tmp_path / "disk" / "sub" / "a.png").read_bytes() == b"x"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    assert "cannot be made" in refused(places.write_all, str(tmp_path / "file" / "out"), {"a.png": b"x"})
