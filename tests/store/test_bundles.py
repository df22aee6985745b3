"""Bundles: found by name or folder, described without reading a tensor."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from iclight_local.errors import WeightsError
from iclight_local.store import bundles
from iclight_local.store.bundles import (
    Bundle,
    check_bundle,
    check_models,
    find_bundle,
    list_bundles,
    unfinished_bundles,
)

BUNDLE = Path(__file__).parents[1] / "goldens" / "bundle"


def put(home: Path, name: str) -> Path:
    folder = home / "weights" / name
    shutil.copytree(BUNDLE, folder, copy_function=os.symlink)
    return folder


def refusal(name: str | None, home: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        find_bundle(name, home)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


class TestFind:
    def test_without_a_name_it_is_the_real_one(self, tmp_path: Path) -> None:
        put(tmp_path, "another")
        sentence = refusal(None, tmp_path)
        assert str(tmp_path / "weights" / "sd15") in sentence
        assert "--weights DIR" in sentence
        folder = put(tmp_path, "sd15")
        assert find_bundle(None, tmp_path) == Bundle("sd15", folder)

    def test_by_name(self, tmp_path: Path) -> None:
        folder = put(tmp_path, "mine")
        assert find_bundle("mine", tmp_path) == Bundle("mine", folder)

    def test_by_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert find_bundle(str(BUNDLE), tmp_path) == Bundle("bundle", BUNDLE)
        monkeypatch.chdir(BUNDLE)
        assert find_bundle(".", tmp_path).name == "bundle", "a name even where the folder was given as a dot"
        monkeypatch.setenv("HOME", str(BUNDLE.parent))
        assert find_bundle("~/bundle", tmp_path).path == BUNDLE

    def test_a_name_wins_over_a_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = put(tmp_path, "mine")
        (tmp_path / "mine" / "base").mkdir(parents=True)
        monkeypatch.chdir(tmp_path)
        assert find_bundle("mine", tmp_path).path == folder
        assert find_bundle("./mine", tmp_path).path == Path("mine")

    def test_a_name_that_is_not_there(self, tmp_path: Path) -> None:
        assert f"no bundle is in {tmp_path / 'weights'}" in refusal("sd51", tmp_path)
        put(tmp_path, "sd15")
        put(tmp_path, "mine")
        assert "known names: mine, sd15" in refusal("sd51", tmp_path)

    def test_a_folder_that_is_none(self, tmp_path: Path) -> None:
        assert "is no bundle of weights: it needs base/" in refusal(str(tmp_path), tmp_path)
        assert "There is no bundle" in refusal(str(BUNDLE / "iclight_sd15_fc.safetensors"), tmp_path)

    def test_list(self, tmp_path: Path) -> None:
        assert list_bundles(tmp_path) == []
        for name in ("b", "a"):
            put(tmp_path, name)
        (tmp_path / "weights" / "no_bundle").mkdir()
        assert [bundle.name for bundle in list_bundles(tmp_path)] == ["a", "b"]


class TestBundle:
    def test_models(self, tmp_path: Path) -> None:
        bundle = Bundle("mine", put(tmp_path, "mine"))
        assert bundle.models == ("fc", "fcon", "fbc")
        (bundle.path / "iclight_sd15_fcon.safetensors").unlink()
        assert bundle.models == ("fc", "fbc")
        with pytest.raises(WeightsError, match="has fc, fbc, and model fcon was asked for") as caught:
            bundle.offsets("fcon")
        assert "put iclight_sd15_fcon.safetensors beside base/" in str(caught.value)
        for model in bundle.models:
            bundle.offsets(model).unlink()
        with pytest.raises(WeightsError, match="has no model at all"):
            bundle.offsets("fc")

    def test_files_are_those_that_a_relight_reads(self) -> None:
        files = list(Bundle("bundle", BUNDLE).files("fbc"))
        assert [str(path.relative_to(BUNDLE)) for path in files] == [
            "base/unet/diffusion_pytorch_model.safetensors",
            "base/vae/diffusion_pytorch_model.safetensors",
            "base/text_encoder/model.safetensors",
            "iclight_sd15_fbc.safetensors",
        ]


class TestCheck:
    def bundle(self, tmp_path: Path) -> Bundle:
        return Bundle("mine", put(tmp_path, "mine"))

    def change(self, path: Path, **values: object) -> None:
        config = json.loads(path.read_text())
        path.unlink()
        path.write_text(json.dumps({**config, **values}))

    def test_nothing_is_wrong(self, tmp_path: Path) -> None:
        assert check_bundle(self.bundle(tmp_path)) is None

    @pytest.mark.parametrize(
        ("part", "values", "says"),
        [
            ("unet", {"addition_embed_type": "text_time"}, "is an SDXL model"),
            ("unet", {"in_channels": 9}, "an inpainting UNet"),
            ("unet", {"cross_attention_dim": 1024}, "both must come from one SD1.5 model"),
        ],
    )
    def test_another_family(self, part: str, values: dict[str, object], says: str, tmp_path: Path) -> None:
        bundle = self.bundle(tmp_path)
        self.change(bundle.base / part / "config.json", **values)
        assert says in str(check_bundle(bundle))

    @pytest.mark.parametrize("name", ["model_index.json", "unet/config.json", "vae/config.json"])
    def test_a_missing_file(self, name: str, tmp_path: Path) -> None:
        bundle = self.bundle(tmp_path)
        (bundle.base / name).unlink()
        sentence = str(check_bundle(bundle))
        assert Path(name).name in sentence
        assert "diffusers folder" in sentence
        assert sentence.endswith(" was needed.")

    def test_a_config_that_is_no_json(self, tmp_path: Path) -> None:
        bundle = self.bundle(tmp_path)
        path = bundle.base / "unet" / "config.json"
        path.unlink()
        path.write_text("{")
        assert "is no valid JSON" in str(check_bundle(bundle))

    def test_no_offsets(self, tmp_path: Path) -> None:
        bundle = self.bundle(tmp_path)
        for model in bundle.models:
            bundle.offsets(model).unlink()
        assert "holds no iclight_sd15_*.safetensors" in str(check_bundle(bundle))

    def test_no_base(self, tmp_path: Path) -> None:
        bundle = self.bundle(tmp_path)
        shutil.rmtree(bundle.base)
        assert check_bundle(bundle) == f"{bundle.path} holds neither base/ nor base.safetensors: a base was needed."
        assert unfinished_bundles(tmp_path) == [bundle]
        assert list_bundles(tmp_path) == []

    def test_a_file_that_the_system_refuses_to_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        bundle = self.bundle(tmp_path)

        def refuse(path: Path) -> None:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(bundles, "read_header", refuse)
        refused = f"{bundle.offsets('fc')} cannot be read (Permission denied): get the right to read it"
        assert str(check_bundle(bundle)).startswith(refused)
        with pytest.raises(WeightsError, match="cannot be read"):
            check_models(bundle, ["fc"])
