"""The names of Photoroom's ``/v2/edit`` that are honoured here: how each is read, and what is done with it."""

from __future__ import annotations

from dataclasses import dataclass

from iclight_local.dialects.photoroom_values import (
    Check,
    angle,
    between,
    colour,
    expansion,
    one_of,
    output_size,
    seed_of,
    spacing,
    yes_or_no,
)
from iclight_local.dialects.values import text

LARGEST = 1_000_000
"""Pixels that ``maxWidth`` and ``maxHeight`` may name at most."""
_SHADOWS = ("ai.soft", "ai.hard", "ai.floating", "ai.preset-soft", "ai.preset-hard", "ai.auto-with-overrides")
_DIRECTIONS = ("behind", "behindLeft", "left", "frontLeft", "front", "frontRight", "right", "behindRight")


@dataclass(frozen=True)
class Honoured:
    """A name that is honoured.

    Attributes:
        check: how it is read.
        how: what is done with it, for the table in the server's manual.
    """

    check: Check
    how: str


@dataclass(frozen=True)
class PictureField:
    """A name that brings a picture; it is honoured, too.

    Attributes:
        knob: the request's parameter that it becomes.
        how: what is done with it.
    """

    knob: str
    how: str


HONOURED: dict[str, Honoured] = {
    "background.blur.mode": Honoured(
        one_of("gaussian", "bokeh"),
        "Blur of what stands behind the subject, in linear light, as a Gaussian or as the disc of a lens; "
        "nothing of the subject bleeds into it.",
    ),
    "background.blur.radius": Honoured(
        between(0, 0.05), "Standard deviation or disc, relative to the longer side; 0.01 by default, 0 is no blur."
    ),
    "background.color": Honoured(colour, "Lies under everything else, with its opacity."),
    "background.expandPrompt": Honoured(
        expansion,
        "`ai.auto` appends words for light and quality, as no language model is here; "
        "without it the prompt stays as it is.",
    ),
    "background.expandPrompt.mode": Honoured(expansion, "The same, spelt with its dot."),
    "background.guidance.scale": Honoured(
        between(0, 1), "How much of the guiding picture stays: a denoise strength of 1 - 0.9 x scale; 0.6 by default."
    ),
    "background.negativePrompt": Honoured(
        text, "What the scene is steered away from, whatever `pr-ai-background-model-version` says."
    ),
    "background.prompt": Honoured(
        text, "IC-Light makes the scene around the placed subject, which keeps its detail and takes the scene's light."
    ),
    "background.scaling": Honoured(
        one_of("fit", "fill"),
        "Whether the background picture covers the result (`fill`, the default) or is shown as a whole.",
    ),
    "background.seed": Honoured(
        seed_of, "Seed of the scene; told in `pr-ai-background-seed`, also where it was drawn at random."
    ),
    "export.dpi": Honoured(
        between(72, 1200), "Named in the file (PNG pHYs, JFIF density, EXIF of a WebP); no pixel changes."
    ),
    "export.format": Honoured(
        one_of("png", "jpeg", "jpg", "webp"), "JPEG has quality 80 and lays transparency on white, WebP has 90."
    ),
    "horizontalAlignment": Honoured(
        one_of("left", "center", "right"), "Where the subject stands; cropped sides count like others then."
    ),
    "ignorePaddingAndSnapOnCroppedSides": Honoured(
        yes_or_no(True), "A side that cuts the subject off has no padding, and the subject stands against it."
    ),
    "keepExistingAlphaChannel": Honoured(
        one_of("auto", "never"),
        "`auto`: the picture's own transparency is the cut-out, and an opaque alpha channel means none.",
    ),
    "lighting.mode": Honoured(
        one_of("ai.auto", "ai.preserve-hue-and-saturation"),
        "IC-Light corrects the light, and the picture keeps its own pixels.",
    ),
    "margin": Honoured(spacing, "Space around everything, relative to the result."),
    "marginBottom": Honoured(spacing, "In place of `margin` on its side."),
    "marginLeft": Honoured(spacing, "In place of `margin` on its side."),
    "marginRight": Honoured(spacing, "In place of `margin` on its side."),
    "marginTop": Honoured(spacing, "In place of `margin` on its side."),
    "maxHeight": Honoured(between(1, LARGEST), "The finished result is shrunk to it."),
    "maxWidth": Honoured(between(1, LARGEST), "The finished result is shrunk to it."),
    "outline.blurRadius": Honoured(
        between(0, 0.025), "Standard deviation of the outline's blur, relative to the longer side."
    ),
    "outline.color": Honoured(colour, "Colour of a line around the subject."),
    "outline.width": Honoured(between(0, 0.1), "Its width, relative to the longer side; 0.03 by default."),
    "outputSize": Honoured(output_size, "`auto` is the picture's size, as no templates are here."),
    "padding": Honoured(spacing, "Space inside of the margins, relative to what they leave."),
    "paddingBottom": Honoured(spacing, "In place of `padding` on its side."),
    "paddingLeft": Honoured(spacing, "In place of `padding` on its side."),
    "paddingRight": Honoured(spacing, "In place of `padding` on its side."),
    "paddingTop": Honoured(spacing, "In place of `padding` on its side."),
    "preserveMetadata": Honoured(
        one_of("never", "xmp", "exifSubset", "exifSubsetWithXmpCompatibility"),
        "Copied but for the orientation, which has been applied.",
    ),
    "referenceBox": Honoured(
        one_of("subjectBox", "originalImage"), "Whether the subject's box or the whole picture is placed."
    ),
    "removeBackground": Honoured(yes_or_no(True), "Off: every pixel stays, and the whole picture is placed."),
    "scaling": Honoured(one_of("fit", "fill"), "Whether the subject lies in the space that is left, or covers it."),
    "shadow.directionOverride": Honoured(
        angle(0, 360, **{name: 45 * place for place, name in enumerate(_DIRECTIONS)}), "Where the shadow falls."
    ),
    "shadow.intensityOverride": Honoured(between(0, 1), "Opacity of the shadow."),
    "shadow.mode": Honoured(
        one_of(*_SHADOWS),
        "A shadow drawn from the silhouette of the subject, an approximation: hosted it is generated.",
    ),
    "shadow.softnessOverride": Honoured(between(0, 1), "Its blur, which grows with the distance from the ground."),
    "shadow.spreadOverride": Honoured(angle(0, 90, short=10, medium=45, long=90), "Its length."),
    "shadow.subjectPoseOverride": Honoured(
        angle(0, 90, flatlay=0, upright=90), "Between a copy beside what lies flat and a shadow on the ground."
    ),
    "verticalAlignment": Honoured(
        one_of("top", "center", "bottom"), "Where the subject stands; cropped sides count like others then."
    ),
}
"""What is honoured, the pictures apart."""
PICTURES: dict[str, PictureField] = {
    "background.guidance.imageFile": PictureField("light_map", "The scene begins from this picture."),
    "background.guidance.imageUrl": PictureField("light_map", "The same by its address."),
    "background.imageFile": PictureField("background_image", "Stands behind the subject."),
    "background.imageUrl": PictureField("background_image", "The same by its address."),
    "imageFile": PictureField("subject_image", "The picture, turned upright and converted to sRGB."),
    "imageUrl": PictureField("subject_image", "The same by its address, fetched with limits."),
}
"""The pictures: a file of a POST, or an address."""
PARTS = ("background.expandPrompt.mode",)
"""Names that are a part of another one, which the API's document lists by itself."""
NEEDS: dict[str, tuple[str, ...]] = {
    "background.blur.radius": ("background.blur.mode",),
    "background.expandPrompt": ("background.prompt",),
    "background.expandPrompt.mode": ("background.prompt",),
    "background.guidance.imageFile": ("background.prompt",),
    "background.guidance.imageUrl": ("background.prompt",),
    "background.guidance.scale": ("background.guidance.imageFile", "background.guidance.imageUrl"),
    "background.negativePrompt": ("background.prompt",),
    "background.scaling": ("background.imageFile", "background.imageUrl"),
    "background.seed": ("background.prompt",),
    "outline.blurRadius": ("outline.color",),
    "outline.width": ("outline.color",),
    "shadow.directionOverride": ("shadow.mode",),
    "shadow.intensityOverride": ("shadow.mode",),
    "shadow.softnessOverride": ("shadow.mode",),
    "shadow.spreadOverride": ("shadow.mode",),
    "shadow.subjectPoseOverride": ("shadow.mode",),
}
"""Honoured names that change nothing without one of some others; nothing is done with them then, and that is told."""
