"""The bundle that an import makes: linked, whole or not at all, and nothing of an old one lost."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from iclight_local.errors import ICLightError, WeightsError
from iclight_local.store.bundles import check_bundle
from iclight_local.store.importing import link
from tests.cli.commands import BUNDLE
from tests.store.imports import bring, left, used
from tests.store.weights_trees import FBC, FC, comfyui, snapshot, write


class TestBuilding:
    def test_hard_links_on_one_disk(self, tree: Path, home: Path) -> None:
        done = bring(comfyui(tree), home)
        assert set(done.ways.values()) == {"hard link"}

    def test_configs_are_copied(self, home: Path) -> None:
        done = bring(BUNDLE, home)
        for path in done.bundle.path.rglob("*.*"):
            if path.is_file():
                same = path.samefile(BUNDLE / path.relative_to(done.bundle.path))
                assert same == (path.suffix == ".safetensors")

    def test_symbolic_links_where_hard_ones_are_refused(
        self, tree: Path, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(source: Path, target: Path) -> None:
            raise OSError(18, "Invalid cross-device link")

        monkeypatch.setattr(os, "link", refuse)
        done = bring(comfyui(tree), home)
        assert set(done.ways.values()) == {"symbolic link"}
        assert check_bundle(done.bundle) is None
        monkeypatch.setattr(Path, "symlink_to", refuse)
        assert link(FC, tree / "copied.safetensors") == "copy"
        monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 0))
        with pytest.raises(ICLightError, match=r"are needed in .* and 0\.00 GB are free there"):
            link(FC, tree / "more.safetensors")
        assert not (tree / "more.safetensors").exists()

    def test_copies(self, tree: Path, home: Path) -> None:
        done = bring(comfyui(tree), home, copy=True)
        assert set(done.ways.values()) == {"copy"}
        shutil.rmtree(tree)
        assert check_bundle(done.bundle) is None

    def test_a_full_disk(self, tree: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 0))
        with pytest.raises(ICLightError, match=r"are needed in .* and 0\.00 GB are free there"):
            bring(comfyui(tree), home, copy=True)
        assert not home.exists()

    def test_a_bundle_is_completed_and_nothing_of_it_replaced(self, tree: Path, home: Path) -> None:
        first = bring(BUNDLE, home, copy=True).bundle.path
        (first / "iclight_sd15_fbc.safetensors").unlink()
        before = snapshot(first)
        done = bring(comfyui(tree), home)
        assert set(used(done)) == {"fbc"}
        assert left(done)["my_mix.safetensors"] == "the bundle has a base, which --overwrite would replace"
        after = snapshot(first)
        assert {name: after[name] for name in before} == before
        assert after.keys() - before.keys() == {"iclight_sd15_fbc.safetensors"}

    def test_a_bundle_that_is_a_link_to_a_folder(self, tree: Path, home: Path, tmp_path: Path) -> None:
        shutil.copytree(BUNDLE / "base", tmp_path / "elsewhere" / "base")
        (home / "weights").mkdir(parents=True)
        (home / "weights" / "sd15").symlink_to(tmp_path / "elsewhere")
        done = bring(comfyui(tree), home)
        assert done.bundle.path == home / "weights" / "sd15"
        assert (tmp_path / "elsewhere" / FC.name).samefile(tree / "models" / "unet" / "IC-Light" / FC.name)

    def test_once_more_is_no_fault(self, tree: Path, home: Path) -> None:
        before = snapshot(bring(comfyui(tree), home).bundle.path)
        again = bring(tree, home)
        assert used(again) == {}
        assert snapshot(again.bundle.path) == before

    def test_overwrite(self, tree: Path, home: Path) -> None:
        bundle = bring(BUNDLE, home, copy=True).bundle
        done = bring(comfyui(tree), home, overwrite=True)
        assert set(used(done)) == {"base", "fc", "fbc"}
        assert bundle.base.samefile(tree / "models" / "checkpoints" / "my_mix.safetensors")
        assert not (bundle.path / "base").exists()
        assert (bundle.path / "iclight_sd15_fcon.safetensors").is_file()
        assert check_bundle(bundle) is None

    def test_what_does_not_fit_together_changes_nothing(self, tree: Path, home: Path) -> None:
        bundle = bring(BUNDLE, home, copy=True).bundle
        before = snapshot(bundle.path)
        state = load_file(FBC)
        narrow = {
            **state,
            "conv_in.weight": state["conv_in.weight"][:, :9],
            "conv_out.weight": state["conv_out.weight"][:3],
        }
        write(tree / "fbc_for_three_channels.safetensors", narrow)
        with pytest.raises(
            WeightsError, match=r"is for latents of 3 channels, and .* has 4.* \(made from .*fbc_for_three"
        ):
            bring(tree, home, overwrite=True)
        assert snapshot(bundle.path) == before
        assert [path.name for path in (home / "weights").iterdir()] == ["sd15"]

    def test_a_failure_half_way_changes_nothing(self, tree: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        bundle = bring(BUNDLE, home, copy=True).bundle
        before = snapshot(bundle.path)
        rename = Path.rename
        stopped: list[Path] = []

        def fail(self: Path, target: Path) -> Path:
            if Path(target).name == "iclight_sd15_fc.safetensors" and "staging" in str(self) and not stopped:
                stopped.append(self)
                raise KeyboardInterrupt
            return rename(self, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", fail)
            with pytest.raises(KeyboardInterrupt):
                bring(comfyui(tree), home, overwrite=True)
        assert len(stopped) == 1
        assert snapshot(bundle.path) == before
        assert [path.name for path in (home / "weights").iterdir()] == ["sd15"]
