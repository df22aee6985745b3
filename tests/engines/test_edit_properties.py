"""Any valid mix of Photoroom's 48 parameters gives a picture of the promised size, format and mode."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from PIL import Image

from iclight_local.dialects.photoroom_fields import HONOURED, PICTURES
from iclight_local.errors import InvalidRequest, NoSubject
from tests.dialects.photoroom_calls import Edited, delivered, png

Fields = dict[str, Any]
MIXES = 600
BATCHES = 6
SIZES = [(1, 1), (1, 90), (300, 2), (2, 2), (17, 3), (33, 21), (64, 48), (47, 80), (5, 5)]
KINDS = ["RGB", "RGBA", "L", "LA", "P", "1", "I;16", "opaque", "empty", "corner"]
COLOURS = ["red", "#00ff0080", "1e90ff", "0f0", "FFFFFF01", "transparent"]
LENGTHS = ["0", "0.1", "10%", "2px", "0.3", "49%", "0.0", "1px"]
PLACE: dict[str, list[str]] = {
    "outputSize": ["auto", "originalImage", "croppedSubject", "40x30", "1x1", "7x61", "90x1"],
    "scaling": ["fit", "fill"],
    "horizontalAlignment": ["left", "center", "right"],
    "verticalAlignment": ["top", "center", "bottom"],
    "referenceBox": ["subjectBox", "originalImage"],
    "ignorePaddingAndSnapOnCroppedSides": ["true", "false"],
    **{
        f"{kind}{side}": LENGTHS
        for kind in ("margin", "padding")
        for side in ("", "", "Top", "Right", "Bottom", "Left")
    },
}
LOOK: dict[str, list[str]] = {
    "background.color": COLOURS,
    "lighting.mode": ["ai.auto", "ai.preserve-hue-and-saturation"],
    "keepExistingAlphaChannel": ["auto", "never"],
    "export.format": ["png", "jpeg", "jpg", "webp"],
    "export.dpi": ["72", "300", "1200"],
    "preserveMetadata": ["never", "xmp", "exifSubset", "exifSubsetWithXmpCompatibility"],
}
OUTLINE = {"outline.width": ["0", "0.01", "0.1"], "outline.blurRadius": ["0", "0.004", "0.025"]}
OVERRIDES = {
    "shadow.directionOverride": ["0", "left", "frontRight", "222.5", "360"],
    "shadow.intensityOverride": ["0", "0.4", "1"],
    "shadow.softnessOverride": ["0", "0.4", "1"],
    "shadow.spreadOverride": ["0", "short", "long", "33"],
    "shadow.subjectPoseOverride": ["flatlay", "upright", "33"],
}
SCENE = {
    "background.negativePrompt": ["people"],
    "background.seed": ["0", "9223372036854775807"],
    "background.expandPrompt": ["auto", "never", "ai.auto", '{"mode": "ai.never"}'],
    "background.expandPrompt.mode": ["ai.auto", "ai.never"],
}
SHADOWS = ["ai.soft", "ai.hard", "ai.floating", "ai.preset-soft", "ai.preset-hard"]
IMPOSSIBLE = ("Margins and paddings at the", "Nothing of the subject lies in the result", "The picture has no subject")
"""Begin the sentences of what cannot be known before the picture is: no room is left, or nothing to light."""


def picture(dice: random.Random) -> Image.Image:
    """A small picture, of any kind."""
    wide, high = dice.choice(SIZES)
    kind = dice.choice(KINDS)
    noise = np.random.default_rng(dice.randrange(1000))
    image = Image.fromarray(noise.integers(0, 256, (high, wide, 4), np.uint8))
    if kind in ("opaque", "empty", "corner"):
        image.putalpha(255 if kind == "opaque" else 0)
        if kind == "corner":
            image.putpixel((wide - 1, 0), (9, 99, 9, 255))
        return image
    if kind == "I;16":
        return Image.fromarray(noise.integers(0, 65536, (high, wide), np.uint16))
    return image if kind == "RGBA" else image.convert("RGB").convert(kind)


def some(dice: random.Random, choices: dict[str, list[str]], most: int) -> Fields:
    names = dice.sample(sorted(choices), dice.randint(0, min(most, len(choices))))
    return {name: dice.choice(choices[name]) for name in names}


def mix(dice: random.Random) -> Fields:
    """Values that the rules between the parameters allow."""
    fields = {**some(dice, PLACE, 5), **some(dice, LOOK, 4)}
    if "x" not in fields.get("outputSize", "auto").replace("box", ""):
        fields |= some(dice, {"maxWidth": ["1", "20", "999"], "maxHeight": ["1", "20.5", "999"]}, 2)
    if dice.random() < 0.3:
        fields |= {"outline.color": dice.choice(COLOURS), **some(dice, OUTLINE, 2)}
    if dice.random() < 0.3:
        fields |= {"background.blur.mode": dice.choice(["gaussian", "bokeh"])}
        fields |= some(dice, {"background.blur.radius": ["0", "0.01", "0.05"]}, 1)
    if dice.random() < 0.25:
        return {**fields, "removeBackground": dice.choice(["false", "FALSE"])}
    fields |= some(dice, {"removeBackground": ["true"]}, 1)
    if dice.random() < 0.4:
        fields |= {"shadow.mode": dice.choice(SHADOWS)}
        if dice.random() < 0.5:
            fields |= {"shadow.mode": "ai.auto-with-overrides", **some(dice, OVERRIDES, 5)}
    behind = dice.random()
    if behind < 0.3:
        fields[dice.choice(["background.imageFile", "background.imageUrl"])] = picture(dice)
        return fields | some(dice, {"background.scaling": ["fit", "fill"]}, 1)
    if behind < 0.5:
        fields |= {"background.prompt": "a beach", **some(dice, SCENE, 3)}
        if dice.random() < 0.5:
            fields[dice.choice(["background.guidance.imageFile", "background.guidance.imageUrl"])] = picture(dice)
            fields |= some(dice, {"background.guidance.scale": ["0", "0.6", "1"]}, 1)
    return fields


def subject_of(image: Image.Image, fields: Fields) -> tuple[int, int]:
    """Width and height of the subject: what is seen of it, or the left half where the engine looks for it."""
    if fields.get("keepExistingAlphaChannel") == "auto" and image.mode in ("RGBA", "LA"):
        seen = np.asarray(image)[..., -1] > 0.02 * 255
        rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
        return (int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1) if rows.size else image.size
    half = image.width // 2
    return (half, image.height) if half else image.size


def promised(image: Image.Image, fields: Fields) -> tuple[int, int]:
    """The size that the contract promises."""
    asked = fields.get("outputSize", "auto")
    wide, high = image.size
    if asked == "croppedSubject" and fields.get("removeBackground", "true").lower() == "true":
        wide, high = subject_of(image, fields)
    elif "x" in asked and asked[0].isdigit():
        wide, high = (int(side) for side in asked.split("x"))
    limits = [(fields.get("maxWidth"), wide), (fields.get("maxHeight"), high)]
    scale = min(1.0, *(int(float(limit)) / side if limit else 1.0 for limit, side in limits))
    return max(1, round(wide * scale)), max(1, round(high * scale))


def faults(image: Image.Image, fields: Fields, found: Edited) -> list[str]:
    """What is not as it was promised."""
    kind = {"jpg": "JPEG", "jpeg": "JPEG", "webp": "WEBP"}.get(fields.get("export.format", "png"), "PNG")
    said, size = found.image, promised(image, fields)
    told = [f"{said.size}, not {size}"] if said.size != size else []
    told += [f"{said.format}, not {kind}"] if said.format != kind else []
    told += [f"type {found.media_type}"] if found.media_type != f"image/{kind.lower()}" else []
    behind = any(name in fields for name in ("background.imageFile", "background.imageUrl", "background.prompt"))
    clear = bool((np.asarray(said.convert("RGBA"))[..., 3] < 255).any())
    nothing = fields.get("background.color", "transparent") == "transparent" and not behind
    # Before nothing a cut-out is RGBA even if it fills all; of that a WebP keeps no alpha channel.
    free = nothing and fields.get("removeBackground", "true").lower() == "true"
    clear = clear or (free and kind == "PNG")
    mode = "RGBA" if clear and kind != "JPEG" else "RGB"
    told += [f"mode {said.mode}, not {mode}"] if said.mode != mode else []
    if "background.prompt" in fields and "pr-ai-background-seed" not in found.headers:
        told.append("no seed")
    inert = fields.keys() & found.headers.get("pr-unsupported-attributes", "").replace(",", " ").split()
    return told + [f"{name} was not heeded" for name in inert]


@pytest.mark.parametrize("batch", range(BATCHES))
def test_any_valid_mix_gives_what_was_promised(batch: int) -> None:
    dice = random.Random(batch)
    refused = 0
    for _ in range(MIXES // BATCHES):
        image, fields = picture(dice), mix(dice)
        told = {name: value if isinstance(value, str) else value.size for name, value in fields.items()}
        try:
            found = delivered(png(image), **fields)
        except InvalidRequest as error:
            assert str(error).startswith(IMPOSSIBLE), (image.mode, image.size, told, str(error))
            if isinstance(error, NoSubject):
                assert "background.prompt" in fields, (image.mode, image.size, told, str(error))
            refused += 1
            continue
        assert faults(image, fields, found) == [], (image.mode, image.size, told)
    assert refused < MIXES // BATCHES // 4


def test_the_mixes_have_every_name() -> None:
    dice = random.Random(0)
    seen = {name for _ in range(MIXES) for name in mix(dice)}
    # The subject itself comes as a file here.
    assert seen | {"imageFile", "imageUrl"} == HONOURED.keys() | PICTURES.keys()
