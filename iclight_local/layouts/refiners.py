"""Names of a UNet's tensors in the library refiners: ``DownBlocks.Chain_2.ResidualBlock.Chain.GroupNorm_1.weight``.

refiners numbers the blocks through as CompVis does, but from 1, and calls a module by its class, with a number where
there are several of a class in one place. So its names become CompVis', and those diffusers'.
Source: finegrain-ai/refiners ``SD1UNet``; its IC-Light files hold every offset of the original ones under these names.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from iclight_local.errors import WeightsError
from iclight_local.headers import shown
from iclight_local.layouts.unet import unet_to_diffusers, unet_to_ldm

_ENDS = {
    "TimestepEncoder.RangeEncoder.Linear_1": "time_embed.0",
    "TimestepEncoder.RangeEncoder.Linear_2": "time_embed.2",
    "DownBlocks.Chain_1.Conv2d": "input_blocks.0.0",
    "Chain.GroupNorm": "out.0",
    "Chain.Conv2d": "out.2",
}
"""What stands before and behind the blocks, refiners' name first."""
_TRANSFORMER = {
    "Residual_1.LayerNorm": "norm1",
    "Residual_1.SelfAttention.Distribute.Linear_1": "attn1.to_q",
    "Residual_1.SelfAttention.Distribute.Linear_2": "attn1.to_k",
    "Residual_1.SelfAttention.Distribute.Linear_3": "attn1.to_v",
    "Residual_1.SelfAttention.Linear": "attn1.to_out.0",
    "Residual_2.LayerNorm": "norm2",
    "Residual_2.Attention.Distribute.Linear_1": "attn2.to_q",
    "Residual_2.Attention.Distribute.Linear_2": "attn2.to_k",
    "Residual_2.Attention.Distribute.Linear_3": "attn2.to_v",
    "Residual_2.Attention.Linear": "attn2.to_out.0",
    "Residual_3.LayerNorm": "norm3",
    "Residual_3.Linear_1": "ff.net.0.proj",
    "Residual_3.Linear_2": "ff.net.2",
}
_PARTS = {
    "ResidualBlock.Chain.GroupNorm_1": "in_layers.0",
    "ResidualBlock.Chain.RangeAdapter2d.Conv2d": "in_layers.2",
    "ResidualBlock.Chain.RangeAdapter2d.Chain.Linear": "emb_layers.1",
    "ResidualBlock.Chain.GroupNorm_2": "out_layers.0",
    "ResidualBlock.Chain.Conv2d": "out_layers.3",
    "ResidualBlock.Conv2d": "skip_connection",
    "CLIPLCrossAttention.Chain_1.GroupNorm": "norm",
    "CLIPLCrossAttention.Chain_1.Conv2d": "proj_in",
    **{
        f"CLIPLCrossAttention.Chain_2.CrossAttentionBlock.{old}": f"transformer_blocks.0.{new}"
        for old, new in _TRANSFORMER.items()
    },
    "CLIPLCrossAttention.Chain_3.Conv2d": "proj_out",
    "Downsample.Conv2d": "op",
    "Upsample.Conv2d": "conv",
}
"""The parts of a block, refiners' name with the module first."""
_SLOTS = {"ResidualBlock": 0, "CLIPLCrossAttention": 1, "Downsample": 0, "Upsample": 2}
"""Slots of the modules of a block. CompVis' upsampler has slot 1 where there is no attention, which nobody reads."""
_MIDDLE = (("ResidualBlock", "_1", 0), ("CLIPLCrossAttention", "", 1), ("ResidualBlock", "_2", 2))
"""The modules of the middle block, what numbers them, and their slots."""
_WHOLE = {
    **_ENDS,
    **{
        f"Sum.MiddleBlock.{old.replace(module, module + number, 1)}": f"middle_block.{slot}.{new}"
        for module, number, slot in _MIDDLE
        for old, new in _PARTS.items()
        if old.startswith(f"{module}.")
    },
}
"""Everything that stands in no numbered chain."""
_SIDES = {"DownBlocks": "input_blocks", "UpBlocks": "output_blocks"}
_CHAIN = re.compile(r"(?P<side>DownBlocks|UpBlocks)\.Chain_(?P<number>[1-9]\d*)\.(?P<part>.+)")
_WHOLE_BACK, _PARTS_BACK, _SIDES_BACK = ({new: old for old, new in t.items()} for t in (_WHOLE, _PARTS, _SIDES))
_BLOCK = re.compile(r"(?P<side>input_blocks|output_blocks)\.(?P<number>\d+)\.\d+\.(?P<part>.+)")


def refiners_to_diffusers(keys: Collection[str]) -> dict[str, str]:
    """Diffusers' name of each tensor of a UNet in refiners' names.

    Args:
        keys: every key of the UNet, without a prefix.

    Returns:
        The new name by the old one, in the order of ``keys``.

    Raises:
        WeightsError: a key that no such UNet has, or a block is missing.
    """
    ldm = {key: _to_ldm(key) for key in keys}
    _check_chains(keys)
    diffusers = unet_to_diffusers(list(ldm.values()))
    return {key: diffusers[name] for key, name in ldm.items()}


def unet_to_refiners(keys: Collection[str]) -> dict[str, str]:
    """Refiners' name of each tensor of a UNet in diffusers names; the inverse of `refiners_to_diffusers`.

    Raises:
        WeightsError: a key that no such UNet has.
    """
    return {key: _from_ldm(name) for key, name in unet_to_ldm(keys).items()}


def _to_ldm(key: str) -> str:
    name, _, end = key.rpartition(".")
    if name in _WHOLE:
        return f"{_WHOLE[name]}.{end}"
    found = _CHAIN.fullmatch(name)
    if found is None or found["part"] not in _PARTS:
        raise _strange(key)
    slot = _SLOTS[found["part"].split(".")[0]]
    return f"{_SIDES[found['side']]}.{int(found['number']) - 1}.{slot}.{_PARTS[found['part']]}.{end}"


def _from_ldm(key: str) -> str:
    name, _, end = key.rpartition(".")
    if name in _WHOLE_BACK:
        return f"{_WHOLE_BACK[name]}.{end}"
    found = _BLOCK.fullmatch(name)
    if found is None or found["part"] not in _PARTS_BACK:
        raise _strange(key)
    return f"{_SIDES_BACK[found['side']]}.Chain_{int(found['number']) + 1}.{_PARTS_BACK[found['part']]}.{end}"


def _check_chains(keys: Iterable[str]) -> None:
    """No chain is missing between the first and the last: the levels are counted by them."""
    for side in _SIDES:
        numbers = {int(key.split(".")[1].removeprefix("Chain_")) for key in keys if key.startswith(f"{side}.")}
        missing = set(range(1, max(numbers, default=0))) - numbers
        if missing:
            raise WeightsError(
                f"The UNet lacks {side}.Chain_{min(missing)}, and a complete one was needed: fetch or copy it again."
            )


def _strange(key: str) -> WeightsError:
    return WeightsError(
        f"{shown(key)} is no key of an SD1.5 UNet in refiners' names: the UNet of an SD1.5 model was needed."
    )
