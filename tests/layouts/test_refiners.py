"""The names of the library refiners, against those written down from its own UNet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from iclight_local.checkpoints import check_offsets_fit
from iclight_local.errors import WeightsError
from iclight_local.headers import shown
from iclight_local.layouts.refiners import refiners_to_diffusers, unet_to_refiners
from iclight_local.layouts.tables import component_table
from scripts.every_layout import refiners_unet
from tests.layouts import tiny_models as tiny

WRITTEN_DOWN = Path(__file__).parent / "refiners_sd15_unet.txt"


def written_down() -> dict[str, tuple[str, tuple[int, ...]]]:
    """Diffusers' name and the shape of each tensor of refiners' UNet, by its name there."""
    found = {}
    for line in WRITTEN_DOWN.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        old, new, *shapes = line.split()
        for end, shape in zip(("weight", "bias"), shapes, strict=True):
            if shape != "-":
                found[f"{old}.{end}"] = f"{new}.{end}", tuple(map(int, shape.split("x")))
    return found


def test_the_whole_unet() -> None:
    facts = written_down()
    with torch.device("meta"):
        state = tiny.unet(**tiny.SD15_UNET, in_channels=8).state_dict()
    assert len(facts) == len(state) == 686
    assert dict(facts.values()) == {name: tuple(value.shape) for name, value in state.items()}
    names = {old: name for old, (name, _) in facts.items()}
    assert refiners_to_diffusers(list(names)) == names
    assert unet_to_refiners(list(state)) == {new: old for old, new in names.items()}


def test_names_that_refiners_own_conversion_of_ic_light_gives() -> None:
    """Pairs out of ``conversion/models/unet_sd15.py``."""
    names = refiners_to_diffusers(list(written_down()))
    middle, up = "Sum.MiddleBlock.ResidualBlock_2", "UpBlocks.Chain_10.CLIPLCrossAttention.Chain_2.CrossAttentionBlock"
    transformer = "up_blocks.3.attentions.0.transformer_blocks.0"
    for old, new in {
        "TimestepEncoder.RangeEncoder.Linear_2": "time_embedding.linear_2",
        "DownBlocks.Chain_1.Conv2d": "conv_in",
        "DownBlocks.Chain_4.Downsample.Conv2d": "down_blocks.0.downsamplers.0.conv",
        "DownBlocks.Chain_12.ResidualBlock.Chain.RangeAdapter2d.Chain.Linear": "down_blocks.3.resnets.1.time_emb_proj",
        f"{middle}.Chain.RangeAdapter2d.Chain.Linear": "mid_block.resnets.1.time_emb_proj",
        "UpBlocks.Chain_4.ResidualBlock.Chain.RangeAdapter2d.Chain.Linear": "up_blocks.1.resnets.0.time_emb_proj",
        f"{up}.Residual_1.SelfAttention.Distribute.Linear_2": f"{transformer}.attn1.to_k",
        f"{up}.Residual_2.Attention.Distribute.Linear_1": f"{transformer}.attn2.to_q",
        f"{up}.Residual_3.Linear_2": f"{transformer}.ff.net.2",
        "UpBlocks.Chain_12.CLIPLCrossAttention.Chain_3.Conv2d": "up_blocks.3.attentions.2.proj_out",
        "Chain.GroupNorm": "conv_norm_out",
    }.items():
        assert names[f"{old}.weight"] == f"{new}.weight"


@pytest.mark.parametrize("config", tiny.UNETS.values(), ids=tiny.UNETS)
@pytest.mark.parametrize("prefix", ["", "unet."])
def test_there_and_back(config: dict[str, Any], prefix: str) -> None:
    state = tiny.unet(**config).state_dict()
    stored = {prefix + key: value for key, value in refiners_unet(state).items()}
    table = component_table(tiny.header_of(stored), "unet")
    assert set(table) == set(state)
    assert all(torch.equal(stored[source.key], state[name]) for name, source in table.items())


@pytest.mark.parametrize(
    "key",
    [
        "strange.weight",
        "Chain.Conv2d",
        "conv_in.weight",
        "DownBlocks.Chain_0.ResidualBlock.Conv2d.weight",
        "DownBlocks.Chain_2.ResidualBlock.Chain.GroupNorm_3.weight",
        "DownBlocks.Chain_2.ResidualBlock_1.Conv2d.weight",
        "DownBlocks.Chain_5.SDXLCrossAttention.Chain_1.GroupNorm.weight",
        "UpBlocks.Chain_2.CLIPLCrossAttention.Chain_2.CrossAttentionBlock_2.Residual_3.Linear_1.weight",
        "Sum.MiddleBlock.ResidualBlock_3.Conv2d.weight",
        "Sum.MiddleBlock.Upsample.Conv2d.weight",
        "UpBlocks.Chain_02.ResidualBlock.Conv2d.weight",
    ],
)
def test_strange_keys(key: str) -> None:
    with pytest.raises(WeightsError) as error:
        refiners_to_diffusers([*written_down(), key])
    sentence = "is no key of an SD1.5 UNet in refiners' names: the UNet of an SD1.5 model was needed."
    assert str(error.value) == f"{shown(key)} {sentence}"


def test_a_part_that_refiners_has_no_name_for() -> None:
    for key in ("mid_block.attentions.0.transformer_blocks.1.norm1.weight", "conv_in.9.weight", "strange.weight"):
        with pytest.raises(WeightsError, match=r" is no key of an SD1\.5 UNet in .* names: .* was needed\.$"):
            unet_to_refiners([*tiny.unet(**tiny.UNETS["bundle"]).state_dict(), key])


def test_what_is_missing() -> None:
    keys = list(written_down())
    for lost in ("DownBlocks.Chain_7", "UpBlocks.Chain_1"):
        with pytest.raises(WeightsError, match=rf"^The UNet lacks {lost}, and a complete one was needed: fetch or"):
            refiners_to_diffusers([key for key in keys if not key.startswith(f"{lost}.")])
    state = tiny.unet(**tiny.UNETS["bundle"]).state_dict()
    less = refiners_unet(state)
    del less["DownBlocks.Chain_3.Downsample.Conv2d.bias"]
    found = {name: source.shape for name, source in component_table(tiny.header_of(less), "unet").items()}
    with pytest.raises(WeightsError, match=r"1 of its UNet's keys are missing .* down_blocks\.0\.downsamplers\."):
        check_offsets_fit("x.safetensors", found, {name: tuple(value.shape) for name, value in state.items()})
