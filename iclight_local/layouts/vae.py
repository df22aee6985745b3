"""Names of an autoencoder's tensors: CompVis' (``encoder.down.0.block.0.norm1.weight``) and diffusers'.

CompVis counts the decoder's levels from the picture, diffusers from the latents. The attention's projections are 1x1
convolutions there, ``[c, c, 1, 1]``, and linear here, ``[c, c]``: the same values in the same order.
Source: CompVis ``ldm/modules/diffusionmodules/model.py`` and diffusers ``AutoencoderKL``.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from iclight_local.errors import WeightsError
from iclight_local.headers import shown

_ATTENTION = {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}
_ATTENTION_BACK = {new: old for old, new in _ATTENTION.items()}
_ATTENTION_OLD = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""Names that diffusers gave the projections before 0.12."""
_END = re.compile(r"(quant_conv|post_quant_conv|(en|de)coder\.(conv_in|conv_out))\.(weight|bias)")
_NORM_OUT = re.compile(r"((?:en|de)coder)\.(?:conv_)?norm_out\.(weight|bias)")
_RESNET = r"(?P<part>norm1|conv1|norm2|conv2|nin_shortcut|conv_shortcut)\.(?P<end>weight|bias)"
_LDM_LEVEL = re.compile(rf"(?:encoder\.down|decoder\.up)\.(?P<level>\d+)\.block\.(?P<layer>\d+)\.{_RESNET}")
_LDM_SAMPLER = re.compile(r"(?:encoder\.down|decoder\.up)\.(?P<level>\d+)\.(?:down|up)sample\.conv\.(?P<end>\w+)")
_LDM_MID = re.compile(rf"(?P<side>\w+)\.mid\.block_(?P<layer>\d+)\.{_RESNET}")
_LDM_ATTENTION = re.compile(r"(?P<side>\w+)\.mid\.attn_(?P<layer>\d+)\.(?P<part>norm|q|k|v|proj_out)\.(?P<end>\w+)")
_LEVEL = re.compile(rf"(?:encoder\.down|decoder\.up)_blocks\.(?P<level>\d+)\.resnets\.(?P<layer>\d+)\.{_RESNET}")
_SAMPLER = re.compile(
    r"(?:encoder\.down|decoder\.up)_blocks\.(?P<level>\d+)\.(?:down|up)samplers\.0\.conv\.(?P<end>\w+)"
)
_MID = re.compile(rf"(?P<side>\w+)\.mid_block\.resnets\.(?P<layer>\d+)\.{_RESNET}")
_MID_ATTENTION = re.compile(
    r"(?P<side>\w+)\.mid_block\.attentions\.(?P<layer>\d+)\."
    r"(?P<part>group_norm|to_q|to_k|to_v|to_out\.0|query|key|value|proj_attn)\.(?P<end>\w+)"
)
_LINEAR = re.compile(r"\w+\.mid_block\.attentions\.\d+\.(to_[qkv]|to_out\.0)\.weight")


def vae_to_diffusers(keys: Collection[str]) -> dict[str, str]:
    """Diffusers' name of each tensor of an autoencoder in CompVis names, or in diffusers' old or present ones.

    Args:
        keys: every key of the autoencoder, without a prefix like ``first_stage_model.``.

    Raises:
        WeightsError: a key that no such autoencoder has.
    """
    last = max((int(key.split(".")[2]) for key in keys if re.match(r"decoder\.up\.\d+\.", key)), default=0)
    return {key: _to_diffusers(key, last) for key in keys}


def vae_to_ldm(keys: Collection[str]) -> dict[str, str]:
    """CompVis' name of each tensor of an autoencoder in diffusers names; the inverse of `vae_to_diffusers`.

    Raises:
        WeightsError: a key that no such autoencoder has.
    """
    last = max((int(key.split(".")[2]) for key in keys if re.match(r"decoder\.up_blocks\.\d+\.", key)), default=0)
    return {key: _to_ldm(key, last) for key in keys}


