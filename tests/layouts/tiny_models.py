"""Small random models of diffusers and transformers, the full SD1.5 ones without values, and single files of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from iclight_local.headers import Header, TensorInfo
from scripts.every_layout import State
from scripts.every_layout import ldm_text as ldm_text
from scripts.every_layout import ldm_unet as ldm_unet
from scripts.every_layout import ldm_vae as ldm_vae
from scripts.every_layout import single_file as single_file

UNETS: dict[str, dict[str, Any]] = {
    "bundle": {"block_out_channels": (16, 32, 32), "layers_per_block": 1, "cross": (1, 1, 0)},
    "one-level": {"block_out_channels": (16,), "layers_per_block": 1, "cross": (1,)},
    "two-levels-three-layers": {"block_out_channels": (16, 32), "layers_per_block": 3, "cross": (0, 1)},
    "attention-first-only": {"block_out_channels": (16, 16, 32, 32), "layers_per_block": 2, "cross": (1, 0, 0, 0)},
    "twelve-channels": {"block_out_channels": (16, 32), "layers_per_block": 2, "cross": (1, 0), "in_channels": 12},
}
VAES: dict[str, dict[str, Any]] = {
    "four-levels": {"block_out_channels": (8, 8, 16, 16), "layers_per_block": 1},
    "two-levels": {"block_out_channels": (8, 16), "layers_per_block": 2},
    "one-level": {"block_out_channels": (8,), "layers_per_block": 3, "latent_channels": 16},
}
SD15_UNET = {"block_out_channels": (320, 640, 1280, 1280), "layers_per_block": 2, "cross": (1, 1, 1, 0),
             "cross_attention_dim": 768, "norm_num_groups": 32, "attention_head_dim": 8}  # fmt: skip
SD15_VAE = {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "norm_num_groups": 32}
DTYPES = {torch.float16: "F16", torch.bfloat16: "BF16", torch.float32: "F32", torch.int64: "I64"}


def unet(cross: tuple[int, ...], **config: Any) -> UNet2DConditionModel:
    """A UNet; ``cross`` says of each level whether it has attention."""
    downs = tuple("CrossAttnDownBlock2D" if has else "DownBlock2D" for has in cross)
    ups = tuple("CrossAttnUpBlock2D" if has else "UpBlock2D" for has in reversed(cross))
    usual = {"cross_attention_dim": 32, "norm_num_groups": 8, "attention_head_dim": 4, "sample_size": 16}
    return UNet2DConditionModel(down_block_types=downs, up_block_types=ups, **{**usual, **config})


def vae(**config: Any) -> AutoencoderKL:
    levels = len(config["block_out_channels"])
    usual = {
        "norm_num_groups": 4,
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
    }
    return AutoencoderKL(**{**usual, **config})


def text_encoder(layers: int = 2, width: int = 32, **config: Any) -> CLIPTextModel:
    usual = {"intermediate_size": 2 * width, "num_attention_heads": 2, "vocab_size": 64, "max_position_embeddings": 77,
             "bos_token_id": 0, "eos_token_id": 1}  # fmt: skip
    return CLIPTextModel(CLIPTextConfig(hidden_size=width, num_hidden_layers=layers, **{**usual, **config}))


def header_of(state: State, name: str = "x.safetensors") -> Header:
    tensors = {key: TensorInfo(DTYPES[value.dtype], tuple(value.shape)) for key, value in state.items()}
    return Header(Path(name), tensors)
