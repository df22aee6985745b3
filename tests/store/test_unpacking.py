"""An archive with anything strange in it leaves nothing behind."""

from __future__ import annotations

import gzip
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from iclight_local.errors import InvalidRequest, WeightsError
from iclight_local.store.bundles import Bundle, check_bundle
from iclight_local.store.packlist import MAX_FILES, check_path
from tests.store.archives import BLOCK, FIRST, Member, listed, padded, unpacked, write_archive


def refused(path: Path, home: Path) -> str:
    """The sentence, when nothing at all was left behind."""
    with pytest.raises(WeightsError) as caught:
        unpacked(path, home)
    assert not home.exists()
    sentence = str(caught.value)
    assert sentence.startswith(f"{path} ")
    assert "; nothing was unpacked: copy it again" in sentence
    return sentence


def _changed_list(**values: Any) -> Callable[[list[Member]], tuple[list[Member], object]]:
    return lambda members: (members, listed(members, **values))


def _first_file(**values: Any) -> Callable[[list[Member]], tuple[list[Member], object]]:
    def change(members: list[Member]) -> tuple[list[Member], object]:
        table = listed(members)
        table["files"][0].update(values)
        return members, table

    return change


def _member(number: int, **values: Any) -> Callable[[list[Member]], tuple[list[Member], object]]:
    """One member differs from what the list says."""

    def change(members: list[Member]) -> tuple[list[Member], object]:
        changed = [*members]
        changed[number] = replace(changed[number], **values)
        return changed, listed(members)

    return change


def _strange(kind: bytes) -> Callable[[list[Member]], tuple[list[Member], object]]:
    """A member of a strange kind in the place of the last file, with its data, so that the sizes are right."""
    return _member(-1, type=kind, link="/etc/passwd")


WRONG: dict[str, tuple[Callable[[list[Member]], tuple[list[Member], object]], str]] = {
    "absolute path": (_first_file(path="/etc/passwd"), "'/etc/passwd' leads out of its folder"),
    "path upwards": (_first_file(path="base/../../x.json"), "leads out of its folder"),
    "hidden path": (_first_file(path=".ssh/x.json"), "is no plain relative path"),
    "backslashes": (_first_file(path="base\\x.json"), "is no plain relative path"),
    "a drive": (_first_file(path="C:x.json"), "is no plain relative path"),
    "a path with a zero byte": (_first_file(path="a\0b.json"), "is no plain relative path"),
    "a device of Windows": (_first_file(path="base/nul.json"), "no name that every system can have"),
    "a pickle": (_first_file(path="base/x.bin"), "is a pickle"),
    "a path that is no text": (_first_file(path=7), "must be a text"),
    "a size that is no number": (_first_file(size="9"), "size is no number of bytes"),
    "a size below zero": (_first_file(size=-1), "size is no number of bytes"),
    "an enormous size": (_first_file(size=10**15), "is truncated"),
    "a hash that is none": (_first_file(sha256="x"), "must be 64 small hexadecimal digits"),
    "an unknown field": (_first_file(mode="0777"), "mode is unknown"),
    "an unknown field of the list": (_changed_list(run="rm"), "run is unknown"),
    "another format": (_changed_list(format=2), "this version reads format 1"),
    "no format": (_changed_list(format=None), "this version reads format 1"),
    "a name upwards": (_changed_list(name="../sd15"), "is no name of a bundle"),
    "no files": (_changed_list(files=[]), "are 0, and a bundle has 1 to"),
    "too many files": (
        lambda members: (members, listed([Member(f"{number}.json") for number in range(MAX_FILES + 1)])),
        f"are {MAX_FILES + 1}, and a bundle has",
    ),
    "a file twice": (lambda members: (members, listed([*members, members[0]])), "name one place twice"),
    "a file twice but for capitals": (
        lambda members: (members, listed([*members, replace(members[0], name=members[0].name.upper())])),
        "name one place twice",
    ),
    "a file as a folder": (lambda members: (members, listed([*members, Member("base")])), "name one place twice"),
    "the list in itself": (lambda members: (members, listed([*members, Member(FIRST)])), "name the list itself"),
    "a list that is none": (lambda members: (members, ["sd15"]), "no valid JSON"),
    "a symbolic link": (_strange(tarfile.SYMTYPE), "holds a symbolic link"),
    "a hard link": (_strange(tarfile.LNKTYPE), "holds a hard link"),
    "a device": (_strange(tarfile.CHRTYPE), "holds a device"),
    "a block device": (_strange(tarfile.BLKTYPE), "holds a device"),
    "a pipe": (_strange(tarfile.FIFOTYPE), "holds a pipe"),
    "a folder": (_strange(tarfile.DIRTYPE), "holds a folder"),
    "a sparse file": (_strange(tarfile.GNUTYPE_SPARSE), "a member of the kind b'S'"),
    "a long name": (_strange(tarfile.GNUTYPE_LONGNAME), "a member of the kind b'L'"),
    "an extended header": (_strange(tarfile.XHDTYPE), "a member of the kind b'x'"),
    "a link's name in a plain file": (_member(-1, link="/etc/passwd"), "has a strange header"),
    "a member that is not in the list": (_member(-1, name="other.json"), "holds 'other.json' where its list says"),
    "a member upwards": (_member(-1, name="../../x.json"), "where its list says"),
    "a member of another size": (_member(-1, size=7), "with 7 bytes, and its list says"),
    "a member too much": (
        lambda members: ([*members, Member("more.json", bytes(20000))], listed(members)),
        "larger than its list says",
    ),
    "a missing member": (lambda members: (members[:-1], listed(members)), "is truncated"),
    "other bytes": (
        lambda members: ([*members[:-1], replace(members[-1], data=members[-1].data[::-1])], listed(members)),
        "has another sha256 than its list says",
    ),
}


