"""Whether a file serves a purpose, and one sentence where it does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from iclight_local.errors import WeightsError
from iclight_local.layouts.identify import Identified
from iclight_local.request import ModelName

Purpose = Literal["base", "base_beside_vae", "iclight", "unet", "vae", "text_encoder"]
"""A whole SD1.5 model; one whose VAE lies beside it; IC-Light's offsets or merged UNet; one component of a base."""
READABLE = frozenset({"F16", "BF16", "F32"})
_NEEDED: dict[Purpose, str] = {
    "base": "a plain SD1.5 model with a VAE and a text encoder",
    "base_beside_vae": "a plain SD1.5 model with a text encoder",
    "iclight": "an IC-Light file for SD1.5 with 8 (fc, fcon) or 12 (fbc) input channels",
    "unet": "the UNet of a plain SD1.5 model",
    "vae": "the VAE of an SD1.5 model",
    "text_encoder": "the text encoder of an SD1.5 model",
}
_PLAIN_UNETS = ("base-ldm", "unet-ldm", "unet-diffusers", "unet-refiners")
_SD15 = (*_PLAIN_UNETS, "merged-unet-ldm", "merged-unet-diffusers", "merged-unet-refiners", "inpainting")
"""Files whose VAE and text encoder, where they have them, are those of SD1.5."""


def check_use(found: Identified, purpose: Purpose) -> None:
    """Check that a file serves a purpose.

    An ambiguous file serves as ``iclight``: offsets are added, a merged UNet takes the base's place, so let
    `iclight_local.layouts.identify.settle` decide before it is loaded.

    Raises:
        WeightsError: one sentence that says what was found and what was needed.
    """
    if not _serves(found, purpose):
        raise WeightsError(f"{found.name} is {found.what}, and {_NEEDED[purpose]} was needed{_cure(found, purpose)}.")
    if not set(found.dtypes) <= READABLE or not found.dtypes:
        stored = found.precision if found.dtypes else "whole numbers"
        raise WeightsError(f"{found.name} is stored in {stored}, and fp16, bf16 or fp32 was needed.")


def chosen_model(found: Identified, asked: ModelName | None) -> ModelName:
    """The model an IC-Light file is taken for: the asked one if it can be that.

    Where none was asked for, the file's name decides between fc and fcon, whose keys and shapes are the same.

    Raises:
        WeightsError: the file holds another model than was asked for, or none.
    """
    check_use(found, "iclight")
    if asked is None:
        named = model_by_name(found.name, found.models)
        return found.models[0] if named is None else named
    if asked not in found.models:
        holds = " or ".join(found.models)
        raise WeightsError(
            f"{found.name} holds model {holds} ({found.in_channels} input channels) and {asked} was asked for: "
            f"give a file of {asked}, or ask for {holds}."
        )
    return asked


def model_by_name(name: str, models: Sequence[ModelName]) -> ModelName | None:
    """The one of some models that a file's name says; None where it says none of them."""
    named = [model for model in models if model in name.lower()]
    # fcon's name holds fc's.
    return max(named, key=len, default=None)


def _serves(found: Identified, purpose: Purpose) -> bool:
    if purpose == "base":
        return found.kind == "base-ldm" and found.has_vae and found.has_text_encoder
    if purpose == "base_beside_vae":
        return found.kind == "base-ldm" and found.has_text_encoder
    if purpose == "iclight":
        return bool(found.models)
    if purpose == "unet":
        return found.kind in _PLAIN_UNETS
    if purpose == "vae":
        return found.has_vae and found.kind in ("vae", *_SD15)
    return found.has_text_encoder and found.kind in ("text-encoder", *_SD15)


def _cure(found: Identified, purpose: Purpose) -> str:
    """What mends it, where one knows."""
    if found.kind == "lora":
        return "; a LoRA is loaded on top of a model, not in the place of one"
    if found.kind == "lcm":
        return "; take a plain base and LCM-LoRA (`--preset fast`)"
    if found.kind == "base-ldm" and purpose == "iclight":
        return "; this one can serve as the base"
    if found.models and purpose in ("base", "base_beside_vae"):
        return "; this one goes on top of such a base"
    return ""
