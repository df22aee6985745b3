"""From a base and a file of offsets to a pipeline, and one sentence for each pair that makes none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, LCMScheduler, UNet2DConditionModel
from golden_pictures import BASE, SMALL, alpha, composite, load_pipe, offsets, read
from safetensors.torch import load_file, save_file

from iclight_local.errors import InvalidRequest, WeightsError
from iclight_local.pipelines.iclight import ICLightPipeline
from iclight_local.pipelines.loading import base_prediction_type, default_scheduler, dtype_of
from iclight_local.pipelines.merging import load_merged_unet
from iclight_local.pipelines.normals import estimate_normals


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return shutil.copytree(BASE, tmp_path / "base")


def edit(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(("model", "channels"), [("fc", 8), ("fcon", 8), ("fbc", 12)])
def test_offsets_are_added_key_by_key(model: str, channels: int, pipes: Callable[[str], ICLightPipeline]) -> None:
    plain = load_file(BASE / "unet" / "diffusion_pytorch_model.safetensors")
    added = load_file(offsets(model))
    merged = pipes(model).unet.state_dict()
    assert set(merged) == set(plain) == set(added)
    for key, value in merged.items():
        expected = added[key].float()
        if key == "conv_in.weight":
            assert value.shape[1] == expected.shape[1] == channels
            expected = expected.clone()
            expected[:, :4] += plain[key]
        else:
            expected = plain[key] + expected
        assert torch.equal(value, expected), key
    assert pipes(model).unet.config.in_channels == channels
    assert pipes(model).config.model == model


def test_offsets_in_half_precision_are_added_in_float32(tmp_path: Path) -> None:
    path = tmp_path / "iclight_fc.safetensors"
    halves = {key: value.half() for key, value in load_file(offsets("fc")).items()}
    save_file(halves, path)
    unet = load_merged_unet(str(BASE), path, {}, torch.float32)
    plain = load_file(BASE / "unet" / "diffusion_pytorch_model.safetensors")
    assert torch.equal(unet.conv_out.weight, plain["conv_out.weight"] + halves["conv_out.weight"].float())


def test_a_base_in_half_precision_is_merged_in_float32(base: Path) -> None:
    path = base / "unet" / "diffusion_pytorch_model.safetensors"
    halves = {key: value.half() for key, value in load_file(path).items()}
    save_file(halves, path)
    pipe = ICLightPipeline.from_pretrained(base, iclight=offsets("fc"))
    added = load_file(offsets("fc"))["conv_out.weight"]
    assert torch.equal(pipe.unet.conv_out.weight, halves["conv_out.weight"].float() + added.float())


def test_the_asked_model_names_a_file_of_its_width(tmp_path: Path) -> None:
    path = Path(shutil.copy(offsets("fcon"), tmp_path / "renamed.safetensors"))
    assert ICLightPipeline.from_pretrained(BASE, iclight=path).config.model == "fc"
    assert ICLightPipeline.from_pretrained(BASE, iclight=path, model="fcon").config.model == "fcon"


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda base: edit(base / "unet" / "config.json", in_channels=9), r"\(an inpainting UNet\)"),
        (lambda base: edit(base / "unet" / "config.json", addition_embed_type="text_time"), "is an SDXL model"),
        (lambda base: (base / "unet" / "diffusion_pytorch_model.safetensors").unlink(), "unet holds no weights"),
        (lambda base: shutil.rmtree(base / "tokenizer"), "tokenizer holds no vocab.json"),
        (lambda base: (base / "model_index.json").unlink(), "holds no model_index.json"),
        (lambda base: shutil.rmtree(base), "base is not there, and a diffusers folder or a single "),
    ],
    ids=["inpainting", "sdxl", "no-unet", "no-tokenizer", "no-index", "missing"],
)
def test_a_wrong_base_is_refused(spoil: Callable[[Path], object], sentence: str, base: Path) -> None:
    spoil(base)
    with pytest.raises(WeightsError, match=sentence):
        ICLightPipeline.from_pretrained(base, iclight=offsets("fc"))


def test_an_sd2_base_is_refused(base: Path) -> None:
    config = {**UNet2DConditionModel.load_config(base / "unet"), "cross_attention_dim": 1024}
    shutil.rmtree(base / "unet")
    UNet2DConditionModel.from_config(config).save_pretrained(base / "unet")
    edit(base / "text_encoder" / "config.json", hidden_size=1024)
    with pytest.raises(WeightsError, match=r"x32 in the file and \d+x1024 in the base \(an SD2 model\); .*SD1\.5 only"):
        ICLightPipeline.from_pretrained(base, iclight=offsets("fc"))


def test_an_iclight_file_is_no_base() -> None:
    sentence = r"fc\.safetensors is the offsets of IC-Light .*, and a plain SD1\.5 model with a VAE"
    with pytest.raises(WeightsError, match=sentence):
        ICLightPipeline.from_pretrained(offsets("fc"), iclight=offsets("fc"))


@pytest.mark.parametrize("path", ["nowhere", "a/relative/folder", "/an/absolute/one"])
def test_a_missing_folder_is_not_looked_for_on_the_hub(path: str) -> None:
    with pytest.raises(WeightsError, match=f"^{path} is not there, and a diffusers folder"):
        ICLightPipeline.from_pretrained(path, iclight=offsets("fc"))


def test_wrong_offsets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"nothing\.safetensors is not there"):
        ICLightPipeline.from_pretrained(BASE, iclight=tmp_path / "nothing.safetensors")
    with pytest.raises(
        WeightsError, match=r"is a plain SD1\.5 UNet alone \(4 input channels, diffusers keys\), and an IC-Light file"
    ):
        ICLightPipeline.from_pretrained(BASE, iclight=BASE / "unet" / "diffusion_pytorch_model.safetensors")
    ends = {"conv_in.weight": torch.zeros(16, 8, 3, 3), "conv_out.weight": torch.zeros(4, 16, 3, 3)}
    some = {**dict(list(load_file(offsets("fc")).items())[:40]), **ends}
    save_file(some, tmp_path / "some.safetensors")
    with pytest.raises(WeightsError, match=r"some\.safetensors does not fit the base: \d+ of its UNet's keys are "):
        ICLightPipeline.from_pretrained(BASE, iclight=tmp_path / "some.safetensors")


@pytest.mark.parametrize(("held", "asked"), [("fbc", "fc"), ("fbc", "fcon"), ("fc", "fbc")])
def test_offsets_of_another_model_are_refused(held: str, asked: Any) -> None:
    holds = {"fc": r"fc or fcon \(8", "fbc": r"fbc \(12"}[held]
    sentence = rf"iclight_sd15_{held}\.safetensors holds model {holds} input channels\) and {asked} was asked for"
    with pytest.raises(WeightsError, match=sentence):
        ICLightPipeline.from_pretrained(BASE, iclight=offsets(held), model=asked)


def test_a_plain_base_is_no_pipeline() -> None:
    with pytest.raises(WeightsError, match=r"4 input channels and no IC-Light offsets in it: .*iclight=FILE"):
        ICLightPipeline.from_pretrained(BASE)


def test_a_saved_pipeline_of_another_model_is_refused(fc: ICLightPipeline, tmp_path: Path) -> None:
    fc.save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="holds a pipeline of model fc, and fbc was asked for"):
        ICLightPipeline.from_pretrained(tmp_path, model="fbc")


def test_parts_of_a_base_that_this_pipeline_has_not_are_left(fc: ICLightPipeline) -> None:
    assert "safety_checker" not in fc.components
    assert set(fc.components) == {"vae", "text_encoder", "tokenizer", "unet", "scheduler"}


def test_the_precision_of_a_component() -> None:
    assert dtype_of("vae", None) == dtype_of("unet", None) == torch.float32
    assert dtype_of("vae", torch.float16) == torch.bfloat16
    assert dtype_of("unet", torch.float16) == torch.float16
    assert dtype_of("vae", torch.bfloat16) == torch.bfloat16
    assert dtype_of("vae", {"vae": torch.float16}) == torch.float16
    assert dtype_of("unet", {"default": torch.bfloat16}) == torch.bfloat16
    assert dtype_of("unet", {"vae": torch.bfloat16}) == torch.float32


class TestPredictionType:
    """What a base's UNet predicts: read from its scheduler's config, and nothing else is."""

    def config(self, base: Path, **values: Any) -> None:
        edit(base / "scheduler" / "scheduler_config.json", **values)

    def test_it_alone_is_read(self, base: Path) -> None:
        self.config(base, prediction_type="v_prediction", beta_start=0.01, use_karras_sigmas=False)
        found = ICLightPipeline.from_pretrained(base, iclight=offsets("fc")).scheduler.config
        assert {**found} == {**default_scheduler("v_prediction").config}
        assert {**found, "prediction_type": "epsilon"} == {**default_scheduler().config}

    def test_a_base_that_says_nothing_predicts_the_noise(self, base: Path) -> None:
        path = base / "scheduler" / "scheduler_config.json"
        path.write_text("{}")
        assert base_prediction_type(str(base), {}) == "epsilon"
        path.unlink()
        pipe = ICLightPipeline.from_pretrained(base, iclight=offsets("fc"))
        assert pipe.scheduler.config.prediction_type == "epsilon"

    @pytest.mark.parametrize("value", ["velocity", None, 5, ["epsilon"]])
    def test_a_wrong_value_is_one_sentence(self, value: Any, base: Path) -> None:
        self.config(base, prediction_type=value)
        with pytest.raises(WeightsError, match="but it must be one of epsilon, v_prediction, sample: ") as caught:
            ICLightPipeline.from_pretrained(base, iclight=offsets("fc"))
        assert f"scheduler_config.json says prediction_type {value!r}" in str(caught.value)
        assert "\n" not in str(caught.value)
        mine = default_scheduler()
        assert ICLightPipeline.from_pretrained(base, iclight=offsets("fc"), scheduler=mine).scheduler is mine

    def test_a_damaged_config_is_one_sentence(self, base: Path) -> None:
        (base / "scheduler" / "scheduler_config.json").write_text("{")
        with pytest.raises(WeightsError, match="is no valid JSON"):
            ICLightPipeline.from_pretrained(base, iclight=offsets("fc"))

    def test_a_repository_on_the_hub(self, base: Path, tmp_path: Path) -> None:
        commit = "0" * 40
        repository = tmp_path / "cache" / "models--owner--name"
        snapshot = repository / "snapshots" / commit
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text(commit)
        self.config(base, prediction_type="v_prediction")
        shutil.copytree(base, snapshot)
        options = {"cache_dir": tmp_path / "cache", "local_files_only": True}
        pipe = ICLightPipeline.from_pretrained("owner/name", iclight=offsets("fc"), **options)
        assert pipe.scheduler.config.prediction_type == "v_prediction"
        self.config(snapshot, prediction_type="velocity")
        with pytest.raises(WeightsError, match=r"^The scheduler's config of owner/name says "):
            ICLightPipeline.from_pretrained("owner/name", iclight=offsets("fc"), **options)
        shutil.rmtree(snapshot / "scheduler")
        pipe = ICLightPipeline.from_pretrained("owner/name", iclight=offsets("fc"), **options)
        assert pipe.scheduler.config.prediction_type == "epsilon"

    def test_other_schedulers_and_saved_pipelines_keep_it(self, base: Path, tmp_path: Path) -> None:
        self.config(base, prediction_type="v_prediction")
        pipe = ICLightPipeline.from_pretrained(base, iclight=offsets("fc"))
        pipe.save_pretrained(tmp_path / "saved")
        assert ICLightPipeline.from_pretrained(tmp_path / "saved").scheduler.config.prediction_type == "v_prediction"
        pipe.scheduler = LCMScheduler.from_config(pipe.scheduler.config)
        assert pipe.scheduler.config.prediction_type == "v_prediction"
        picture = pipe(composite(), **SMALL).images[0]
        assert np.isfinite(picture).all()

    def test_normals(self, base: Path) -> None:
        self.config(base, prediction_type="v_prediction")
        pipe = ICLightPipeline.from_pretrained(base, iclight=offsets("fbc"))
        knobs = {name: value for name, value in SMALL.items() if name != "output_type"}
        found = estimate_normals(pipe, read("inputs/subject.png"), alpha(), **knobs).normal
        by_noise = estimate_normals(load_pipe("fbc"), read("inputs/subject.png"), alpha(), **knobs).normal
        assert not np.array_equal(found, by_noise)


def test_a_component_given_by_the_user_is_kept(fc: ICLightPipeline) -> None:
    assert load_pipe("fc", vae=fc.vae).vae is fc.vae


def test_a_base_without_one_of_its_tensors_is_refused(base: Path) -> None:
    weights = base / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    del tensors["mid_block.resnets.0.conv1.weight"]
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match="lacks 1 tensors, like mid_block"):
        ICLightPipeline.from_pretrained(base, iclight=offsets("fc"))


def test_a_component_of_ones_own_keeps_its_precision() -> None:
    vae = AutoencoderKL.from_pretrained(BASE, subfolder="vae", torch_dtype=torch.bfloat16)
    pipe = ICLightPipeline.from_pretrained(BASE, iclight=offsets("fc"), vae=vae, torch_dtype=torch.float32)
    assert pipe.vae is vae
    assert (pipe.vae.dtype, pipe.unet.dtype) == (torch.bfloat16, torch.float32)


@pytest.mark.parametrize("file", ["model_index.json", "tokenizer/vocab.json", "unet/config.json"])
@pytest.mark.parametrize("content", ["{bad", "[1]"])
def test_damaged_files_of_a_base_are_one_sentence(base: Path, file: str, content: str) -> None:
    (base / file).write_text(content)
    with pytest.raises(WeightsError, match="fetch or copy") as caught:
        ICLightPipeline.from_pretrained(base, iclight=offsets("fc"))
    assert "\n" not in str(caught.value)


def test_a_config_that_does_not_fit_its_weights_is_one_sentence(base: Path) -> None:
    edit(base / "unet" / "config.json", block_out_channels=[32, 64, 64])
    with pytest.raises(WeightsError, match=r"conv_in\.weight as 16x4x3x3, and its config asks for 32x") as caught:
        ICLightPipeline.from_pretrained(base, iclight=offsets("fc"))
    assert "\n" not in str(caught.value)


def test_a_precision_by_its_name() -> None:
    assert dtype_of("unet", "auto") == torch.float32
    assert dtype_of("vae", "float16") == torch.bfloat16
    with pytest.raises(InvalidRequest, match="torch_dtype is half-size"):
        dtype_of("unet", "half-size")