class TestUnpacking:
    def test_the_archives_of_these_tests_are_right_where_nothing_is_wrong(
        self, small: list[Member], tmp_path: Path, home: Path
    ) -> None:
        path = unpacked(write_archive(tmp_path / "a.tar", small), home)
        assert check_bundle(Bundle("sd15", path)) is None

    @pytest.mark.parametrize("case", WRONG)
    def test_wrong_archives(self, case: str, small: list[Member], tmp_path: Path, home: Path) -> None:
        change, sentence = WRONG[case]
        members, table = change(small)
        assert sentence in refused(write_archive(tmp_path / "a.tar", members, table), home)

    def test_a_tar_of_something_else(self, small: list[Member], tmp_path: Path, home: Path) -> None:
        path = tmp_path / "a.tar"
        path.write_bytes(padded(small[0].encode() + bytes(2 * BLOCK), 10240))
        assert f"begins with 'base/model_index.json', and not with {FIRST}" in refused(path, home)

    @pytest.mark.parametrize(
        ("data", "sentence"),
        [
            (b"", "is no tar or a damaged one"),
            (b"x" * 3000, "is no tar or a damaged one"),
            (bytes(10240), f"ends where a tar that begins with {FIRST} was needed"),
            (gzip.compress(bytes(999), mtime=0), "is compressed (gzip), and a plain tar was needed"),
            (Member(FIRST, size=10**13).encode(), "has a list of 10000000000000 bytes"),
            (padded(Member(FIRST, b"[" * 9999).encode(), 10240), "no valid JSON"),
            (padded(Member(FIRST, b"\xff{}").encode(), 10240), "no valid JSON"),
        ],
    )
    def test_no_archive_at_all(self, data: bytes, sentence: str, tmp_path: Path, home: Path) -> None:
        path = tmp_path / "a.tar"
        path.write_bytes(data)
        assert sentence in refused(path, home)

    def test_a_zip_and_a_folder(self, tmp_path: Path, home: Path) -> None:
        with zipfile.ZipFile(tmp_path / "a.tar", "w") as archive:
            archive.writestr(FIRST, "{}")
        assert "is compressed (zip)" in refused(tmp_path / "a.tar", home)
        with pytest.raises(WeightsError, match="is no file: an archive from"):
            unpacked(tmp_path, home)

    def test_truncated_at_many_places(self, small: list[Member], tmp_path: Path, home: Path) -> None:
        data = write_archive(tmp_path / "a.tar", small).read_bytes()
        path = tmp_path / "cut.tar"
        for length in [1, 511, 512, 700, 4096, *range(10_000, len(data), len(data) // 25), len(data) - 1]:
            path.write_bytes(data[:length])
            assert any(word in refused(path, home) for word in ("truncated", "damaged one", "no valid JSON"))

    def test_longer_than_it_says(self, small: list[Member], tmp_path: Path, home: Path) -> None:
        path = write_archive(tmp_path / "a.tar", small)
        data = path.read_bytes()
        path.write_bytes(data + bytes(10240))
        assert "is larger than its list says" in refused(path, home)
        path.write_bytes(data[:-5] + b"hidde")
        assert "holds more than its list says" in refused(path, home)

    def test_something_between_the_files(self, small: list[Member], tmp_path: Path, home: Path) -> None:
        path = write_archive(tmp_path / "a.tar", small)
        data = bytearray(path.read_bytes())
        place = data.rindex(small[1].name.encode()) - 1
        assert data[place] == 0
        data[place] = 7
        path.write_bytes(data)
        assert "has something hidden between its files" in refused(path, home)

    def test_a_flipped_bit_anywhere(self, small: list[Member], tmp_path: Path, home: Path) -> None:
        path = write_archive(tmp_path / "a.tar", small)
        data = path.read_bytes()
        for place in range(5, len(data), len(data) // 20):
            path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
            refused(path, home)

    def test_no_bundle_inside(self, small: list[Member], tmp_path: Path, home: Path) -> None:
        assert "holds no whole bundle" in refused(write_archive(tmp_path / "a.tar", small[:3]), home)

    def test_names(self, small: list[Member], tmp_path: Path, home: Path) -> None:
        path = write_archive(tmp_path / "a.tar", small)
        assert unpacked(path, home, name="other").name == "other"
        for name in ("../x", "", ".x", "loras"):
            with pytest.raises(InvalidRequest, match="A bundle cannot"):
                unpacked(path, home, name=name)

    def test_a_bundle_is_replaced_only_when_asked(self, small: list[Member], tmp_path: Path, home: Path) -> None:
        path = write_archive(tmp_path / "a.tar", small)
        there = unpacked(path, home)
        (there / "mine.txt").write_text("mine")
        with pytest.raises(InvalidRequest, match="exists already: choose another name with --name"):
            unpacked(path, home)
        assert (there / "mine.txt").exists()
        bad = write_archive(tmp_path / "bad.tar", [*small[:-1], replace(small[-1], data=b"x")], listed(small))
        with pytest.raises(WeightsError):
            unpacked(bad, home, overwrite=True)
        assert (there / "mine.txt").exists()
        unpacked(path, home, overwrite=True)
        assert not (there / "mine.txt").exists()
        assert [folder.name for folder in (home / "weights").iterdir()] == ["sd15"]


@pytest.mark.parametrize(
    "path", ["a.json", "base/unet/config.json", "iclight_sd15_fc.safetensors", "LICENSE", "a b/c+d_1.txt"]
)
def test_plain_paths(path: str) -> None:
    assert check_path(path) is None


@pytest.mark.parametrize(
    "path", ["", ".", "/", "a//b", "./a", "a/", "a/.", "..", "a/../b", "-x", "a\nb", "é.json", "a ", "a.", "x" * 100]
)
def test_paths_that_are_not_plain(path: str) -> None:
    assert check_path(path) is not None
