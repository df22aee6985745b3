"""What a file of weights is, told from its keys and shapes alone, never from its name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from iclight_local.errors import WeightsError
from iclight_local.families import OTHERS_BY_TEXTS
from iclight_local.headers import read_values, shown
from iclight_local.layouts.tables import (
    CONV_IN,
    CONV_OUT,
    UNET_PREFIXES,
    VAE_CONV_IN,
    Layout,
    Place,
    find_text_encoder,
    find_unet,
    find_vae,
)
from iclight_local.request import ModelName

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from iclight_local.headers import Header, TensorInfo

Kind = Literal[
    "base-ldm", "unet-diffusers", "unet-ldm", "unet-refiners", "offsets-diffusers", "offsets-ldm", "offsets-refiners",
    "merged-unet-diffusers", "merged-unet-ldm", "merged-unet-refiners", "vae", "text-encoder", "lora", "sd2", "sdxl",
    "inpainting", "controlnet", "flux", "sd3", "lcm", "unknown",
]  # fmt: skip
_KINDS: dict[Layout, tuple[Kind, Kind, Kind]] = {
    "diffusers": ("unet-diffusers", "offsets-diffusers", "merged-unet-diffusers"),
    "ldm": ("unet-ldm", "offsets-ldm", "merged-unet-ldm"),
    "refiners": ("unet-refiners", "offsets-refiners", "merged-unet-refiners"),
}
"""What a UNet can be, by whose names its keys are: a plain one, offsets, a merged one."""
_MERGED: dict[Kind, Kind] = {offsets: merged for _, offsets, merged in _KINDS.values()}
MODELS: dict[int, tuple[ModelName, ...]] = {2: ("fc", "fcon"), 3: ("fbc",)}
"""IC-Light's models whose UNet's input is so many times as wide as the latents."""
OFFSETS_BELOW = 0.3
"""Half of a UNet's norm weights, which start at 1, stay above this; half of their offsets are below it.

