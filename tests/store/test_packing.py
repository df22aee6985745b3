"""A bundle goes through an archive unchanged, and an archive holds nothing but what belongs to a bundle."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import pytest

from iclight_local.errors import EngineError, InvalidRequest, WeightsError
from iclight_local.store.bundles import Bundle, check_bundle
from tests.cli.commands import BUNDLE
from tests.store.archives import FIRST, packed, unpacked
from tests.store.weights_trees import (
    FBC,
    FC,
    FCON,
    manifest_text,
    snapshot,
    use_manifest,
    write_checkpoint,
    write_pickle,
)


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
            # Python has filters since 3.11.4.
            safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
            archive.extractall(tmp_path / "by_tar", **safely)
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
