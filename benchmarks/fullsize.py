"""A bundle of SD1.5's real size with random weights, to measure time and memory without the real ones.

The pictures mean nothing; the work is that of the real model, layer by layer.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

CONDITIONS = {"fc": 1, "fcon": 1, "fbc": 2}
"""Pictures that each model is conditioned on."""

VOCABULARY = 49408
BEGIN, END = "<|startoftext|>", "<|endoftext|>"


def build(out: Path, models: list[str], seed: int = 0) -> None:
    """Write ``out/base`` (float16, about 2.1 GB) and ``out/iclight_sd15_<model>.safetensors`` (1.7 GB each).

    Args:
        out: a folder that does not exist yet.
        models: some of ``fc``, ``fcon``, ``fbc``.
        seed: of all weights; the same seed gives the same files on one version of torch.

    Raises:
        FileExistsError: ``out`` is there already.
    """
    out.mkdir(parents=True)
    base = out / "base"
    write_tokenizer(base / "tokenizer")
    (base / "model_index.json").write_text(json.dumps(_index(), indent=2))
    # The release ships PNDM; IC-Light brings its own sampler, which a loader must not forget.
    PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        skip_prk_steps=True,
        steps_offset=1,
    ).save_pretrained(base / "scheduler")
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        make_text_encoder().half().save_pretrained(base / "text_encoder")
        make_vae().half().save_pretrained(base / "vae")
        unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8).half()
        unet.save_pretrained(base / "unet")
        for model in models:
            save_file(make_offsets(unet, CONDITIONS[model]), out / f"iclight_sd15_{model}.safetensors")


def make_text_encoder() -> CLIPTextModel:
    """CLIP ViT-L/14's text half: 12 layers of 768."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=VOCABULARY,
            hidden_size=768,
            intermediate_size=3072,
            num_hidden_layers=12,
            num_attention_heads=12,
            projection_dim=768,
            bos_token_id=VOCABULARY - 2,
            eos_token_id=VOCABULARY - 1,
            pad_token_id=VOCABULARY - 1,
        )
    )


def make_vae() -> AutoencoderKL:
    """SD1.5's autoencoder: 4 latent channels, a factor of 8."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        latent_channels=4,
        sample_size=512,
        scaling_factor=0.18215,
    )


def make_offsets(unet: UNet2DConditionModel, conditions: int) -> dict[str, torch.Tensor]:
    """Offsets for every parameter of ``unet``, in the key layout and float16 of the releases.

    They are a hundredth of each parameter's spread, so that the sum stays as tame as the base; the part of
    ``conv_in`` that meets the condition has the spread of the base's own, so that the condition counts.
    """
    offsets = {}
    for name, parameter in unet.named_parameters():
        spread = parameter.float().std().item() if parameter.numel() > 1 else 0.0
        change = torch.randn(parameter.shape) * max(spread, 0.01) * 0.01
        if name == "conv_in.weight":
            out_channels, channels, height, width = parameter.shape
            wide = torch.randn(out_channels, channels * conditions, height, width) * spread
            change = torch.cat((change, wide), dim=1)
        offsets[name] = change.half().contiguous()
    return offsets


def write_tokenizer(folder: Path) -> None:
    """A CLIP tokenizer of the real size without merges: one token a byte, the rest of the ids unused."""
    folder.mkdir(parents=True)
    letters = _byte_letters()
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    words += [f"<unused_{index}>" for index in range(len(words), VOCABULARY - 2)]
    vocabulary = {word: index for index, word in enumerate([*words, BEGIN, END])}
    special = {"bos_token": BEGIN, "eos_token": END, "pad_token": END, "unk_token": END}
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True, **special}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def _byte_letters() -> list[str]:
    """The 256 letters that byte-level vocabularies write bytes with: printable ones first, then others."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [chr(code) for code in printable] + [chr(0x100 + index) for index in range(256 - len(printable))]


def _index() -> dict[str, object]:
    """``model_index.json`` of a Stable Diffusion pipeline without a safety checker."""
    return {
        "_class_name": StableDiffusionPipeline.__name__,
        "vae": ["diffusers", "AutoencoderKL"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", "PNDMScheduler"],
        "safety_checker": [None, None],
        "feature_extractor": [None, None],
        "requires_safety_checker": False,
    }
