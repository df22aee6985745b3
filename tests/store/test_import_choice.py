"""What an import takes of what it finds: told by headers, hashes and names, one base, one VAE."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from iclight_local.errors import WeightsError
from iclight_local.store import hashes
from iclight_local.store.bundles import check_bundle
from tests.cli.commands import BUNDLE
from tests.store.imports import bring, left, used
from tests.store.weights_trees import (
    FC,
    FCON,
    comfyui,
    hub_cache,
    put,
    write,
    write_checkpoint,
    write_ldm_offsets,
    write_lora,
    write_merged,
    write_pickle,
    write_vae,
)


def _doubled(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """In float64, apart from the norms, which are looked at."""
    return {key: value.astype(np.float64) if value.ndim > 1 else value for key, value in state.items()}


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
