"""The mapping of names and shapes: a round trip is the identity, and diffusers' own converter agrees."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers.loaders import single_file_utils as reference

from iclight_local.errors import WeightsError
from iclight_local.layouts.tables import Part, component_table
from iclight_local.layouts.text import text_names
from iclight_local.layouts.unet import unet_to_diffusers, unet_to_ldm
from iclight_local.layouts.vae import conv_shape, linear_shape, vae_to_diffusers, vae_to_ldm
from tests.layouts import tiny_models as tiny


def read(state: tiny.State, part: Part, wrapper: str = "text_model.") -> tiny.State:
    """A component as a loader reads it by its table."""
    table = component_table(tiny.header_of(state), part, wrapper)
    return {key: state[source.key].reshape(source.shape) for key, source in table.items()}


def assert_same(found: tiny.State, expected: tiny.State) -> None:
    assert set(found) == set(expected)
    for key, value in expected.items():
        assert found[key].shape == value.shape, key
        assert value.is_meta or torch.equal(found[key], value), key


@pytest.mark.parametrize("config", tiny.UNETS.values(), ids=tiny.UNETS)
def test_a_unet(config: dict[str, Any]) -> None:
    model = tiny.unet(**config)
    state = model.state_dict()
    ldm = tiny.ldm_unet(state)
    assert_same(read(ldm, "unet"), state)
    assert_same(read(state, "unet"), state)
    assert_same(reference.convert_ldm_unet_checkpoint(dict(ldm), model.config), state)


@pytest.mark.parametrize("prefix", ["model.diffusion_model.", "diffusion_model.", ""])
def test_the_prefixes_of_a_unet(prefix: str) -> None:
    state = tiny.unet(**tiny.UNETS["bundle"]).state_dict()
    assert_same(read(tiny.ldm_unet(state, prefix), "unet"), state)


@pytest.mark.parametrize("config", tiny.VAES.values(), ids=tiny.VAES)
@pytest.mark.parametrize("prefix", ["first_stage_model.", ""])
def test_a_vae(config: dict[str, Any], prefix: str) -> None:
    model = tiny.vae(**config)
    state = model.state_dict()
    ldm = tiny.ldm_vae(state, prefix)
    assert {tuple(v.shape[2:]) for k, v in ldm.items() if k.endswith("attn_1.q.weight")} == {(1, 1)}
    assert_same(read(ldm, "vae"), state)
    assert_same(read(state, "vae"), state)
    assert_same(reference.convert_ldm_vae_checkpoint(dict(ldm), model.config), state)


def test_a_vae_in_the_old_names_of_diffusers() -> None:
    state = tiny.vae(**tiny.VAES["two-levels"]).state_dict()
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}

    def renamed(key: str) -> str:
        for new, name in old.items():
            key = key.replace(f".{new}.", f".{name}.")
        return key

    assert_same(read({renamed(key): value for key, value in state.items()}, "vae"), state)
    assert list(vae_to_ldm([renamed(key) for key in state]).values()) == list(vae_to_ldm(state).values())


@pytest.mark.parametrize("layers", [1, 3])
def test_a_text_encoder(layers: int) -> None:
    state = tiny.text_encoder(layers).state_dict()
    bare = {key.removeprefix("text_model."): value for key, value in state.items()}
    wrapped = {f"text_model.{key}": value for key, value in bare.items()}
    ldm = tiny.ldm_text(state)
    assert_same(read(ldm, "text_encoder"), wrapped)
    assert_same(read(ldm, "text_encoder", wrapper=""), bare)
    assert_same(read({key.replace("text_model.", ""): value for key, value in ldm.items()}, "text_encoder"), wrapped)
    assert_same(read(wrapped, "text_encoder"), wrapped)
    assert_same(read(bare, "text_encoder"), wrapped)
    converted = reference.convert_ldm_clip_checkpoint(dict(ldm))
    assert_same({key: value for key, value in converted.items() if "position_ids" not in key}, wrapped)


def test_a_single_file() -> None:
    parts = tiny.unet(**tiny.UNETS["bundle"]), tiny.vae(**tiny.VAES["four-levels"]), tiny.text_encoder()
    states = [part.state_dict() for part in parts]
    whole = tiny.single_file(*states)
    assert_same(read(whole, "unet"), states[0])
    assert_same(read(whole, "vae"), states[1])
    assert len(read(whole, "text_encoder")) == len(states[2])


def test_the_full_sd15() -> None:
    """By shapes alone: 686 tensors of the UNet, 248 of the VAE and 196 of the text encoder."""
    with torch.device("meta"):
        unet, vae = tiny.unet(**tiny.SD15_UNET), tiny.vae(**tiny.SD15_VAE)
        text = tiny.text_encoder(12, 768, num_attention_heads=12, intermediate_size=3072, vocab_size=49408)
    states = [part.state_dict() for part in (unet, vae, text)]
    whole = tiny.single_file(*states)
    assert_same(read(whole, "unet"), states[0])
    assert_same(read(whole, "vae"), states[1])
    assert [len(read(whole, part)) for part in ("unet", "vae", "text_encoder")] == [686, 248, 196]
    assert_same(reference.convert_ldm_unet_checkpoint(dict(whole), unet.config), states[0])
    assert_same(reference.convert_ldm_vae_checkpoint(dict(whole), vae.config), states[1])


def test_names_that_are_known_by_heart() -> None:
    """Keys of v1-5-pruned-emaonly beside those of its diffusers folder."""
    with torch.device("meta"):
        unet, vae = tiny.unet(**tiny.SD15_UNET).state_dict(), tiny.vae(**tiny.SD15_VAE).state_dict()
    found = unet_to_ldm(unet)
    for new, old in {
        "conv_in.weight": "input_blocks.0.0.weight",
        "down_blocks.0.downsamplers.0.conv.weight": "input_blocks.3.0.op.weight",
        "down_blocks.1.resnets.0.conv_shortcut.weight": "input_blocks.4.0.skip_connection.weight",
        "down_blocks.3.resnets.1.conv2.bias": "input_blocks.11.0.out_layers.3.bias",
        "mid_block.attentions.0.proj_in.weight": "middle_block.1.proj_in.weight",
        "mid_block.resnets.1.time_emb_proj.weight": "middle_block.2.emb_layers.1.weight",
        "up_blocks.0.upsamplers.0.conv.weight": "output_blocks.2.1.conv.weight",
        "up_blocks.1.upsamplers.0.conv.weight": "output_blocks.5.2.conv.weight",
        "up_blocks.3.attentions.2.proj_out.bias": "output_blocks.11.1.proj_out.bias",
        "conv_norm_out.weight": "out.0.weight",
    }.items():
        assert found[new] == old
    found = vae_to_ldm(vae)
    assert found["decoder.up_blocks.0.resnets.2.conv1.weight"] == "decoder.up.3.block.2.conv1.weight"
    assert found["decoder.up_blocks.3.resnets.0.conv_shortcut.bias"] == "decoder.up.0.block.0.nin_shortcut.bias"
    assert found["encoder.mid_block.attentions.0.to_out.0.weight"] == "encoder.mid.attn_1.proj_out.weight"


def test_shapes() -> None:
    key = "decoder.mid_block.attentions.0.to_q.weight"
    assert linear_shape(key, (8, 8, 1, 1)) == linear_shape(key, (8, 8, 1)) == linear_shape(key, (8, 8)) == (8, 8)
    assert linear_shape("quant_conv.weight", (8, 8, 1, 1)) == (8, 8, 1, 1)
    assert linear_shape(key, (8, 8, 3, 3)) == (8, 8, 3, 3)
    assert conv_shape(key, (8, 8)) == conv_shape(key, (8, 8, 1, 1)) == (8, 8, 1, 1)
    assert conv_shape("decoder.mid_block.attentions.0.to_q.bias", (8,)) == (8,)


@pytest.mark.parametrize("rename", [unet_to_diffusers, unet_to_ldm, vae_to_diffusers, vae_to_ldm, text_names])
@pytest.mark.parametrize(
    "key", ["strange.weight", "input_blocks.1", "middle_block", "decoder.up.x.block", "down_blocks.0.resnets.0.conv9.x"]
)
def test_strange_keys(rename: Any, key: str) -> None:
    with pytest.raises(WeightsError, match=rf"^{key} is no key of .* was needed\.$"):
        rename([key])


def test_a_block_is_missing() -> None:
    keys = list(tiny.ldm_unet(tiny.unet(**tiny.UNETS["bundle"]).state_dict(), ""))
    for lost in ("input_blocks.2", "output_blocks.0"):
        with pytest.raises(WeightsError, match=rf"The UNet lacks {lost}, and a complete one was needed"):
            unet_to_diffusers([key for key in keys if not key.startswith(f"{lost}.")])


def test_a_part_that_is_not_there_and_one_that_is_there_twice() -> None:
    state = tiny.ldm_vae(tiny.vae(**tiny.VAES["two-levels"]).state_dict())
    with pytest.raises(WeightsError, match=r"^x\.safetensors holds no UNet, and one was needed\.$"):
        component_table(tiny.header_of(state), "unet")
    key = "first_stage_model.encoder.mid_block.attentions.0.to_q.bias"
    twice = {**state, key: torch.zeros(16)}
    with pytest.raises(WeightsError, match=r"x\.safetensors holds a tensor of its VAE twice: fetch or copy it again"):
        component_table(tiny.header_of(twice), "vae")
    with pytest.raises(WeightsError, match=r"^In x\.safetensors: decoder\.what is no key of an SD1\.5 autoencoder"):
        component_table(tiny.header_of({**state, "first_stage_model.decoder.what": torch.zeros(1)}), "vae")
