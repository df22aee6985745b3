"""Hashes of weights are remembered, and forgotten when a file changes."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from iclight_local.store import hashes
from iclight_local.store.hashes import file_hashes


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"one")
    return path


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read through to the end."""
    paths: list[Path] = []
    real = hashes._sha256
    monkeypatch.setattr(hashes, "_sha256", lambda path: (paths.append(path), real(path))[1])
    return paths


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def change(path: Path, data: bytes, *, at: int) -> None:
    """Replace the content, as if the file had been written at ``at`` nanoseconds."""
    path.write_bytes(data)
    os.utime(path, ns=(at, at))


def test_every_file_gets_its_own(tmp_path: Path, home: Path) -> None:
    paths = [tmp_path / name for name in ("a", "b", "empty")]
    for path, data in zip(paths, (b"aa", b"bb", b""), strict=True):
        path.write_bytes(data)
    found = file_hashes(paths, home)
    assert found == {paths[0]: sha256(b"aa"), paths[1]: sha256(b"bb"), paths[2]: sha256(b"")}
    assert list(found) == paths


def test_a_file_is_read_once(weights: Path, home: Path, read: list[Path]) -> None:
    change(weights, b"one", at=10**18)
    assert file_hashes([weights], home) == {weights: sha256(b"one")}
    # Of the same size and time: only a reader of the content could tell.
    change(weights, b"two", at=10**18)
    assert file_hashes([weights], home) == {weights: sha256(b"one")}
    assert read == [weights]


@pytest.mark.parametrize(("data", "at"), [(b"two", 10**18 + 1), (b"longer", 10**18)], ids=["time", "size"])
def test_a_changed_file_is_read_again(data: bytes, at: int, weights: Path, home: Path, read: list[Path]) -> None:
    change(weights, b"one", at=10**18)
    file_hashes([weights], home)
    change(weights, data, at=at)
    assert file_hashes([weights], home) == {weights: sha256(data)}
    assert len(read) == 2


def test_a_link_and_a_relative_path_are_the_same_file(
    weights: Path, home: Path, read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file_hashes([weights], home)
    link = weights.with_name("link.safetensors")
    link.symlink_to(weights)
    monkeypatch.chdir(weights.parent)
    relative = Path(weights.name)
    assert file_hashes([link, relative], home) == {link: sha256(b"one"), relative: sha256(b"one")}
    assert len(read) == 1


def test_what_was_known_stays_known(tmp_path: Path, weights: Path, home: Path, read: list[Path]) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"other")
    file_hashes([weights], home)
    file_hashes([other], home)
    file_hashes([weights, other], home)
    assert read == [weights, other]
    assert [path.name for path in (home / "cache").iterdir()] == ["hashes.json"], "no temporary file stays"


@pytest.mark.parametrize("content", [b"", b"{", b"5", b'"ab"', b"[1]", b"\xff\xfe\x00"])
def test_a_damaged_cache_is_done_without_and_mended(
    content: bytes, weights: Path, home: Path, read: list[Path]
) -> None:
    cache = home / "cache" / "hashes.json"
    cache.parent.mkdir(parents=True)
    cache.write_bytes(content)
    assert file_hashes([weights], home) == {weights: sha256(b"one")}
    assert list(json.loads(cache.read_text()).values()) == [sha256(b"one")]
    file_hashes([weights], home)
    assert len(read) == 1


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, weights: Path, read: list[Path]) -> None:
    home = tmp_path / "file"
    home.write_text("a file where the folder should be")
    for _ in range(2):
        assert file_hashes([weights], home) == {weights: sha256(b"one")}
    assert len(read) == 2
    assert home.read_text() == "a file where the folder should be"


def test_threads_take_nothing_from_each_other(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / name for name in "abcd"]
    for path in paths:
        path.write_bytes(path.name.encode())
    together, real = threading.Barrier(len(paths)), hashes._sha256

    def slow(path: Path) -> str:
        # All have read the cache before one of them writes it.
        together.wait(10)
        return real(path)

    monkeypatch.setattr(hashes, "_sha256", slow)
    with ThreadPoolExecutor(len(paths)) as threads:
        list(threads.map(lambda path: file_hashes([path], home), paths))
    assert list(hashes.remembered_hashes(paths, home)) == paths
    assert [path.name for path in (home / "cache").iterdir()] == ["hashes.json"]
