"""Names of a UNet's tensors: CompVis' (``input_blocks.1.0.in_layers.0.weight``) and diffusers'.

Both layouts hold the same tensors of the same shapes. How many levels there are, and how many layers each has, is
read from the keys: CompVis numbers the blocks through, and a sampler's convolution closes a level.
Source: CompVis ``ldm/modules/diffusionmodules/openaimodel.py`` and diffusers ``UNet2DConditionModel``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from iclight_local.errors import WeightsError
from iclight_local.headers import shown

ENDS = {
    "time_embed.0.": "time_embedding.linear_1.",
    "time_embed.2.": "time_embedding.linear_2.",
    "input_blocks.0.0.": "conv_in.",
    "out.0.": "conv_norm_out.",
    "out.2.": "conv_out.",
}
"""What stands before and behind the blocks, CompVis' name first."""
RESNET = {
    "in_layers.0.": "norm1.",
    "in_layers.2.": "conv1.",
    "emb_layers.1.": "time_emb_proj.",
    "out_layers.0.": "norm2.",
    "out_layers.3.": "conv2.",
    "skip_connection.": "conv_shortcut.",
}
"""The parts of a residual block; those of an attention block have one name in both layouts."""
_RESNET_BACK = {new: old for old, new in RESNET.items()}
_RESNET_WORDS = frozenset(name.split(".")[0] for name in RESNET)
_ATTENTION_WORDS = frozenset({"norm", "proj_in", "transformer_blocks", "proj_out"})
_SAMPLERS = {"op": "downsamplers", "conv": "upsamplers"}


def unet_to_diffusers(keys: Collection[str]) -> dict[str, str]:
    """Diffusers' name of each tensor of a UNet in CompVis names.

    Args:
        keys: every key of the UNet, without a prefix like ``model.diffusion_model.``.

    Returns:
        The new name by the old one, in the order of ``keys``.

    Raises:
        WeightsError: a key that no such UNet has, or a block is missing.
    """
    names = {
        **ENDS,
        **_levels(keys, "input_blocks", "down_blocks", 1),
        **_levels(keys, "output_blocks", "up_blocks", 0),
    }
    for kind, found in _middle(keys).items():
        names.update({f"middle_block.{slot}.": f"mid_block.{kind}.{i}." for i, slot in enumerate(found)})
    return {key: _renamed(key, names, RESNET, "CompVis") for key in keys}


def unet_to_ldm(keys: Collection[str]) -> dict[str, str]:
    """CompVis' name of each tensor of a UNet in diffusers names; the inverse of `unet_to_diffusers`.

    Raises:
        WeightsError: a key that no such UNet has.
    """
    names = {new: old for old, new in ENDS.items()}
    names.update(_numbered(_modules(keys, "down_blocks"), "down_blocks", "input_blocks", 1))
    names.update(_numbered(_modules(keys, "up_blocks"), "up_blocks", "output_blocks", 0))
    mid = {(kind, layer) for _, kind, layer in _modules(keys, "mid_block")}
    # A residual block, then attention and a residual block in turn.
    slots = sorted(mid, key=lambda module: (module[1], module[0] == "attentions"))
    names.update({f"mid_block.{kind}.{layer}.": f"middle_block.{slot}." for slot, (kind, layer) in enumerate(slots)})
    return {key: _renamed(key, names, _RESNET_BACK, "diffusers") for key in keys}


def _renamed(key: str, modules: Mapping[str, str], resnet: Mapping[str, str], layout: str) -> str:
    """A key with its module and, in a residual block, its part renamed."""
    for cut in (i + 1 for i, letter in enumerate(key) if letter == "."):
        if key[:cut] not in modules:
            continue
        module, rest = modules[key[:cut]], key[cut:]
        if "resnets." not in key[:cut] + module:
            return module + rest
        part = next((old for old in resnet if rest.startswith(old)), None)
        if part is not None:
            return module + resnet[part] + rest.removeprefix(part)
    raise WeightsError(
        f"{shown(key)} is no key of an SD1.5 UNet in {layout} names: the UNet of an SD1.5 model was needed."
    )


