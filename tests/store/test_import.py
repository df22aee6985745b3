"""Weights of other programs become a bundle: told by their headers, linked, whole or not at all."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from iclight_local.errors import ICLightError, InvalidRequest, WeightsError
from iclight_local.store import hashes
from iclight_local.store.bundles import Bundle, check_bundle, list_bundles
from iclight_local.store.choosing import Wish
from iclight_local.store.importing import Import, Imported, import_tree, link
from iclight_local.store.trees import tree_kind
from tests.cli.commands import BUNDLE
from tests.store.weights_trees import (
    FBC,
    FC,
    FCON,
    a1111,
    comfyui,
    hub_cache,
    manifest_text,
    put,
    write,
    write_checkpoint,
    write_ldm_offsets,
    write_lora,
    write_merged,
    write_pickle,
    write_vae,
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    return folder


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest that knows the random bundle's files; the size of fcon only roughly."""
    use_manifest(tmp_path, monkeypatch, manifest_text({"fc": FC, "fcon": FCON}, exact=False))


def use_manifest(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    place = folder / "manifest"
    place.mkdir(exist_ok=True)
    (place / "manifest.toml").write_text(text)
    monkeypatch.setattr("iclight_local.embedded.WEIGHTS", (place,))


def bring(path: Path, home: Path, *, base: str | None = None, vae: str | None = None, **more: Any) -> Imported:
    asked = {"name": "sd15", "copy": False, "overwrite": False, **more}
    return import_tree(Import(path=path, home=home, wish=Wish(base, vae), **asked))


def used(done: Imported) -> dict[str, tuple[Path, str]]:
    return {chosen.model or chosen.use: (chosen.finding.path, chosen.told_by) for chosen in done.choice.used}


def _doubled(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """In float64, apart from the norms, which are looked at."""
    return {key: value.astype(np.float64) if value.ndim > 1 else value for key, value in state.items()}


def left(done: Imported) -> dict[str, str]:
    return {path.name: reason for path, reason in done.choice.left.items()}


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


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


class TestTellingApart:
    @pytest.mark.usefixtures("known")
    def test_the_hash_wins_over_the_name(self, tree: Path, home: Path) -> None:
        put(FC, tree / "fcon.safetensors")
        put(FCON, tree / "something_fc.safetensors")
        assert used(bring(tree, home)) == {
            "fc": (tree / "fcon.safetensors", "its sha256"),
            "fcon": (tree / "something_fc.safetensors", "its sha256"),
        }

    @pytest.mark.usefixtures("known")
    def test_the_known_file_wins_over_another_of_its_model(self, tree: Path, home: Path) -> None:
        write_ldm_offsets(tree / "a_fc_ldm.safetensors", FC)
        put(FC, tree / "z.safetensors")
        done = bring(tree, home)
        assert used(done) == {"fc": (tree / "z.safetensors", "its sha256")}
        assert left(done) == {"a_fc_ldm.safetensors": f"{tree / 'z.safetensors'} is fc already"}

    def test_nothing_is_hashed_whose_size_fits_nothing(
        self, tree: Path, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def never(path: Path) -> str:
            raise AssertionError(f"{path} was read")

        monkeypatch.setattr(hashes, "_sha256", never)
        put(FCON, tree / "x_FCON.safetensors")
        put(FC, tree / "x.safetensors")
        told = {model: why for model, (_, why) in used(bring(tree, home)).items()}
        assert told == {"fcon": "its name", "fc": "nothing but its shapes, which fcon has, too"}

    def test_a_whole_unet_of_eight_channels_can_be_another_model(self, tree: Path, home: Path) -> None:
        path = write_merged(tree / "pix2pix.safetensors")
        with pytest.raises(WeightsError, match="instruct-pix2pix"):
            bring(tree, home)
        assert set(used(bring(path, home))) == {"fc"}

    def test_a_whole_unet_whose_name_says_ic_light(self, tree: Path, home: Path) -> None:
        write_merged(tree / "IC-Light" / "merged_fc.safetensors")
        assert set(used(bring(tree, home))) == {"fc"}

    def test_what_is_no_sd15(self, tree: Path, home: Path) -> None:
        comfyui(tree)
        write_lora(tree / "models" / "checkpoints" / "v1-5-pruned-emaonly.safetensors")
        (tree / "models" / "checkpoints" / "cut.safetensors").write_bytes(struct.pack("<Q", 50) + b'{"a":')
        done = bring(tree, home)
        assert left(done)["v1-5-pruned-emaonly.safetensors"] == "a bundle has no place for it"
        assert "no complete safetensors file" in left(done)["cut.safetensors"]


class TestBases:
    def test_several_are_refused(self, tree: Path, home: Path) -> None:
        write_checkpoint(tree / "a.safetensors")
        write_checkpoint(tree / "b.safetensors", scale=0.5)
        with pytest.raises(
            WeightsError, match=r"There are 2 bases \(.*a\.safetensors, .*b\.safetensors\): .*--base FILE"
        ):
            bring(tree, home)
        assert not home.exists()

    @pytest.mark.parametrize("word", ["b", "b.safetensors", "sub/b.safetensors", "B"])
    def test_one_is_named(self, word: str, tree: Path, home: Path) -> None:
        write_checkpoint(tree / "a.safetensors")
        second = write_checkpoint(tree / "sub" / "b.safetensors", scale=0.5)
        assert used(bring(tree, home, base=word)) == {"base": (second, "it was asked for")}

    def test_one_outside_of_the_tree_is_named(self, tree: Path, home: Path, tmp_path: Path) -> None:
        put(FC, tree / "fc.safetensors")
        outside = write_checkpoint(tmp_path / "outside.safetensors")
        assert set(used(bring(tree, home, base=str(outside)))) == {"base", "fc"}

    def test_a_name_that_is_none(self, tree: Path, home: Path) -> None:
        write_checkpoint(tree / "a.safetensors")
        with pytest.raises(WeightsError, match=r"There is no base nowhere \(there is .*a\.safetensors\)"):
            bring(tree, home, base="nowhere")
        write_lora(tree / "style.safetensors")
        with pytest.raises(WeightsError, match="is a LoRA and cannot be the base"):
            bring(tree, home, base="style")

    @pytest.mark.usefixtures("known")
    def test_the_one_of_the_known_repository_wins(self, tree: Path, home: Path) -> None:
        hub_cache(tree)
        write_checkpoint(tree / "a.safetensors")
        base, why = used(bring(tree, home))["base"]
        assert (base.parents[1].name, why) == (
            "models--stablediffusionapi--realistic-vision-v51",
            "the manifest's realistic-vision-v51",
        )

    @pytest.mark.usefixtures("known")
    def test_the_one_of_the_known_hash_wins(self, tree: Path, home: Path) -> None:
        shutil.copytree(BUNDLE / "base", tree / "x")
        write_checkpoint(tree / "y.safetensors")
        assert used(bring(tree, home))["base"] == (tree / "x", "the manifest's realistic-vision-v51")

    def test_the_one_of_the_known_name_wins(self, tree: Path, home: Path) -> None:
        write_checkpoint(tree / "a.safetensors")
        known = write_checkpoint(tree / "realisticVisionV51_v51VAE.safetensors", scale=0.5)
        assert used(bring(tree, home))["base"] == (known, "the manifest's realistic-vision-v51")

    def test_a_folder_of_the_fp16_variant(self, tree: Path, home: Path) -> None:
        shutil.copytree(BUNDLE / "base", tree / "half")
        for path in [*(tree / "half").rglob("*.safetensors")]:
            path.rename(path.with_name(path.name.replace(".safetensors", ".fp16.safetensors")))
        bring(tree / "half", home)
        bundle = bring(FC, home).bundle
        assert check_bundle(bundle) is None
        assert (bundle.path / "base" / "unet" / "diffusion_pytorch_model.fp16.safetensors").is_file()

    def test_a_folder_of_pickles_is_no_base(self, tree: Path, home: Path) -> None:
        shutil.copytree(BUNDLE / "base", tree / "base_of_old")
        unet = tree / "base_of_old" / "unet"
        (unet / "diffusion_pytorch_model.safetensors").unlink()
        write_pickle(unet / "diffusion_pytorch_model.bin")
        with pytest.raises(WeightsError, match=r"unet/diffusion_pytorch_model\.bin is a pickle"):
            bring(tree, home)


class TestVae:
    def test_one_is_named(self, tree: Path, home: Path) -> None:
        done = bring(comfyui(tree), home, vae="ft-mse")
        assert done.bundle.vae is not None
        assert done.bundle.vae.samefile(tree / "models" / "vae" / "ft-mse.safetensors")

    def test_a_base_without_one_and_none_there(self, tree: Path, home: Path) -> None:
        write_checkpoint(tree / "novae.safetensors", vae=False)
        with pytest.raises(WeightsError, match="has no VAE, and none was found"):
            bring(tree, home)

    def test_one_of_the_old_base_goes_with_it(self, tree: Path, home: Path) -> None:
        bundle = bring(BUNDLE, home, copy=True).bundle
        bring(write_vae(tree / "v.safetensors"), home)
        done = bring(write_checkpoint(tree / "new.safetensors"), home, overwrite=True)
        assert done.dropped == bundle.path / "vae.safetensors"
        assert (bundle.vae, check_bundle(bundle)) == (None, None)

    def test_one_that_is_asked_for_stays(self, tree: Path, home: Path) -> None:
        bundle = bring(BUNDLE, home, copy=True).bundle
        vae = write_vae(tree / "v.safetensors")
        bring(vae, home)
        done = bring(write_checkpoint(tree / "a" / "new.safetensors"), home, overwrite=True, vae=str(vae))
        assert done.dropped is None
        assert bundle.vae is not None

    def test_the_bundles_own_serves_a_new_base_that_has_none(self, tree: Path, home: Path) -> None:
        bundle = bring(BUNDLE, home, copy=True).bundle
        bring(write_vae(tree / "v.safetensors"), home)
        new = write_checkpoint(tree / "a" / "novae.safetensors", vae=False)
        done = bring(new, home, overwrite=True)
        assert done.dropped is None
        assert bundle.base.samefile(new)
        assert bundle.vae is not None
        assert check_bundle(bundle) is None

    def test_a_base_without_one_in_a_precision_that_is_not_read(self, tree: Path, home: Path) -> None:
        state = load_file(write_checkpoint(tree / "novae.safetensors", vae=False))
        write(tree / "novae.safetensors", _doubled(state))
        with pytest.raises(WeightsError, match=r"is stored in .*, and fp16, bf16 or fp32 was needed"):
            bring(tree, home)


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


class TestRefused:
    def test_nothing_is_there(self, tree: Path, home: Path) -> None:
        with pytest.raises(WeightsError, match=r"There is no .*nowhere: name a ComfyUI"):
            bring(tree / "nowhere", home)
        with pytest.raises(WeightsError, match=r"holds no weights, and a plain SD1\.5 model"):
            bring(tree, home)

    @pytest.mark.parametrize("place", [".", "ComfyUI"])
    def test_a_comfyui_whose_weights_lie_elsewhere(self, place: str, tree: Path, home: Path) -> None:
        (tree / place / "models" / "checkpoints").mkdir(parents=True)
        names = tree / place / "extra_model_paths.yaml"
        names.write_text("a111: {}")
        for path in (tree, tree / place / "models"):
            with pytest.raises(WeightsError) as caught:
                bring(path, home)
            assert str(caught.value).endswith(f"; {names} names other folders: import those.")

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
