"""Where the parts of a model lie in a file, and from which of its tensors each tensor of diffusers is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from iclight_local.errors import WeightsError
from iclight_local.layouts.refiners import refiners_to_diffusers
from iclight_local.layouts.text import WRAPPER, text_names
from iclight_local.layouts.unet import unet_to_diffusers
from iclight_local.layouts.vae import linear_shape, vae_to_diffusers

if TYPE_CHECKING:
    from iclight_local.headers import Header

Part = Literal["unet", "vae", "text_encoder"]
Layout = Literal["ldm", "diffusers", "refiners"]
CONV_IN: dict[Layout, str] = {
    "ldm": "input_blocks.0.0.weight",
    "diffusers": "conv_in.weight",
    "refiners": "DownBlocks.Chain_1.Conv2d.weight",
}
CONV_OUT: dict[Layout, str] = {
    "ldm": "out.2.weight",
    "diffusers": "conv_out.weight",
    "refiners": "Chain.Conv2d.weight",
}
VAE_CONV_IN = "decoder.conv_in.weight"
UNET_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "unet.", "")
VAE_PREFIXES = ("first_stage_model.", "vae.", "")
TEXT_PREFIXES = ("cond_stage_model.transformer.", "text_encoder.", "")
_VAE_PARTS = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")
_TEXT_PARTS = ("embeddings.", "encoder.layers.", "final_layer_norm.")
_WORDS = "embeddings.token_embedding.weight"
_NAMES: dict[Part, str] = {"unet": "UNet", "vae": "VAE", "text_encoder": "text encoder"}


@dataclass(frozen=True)
class Place:
    """Where a part lies in a file.

    Attributes:
        prefix: what stands before each of its keys.
        layout: whose names its keys are; a text encoder has one name in both.
    """

    prefix: str
    layout: Layout


@dataclass(frozen=True)
class Source:
    """What one tensor of diffusers is read from.

    Attributes:
        key: the tensor's name in the file.
        shape: the shape it gets; the values stay in their order.
    """

    key: str
    shape: tuple[int, ...]


def find_unet(keys: Iterable[str]) -> Place | None:
    """Where the UNet lies; None where there is none."""
    known = set(keys)
    for prefix in UNET_PREFIXES:
        for layout, conv_in in CONV_IN.items():
            if prefix + conv_in in known and prefix + CONV_OUT[layout] in known:
                return Place(prefix, layout)
    return None


def find_vae(keys: Iterable[str]) -> Place | None:
    """Where the autoencoder lies; None where there is none."""
    known = set(keys)
    for prefix in VAE_PREFIXES:
        # Those of Flux and SD3 have no such convolution before the decoder.
        if {prefix + key for key in ("encoder.conv_in.weight", VAE_CONV_IN, "post_quant_conv.weight")} <= known:
            ldm = f"{prefix}decoder.norm_out.weight" in known
            return Place(prefix, "ldm" if ldm else "diffusers")
    return None


def find_text_encoder(keys: Iterable[str]) -> Place | None:
    """Where the CLIP text encoder lies; None where there is none."""
    known = set(keys)
    for prefix in TEXT_PREFIXES:
        if f"{prefix}{WRAPPER}{_WORDS}" in known or f"{prefix}{_WORDS}" in known:
            return Place(prefix, "ldm" if prefix.startswith("cond_stage") else "diffusers")
    return None


def component_table(header: Header, part: Part, wrapper: str = WRAPPER) -> dict[str, Source]:
    """What each tensor of a component is read from, by its name in diffusers (a text encoder's in transformers).

    Tensors of the file that are no weights of the component (averages, counters, losses) are left out.

    Args:
        header: the file's table of contents.
        part: the component.
        wrapper: what shall stand before each name of a text encoder, ``text_model.`` or nothing.

    Raises:
        WeightsError: the file holds no such part, or a key of it is strange.
    """
    finders = {"unet": find_unet, "vae": find_vae, "text_encoder": find_text_encoder}
    place = finders[part](header.tensors)
    if place is None:
        raise WeightsError(f"{header.path.name} holds no {_NAMES[part]}, and one was needed.")
    keys = [key.removeprefix(place.prefix) for key in header.tensors if key.startswith(place.prefix)]
    try:
        names = _names(keys, part, place.layout, wrapper)
    except WeightsError as error:
        raise WeightsError(f"In {header.path.name}: {error}") from None
    table = {}
    for old, new in names.items():
        shape = header.tensors[place.prefix + old].shape
        table[new] = Source(place.prefix + old, linear_shape(new, shape) if part == "vae" else shape)
    if len(table) != len(names):
        raise WeightsError(f"{header.path.name} holds a tensor of its {_NAMES[part]} twice: fetch or copy it again.")
    return table


def _names(keys: list[str], part: Part, layout: Layout, wrapper: str) -> Mapping[str, str]:
    if part == "vae":
        return vae_to_diffusers([key for key in keys if key.startswith(_VAE_PARTS)])
    if part == "text_encoder":
        return text_names([key for key in keys if key.removeprefix(WRAPPER).startswith(_TEXT_PARTS)], wrapper)
    if layout == "refiners":
        return refiners_to_diffusers(keys)
    return unet_to_diffusers(keys) if layout == "ldm" else {key: key for key in keys}
