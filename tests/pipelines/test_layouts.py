"""Every layout of a base and of an IC-Light file becomes the same pipeline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from iclight_local.errors import WeightsError
from iclight_local.layouts.configs import text_config, unet_config, vae_config
from iclight_local.layouts.words import clip_words
from iclight_local.pipelines import tensors
from iclight_local.pipelines.iclight import ICLightPipeline
from iclight_local.pipelines.single_file import clip_tokenizer, load_vae
from iclight_local.pipelines.tensors import Reader, stored_files
from scripts import every_layout
from scripts.every_layout import BASES, FILES, Weights, ldm_vae, saved
from tests.layouts import tiny_models

PARTS = ("unet", "vae", "text_encoder")


@pytest.fixture(scope="module")
def weights() -> Weights:
    return Weights(tiny=True)


@pytest.fixture(scope="module")
def plain(weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A diffusers folder and a file of offsets."""
    out = tmp_path_factory.mktemp("plain")
    return weights.folder(out / "base"), saved(weights.offsets, out / "iclight.safetensors", torch.float16)


@pytest.fixture(scope="module")
def expected(plain: tuple[Path, Path]) -> ICLightPipeline:
    return load(*plain)


def load(base: Path, iclight: Path, dtype: torch.dtype = torch.float32) -> ICLightPipeline:
    return ICLightPipeline.from_pretrained(base, iclight=iclight, dtype=dtype)


def assert_same(pipe: ICLightPipeline, expected: ICLightPipeline) -> None:
    """Every weight is the same, and so is what decides over how it is used."""
    for part in PARTS:
        found, wanted = getattr(pipe, part).state_dict(), getattr(expected, part).state_dict()
        assert set(found) == set(wanted)
        for name, value in wanted.items():
            assert torch.equal(found[name], value), f"{part}: {name}"
        assert not getattr(pipe, part).training
    for part in ("unet", "vae"):
        found, wanted = getattr(pipe, part).config, getattr(expected, part).config
        hidden = {"_name_or_path", "_use_default_values", "_class_name", "_diffusers_version"}
        assert {k: v for k, v in found.items() if k not in hidden} == {
            k: v for k, v in wanted.items() if k not in hidden
        }
    assert pipe.tokenizer("a light from the left").input_ids == expected.tokenizer("a light from the left").input_ids
    assert pipe.scheduler.config.prediction_type == expected.scheduler.config.prediction_type


@pytest.mark.parametrize("layout", BASES)
def test_bases(
    layout: str, weights: Weights, plain: tuple[Path, Path], expected: ICLightPipeline, tmp_path: Path
) -> None:
    assert_same(load(BASES[layout](weights, tmp_path), plain[1]), expected)


@pytest.mark.parametrize("layout", FILES)
def test_iclight_files(
    layout: str, weights: Weights, plain: tuple[Path, Path], expected: ICLightPipeline, tmp_path: Path
) -> None:
    assert_same(load(plain[0], FILES[layout](weights, tmp_path / "any.safetensors")), expected)


def test_the_script_compares_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    only = "single file, ldm keys, fp16; merged UNet, ldm keys"
    assert every_layout.main(["--tiny", "--out", str(tmp_path / "out"), "--only", only]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[1].split(",")[0].strip() for line in lines] == ["0 levels apart"] * 3


def test_a_precision_is_that_of_every_weight(plain: tuple[Path, Path], expected: ICLightPipeline) -> None:
    pipe = load(*plain, dtype=torch.bfloat16)
    for part in PARTS:
        assert {value.dtype for value in getattr(pipe, part).parameters()} == {torch.bfloat16}
    wanted = expected.unet.conv_out.weight.to(torch.bfloat16)
    assert torch.equal(pipe.unet.conv_out.weight, wanted)


def test_a_vae_of_ones_own(weights: Weights, expected: ICLightPipeline, tmp_path: Path) -> None:
    path = saved(ldm_vae(weights.vae.state_dict(), ""), tmp_path / "any.safetensors", torch.float16)
    vae = load_vae(path, torch.float32)
    assert all(torch.equal(value, vae.state_dict()[name]) for name, value in expected.vae.state_dict().items())
    with pytest.raises(WeightsError, match="is the offsets"):
        load_vae(saved(weights.offsets, tmp_path / "fc.safetensors", torch.float16), torch.float32)


