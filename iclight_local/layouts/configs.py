"""Configs of the parts of a single-file SD1.5 model, so that no hub has to be asked for them.

Widths and depths are read from the shapes. What shapes do not tell is SD1.5's: 8 attention heads, groups of 32, the
scale of the latents. Source: CompVis ``configs/stable-diffusion/v1-inference.yaml`` and the configs of
``stable-diffusion-v1-5`` in diffusers' layout.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from iclight_local.families import SD15_TEXTS

Shapes = Mapping[str, tuple[int, ...]]
HEADS = 8
"""Attention heads of the UNet, at every level."""
GROUPS = 32
"""Groups of every normalisation in the UNet and the autoencoder."""
LATENT_SCALE = 0.18215
HEAD_WIDTH = 64
"""Width of an attention head of CLIP's text encoder."""
POSITIONS = "embeddings.position_embedding.weight"


def unet_config(shapes: Shapes) -> dict[str, Any]:
    """The config of diffusers' ``UNet2DConditionModel``.

    Args:
        shapes: of its tensors, by their names in diffusers.
    """
    levels = _count(shapes, r"down_blocks\.(\d+)\.")
    crossed = [f"down_blocks.{level}.attentions.0.norm.weight" in shapes for level in range(levels)]
    context = next((shape[1] for key, shape in shapes.items() if key.endswith("attn2.to_k.weight")), SD15_TEXTS)
    return {
        "in_channels": shapes["conv_in.weight"][1],
        "out_channels": shapes["conv_out.weight"][0],
        "block_out_channels": [shapes[f"down_blocks.{i}.resnets.0.conv1.weight"][0] for i in range(levels)],
        "layers_per_block": _count(shapes, r"down_blocks\.0\.resnets\.(\d+)\."),
        "down_block_types": ["CrossAttnDownBlock2D" if has else "DownBlock2D" for has in crossed],
        "up_block_types": ["CrossAttnUpBlock2D" if has else "UpBlock2D" for has in reversed(crossed)],
        "cross_attention_dim": context,
        "attention_head_dim": HEADS,
        "norm_num_groups": GROUPS,
        "sample_size": 64,
    }


def vae_config(shapes: Shapes) -> dict[str, Any]:
    """The config of diffusers' ``AutoencoderKL``; ``shapes`` as in `unet_config`."""
    levels = _count(shapes, r"encoder\.down_blocks\.(\d+)\.")
    return {
        "latent_channels": shapes["post_quant_conv.weight"][1],
        "block_out_channels": [shapes[f"encoder.down_blocks.{i}.resnets.0.conv1.weight"][0] for i in range(levels)],
        "layers_per_block": _count(shapes, r"encoder\.down_blocks\.0\.resnets\.(\d+)\."),
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "norm_num_groups": GROUPS,
        "scaling_factor": LATENT_SCALE,
        "sample_size": 512,
    }


def text_config(shapes: Shapes) -> dict[str, Any]:
    """The config of transformers' ``CLIPTextModel``; ``shapes`` by its names without ``text_model.``."""
    words, width = shapes["embeddings.token_embedding.weight"]
    return {
        "vocab_size": words,
        "hidden_size": width,
        "intermediate_size": shapes["encoder.layers.0.mlp.fc1.weight"][0],
        "num_hidden_layers": _count(shapes, r"encoder\.layers\.(\d+)\."),
        "num_attention_heads": max(1, width // HEAD_WIDTH),
        "max_position_embeddings": shapes[POSITIONS][0],
        "hidden_act": "quick_gelu",
        "projection_dim": width,
        "bos_token_id": words - 2,
        "eos_token_id": words - 1,
        "pad_token_id": 1,
    }


def _count(shapes: Shapes, pattern: str) -> int:
    """How many numbers from 0 stand in the place of a key that the pattern names."""
    return len({found[1] for key in shapes if (found := re.match(pattern, key))})
