"""Calls of a UNet that share its deep features: steps in between compute the outermost level alone.

The idea is that of DeepCache (Ma, Fang and Wang, "DeepCache: Accelerating Diffusion Models for Free", CVPR 2024,
arXiv:2312.00858): from step to step the deep levels of a UNet hardly change. A whole call keeps what enters the last
layer of the last up block; a shallow call computes that layer alone, on what is new.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from diffusers.models.unets.unet_2d_blocks import CrossAttnDownBlock2D, CrossAttnUpBlock2D, DownBlock2D, UpBlock2D
from diffusers.utils import USE_PEFT_BACKEND, scale_lora_layers, unscale_lora_layers

from iclight_local.errors import Unsupported

if TYPE_CHECKING:
    from iclight_local.pipelines.unet_calls import UNetInput

OUTER = 1
"""Layers of the last up block that every call computes; with 1 it takes no other skip than ``conv_in``'s.

Of SD1.5's operations at 64 x 80 latents one layer is 8 %, two are 24 % and three, the whole block, 40 %. For as many
operations, whole calls more often bring a picture nearer to the full run than a second layer in every call does.
"""
_BLOCKS = (DownBlock2D, CrossAttnDownBlock2D, UpBlock2D, CrossAttnUpBlock2D)


def check_levels(unet: Any) -> None:
    """Refuse a UNet whose outermost level cannot be computed apart.

    Raises:
        Unsupported: its blocks are not those of Stable Diffusion, it has a single level, sees more than the texts, or
            FreeU is on.
    """
    config, blocks = unet.config, (*unet.down_blocks, *unet.up_blocks)
    plain = all(
        isinstance(each, DownBlock2D | CrossAttnDownBlock2D | UpBlock2D | CrossAttnUpBlock2D) for each in blocks
    )
    beside = ("class_embed_type", "num_class_embeds", "addition_embed_type", "encoder_hid_dim_type")
    more = any(config.get(name) is not None for name in beside) or config.get("center_input_sample")
    if not plain or more or len(unet.up_blocks) < 2 or getattr(unet.up_blocks[-1], "s1", None):
        raise Unsupported(
            "cache_interval needs a UNet built like Stable Diffusion 1.5's, without FreeU, and this one is not: "
            "leave cache_interval at 1."
        )


def keeping_call(unet: Any, given: UNetInput) -> torch.Tensor:
    """The whole UNet: the predicted noise, bit for bit that of a plain call, and the deep features behind it.

    Returns:
        ``n x (channels + deep channels) x h x w``, float32.
    """
    with _call(unet, given) as seen:
        features = unet.conv_in(given.sample)
        skips = [features]
        for block in unet.down_blocks:
            features, more = block(features, seen.time, **seen.texts(block))
            skips += more
        if unet.mid_block is not None:
            features = unet.mid_block(features, seen.time, **seen.texts(unet.mid_block))
        for block in unet.up_blocks[:-1]:
            count = len(block.resnets)
            own, skips = skips[-count:], skips[:-count]
            # Said only where doubling does not lead there, as diffusers does.
            size = skips[-1].shape[-2:]
            further = {} if size == _doubled(features) else {"upsample_size": size}
            features = block(features, tuple(own), seen.time, **seen.texts(block), **further)
        layers = _layers(unet.up_blocks[-1])
        deep = _joined(layers[:-OUTER], features, skips, seen)
        noise = _predicted(unet, _joined(layers[-OUTER:], deep, skips, seen))
        return torch.cat([noise.float(), deep.float()], dim=1)


def shallow_call(unet: Any, given: UNetInput) -> torch.Tensor:
    """The outermost level, with the deep features of an earlier call.

    Returns:
        The predicted noise, ``n x channels x h x w``, float32.
    """
    if given.deep is None:
        raise ValueError("A shallow call takes deep features.")
    with _call(unet, given) as seen:
        skips = [unet.conv_in(given.sample)]
        deep = given.deep.to(given.sample.dtype)
        return _predicted(unet, _joined(_layers(unet.up_blocks[-1])[-OUTER:], deep, skips, seen)).float()


@dataclass(frozen=True)
class _Seen:
    """What all blocks see beside the features: the time's embedding, the texts', and the attention's options."""

    time: torch.Tensor
    embeddings: torch.Tensor
    attention: dict[str, Any] | None

    def texts(self, block: Any) -> dict[str, Any]:
        """The arguments of a block that looks at the texts; none for another."""
        if not getattr(block, "has_cross_attention", False):
            return {}
        return {"encoder_hidden_states": self.embeddings, "cross_attention_kwargs": self.attention}


_Layer = tuple[Any, Any]
"""A resnet and the attention behind it, or None."""


@contextmanager
def _call(unet: Any, given: UNetInput) -> Iterator[_Seen]:
    """What ``unet`` does around its blocks: it is brought to its device, and LoRAs get their strength."""
    hook = getattr(unet, "_hf_hook", None)
    if hook is not None:  # offloaded
        hook.pre_forward(unet)
    attention = None if given.attention is None else dict(given.attention)
    scale = 1.0 if attention is None else attention.pop("scale", 1.0)
    if USE_PEFT_BACKEND:
        scale_lora_layers(unet, scale)
    try:
        time = unet.time_embedding(unet.get_time_embed(given.sample, given.timestep), None)
        time = time if unet.time_embed_act is None else unet.time_embed_act(time)
        yield _Seen(time, given.embeddings, attention)
    finally:
        if USE_PEFT_BACKEND:
            unscale_lora_layers(unet, scale)


def _layers(block: Any) -> list[_Layer]:
    attentions = getattr(block, "attentions", [None] * len(block.resnets))
    return list(zip(block.resnets, attentions, strict=True))


def _joined(layers: list[_Layer], features: torch.Tensor, skips: list[torch.Tensor], seen: _Seen) -> torch.Tensor:
    """Layers of an up block; each takes one of ``skips``, the last first."""
    for layer in layers:
        features = _through(layer, torch.cat([features, skips.pop()], dim=1), seen)
    return features


def _through(layer: _Layer, features: torch.Tensor, seen: _Seen) -> torch.Tensor:
    resnet, attention = layer
    features = resnet(features, seen.time)
    if attention is None:
        return features
    attended: torch.Tensor = attention(
        features,
        encoder_hidden_states=seen.embeddings,
        cross_attention_kwargs=seen.attention,
        return_dict=False,
    )[0]
    return attended


def _predicted(unet: Any, features: torch.Tensor) -> torch.Tensor:
    if unet.conv_norm_out:
        features = unet.conv_act(unet.conv_norm_out(features))
    noise: torch.Tensor = unet.conv_out(features)
    return noise


def _doubled(features: torch.Tensor) -> torch.Size:
    return torch.Size(2 * side for side in features.shape[-2:])
