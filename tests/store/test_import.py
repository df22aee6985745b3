"""Weights of other programs become a bundle: each kind of tree, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from iclight_local.errors import InvalidRequest, WeightsError
from iclight_local.store.bundles import Bundle, check_bundle, list_bundles
from iclight_local.store.trees import tree_kind
from tests.cli.commands import BUNDLE
from tests.store.imports import bring, left, used
from tests.store.weights_trees import (
    FBC,
    FC,
    a1111,
    comfyui,
    hub_cache,
    put,
    snapshot,
    write_checkpoint,
    write_lora,
    write_pickle,
    write_vae,
)


class TestTrees:
    def test_comfyui(self, tree: Path, home: Path) -> None:
        models = comfyui(tree) / "models"
        done = bring(tree, home)
        assert done.kind == "comfyui"
        assert used(done) == {
            "base": (models / "checkpoints" / "my_mix.safetensors", "its shapes"),
            "fbc": (models / "diffusion_models" / "IC-Light" / "a.safetensors", "its shapes"),
            "fc": (models / "unet" / "IC-Light" / "iclight_sd15_fc.safetensors", "its name"),
        }
        assert left(done) == {
            "ft-mse.safetensors": "the base has a VAE of its own; --vae takes this one",
            "style.safetensors": "a bundle has no place for it",
            "taesd_decoder.pth": "a pickle, which can run code while it is read, so it is not used: "
            "a safetensors file is needed",
        }
        assert done.bundle == Bundle("sd15", home / "weights" / "sd15")
        assert list_bundles(home) == [done.bundle]
        assert check_bundle(done.bundle) is None
        assert sorted(path.name for path in done.bundle.path.iterdir()) == [
            "base.safetensors", "iclight_sd15_fbc.safetensors", "iclight_sd15_fc.safetensors",
        ]  # fmt: skip
        assert done.bundle.base.samefile(models / "checkpoints" / "my_mix.safetensors")
        assert [path.name for path in (home / "weights").iterdir()] == ["sd15"]

    def test_a1111(self, tree: Path, home: Path) -> None:
        done = bring(a1111(tree), home)
        assert done.kind == "a1111"
        assert set(used(done)) == {"base", "fcon", "fbc"}
        assert "pickle" in left(done)["old.ckpt"]
        assert check_bundle(done.bundle) is None

    def test_a_hub_cache(self, tree: Path, home: Path) -> None:
        cache = hub_cache(tree / "hub")
        done = bring(tree, home)
        assert done.kind == "huggingface"
        assert set(used(done)) == {"base", "fc", "fbc"}
        assert check_bundle(done.bundle) is None
        assert not any("damaged" in name for name in left(done))
        # What is linked is the blob: the cache's own links may go.
        for path in done.bundle.path.rglob("*.safetensors"):
            assert not path.is_symlink()
            assert any(path.samefile(blob) for blob in cache.glob("*/blobs/*"))
        assert snapshot(done.bundle.base).keys() == snapshot(BUNDLE / "base").keys()

    def test_one_repository_of_a_cache(self, tree: Path, home: Path) -> None:
        cache = hub_cache(tree)
        done = bring(cache / "models--lllyasviel--ic-light", home)
        assert done.kind == "huggingface"
        assert (set(used(done)), done.lacks) == ({"fc", "fbc"}, ("base",))

    def test_a_bundle_of_another_place(self, home: Path, tree: Path) -> None:
        source = tree / "mine"
        shutil.copytree(BUNDLE, source)
        write_vae(source / "vae.safetensors")
        done = bring(source, home)
        assert done.kind == "bundle"
        assert set(used(done)) == {"base", "fc", "fcon", "fbc", "vae"}
        assert snapshot(done.bundle.path) == snapshot(source)

    def test_a_diffusers_folder_then_single_files(self, home: Path) -> None:
        done = bring(BUNDLE / "base", home)
        assert (done.kind, set(used(done)), done.lacks) == ("diffusers", {"base"}, ("offsets",))
        done = bring(FC, home)
        assert (done.kind, set(used(done)), done.lacks) == ("file", {"fc"}, ())
        assert check_bundle(done.bundle) is None

    def test_folders_that_link_to_each_other(self, tree: Path, home: Path) -> None:
        comfyui(tree / "comfy")
        (tree / "comfy" / "models" / "round").symlink_to(tree)
        (tree / "webui").symlink_to(tree / "comfy")
        done = bring(tree, home)
        assert len(done.findings) == 6

    @pytest.mark.parametrize(
        "folders",
        ["models/checkpoints models/vae", "checkpoints unet", "ComfyUI/models/checkpoints ComfyUI/models/loras"],
    )
    def test_comfyui_is_told_from_its_folders(self, folders: str, tree: Path) -> None:
        for name in folders.split():
            (tree / name).mkdir(parents=True)
        assert tree_kind(tree) == "comfyui"

    def test_an_unknown_layout(self, tree: Path, home: Path) -> None:
        write_checkpoint(tree / "a" / "x.safetensors")
        put(FBC, tree / "b" / "y.safetensors")
        done = bring(tree, home)
        assert (done.kind, set(used(done))) == ("folder", {"base", "fbc"})


class TestRefused:
    def test_nothing_is_there(self, tree: Path, home: Path) -> None:
        with pytest.raises(WeightsError, match=r"There is no .*nowhere: name a ComfyUI"):
            bring(tree / "nowhere", home)
        with pytest.raises(WeightsError, match=r"holds no weights, and a plain SD1\.5 model"):
            bring(tree, home)

    def test_only_what_cannot_be_used(self, tree: Path, home: Path) -> None:
        write_pickle(tree / "base.ckpt")
        write_lora(tree / "style.safetensors")
        with pytest.raises(WeightsError, match=r"Nothing in .* can be used \(base\.ckpt and 1 more: a pickle"):
            bring(tree, home)

    @pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "loras"])
    def test_names(self, name: str, tree: Path, home: Path) -> None:
        with pytest.raises(InvalidRequest, match="A bundle cannot"):
            bring(comfyui(tree), home, name=name)
        assert not home.exists()