def test_a_base_whose_vae_lies_beside_it(weights: Weights, plain: tuple[Path, Path], tmp_path: Path) -> None:
    state = load_file(weights.single(tmp_path / "model.safetensors", torch.float16))
    bare = {name: value for name, value in state.items() if not name.startswith("first_stage_model.")}
    save_file(bare, tmp_path / "bare.safetensors")
    with pytest.raises(
        WeightsError, match=r"without a VAE and with a text encoder, and a plain SD1\.5 model with a VAE"
    ):
        load(tmp_path / "bare.safetensors", plain[1])
    vae = load_vae(tmp_path / "model.safetensors", torch.float32)
    pipe = ICLightPipeline.from_pretrained(tmp_path / "bare.safetensors", iclight=plain[1], vae=vae)
    assert pipe.vae is vae


def test_a_single_file_that_predicts_the_velocity_says_so(
    weights: Weights, plain: tuple[Path, Path], tmp_path: Path
) -> None:
    state = load_file(weights.single(tmp_path / "model.safetensors", torch.float16))
    save_file({**state, "v_pred": torch.zeros(1)}, tmp_path / "v.safetensors")
    assert load(tmp_path / "v.safetensors", plain[1]).scheduler.config.prediction_type == "v_prediction"


def test_a_single_file_without_offsets_says_what_to_add(weights: Weights, tmp_path: Path) -> None:
    path = weights.single(tmp_path / "model.safetensors", torch.float16)
    with pytest.raises(
        WeightsError, match=r"is a base alone: load it with ICLightPipeline\.from_pretrained\(BASE, iclight"
    ):
        ICLightPipeline.from_pretrained(path)


def test_a_single_file_that_lacks_a_tensor(weights: Weights, plain: tuple[Path, Path], tmp_path: Path) -> None:
    path = weights.single(tmp_path / "model.safetensors", torch.float16)
    state = load_file(path)
    for key in ("first_stage_model.decoder.conv_out.bias", "model.diffusion_model.out.0.bias"):
        less = {name: value for name, value in state.items() if name != key}
        save_file(less, tmp_path / "less.safetensors")
        with pytest.raises(WeightsError, match=r"lacks 1 tensors, like .*: fetch or copy it again"):
            load(tmp_path / "less.safetensors", plain[1])


def test_configs_of_full_size_are_those_of_sd15() -> None:
    with torch.device("meta"):
        unet = tiny_models.unet(**tiny_models.SD15_UNET)
        vae = tiny_models.vae(**tiny_models.SD15_VAE)
        text = tiny_models.text_encoder(12, 768, vocab_size=49408, intermediate_size=3072, num_attention_heads=12)
    found = unet_config({name: tuple(value.shape) for name, value in unet.state_dict().items()})
    assert found["block_out_channels"] == [320, 640, 1280, 1280]
    assert found["down_block_types"] == ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"]
    assert found["up_block_types"] == ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3
    wanted = {"in_channels": 4, "out_channels": 4, "layers_per_block": 2, "cross_attention_dim": 768}
    wanted |= {"attention_head_dim": 8, "norm_num_groups": 32, "sample_size": 64}
    assert {key: found[key] for key in wanted} == wanted
    found = vae_config({name: tuple(value.shape) for name, value in vae.state_dict().items()})
    wanted = {"latent_channels": 4, "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2}
    assert {key: found[key] for key in wanted} == wanted
    assert (found["scaling_factor"], found["norm_num_groups"]) == (0.18215, 32)
    bare = {name.removeprefix("text_model."): tuple(value.shape) for name, value in text.state_dict().items()}
    found = text_config(bare)
    wanted = {"vocab_size": 49408, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12}
    wanted |= {"num_attention_heads": 12, "max_position_embeddings": 77, "hidden_act": "quick_gelu"}
    assert {key: found[key] for key in wanted} == wanted


def test_the_tokenizer_is_clips() -> None:
    """The numbers are those that openai/CLIP's own tokenizer gives."""
    words, merges = clip_words()
    assert (len(words), len(merges)) == (49408, 48894)
    ids = clip_tokenizer()("a photo of a cat, best quality").input_ids
    assert ids == [49406, 320, 1125, 539, 320, 2368, 267, 949, 3027, 49407]


def test_a_file_is_let_go_of_while_it_is_read(plain: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors, "KEPT_MAPPED", 0)
    stored = stored_files([plain[1]])
    whole = load_file(plain[1])
    with Reader() as reader:
        for name, place in stored.items():
            assert np.array_equal(reader.read(place), whole[name])
            assert not reader._open