In a miniature trained from nothing the medians of single norms are 0.94 to 1.12, and those of its offsets at most 0.21.
"""
_FLOATS = {"F16": "fp16", "BF16": "bf16", "F32": "fp32", "F64": "fp64"}
_READS_TEXT = ("attn2.to_k.weight", "CrossAttentionBlock.Residual_2.Attention.Distribute.Linear_2.weight")
"""How a tensor ends whose last axis is the texts' width: in diffusers' and CompVis' names, in refiners'."""
_LORA = re.compile(r"(^|[._])(lora_(up|down|A|B|unet|te\d?)|lora\.(up|down)|hada_w[12]_[ab]|lokr_w[12])([._]|$)")
_CONTROLNET = re.compile(r"(^|\.)(control_model|controlnet_cond_embedding|controlnet_down_blocks|input_hint_block)\.")
_FLUX = re.compile(r"(^|\.)(double_blocks|single_transformer_blocks)\.\d+\.")
_SD3 = re.compile(r"(^|\.)(joint_blocks\.\d+\.|transformer_blocks\.\d+\.attn\.add_k_proj\.)")
_SDXL = re.compile(
    r"(^conditioner\.embedders\.|(^|\.)(label_emb\.0\.0|add_embedding\.linear_1|TextTimeEmbedding\.Linear_1)\.weight$)"
)
_SD2 = re.compile(r"^cond_stage_model\.model\.")
_LCM = re.compile(r"(^|\.)(time_embed|time_embedding)\.cond_proj\.weight$")
_FOREIGN: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("lora", _LORA), ("controlnet", _CONTROLNET), ("flux", _FLUX), ("sd3", _SD3), ("sdxl", _SDXL), ("sd2", _SD2),
    ("lcm", _LCM),
)  # fmt: skip
_BESIDE = frozenset({"lora", "controlnet"})
"""What may be packed into one file with a whole model, which then is what the file is."""
_PLAIN: dict[Kind, str] = {
    "lcm": "a distilled LCM model",
    "lora": "a LoRA",
    "controlnet": "a ControlNet",
    "flux": "a Flux model",
    "sd3": "an SD3 model",
    "sdxl": "an SDXL model",
    "sd2": "an SD2 model",
    "vae": "a VAE alone",
    "text-encoder": "a text encoder alone",
}


@dataclass(frozen=True)
class Identified:
    """What a file of weights is.

    Attributes:
        name: the file's name, for sentences only.
        kind: what it is; of an ambiguous file the likelier of the two.
        models: the IC-Light models it can be. ``fc`` and ``fcon`` have the same keys and shapes; so has a UNet of
            instruct-pix2pix, which nothing in its file tells apart.
        in_channels: input channels of its UNet; 0 without one.
        latent_channels: output channels of its UNet, else channels that its VAE decodes; 0 without both.
        dtypes: how the floating values of these parts are stored, by the format's names, sorted: ``("F16",)``.
        has_vae: whether an autoencoder is inside.
        has_text_encoder: whether a CLIP text encoder is inside.
        ambiguous: offsets and a merged UNet have the same keys and shapes, so ``settle`` has to look at some values.
        probes: the keys of those, all norms' weights of the UNet (the only weights of one axis), a few hundred
            kilobytes; empty without a UNet.
        sample: a key of the file, for the sentence about one that is not known; empty in an empty file.
    """

    name: str
    kind: Kind
    models: tuple[ModelName, ...] = ()
    in_channels: int = 0
    latent_channels: int = 0
    dtypes: tuple[str, ...] = ()
    has_vae: bool = False
    has_text_encoder: bool = False
    ambiguous: bool = False
    probes: tuple[str, ...] = ()
    sample: str = ""

    @property
    def precision(self) -> str:
        """How its values are stored, in plain words: ``fp16``, ``fp16 and fp32``."""
        return " and ".join(_FLOATS.get(dtype, dtype) for dtype in self.dtypes)

    @property
    def description(self) -> str:
        """One sentence in plain words, like ``a.safetensors is a LoRA (fp16).`` for a LoRA."""
        return f"{self.name} is {self.what}{f' ({self.precision})' if self.dtypes else ''}."

    @property
    def what(self) -> str:
        """What it is in plain words, without its name: ``a LoRA``."""
        if self.kind in _PLAIN:
            return _PLAIN[self.kind]
        if self.kind == "unknown":
            return f"no known kind of weights ({self._strange})"
        keys = self.kind.rpartition("-")[2]
        if self.kind == "inpainting":
            return f"an inpainting model ({self.in_channels} input channels)"
        if self.models:
            of = f"IC-Light {' or '.join(self.models)} ({self.in_channels} input channels, {keys} keys)"
            if self.ambiguous:
                return f"the offsets or the merged UNet of {of}"
            return f"the offsets of {of}" if self.kind.startswith("offsets") else f"a merged UNet of {of}{self._inside}"
        if self.kind == "base-ldm":
            return f"a single-file SD1.5 model (ldm keys){self._inside}"
        return f"a plain SD1.5 UNet alone ({self.in_channels} input channels, {keys} keys)"

    @property
    def _strange(self) -> str:
        if self.in_channels:
            return f"a UNet with {self.in_channels} input and {self.latent_channels} output channels"
        return f"its first key is {self.sample}" if self.sample else "it holds no tensor"

    @property
    def _inside(self) -> str:
        parts = {"a VAE": self.has_vae, "a text encoder": self.has_text_encoder}
        if not any(parts.values()):
            return ""
        words = [f"{'with' if there else 'without'} {part}" for part, there in parts.items()]
        return " " + " and ".join(words).replace("with a VAE and with", "with a VAE and")


def identify(header: Header) -> Identified:
    """Tell what a file is from its table of contents.

    Args:
        header: as `iclight_local.headers.read_header` reads it; that refuses truncated files and pickles.
    """
    tensors = header.tensors
    unet, vae, text = find_unet(tensors), find_vae(tensors), find_text_encoder(tensors)
    prefixes = tuple(place.prefix for place in (unet, vae, text) if place is not None)
    found = Identified(
        name=header.path.name,
        kind="unknown",
        latent_channels=0 if vae is None else tensors[f"{vae.prefix}{VAE_CONV_IN}"].shape[1],
        dtypes=_floats(tensors, prefixes),
        has_vae=vae is not None,
        has_text_encoder=text is not None,
        sample=shown(next(iter(tensors))) if tensors else "",
    )
    whole = unet is not None and unet.prefix == UNET_PREFIXES[0]
    foreign = (kind for kind, pattern in _FOREIGN if any(map(pattern.search, tensors)))
    kind = next((kind for kind in foreign if not (whole and kind in _BESIDE)), None)
    if kind is not None:
        return replace(found, kind=kind)
    if unet is not None:
        return _with_unet(found, tensors, unet)
    if found.has_vae:
        return replace(found, kind="vae")
    return replace(found, kind="text-encoder") if found.has_text_encoder else found


def _floats(tensors: Mapping[str, TensorInfo], prefixes: tuple[str, ...]) -> tuple[str, ...]:
    """Precisions of the known parts, by their prefixes; of everything where there is none."""
    kept = (info.dtype for key, info in tensors.items() if not prefixes or key.startswith(prefixes))
    return tuple(sorted({dtype for dtype in kept if "F" in dtype}))


def settled(header: Header) -> Identified:
    """What a file is, by its header and by the values of its UNet's norms.

    Raises:
        WeightsError: these are no numbers.
    """
    found = identify(header)
    return settle(found, read_values(header, found.probes)) if found.probes else found


def settle(found: Identified, norm_weights: NDArray[np.floating[Any]]) -> Identified:
    """Tell offsets from a merged UNet by the weights of its norms: near 1 in a UNet, near 0 in offsets.

    Args:
        found: a file with a UNet.
        norm_weights: the values of the tensors that ``found.probes`` names, or of some of them, behind one another.

    Raises:
        WeightsError: the values are no numbers, or none at all.
    """
    with np.errstate(invalid="ignore"):  # numpy warns of values that are no numbers; they are refused below
        values = np.asarray(norm_weights, dtype=np.float64)
    if not values.size or not np.isfinite(values).all():
        raise WeightsError(f"{found.name} holds no numbers in its norms' weights: fetch or copy it again.")
    if not found.ambiguous:
        return found
    if float(np.median(values)) < OFFSETS_BELOW:
        return replace(found, ambiguous=False)
    return replace(found, ambiguous=False, kind=_MERGED[found.kind])


def _with_unet(found: Identified, tensors: Mapping[str, TensorInfo], unet: Place) -> Identified:
    """What a file with a UNet is, by the widths of its input, its output and the texts it reads."""
    conv_in = tensors[unet.prefix + CONV_IN[unet.layout]].shape
    conv_out = tensors[unet.prefix + CONV_OUT[unet.layout]].shape
    if len(conv_in) != 4 or len(conv_out) != 4:
        return found
    channels, latents = conv_in[1], conv_out[0]
    probes = tuple(
        key
        for key, info in tensors.items()
        if key.startswith(unet.prefix) and key.endswith(".weight") and len(info.shape) == 1
    )
    found = replace(found, in_channels=channels, latent_channels=latents, probes=probes)
    family = _family(tensors, unet.prefix)
    if family is not None or channels == 2 * latents + 1:
        return replace(found, kind=family if family is not None else "inpainting")
    plain, offsets, merged = _KINDS[unet.layout]
    whole = found.has_vae or found.has_text_encoder
    if channels == latents:
        return replace(found, kind="base-ldm" if whole and unet.layout == "ldm" else plain)
    models = MODELS.get(channels // latents, ()) if latents and channels % latents == 0 else ()
    if not models:
        return found
    return replace(found, kind=merged if whole else offsets, models=models, ambiguous=not whole)


def _family(tensors: Mapping[str, TensorInfo], prefix: str) -> Kind | None:
    """The family of a UNet that is not SD1.5's, by the width of the texts it reads."""
    for key, info in tensors.items():
        if key.startswith(prefix) and key.endswith(_READS_TEXT) and info.shape:
            family = OTHERS_BY_TEXTS.get(info.shape[-1])
            return None if family is None else family.kind
    return None
