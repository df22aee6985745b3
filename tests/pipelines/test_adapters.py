"""LoRA and textual inversion, as in any diffusers pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.utils import convert_state_dict_to_diffusers
from golden_pictures import SMALL, load_pipe
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict

from iclight_local.imaging.fit import UInt8Array
from iclight_local.pipelines.iclight import ICLightPipeline

KNOBS: dict[str, Any] = {**SMALL, "cfg": 5.0}


@pytest.fixture(scope="module")
def lora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random LoRA for the UNet's attention."""
    folder = tmp_path_factory.mktemp("lora")
    unet = load_pipe("fc").unet
    torch.manual_seed(0)
    unet.add_adapter(LoraConfig(r=4, lora_alpha=16, target_modules=["to_q", "to_v"], init_lora_weights=False))
    layers = convert_state_dict_to_diffusers(get_peft_model_state_dict(unet))
    ICLightPipeline.save_lora_weights(folder, unet_lora_layers=layers)
    return folder


def test_a_lora_changes_the_picture_and_can_be_unloaded(lora: Path, foreground: UInt8Array) -> None:
    pipe = load_pipe("fc")
    plain = pipe(foreground, **KNOBS).images[0]
    pipe.load_lora_weights(lora)
    assert pipe.get_active_adapters()
    changed = pipe(foreground, **KNOBS).images[0]
    assert np.abs(changed - plain).mean() > 0.001
    pipe.unload_lora_weights()
    assert np.array_equal(pipe(foreground, **KNOBS).images[0], plain)
    assert pipe.unet.forward.__func__ is UNet2DConditionModel.forward


def test_the_scale_of_a_lora(lora: Path, foreground: UInt8Array) -> None:
    pipe = load_pipe("fc")
    plain = pipe(foreground, **KNOBS).images[0]
    pipe.load_lora_weights(lora)
    full = pipe(foreground, **KNOBS).images[0]
    off, half = (pipe(foreground, **KNOBS, cross_attention_kwargs={"scale": scale}).images[0] for scale in (0.0, 0.5))
    assert np.abs(off - plain).max() < 1e-4
    assert np.abs(half - plain).mean() > 0
    assert not np.array_equal(half, full)


def test_textual_inversion(foreground: UInt8Array) -> None:
    """A word of three vectors stands for three tokens."""
    vectors = torch.randn(3, 32, generator=torch.Generator().manual_seed(0))
    one, three = load_pipe("fc"), load_pipe("fc")
    knobs = {**KNOBS, "prompt": "a <glow> toy"}
    plain = one(foreground, **knobs).images[0]
    one.load_textual_inversion({"<glow>": vectors})
    for index, vector in enumerate(vectors):
        three.load_textual_inversion({f"<word{index}>": vector})
    learned = one(foreground, **knobs).images[0]
    spelled = three(foreground, **{**knobs, "prompt": "a <word0> <word1> <word2> toy"}).images[0]
    assert np.abs(learned - plain).max() > 0.001
    assert np.array_equal(learned, spelled)
