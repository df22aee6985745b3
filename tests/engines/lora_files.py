"""LoRAs of random numbers that fit the random bundle, and files that are none."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file

from iclight_local.pipelines.iclight import ICLightPipeline
from tests.engines.relights import BUNDLE

LCM_LAYERS = ["to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2", "conv1", "conv2",
              "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv", "time_emb_proj"]  # fmt: skip
"""The layers that LCM-LoRA changes."""


@cache
def unet_layers(seed: int, rank: int = 4) -> Mapping[str, torch.Tensor]:
    unet = UNet2DConditionModel.from_pretrained(BUNDLE / "base" / "unet")
    torch.manual_seed(seed)
    unet.add_adapter(LoraConfig(r=rank, lora_alpha=4, target_modules=LCM_LAYERS, init_lora_weights=False))
    return dict(get_peft_model_state_dict(unet))


def write_lora(path: Path, seed: int = 0, rank: int = 4) -> Path:
    """A LoRA like LCM's, written as diffusers does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    layers = dict(unet_layers(seed, rank))
    ICLightPipeline.save_lora_weights(path.parent, unet_lora_layers=layers, weight_name=path.name)
    return path


def write_kohya_lora(path: Path, seed: int = 0) -> Path:
    """The same LoRA in the keys that kohya's trainer and LCM-LoRA have."""
    tensors = {}
    for key, value in unet_layers(seed).items():
        layer, side = key.removesuffix(".weight").rsplit(".lora_", 1)
        flat = "lora_unet_" + layer.replace(".", "_")
        tensors[f"{flat}.lora_{'down' if side == 'A' else 'up'}.weight"] = value.contiguous()
        tensors[f"{flat}.alpha"] = torch.tensor(4.0)
    save_file(tensors, path)
    return path


def write_tensors(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> Path:
    """A safetensors file of zeros."""
    save_file({name: torch.zeros(shape) for name, shape in shapes.items()}, path)
    return path
