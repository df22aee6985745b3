"""Writing: whole or not at all, and never over somebody's picture."""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iclight_local.errors import EngineError, InvalidRequest
from iclight_local.imaging.write import check_writable, write, write_all


def sentence_of(kind: type[Exception], call: Callable[[], object]) -> str:
    with pytest.raises(kind) as caught:
        call()
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert not re.search(r"\. [A-Z]", sentence), f"more than one sentence: {sentence}"
    return sentence


def test_write_gives_the_whole_file_with_usual_permissions(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    check_writable(path)
    assert list(tmp_path.iterdir()) == []
    write(path, b"picture")
    assert path.read_bytes() == b"picture"
    assert list(tmp_path.iterdir()) == [path]
    plain = tmp_path / "plain"
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode


def test_an_existing_file_stays_without_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    path.write_bytes(b"mine")
    assert "--overwrite" in sentence_of(InvalidRequest, lambda: check_writable(path))
    assert "--overwrite" in sentence_of(InvalidRequest, lambda: write(path, b"other"))
    assert path.read_bytes() == b"mine"
    check_writable(path, overwrite=True)
    assert path.read_bytes() == b"mine"
    write(path, b"other", overwrite=True)
    assert path.read_bytes() == b"other"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_in_the_meantime_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    path = tmp_path / "out.png"
    without_links(monkeypatch, links)
    sync = os.fsync

    def sync_and_lose_the_race(descriptor: int) -> None:
        path.write_bytes(b"mine")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", sync_and_lose_the_race)
    assert "--overwrite" in sentence_of(InvalidRequest, lambda: write(path, b"other"))
    assert path.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("links", [True, False])
def test_of_many_writers_exactly_one_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    path = tmp_path / "out.png"
    without_links(monkeypatch, links)
    won: list[bytes] = []

    def attempt(number: int) -> None:
        data = bytes([number]) * 100_000
        try:
            write(path, data)
        except InvalidRequest:
            return
        won.append(data)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert path.read_bytes() == won[0]
    assert list(tmp_path.iterdir()) == [path]


def without_links(monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    """A memory card's file system has no hard links."""

    def refuse(source: object, target: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", refuse)


def test_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_links(monkeypatch, False)
    write(tmp_path / "out.png", b"picture")
    assert (tmp_path / "out.png").read_bytes() == b"picture"
    assert len(list(tmp_path.iterdir())) == 1


def test_claimed_name_is_given_back_when_the_rename_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_links(monkeypatch, False)

    def fail(self: Path, target: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "replace", fail)
    assert "Input/output error" in sentence_of(EngineError, lambda: write(tmp_path / "out.png", b"x"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("overwrite", [True, False])
def test_places_where_nothing_can_be_written(tmp_path: Path, check: bool, overwrite: bool) -> None:
    def attempt(path: Path | str) -> str:
        if check:
            return sentence_of(InvalidRequest, lambda: check_writable(path, overwrite=overwrite))
        return sentence_of(InvalidRequest, lambda: write(path, b"x", overwrite=overwrite))

    (tmp_path / "file").write_bytes(b"mine")
    assert "is no folder" in attempt(tmp_path / "missing" / "out.png")
    assert "is no folder" in attempt(tmp_path / "file" / "out.png")
    if Path("/proc").is_dir():
        assert "/proc takes no new files" in attempt(Path("/proc/out.png"))
    assert "is a folder" in attempt(tmp_path)
    assert "is a folder" in attempt("")
    assert "/proc" in attempt("/proc/out.png")
    assert "no file name" in attempt("a\0b.png")
    assert "cannot be written" in attempt(tmp_path / ("x" * 300 + ".png"))
    assert ("device" if overwrite else "--overwrite") in attempt("/dev/null")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert Path("/dev/null").is_char_device()


def test_denied_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(self: Path, *args: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    # Tests run as root, whom no permission stops.
    monkeypatch.setattr(Path, "open", deny)
    monkeypatch.setattr(Path, "touch", deny)
    assert "Permission denied" in sentence_of(InvalidRequest, lambda: check_writable(tmp_path / "a.png"))
    assert "Permission denied" in sentence_of(InvalidRequest, lambda: write(tmp_path / "a.png", b"x"))


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.png"
    path.write_bytes(b"mine")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "No space left" in sentence_of(EngineError, lambda: write(path, b"x", overwrite=True))
    assert path.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [path]


def test_really_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/dev/full stands in for the temporary file, so the error is the kernel's own."""
    plain_open = Path.open

    def open_full(self: Path, mode: str = "r", **options: Any) -> Any:
        if mode != "xb":
            return plain_open(self, mode, **options)
        self.touch(exist_ok=False)
        return plain_open(Path("/dev/full"), "wb")

    monkeypatch.setattr(Path, "open", open_full)
    assert "free some space" in sentence_of(EngineError, lambda: write(tmp_path / "out.png", bytes(1 << 20)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failure", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_an_interrupt_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: type[BaseException]
) -> None:
    def interrupt(descriptor: int) -> None:
        raise failure

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(failure):
        write(tmp_path / "out.png", b"x")
    assert list(tmp_path.iterdir()) == []


def test_dangling_link_is_not_written_through(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    path.symlink_to(tmp_path / "elsewhere.png")
    assert "exists already" in sentence_of(InvalidRequest, lambda: write(path, b"x"))
    assert path.is_symlink()
    assert not (tmp_path / "elsewhere.png").exists()


def test_several_files_are_written_all_or_none(tmp_path: Path) -> None:
    taken = tmp_path / "b.png"
    taken.write_bytes(b"mine")
    with pytest.raises(InvalidRequest, match="exists already"):
        write_all({tmp_path / "a.png": b"1", taken: b"2", tmp_path / "c.png": b"3"})
    assert list(tmp_path.iterdir()) == [taken]
    assert taken.read_bytes() == b"mine"
    write_all({tmp_path / "a.png": b"1", taken: b"2"}, overwrite=True)
    assert (taken.read_bytes(), len(list(tmp_path.iterdir()))) == (b"2", 2)


def test_an_interrupt_between_two_files_takes_the_first_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link, linked = os.link, []

    def interrupted(source: Path, target: Path) -> None:
        if linked:
            raise KeyboardInterrupt
        linked.append(target)
        link(source, target)

    monkeypatch.setattr(os, "link", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_all({tmp_path / "a.png": b"1", tmp_path / "b.png": b"2"})
    assert linked == [tmp_path / "a.png"]
    assert list(tmp_path.iterdir()) == []


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    target, pointer = tmp_path / "real.png", tmp_path / "link.png"
    target.write_bytes(b"old")
    pointer.symlink_to(target)
    write(pointer, b"new", overwrite=True)
    assert pointer.is_symlink()
    assert target.read_bytes() == b"new"
