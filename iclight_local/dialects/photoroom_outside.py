"""The names that Photoroom's ``/v2/edit`` documents and that are not honoured here, and how each is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from iclight_local.dialects.photoroom_values import Check, anything, one_of, seed_of
from iclight_local.dialects.values import text


@dataclass(frozen=True)
class Other:
    """A documented name that is not honoured.

    Attributes:
        check: how it is read.
        needs: a name without which it changes nothing; it is ignored then, and with it that name is refused.
        idle: values that change nothing.
    """

    check: Check
    needs: str | None = None
    idle: tuple[Any, ...] = ()


_AUTO = one_of("ai.auto")
_SIZES = one_of(
    *("PORTRAIT_HD_16_9", "PORTRAIT_HD_4_3", "PORTRAIT_HD_3_2", "SQUARE_HD"),
    *("LANDSCAPE_HD_3_2", "LANDSCAPE_HD_4_3", "LANDSCAPE_HD_16_9"),
)
_PICTURE_SIZES = one_of("LANDSCAPE_16_9", "LANDSCAPE_4_3", "PORTRAIT_16_9", "PORTRAIT_4_3", "SQUARE_HD")
_POSES = one_of(
    *("random", "standing", "34turn", "powerstance", "walkingforward", "handinpocket"),
    *("crossedarms", "back", "overtheshoulder", "seated", "adjustingclothing", "playfulspin"),
)
OTHERS: dict[str, Other] = {
    "beautify.mode": Other(one_of("ai.auto", "ai.food", "ai.car")),
    "beautify.seed": Other(seed_of, "beautify.mode"),
    "describeAnyChange.mode": Other(_AUTO),
    "describeAnyChange.prompt": Other(text, "describeAnyChange.mode"),
    "describeAnyChange.seed": Other(seed_of, "describeAnyChange.mode"),
    "editWithAI.additionalImages": Other(anything, "editWithAI.mode"),
    "editWithAI.mode": Other(_AUTO),
    "editWithAI.prompt": Other(text, "editWithAI.mode"),
    "editWithAI.seed": Other(seed_of, "editWithAI.mode"),
    "expand.mode": Other(_AUTO),
    "expand.seed": Other(seed_of, "expand.mode"),
    "flatLay.mode": Other(_AUTO),
    "flatLay.prompt": Other(text, "flatLay.mode"),
    "flatLay.size": Other(_SIZES, "flatLay.mode"),
    "ghostMannequin.mode": Other(_AUTO),
    "ghostMannequin.prompt": Other(text, "ghostMannequin.mode"),
    "ghostMannequin.size": Other(_SIZES, "ghostMannequin.mode"),
    "imageFromPrompt.prompt": Other(text),
    "imageFromPrompt.seed": Other(seed_of, "imageFromPrompt.prompt"),
    "imageFromPrompt.size": Other(_PICTURE_SIZES, "imageFromPrompt.prompt"),
    "layers": Other(anything),
    "segmentation.mode": Other(one_of("keepSalientObject", "ignoreSalientObject"), idle=("keepSalientObject",)),
    "segmentation.negativePrompt": Other(text),
    "segmentation.prompt": Other(text),
    "templateId": Other(text),
    "textRemoval.mode": Other(one_of("ai.artificial", "ai.natural", "ai.all")),
    "uncrop.mode": Other(_AUTO),
    "uncrop.seed": Other(seed_of, "uncrop.mode"),
    "upscale.downscaleIfNeeded": Other(one_of("never", "always", "skipUpscaleIfNotNeeded"), "upscale.mode"),
    "upscale.mode": Other(one_of("ai.fast", "ai.slow")),
    "virtualModel.additionalProductImages": Other(anything, "virtualModel.mode"),
    "virtualModel.mode": Other(_AUTO),
    "virtualModel.model": Other(anything, "virtualModel.mode"),
    "virtualModel.pose": Other(_POSES, "virtualModel.mode"),
    "virtualModel.prompt": Other(text, "virtualModel.mode"),
    "virtualModel.quality": Other(one_of("standard", "advanced", "premium"), "virtualModel.mode"),
    "virtualModel.scene": Other(anything, "virtualModel.mode"),
    "virtualModel.size": Other(_SIZES, "virtualModel.mode"),
}
"""Documented names that are not honoured."""
_OBJECTS = (
    *("editWithAI.additionalImages", "layers", "virtualModel.additionalProductImages"),
    *("virtualModel.model", "virtualModel.scene"),
)


def outside_names() -> list[str]:
    """The names as the API's document lists them."""
    by_key = "editWithAI.additionalImages"
    pictures = [f"{by_key}.{{key}}.imageFile", f"{by_key}.{{key}}.imageUrl"]
    return sorted([*(name for name in OTHERS if name != by_key), *pictures])


def documented(name: str) -> Other | None:
    """What is known of a name that is not honoured, a part of an object by that object; None for an unknown one."""
    if name in OTHERS:
        return OTHERS[name]
    owner = next((one for one in _OBJECTS if _is_part(name, one)), None)
    return None if owner is None else OTHERS[owner]


def _is_part(name: str, owner: str) -> bool:
    return name.startswith((f"{owner}.", f"{owner}["))
