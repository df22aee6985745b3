"""The parts of a base that a single file holds, built without asking any hub for configs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from iclight_local.errors import WeightsError
from iclight_local.headers import read_header
from iclight_local.layouts.configs import text_config, vae_config
from iclight_local.layouts.identify import identify
from iclight_local.layouts.purpose import Purpose, check_use
from iclight_local.layouts.tables import Part
from iclight_local.layouts.text import WRAPPER
from iclight_local.layouts.words import BEGIN, END, LENGTH, clip_words
from iclight_local.pipelines.tensors import Reader, check_complete, fill, skeleton, stored_part, weight_shapes


def add_base_parts(path: Path, given: dict[str, Any], dtypes: Mapping[str, torch.dtype]) -> None:
    """Add the components that are not given yet from a single-file model.

    Args:
        path: the file.
        given: components by name.
        dtypes: precision of the others.

    Raises:
        WeightsError: the file is damaged, or nothing was given to make an IC-Light model of it.
    """
    if "unet" not in given:
        raise WeightsError(f"{path} is a base alone: load it with ICLightPipeline.from_pretrained(BASE, iclight=FILE).")
    if "vae" not in given:
        given["vae"] = load_vae(path, dtypes["vae"])
    if "text_encoder" not in given:
        given["text_encoder"] = load_text_encoder(path, dtypes["text_encoder"])
    if "tokenizer" not in given:
        given["tokenizer"] = clip_tokenizer()


def load_vae(path: Path, dtype: torch.dtype) -> AutoencoderKL:
    """The autoencoder of a file: one alone, or that of a single-file model.

    Raises:
        WeightsError: the file holds none of SD1.5, or a damaged one.
    """
    shapes = _shapes(path, "vae", "vae")
    return _loaded(path, "vae", partial(AutoencoderKL.from_config, vae_config(shapes)), dtype)


def load_text_encoder(path: Path, dtype: torch.dtype) -> CLIPTextModel:
    """The text encoder of a single-file model.

    Raises:
        WeightsError: the file holds none of SD1.5, or a damaged one.
    """
    config = CLIPTextConfig(**text_config(_shapes(path, "text_encoder", "text_encoder")))
    return _loaded(path, "text_encoder", partial(CLIPTextModel, config), dtype)


def clip_tokenizer() -> CLIPTokenizer:
    """The tokenizer that every SD1.5 model has."""
    words, merges = clip_words()
    ends = {"unk_token": END, "bos_token": BEGIN, "eos_token": END, "pad_token": END}
    return CLIPTokenizer(vocab=words, merges=merges, model_max_length=LENGTH, **ends)


def _shapes(path: Path, part: Part, purpose: Purpose) -> dict[str, tuple[int, ...]]:
    check_use(identify(read_header(path)), purpose)
    return {name: stored.shape for name, stored in stored_part(path, part).items()}


def _loaded(path: Path, part: Part, build: Callable[[], torch.nn.Module], dtype: torch.dtype) -> Any:
    model = skeleton(build)
    wanted = weight_shapes(model)
    # Whether transformers writes this before its names depends on its release.
    wrapper = WRAPPER if any(name.startswith(WRAPPER) for name in wanted) else ""
    parts = stored_part(path, part, wrapper)
    check_complete({name: stored.shape for name, stored in parts.items()}, wanted, f"The {part} of {path.name}")
    with Reader() as reader:
        fill(model, lambda name: reader.read(parts[name]), dtype)
    return model