def _roles(keys: Iterable[str], stem: str) -> dict[int, dict[int, str]]:
    """What each slot of each numbered CompVis block is: ``resnets``, ``attentions``, ``op`` or ``conv``."""
    roles: dict[int, dict[int, str]] = {}
    for key in keys:
        if not key.startswith(f"{stem}."):
            continue
        block, slot, word = [*key.removeprefix(f"{stem}.").split("."), "", ""][:3]
        role = "resnets" if word in _RESNET_WORDS else "attentions" if word in _ATTENTION_WORDS else word
        if block.isdecimal() and slot.isdecimal():
            roles.setdefault(int(block), {})[int(slot)] = role
    return roles


def _levels(keys: Collection[str], stem: str, new: str, first: int) -> dict[str, str]:
    """Diffusers' prefix of each module of ``input_blocks`` or ``output_blocks``, whose numbers run from ``first``."""
    roles = _roles(keys, stem)
    blocks = [block for block in sorted(roles) if block >= first]
    if blocks != list(range(first, first + len(blocks))):
        missing = next(i for i in range(first, blocks[-1]) if i not in roles)
        raise WeightsError(f"The UNet lacks {stem}.{missing}, and a complete one was needed: fetch or copy it again.")
    names: dict[str, str] = {}
    level = layer = 0
    for block in blocks:
        sampler = None
        for slot, role in roles[block].items():
            if role in _SAMPLERS:
                sampler = _SAMPLERS[role]
                names[f"{stem}.{block}.{slot}.{role}."] = f"{new}.{level}.{sampler}.0.conv."
            elif role in ("resnets", "attentions"):
                names[f"{stem}.{block}.{slot}."] = f"{new}.{level}.{role}.{layer}."
        level, layer = (level + 1, 0) if sampler is not None else (level, layer + 1)
    return names


def _middle(keys: Iterable[str]) -> dict[str, list[int]]:
    """The slots of CompVis' ``middle_block`` that are residual blocks and those that are attention, in order."""
    # The middle block has no number of its own.
    numbered = (key.replace("middle_block.", "middle_block.0.", 1) for key in keys)
    slots = _roles(numbered, "middle_block").get(0, {})
    return {kind: sorted(s for s, role in slots.items() if role == kind) for kind in ("resnets", "attentions")}


def _modules(keys: Iterable[str], stem: str) -> set[tuple[int, str, int]]:
    """Block (0 in the unnumbered middle), kind and number of each module below a diffusers stem."""
    found = set()
    for key in keys:
        if not key.startswith(f"{stem}."):
            continue
        words = key.split(".")[1:] if stem != "mid_block" else ["0", *key.split(".")[1:]]
        if len(words) > 2 and words[0].isdecimal() and words[2].isdecimal():
            found.add((int(words[0]), words[1], int(words[2])))
    return found


def _numbered(modules: set[tuple[int, str, int]], stem: str, new: str, first: int) -> dict[str, str]:
    """CompVis' prefix of each module of ``down_blocks`` or ``up_blocks``, numbered through from ``first``."""
    names: dict[str, str] = {}
    at = first
    for block in sorted({block for block, _, _ in modules}):
        kinds = {(kind, layer) for found, kind, layer in modules if found == block}
        layers = sorted(layer for kind, layer in kinds if kind == "resnets")
        for layer in layers:
            names[f"{stem}.{block}.resnets.{layer}."] = f"{new}.{at}.0."
            names[f"{stem}.{block}.attentions.{layer}."] = f"{new}.{at}.1."
            at += 1
        if ("downsamplers", 0) in kinds:
            names[f"{stem}.{block}.downsamplers.0.conv."] = f"{new}.{at}.0.op."
            at += 1
        if ("upsamplers", 0) in kinds:
            # In the last residual block's place, behind its attention if it has one.
            slot = 2 if ("attentions", layers[-1] if layers else 0) in kinds else 1
            names[f"{stem}.{block}.upsamplers.0.conv."] = f"{new}.{at - 1}.{slot}.conv."
    return names
