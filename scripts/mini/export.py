"""From trained modules to a bundle: a diffusers folder, and offsets in the released files' layout."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file

from iclight_local.pipelines.loading import default_scheduler
from scripts.mini.denoiser import Denoiser


@dataclass(frozen=True)
class Parts:
    """What a bundle is made of; ``fc`` brings the text model and the tokenizer."""

    vae: AutoencoderKL
    base: UNet2DConditionModel
    fc: Denoiser
    fbc: UNet2DConditionModel


def write(bundle: Path, parts: Parts, training: Path) -> None:
    """Write a bundle in float16, and the segmenter beside it where it is trained."""
    base = bundle / "base"
    shutil.rmtree(bundle, ignore_errors=True)
    # The offsets are taken from the rounded base, so that base plus offsets is rounded once and not twice.
    unet = parts.base.half()
    offsets = {name: offsets_of(unet, trained) for name, trained in (("fc", parts.fc.unet), ("fbc", parts.fbc))}
    unet.save_pretrained(base / "unet")
    parts.vae.half().save_pretrained(base / "vae")
    _forget_origin(base / "vae" / "config.json")
    parts.fc.text_model.half().save_pretrained(base / "text_encoder")
    shutil.copytree(training / "tokenizer", base / "tokenizer")
    default_scheduler("v_prediction").save_pretrained(base / "scheduler")
    index = """{
  "_class_name": "StableDiffusionPipeline",
  "_diffusers_version": "0.41.0",
  "feature_extractor": [null, null],
  "image_encoder": [null, null],
  "requires_safety_checker": false,
  "safety_checker": [null, null],
  "scheduler": ["diffusers", "DPMSolverMultistepScheduler"],
  "text_encoder": ["transformers", "CLIPTextModel"],
  "tokenizer": ["transformers", "CLIPTokenizer"],
  "unet": ["diffusers", "UNet2DConditionModel"],
  "vae": ["diffusers", "AutoencoderKL"]
}
"""
    (base / "model_index.json").write_text(index)
    for name, tensors in offsets.items():
        save_file(tensors, bundle / f"iclight_sd15_{name}.safetensors")
    if (training / "segmenter.onnx").exists():
        shutil.copy(training / "segmenter.onnx", bundle / "segmenter.onnx")


def _forget_origin(config: Path) -> None:
    """Take out the folder that a module was loaded from: it tells of this machine, not of the module."""
    values = json.loads(config.read_text())
    values.pop("_name_or_path", None)
    config.write_text(json.dumps(values, indent=2) + "\n")


def offsets_of(base: UNet2DConditionModel, trained: UNet2DConditionModel) -> dict[str, torch.Tensor]:
    """Trained weights less those of the base, whose ``conv_in`` is widened with zeros; float16."""
    start = {name: value.float() for name, value in base.state_dict().items()}
    first = "conv_in.weight"
    goal = trained.state_dict()
    wide = torch.zeros_like(goal[first], dtype=torch.float32)
    wide[:, : start[first].shape[1]] = start[first]
    start[first] = wide
    return {name: (value.float() - start[name]).half().contiguous() for name, value in goal.items()}
