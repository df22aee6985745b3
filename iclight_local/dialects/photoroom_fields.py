"""The names that Photoroom's ``/v2/edit`` documents, how each is read, and which of them are honoured here."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import ImageColor

from iclight_local.dialects.base import Call
from iclight_local.dialects.values import boolean, number, present, shown, text, whole, word
from iclight_local.errors import InvalidRequest
from iclight_local.sentences import MAX_SEED

Check = Callable[[Call, str], Any]
"""Reads the field of a name; None where it is missing.

Raises:
    InvalidRequest: it is not what the field takes; the name comes first.
"""
LARGEST = 1_000_000
"""Pixels that ``maxWidth`` and ``maxHeight`` may name at most."""
_SPACING = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(%|px)?", re.ASCII)
_MAX_SPACING = 0.49
_HEX = re.compile(r"#?([0-9a-f]{3}|[0-9a-f]{6}|[0-9a-f]{8})", re.ASCII)


def one_of(*words: str) -> Check:
    """One of several words."""
    return lambda call, name: word(call, name, None, words)


def between(low: float, high: float) -> Check:
    """A number of a range."""
    return lambda call, name: number(call, name, None, low, high)


def either(low: float, high: float, *words: str) -> Check:
    """A number of a range, or one of several words."""
    return lambda call, name: (
        present(call, name) if present(call, name) in words else number(call, name, None, low, high)
    )


def yes_or_no(default: bool) -> Check:
    """True or false."""
    return lambda call, name: boolean(call, name, default)


def seed_of(call: Call, name: str) -> int | None:
    """A seed."""
    return whole(call, name, None, 0, MAX_SEED)


def anything(call: Call, name: str) -> Any:
    """A file, an object, or whatever else; it is not looked into."""
    return name if name in call.files else present(call, name)


def spacing(call: Call, name: str) -> float | None:
    """A margin or padding as its number: a ratio up to 0.49, a percentage up to 49%, or pixels like 100px."""
    value = present(call, name)
    if value is None:
        return None
    found = None if isinstance(value, bool) else _SPACING.fullmatch(str(value).strip())
    amount = None if found is None else float(found[1])
    if found is None or amount is None or (found[2] != "px" and amount > _MAX_SPACING * (100 if found[2] else 1)):
        raise InvalidRequest(f"{name} must be between 0 and 0.49, 0% and 49%, or pixels like 100px, not {shown(value)}")
    return amount


def output_size(call: Call, name: str) -> str | None:
    """``auto``, ``originalImage``, ``croppedSubject``, or a size like 200x400."""
    value = present(call, name)
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(r"auto|\d+x\d+|originalImage|croppedSubject", value, re.ASCII):
        raise InvalidRequest(
            f"{name} must be auto, originalImage, croppedSubject or a size like 200x400, not {shown(value)}"
        )
    return value


def colour(call: Call, name: str) -> str | None:
    """A colour as ``rrggbbaa``; None where it is missing, transparent or of no opacity.

    It is given as 3, 6 or 8 hexadecimal digits, with or without ``#``, or by its CSS name.
    """
    value = present(call, name)
    if value is None or (isinstance(value, str) and value.strip().lower() == "transparent"):
        return None
    spoken = value.strip().lower() if isinstance(value, str) else ""
    named = ImageColor.colormap.get(spoken, spoken)
    # Pillow puts the levels of a name in place of its digits when it has used it once.
    found = _HEX.fullmatch(named if isinstance(named, str) else bytes(named[:3]).hex())
    if found is None:
        raise InvalidRequest(
            f"{name} must be a colour like FF0000 or FF0000EE, a colour's name or transparent, not {shown(value)}"
        )
    digits = "".join(2 * digit for digit in found[1]) if len(found[1]) == 3 else found[1]
    full = digits if len(digits) == 8 else digits + "ff"
    return None if full.endswith("00") else full


HONOURED: dict[str, Check] = {
    "background.color": colour,
    "export.dpi": between(72, 1200),
    "export.format": one_of("png", "jpeg", "jpg", "webp"),
    "ignorePaddingAndSnapOnCroppedSides": yes_or_no(True),
    "keepExistingAlphaChannel": one_of("auto", "never"),
    "lighting.mode": one_of("ai.auto", "ai.preserve-hue-and-saturation"),
    "maxHeight": between(1, LARGEST),
    "maxWidth": between(1, LARGEST),
    "outputSize": output_size,
    "preserveMetadata": one_of("never", "xmp", "exifSubset", "exifSubsetWithXmpCompatibility"),
    "referenceBox": one_of("subjectBox", "originalImage"),
    "removeBackground": yes_or_no(True),
}
"""What is honoured, though not with every value; the two pictures apart."""


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
_DIRECTIONS = ("behind", "behindLeft", "left", "frontLeft", "front", "frontRight", "right", "behindRight")
_SHADOWS = one_of("ai.soft", "ai.hard", "ai.floating", "ai.preset-soft", "ai.preset-hard", "ai.auto-with-overrides")
_POSES = one_of(
    *("random", "standing", "34turn", "powerstance", "walkingforward", "handinpocket"),
    *("crossedarms", "back", "overtheshoulder", "seated", "adjustingclothing", "playfulspin"),
)
_SPACE = Other(spacing, idle=(0.0,))
OTHERS: dict[str, Other] = {
    "background.blur.mode": Other(one_of("gaussian", "bokeh")),
    "background.blur.radius": Other(between(0, 0.05), "background.blur.mode"),
    "background.expandPrompt": Other(anything, "background.prompt"),
    "background.expandPrompt.mode": Other(one_of("ai.auto", "ai.never"), "background.prompt"),
    "background.guidance.imageFile": Other(anything),
    "background.guidance.imageUrl": Other(anything),
    "background.guidance.scale": Other(between(0, 1), "background.prompt"),
    "background.imageFile": Other(anything),
    "background.imageUrl": Other(anything),
    "background.negativePrompt": Other(text, "background.prompt"),
    "background.prompt": Other(text),
    "background.scaling": Other(one_of("fit", "fill"), "background.imageUrl"),
    "background.seed": Other(seed_of, "background.prompt"),
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
    "horizontalAlignment": Other(one_of("left", "center", "right")),
    "imageFromPrompt.prompt": Other(text),
    "imageFromPrompt.seed": Other(seed_of, "imageFromPrompt.prompt"),
    "imageFromPrompt.size": Other(_PICTURE_SIZES, "imageFromPrompt.prompt"),
    "layers": Other(anything),
    "margin": _SPACE,
    "marginBottom": _SPACE,
    "marginLeft": _SPACE,
    "marginRight": _SPACE,
    "marginTop": _SPACE,
    "outline.blurRadius": Other(between(0, 0.025), "outline.color"),
    "outline.color": Other(colour),
    "outline.width": Other(between(0, 0.1), "outline.color"),
    "padding": _SPACE,
    "paddingBottom": _SPACE,
    "paddingLeft": _SPACE,
    "paddingRight": _SPACE,
    "paddingTop": _SPACE,
    "scaling": Other(one_of("fit", "fill"), idle=("fit",)),
    "segmentation.mode": Other(one_of("keepSalientObject", "ignoreSalientObject"), idle=("keepSalientObject",)),
    "segmentation.negativePrompt": Other(text),
    "segmentation.prompt": Other(text),
    "shadow.directionOverride": Other(either(0, 360, *_DIRECTIONS), "shadow.mode"),
    "shadow.intensityOverride": Other(between(0, 1), "shadow.mode"),
    "shadow.mode": Other(_SHADOWS),
    "shadow.softnessOverride": Other(between(0, 1), "shadow.mode"),
    "shadow.spreadOverride": Other(either(0, 90, "short", "medium", "long"), "shadow.mode"),
    "shadow.subjectPoseOverride": Other(either(0, 90, "flatlay", "upright"), "shadow.mode"),
    "templateId": Other(text),
    "textRemoval.mode": Other(one_of("ai.artificial", "ai.natural", "ai.all")),
    "uncrop.mode": Other(_AUTO),
    "uncrop.seed": Other(seed_of, "uncrop.mode"),
    "upscale.downscaleIfNeeded": Other(one_of("never", "always", "skipUpscaleIfNotNeeded"), "upscale.mode"),
    "upscale.mode": Other(one_of("ai.fast", "ai.slow")),
    "verticalAlignment": Other(one_of("top", "center", "bottom")),
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


def documented(name: str) -> Other | None:
    """What is known of a name that is not honoured, a part of an object by that object; None for an unknown one."""
    if name in OTHERS:
        return OTHERS[name]
    owner = next((one for one in _OBJECTS if _is_part(name, one)), None)
    return None if owner is None else OTHERS[owner]


def _is_part(name: str, owner: str) -> bool:
    return name.startswith((f"{owner}.", f"{owner}["))
