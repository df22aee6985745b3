"""A bundle goes through an archive unchanged; an archive with anything strange in it leaves nothing behind."""

from __future__ import annotations

import gzip
import json
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from iclight_local.errors import EngineError, InvalidRequest, WeightsError
from iclight_local.store.bundles import Bundle, check_bundle, list_bundles
from iclight_local.store.packing import Archive, pack
from iclight_local.store.packlist import MAX_FILES, check_path
from iclight_local.store.staging import clear_leftovers, staging
from iclight_local.store.unpacking import Unpack, unpack
from tests.cli.commands import BUNDLE, PATIENCE_S, environment
from tests.store.archives import BLOCK, FIRST, Member, bundle_members, listed, padded, write_archive
from tests.store.test_import import snapshot, use_manifest
from tests.store.weights_trees import FBC, FC, FCON, manifest_text, write_checkpoint, write_pickle

GOLDEN = Bundle("sd15", BUNDLE)
STOPPED = """
import os, sys, time
import iclight_local.store.unpacking as unpacking
count = 0
def slow(descriptor, fsync=os.fsync):
    global count
    count += 1
    fsync(descriptor)
    if count == 5:
        print("half", flush=True)
        time.sleep(60)
unpacking.os.fsync = slow
from iclight_local.cli import main
sys.exit(main(["weights", "unbundle", *sys.argv[1:]]))
"""
"""``iclight weights unbundle`` that rests behind its fifth file."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def small(tmp_path: Path) -> list[Member]:
    """The members of a bundle with one model, the smallest there can be."""
    folder = tmp_path / "small"
    shutil.copytree(BUNDLE, folder)
    for path in (FCON, FBC):
        (folder / path.name).unlink()
    return bundle_members(folder)


def packed(path: Path, home: Path, bundle: Bundle = GOLDEN, **how: Any) -> Archive:
    return pack(bundle, path, home, **{"overwrite": False, "commercial": False, "told": lambda _: None, **how})


def unpacked(path: Path, home: Path, **how: Any) -> Path:
    return unpack(
        Unpack(**{"archive": path, "name": None, "home": home, "overwrite": False, **how}), lambda _: None
    ).path


def refused(path: Path, home: Path) -> str:
    """The sentence, when nothing at all was left behind."""
    with pytest.raises(WeightsError) as caught:
        unpacked(path, home)
    assert not home.exists()
    sentence = str(caught.value)
    assert sentence.startswith(f"{path} ")
    assert "; nothing was unpacked: copy it again" in sentence
    return sentence


class TestPacking:
    def test_the_way_there_and_back(self, tmp_path: Path, home: Path) -> None:
        counted: list[int] = []
        done = packed(tmp_path / "a.tar", home, told=counted.append)
        assert sum(counted) == done.listed.total
        assert [file.path for file in done.listed.files] == sorted(snapshot(BUNDLE))
        assert unpacked(done.path, home) == home / "weights" / "sd15"
        assert snapshot(home / "weights" / "sd15") == snapshot(BUNDLE)
        assert [path.name for path in (home / "weights").iterdir()] == ["sd15"]

    def test_the_same_bytes_each_time_and_other_programs_can_read_it(self, tmp_path: Path, home: Path) -> None:
        first = packed(tmp_path / "a.tar", home).path
        copy = tmp_path / "linked"
        shutil.copytree(BUNDLE, copy, copy_function=lambda source, target: Path(target).symlink_to(source))
        second = packed(tmp_path / "b.tar", home, Bundle("sd15", copy)).path
        assert first.read_bytes() == second.read_bytes()
        with tarfile.open(first) as archive:
            members = archive.getmembers()
            assert members[0].name == FIRST
            assert {(member.mtime, member.uid, member.gid, member.isreg()) for member in members} == {(0, 0, 0, True)}
            archive.extractall(tmp_path / "by_tar", filter="data")
        assert json.loads((tmp_path / "by_tar" / FIRST).read_text())["name"] == "sd15"

    def test_only_what_belongs_to_a_bundle(self, tmp_path: Path, home: Path) -> None:
        folder = tmp_path / "full"
        shutil.copytree(BUNDLE, folder)
        write_pickle(folder / "base" / "unet" / "diffusion_pytorch_model.bin")
        (folder / "base" / "safety_checker").mkdir()
        shutil.copy(FC, folder / "base" / "safety_checker" / "model.safetensors")
        (folder / ".cache").mkdir()
        (folder / ".cache" / "x.json").write_text("{}")
        (folder / "LICENSE").write_text("terms")
        names = [file.path for file in packed(tmp_path / "a.tar", home, Bundle("full", folder)).listed.files]
        assert set(names) - set(snapshot(BUNDLE)) == {"LICENSE"}

    def test_a_single_file_base(self, tmp_path: Path, home: Path) -> None:
        folder = tmp_path / "single"
        write_checkpoint(folder / "base.safetensors")
        shutil.copy(FC, folder / FC.name)
        done = packed(tmp_path / "a.tar", home, Bundle("single", folder))
        there = unpacked(done.path, home)
        assert check_bundle(Bundle("single", there)) is None
        assert snapshot(there) == snapshot(folder)

    def test_a_pickle_is_not_packed(self, tmp_path: Path, home: Path) -> None:
        folder = tmp_path / "old"
        shutil.copytree(BUNDLE, folder)
        (folder / "base" / "vae" / "diffusion_pytorch_model.safetensors").unlink()
        write_pickle(folder / "base" / "vae" / "diffusion_pytorch_model.bin")
        with pytest.raises(WeightsError, match=r"is a pickle, .*: convert it to safetensors, or pull another base \("):
            packed(tmp_path / "a.tar", home, Bundle("old", folder))
        assert not (tmp_path / "a.tar").exists()

    def test_a_damaged_bundle(self, tmp_path: Path, home: Path) -> None:
        folder = tmp_path / "cut"
        shutil.copytree(BUNDLE, folder)
        (folder / FC.name).write_bytes(FC.read_bytes()[:-1])
        with pytest.raises(WeightsError, match="truncated"):
            packed(tmp_path / "a.tar", home, Bundle("cut", folder))

    def test_a_link_to_nothing(self, tmp_path: Path, home: Path) -> None:
        folder = tmp_path / "moved"
        shutil.copytree(BUNDLE, folder)
        (folder / FC.name).unlink()
        (folder / FC.name).symlink_to(tmp_path / "gone")
        with pytest.raises(WeightsError, match=r"links to .*gone, which is not there: import or pull it again"):
            packed(tmp_path / "a.tar", home, Bundle("moved", folder))

    def test_an_archive_is_not_replaced(self, tmp_path: Path, home: Path) -> None:
        (tmp_path / "a.tar").write_text("mine")
        with pytest.raises(InvalidRequest, match="exists already: choose another name, or add --overwrite"):
            packed(tmp_path / "a.tar", home)
        assert (tmp_path / "a.tar").read_text() == "mine"
        packed(tmp_path / "a.tar", home, overwrite=True)
        with pytest.raises(InvalidRequest, match="exists already: name a file in it"):
            packed(tmp_path, home, overwrite=True)
        with pytest.raises(InvalidRequest, match="is no folder; create it"):
            packed(tmp_path / "nowhere" / "a.tar", home)

    def test_a_stale_hash_is_found_and_nothing_is_left(self, tmp_path: Path, home: Path) -> None:
        packed(tmp_path / "a.tar", home)
        cache = home / "cache" / "hashes.json"
        table = json.loads(cache.read_text())
        cache.write_text(json.dumps({key: "0" * 64 if "fbc" in key else value for key, value in table.items()}))
        with pytest.raises(EngineError, match="is not what its hash says"):
            packed(tmp_path / "b.tar", home)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "home"]

    def test_a_full_disk(self, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        done = packed(tmp_path / "a.tar", tmp_path / "cache")
        monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 0))
        with pytest.raises(EngineError, match="are needed in"):
            packed(tmp_path / "b.tar", tmp_path / "cache")
        with pytest.raises(EngineError, match="are needed in"):
            unpacked(done.path, home)
        assert not home.exists()


class TestLicences:
    def test_commercial(self, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        offsets = {"fc": FC, "fcon": FCON, "fbc": FBC}
        use_manifest(tmp_path, monkeypatch, manifest_text(offsets))
        files = {file.path: file.licence for file in packed(tmp_path / "a.tar", home, commercial=True).listed.files}
        assert files["iclight_sd15_fc.safetensors"] == "licence of iclight-fc"
        assert files["base/unet/config.json"] == "licence of realistic-vision-v51"
        for answer, sentence in (("no", "may not be used commercially"), ("unknown", "commercially is unknown")):
            use_manifest(tmp_path, monkeypatch, manifest_text(offsets, commercial=answer))
            with pytest.raises(WeightsError, match=sentence):
                packed(tmp_path / "b.tar", home, commercial=True)
        use_manifest(tmp_path, monkeypatch, manifest_text({"fc": FC}))
        with pytest.raises(WeightsError, match=r"licence of .*fbc\.safetensors is unknown, the manifest does not know"):
            packed(tmp_path / "b.tar", home, commercial=True)

    def test_the_embedded_bundle_is_the_projects_own(self, mini: Path, tmp_path: Path, home: Path) -> None:
        done = packed(tmp_path / "mini.tar", home, Bundle("mini", mini), commercial=True)
        assert {file.licence for file in done.listed.files} == {"Apache-2.0, this project's own"}
        assert "segmenter.onnx" in {file.path for file in done.listed.files}


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
            (gzip.compress(bytes(999)), "is compressed (gzip), and a plain tar was needed"),
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


class TestInterrupted:
    @pytest.fixture
    def archive(self, small: list[Member], tmp_path: Path) -> Path:
        return write_archive(tmp_path / "a.tar", small)

    def _stop(self, archive: Path, home: Path, number: int) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", STOPPED, str(archive), "--home", str(home)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        assert len(list((home / "weights").glob(".iclight-*/new/sd15/**/*.json"))) > 1
        process.send_signal(number)
        process.wait(PATIENCE_S)
        return process

    def test_ctrl_c_leaves_nothing(self, archive: Path, home: Path) -> None:
        process = self._stop(archive, home, signal.SIGINT)
        assert process.returncode == 130
        assert process.stderr is not None
        assert process.stderr.read() == "iclight: Stopped; no result was left half-written.\n"
        assert not home.exists()

    def test_a_kill_leaves_no_bundle_and_the_next_run_clears_up(self, archive: Path, home: Path) -> None:
        process = self._stop(archive, home, signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert list_bundles(home) == []
        assert [path.name for path in (home / "weights").iterdir()] != ["sd15"]
        unpacked(archive, home)
        assert [path.name for path in (home / "weights").iterdir()] == ["sd15"]

    def test_a_run_beside_it_is_left_alone(self, archive: Path, home: Path) -> None:
        with staging(home / "weights") as other:
            (other.new / "x").write_text("x")
            unpacked(archive, home)
            assert (other.new / "x").exists()
        assert [path.name for path in (home / "weights").iterdir()] == ["sd15"]

    def test_a_kill_between_the_two_renames_loses_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "sd15").mkdir()
        (tmp_path / "sd15" / "mine").write_text("mine")
        code = (
            "import os, sys; from pathlib import Path; from iclight_local.store.staging import staging\n"
            "with staging(Path(sys.argv[1])) as stage:\n"
            "    stage.set_aside(Path(sys.argv[1]) / 'sd15')\n"
            "    os.kill(os.getpid(), 9)\n"
        )
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment(), check=False)
        assert done.returncode == -signal.SIGKILL
        assert not (tmp_path / "sd15").exists()
        clear_leftovers(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["sd15"]
        assert (tmp_path / "sd15" / "mine").read_text() == "mine"


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
