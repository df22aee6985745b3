"""What the values of a call of ``/v2/edit`` ask of an edit, ``lighting.mode`` apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EXPANDED = "photorealistic product photo, natural light, soft shadow"
"""What an expanded prompt ends in."""
GUIDED = 0.6
"""``background.guidance.scale`` where none is given."""
_OUTPUT_SIZES = {"auto": "original", "originalImage": "original", "croppedSubject": "subject"}
_REFERENCE_BOXES = {"subjectBox": "subject", "originalImage": "picture"}
_SHADOWS = {
    "ai.soft": "soft",
    "ai.hard": "hard",
    "ai.floating": "floating",
    "ai.preset-soft": "soft",
    "ai.preset-hard": "hard",
    "ai.auto-with-overrides": "auto",
}
_METADATA = {
    "never": "none",
    "xmp": "xmp",
    "exifSubset": "rights",
    "exifSubsetWithXmpCompatibility": "rights_xmp",
}
_SAME = {
    "margin": "margin",
    "padding": "padding",
    **{
        f"{kind}{side}": f"{kind}_{side.lower()}"
        for kind in ("margin", "padding")
        for side in ("Top", "Right", "Bottom", "Left")
    },
    "scaling": "scaling",
    "horizontalAlignment": "horizontal_alignment",
    "verticalAlignment": "vertical_alignment",
    "background.scaling": "background_scaling",
    "background.blur.mode": "background_blur",
    "background.blur.radius": "background_blur_radius",
    "outline.width": "outline_width",
    "outline.blurRadius": "outline_blur",
    "shadow.directionOverride": "shadow_direction",
    "shadow.spreadOverride": "shadow_spread",
    "shadow.softnessOverride": "shadow_softness",
    "shadow.intensityOverride": "shadow_intensity",
    "shadow.subjectPoseOverride": "shadow_pose",
    "export.dpi": "dpi",
}
"""Values that are an edit's own, by another name."""
_STRENGTHS = {None: 0.3, "ai.auto": 0.5, "ai.preserve-hue-and-saturation": 0.5}
"""How much of a generated scene's light the subject takes, by ``lighting.mode``: without one it only has to fit in."""


def edit_knobs(values: Mapping[str, Any]) -> dict[str, Any]:
    """The knobs of place, background, outline, shadow and file."""
    knobs = {knob: values[name] for name, knob in _SAME.items()}
    for name, knob in (("background.color", "background_colour"), ("outline.color", "outline_colour")):
        knobs[knob] = None if values[name] is None else f"#{values[name]}"
    for name, knob in (("maxWidth", "max_width"), ("maxHeight", "max_height")):
        knobs[knob] = None if values[name] is None else max(1, int(values[name]))
    size, box, kept = values["outputSize"], values["referenceBox"], values["preserveMetadata"]
    knobs["output_size"] = None if size is None else _OUTPUT_SIZES.get(size, size)
    knobs["reference_box"] = None if box is None else _REFERENCE_BOXES[box]
    knobs["metadata"] = "none" if kept is None else _METADATA[kept]
    knobs["pad_cropped_sides"] = not values["ignorePaddingAndSnapOnCroppedSides"]
    knobs["shadow"] = None if values["shadow.mode"] is None else _SHADOWS[values["shadow.mode"]]
    if not values["removeBackground"]:
        knobs["background_mode"] = "keep"
    elif values["keepExistingAlphaChannel"] != "auto":
        knobs["own_alpha"] = "never"
    if "background_image" not in values["sources"]:
        knobs["background_scaling"] = None
    idle = {"outline_": "outline_colour", "shadow_": "shadow", "background_blur_": "background_blur"}
    for begin, owner in idle.items():
        if knobs[owner] is None:
            # The call is told that nothing is done with these.
            knobs |= {knob: None for knob in knobs if knob.startswith(begin)}
    return {knob: value for knob, value in knobs.items() if value is not None}


def scene_knobs(values: Mapping[str, Any], *, guided: bool) -> dict[str, Any]:
    """The knobs of a generated background; ``guided``: whether a picture comes with it."""
    mode = values["lighting.mode"]
    part = values["background.expandPrompt.mode"]
    expanded = values["background.expandPrompt"] if part is None else part
    prompt = values["background.prompt"].strip()
    knobs: dict[str, Any] = {
        "background_mode": "generate",
        "model": "fc",
        "prompt": f"{prompt}, {EXPANDED}" if expanded else prompt,
        "negative_prompt": values["background.negativePrompt"],
        "seed": values["background.seed"],
        "keep": "colour" if mode == "ai.preserve-hue-and-saturation" else "detail",
        "light_strength": _STRENGTHS[mode],
    }
    if guided:
        scale = values["background.guidance.scale"]
        # 0 begins from noise as if there were no picture.
        knobs["lowres_denoise"] = round(1 - 0.9 * (GUIDED if scale is None else scale), 6)
    return {knob: value for knob, value in knobs.items() if value is not None}