def linear_shape(key: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape diffusers wants of an autoencoder's tensor: ``[c, c]`` where CompVis has ``[c, c, 1, 1]``.

    Args:
        key: its name in diffusers.
        shape: its shape in the file.
    """
    return shape[:2] if _LINEAR.fullmatch(key) and set(shape[2:]) == {1} else shape


def conv_shape(key: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape CompVis wants of an autoencoder's tensor; ``key`` is its name in diffusers."""
    return (*shape, 1, 1) if _LINEAR.fullmatch(key) and len(shape) == 2 else shape


def _to_diffusers(key: str, last: int) -> str:
    if _END.fullmatch(key) or _LEVEL.fullmatch(key) or _SAMPLER.fullmatch(key) or _MID.fullmatch(key):
        return key
    if found := _NORM_OUT.fullmatch(key):
        return f"{found[1]}.conv_norm_out.{found[2]}"
    encodes = key.startswith("encoder.")
    blocks, sampler = ("encoder.down_blocks", "down") if encodes else ("decoder.up_blocks", "up")
    if found := _LDM_LEVEL.fullmatch(key) or _LDM_SAMPLER.fullmatch(key):
        level = int(found["level"]) if encodes else last - int(found["level"])
        if "part" not in found.groupdict():
            return f"{blocks}.{level}.{sampler}samplers.0.conv.{found['end']}"
        return f"{blocks}.{level}.resnets.{found['layer']}.{_shortcut(found['part'])}.{found['end']}"
    if found := _LDM_MID.fullmatch(key):
        layer = int(found["layer"]) - 1
        return f"{found['side']}.mid_block.resnets.{layer}.{_shortcut(found['part'])}.{found['end']}"
    if found := _LDM_ATTENTION.fullmatch(key):
        layer = int(found["layer"]) - 1
        return f"{found['side']}.mid_block.attentions.{layer}.{_ATTENTION[found['part']]}.{found['end']}"
    if found := _MID_ATTENTION.fullmatch(key):
        part = _ATTENTION_OLD.get(found["part"], found["part"])
        return f"{found['side']}.mid_block.attentions.{found['layer']}.{part}.{found['end']}"
    raise _strange(key)


def _to_ldm(key: str, last: int) -> str:
    if _END.fullmatch(key):
        return key
    if found := _NORM_OUT.fullmatch(key):
        return f"{found[1]}.norm_out.{found[2]}"
    encodes = key.startswith("encoder.")
    blocks, sampler = ("encoder.down", "down") if encodes else ("decoder.up", "up")
    if found := _LEVEL.fullmatch(key) or _SAMPLER.fullmatch(key):
        level = int(found["level"]) if encodes else last - int(found["level"])
        if "part" not in found.groupdict():
            return f"{blocks}.{level}.{sampler}sample.conv.{found['end']}"
        return f"{blocks}.{level}.block.{found['layer']}.{_shortcut_back(found['part'])}.{found['end']}"
    if found := _MID.fullmatch(key):
        layer = int(found["layer"]) + 1
        return f"{found['side']}.mid.block_{layer}.{_shortcut_back(found['part'])}.{found['end']}"
    if found := _MID_ATTENTION.fullmatch(key):
        part = _ATTENTION_BACK[_ATTENTION_OLD.get(found["part"], found["part"])]
        return f"{found['side']}.mid.attn_{int(found['layer']) + 1}.{part}.{found['end']}"
    raise _strange(key)


def _shortcut(part: str) -> str:
    return "conv_shortcut" if part == "nin_shortcut" else part


def _shortcut_back(part: str) -> str:
    return "nin_shortcut" if part == "conv_shortcut" else part


def _strange(key: str) -> WeightsError:
    return WeightsError(f"{shown(key)} is no key of an SD1.5 autoencoder: the VAE of an SD1.5 model was needed.")
