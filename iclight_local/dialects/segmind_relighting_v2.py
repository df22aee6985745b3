"""Segmind's ``segmind-relighting-v2``: four words for the light, and no prompt.

The scene stays and is relit: IC-Light's light is carried to the picture's own pixels, the background takes 70 % of it.
Two things of the mapping have no knob: the contrast that ``mood``, ``bright`` and ``strong`` would end with is left
out, and quality ``low``, which should do without a second pass, has its weakest one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from iclight_local.dialects import segmind
from iclight_local.dialects.base import Answer, Asked, Call, Delivered, Dialect, Fault, Task
from iclight_local.dialects.values import whole, word
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.files import Picture, decode
from iclight_local.imaging.light_shapes import framed
from iclight_local.request import RelightRequest
from iclight_local.result import RelightResult


class Word(NamedTuple):
    """What one word of a ``light_*`` field stands for.

    Attributes:
        prompt: its part of the prompt.
        avoid: what it adds to the negative prompt; nothing where it is empty.
        kelvin: the colour temperature of ``light_temperature``.
        lamp: intensity of the light itself, linear, for ``light_intensity``: the brightest grey level of its map in
            the mapping (mood 0.55, medium 0.8, else 1), in linear light.
        fill: intensity of even light beside it, alike: it lifts the dark side to the mapping's floor (medium 0.12,
            bright 0.25, else 0), where intensity 1 is grey level 64.
        denoise: strength of the lowres pass.
        ev: how much brighter the subject comes out than it was: without it a narrow light on dark ground would leave
            little to be seen of it.
    """

    prompt: str
    avoid: str = ""
    kelvin: int = 6500
    lamp: float = 0.0
    fill: float = 0.0
    denoise: float = 0.0
    ev: float = 0.0


WORDS = {
    "light_direction": {
        "left": Word("light from the left"),
        "right": Word("light from the right"),
        "top": Word("light from above"),
        "back": Word("backlit, rim light, light from behind"),
    },
    "light_intensity": {
        "mood": Word("dim moody light, low key", lamp=0.26, denoise=0.95, ev=-0.7),
        "bright": Word("bright, well lit", lamp=1.0, fill=1.0, denoise=0.85, ev=0.3),
        "medium": Word("balanced exposure", lamp=0.6, fill=0.26, denoise=0.9),
        "strong": Word("strong light, high contrast", "flat lighting", lamp=1.0, denoise=0.85, ev=0.2),
    },
    "light_temperature": {
        "warm": Word("warm light", kelvin=3200),
        "cool": Word("cool bluish light", kelvin=7500),
        "neutral": Word("neutral white light", kelvin=6500),
        "sunset": Word("golden hour, orange sunset light", kelvin=2500),
    },
    "light_type": {
        "softbox": Word("soft studio lighting, large softbox, smooth shadows", "harsh shadows"),
        "sunlight": Word("direct sunlight, natural daylight, crisp shadows"),
        "spotlight": Word("spotlight, focused beam, dramatic light, dark surroundings", "flat lighting"),
        "ambient": Word("even ambient light, low contrast, shadowless", "harsh shadows"),
    },
}
"""The words of the four fields."""
_PROMPT_ORDER = ("light_type", "light_direction", "light_temperature", "light_intensity")
_APPENDED = "best quality, photorealistic"

QUALITIES: dict[str, dict[str, Any]] = {
    "low": {"steps": 12, "highres_scale": 1, "highres_denoise": 0.1},
    "medium": {"steps": 20, "highres_scale": 1.5, "highres_denoise": 0.4},
    "high": {"steps": 30, "highres_scale": 1.5, "highres_denoise": 0.5},
}
"""``quality``, and the knobs it sets."""
SIZES: dict[str, tuple[int, int] | None] = {
    "1024x1024": (1024, 1024),
    "1536x1024": (1536, 1024),
    "1024x1536": (1024, 1536),
    "auto": None,
}
"""``size``, and the result's width and height in pixels; ``auto`` goes by the picture."""
BACKGROUND_LIGHT = 0.7
"""How much of the new light a kept background takes."""
AUTO_PIXELS = 1024 * 1024
"""Pixels of a result of size ``auto``."""
MAX_SIDE = 16383
"""Longest side of such a result in pixels: WebP has no longer one."""

# Order of the words in a sentence: as the vendor lists them.
_CHOICES: dict[str, tuple[str, tuple[str, ...]]] = {
    "light_direction": ("back", tuple(WORDS["light_direction"])),
    "light_intensity": ("strong", tuple(WORDS["light_intensity"])),
    "light_temperature": ("warm", tuple(WORDS["light_temperature"])),
    "light_type": ("spotlight", tuple(WORDS["light_type"])),
    "background": ("opaque", ("transparent", "opaque")),
    "output_format": ("png", ("png", "jpeg", "webp")),
    "quality": ("high", tuple(QUALITIES)),
    "size": ("auto", tuple(SIZES)),
}
_COMPRESSION = 100


class SegmindRelightingV2:
    """``POST /v1/segmind-relighting-v2`` and ``/v2/segmind-relighting-v2``."""

    name = "segmind_relighting_v2"
    task: Task = "relight"

    def read(self, call: Call) -> Asked:
        """Read and check a call; a ``light_*`` field that is absent has its default.

        Raises:
            InvalidRequest: a missing or bad value; the sentence names the field first.
        """
        picture = segmind.required_picture(call, "image")
        values: dict[str, Any] = {name: word(call, name, *choice) for name, choice in _CHOICES.items()}
        values["output_compression"] = whole(call, "output_compression", _COMPRESSION, 0, 100)
        if values["background"] == "transparent" and values["output_format"] == "jpeg":
            raise InvalidRequest("background=transparent needs output_format png or webp")
        ignored = segmind.unused(call, ("image", *values), ("image",))
        return Asked(values, {"subject_image": picture}, ignored)

    def request(self, asked: Asked, pictures: Mapping[str, bytes]) -> RelightRequest:
        """The whole picture at the size of the call, with its own detail, in the light of the four words.

        The API has no seed; the one here follows from the picture's bytes, so that repeated calls agree.

        Raises:
            InvalidRequest: ``image`` is no picture, or damaged.
        """
        data = pictures["subject_image"]
        subject = _sized(decode(segmind.opened(data, "image")), SIZES[asked.values["size"]])
        return RelightRequest(
            subject_image=subject,
            model="fc",
            fit="input",
            keep="detail",
            seed=seed_of(data),
            output_format=asked.values["output_format"],
            output_quality=asked.values["output_compression"],
            **_light(asked.values),
            **_behind(asked.values["background"], subject),
            **QUALITIES[asked.values["quality"]],
        )

    def deliver(self, asked: Asked, request: RelightRequest, result: RelightResult) -> list[Delivered]:
        """The picture in the format and quality of the call; its size is that of the request's picture already."""
        return segmind.encoded(result, asked.values["output_format"], asked.values["output_compression"])

    def refusal(self, fault: Fault, sentence: str) -> Answer:
        """The gateway's status and body."""
        return segmind.refusal(fault, sentence)


DIALECT: Dialect = SegmindRelightingV2()


def seed_of(data: bytes) -> int:
    """The seed of a picture's file: the first 63 bits of its SHA-256."""
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big") >> 1


def auto_size(width: int, height: int) -> tuple[int, int]:
    """Size of the result where the call leaves it open, in the picture's shape.

    A picture of half to one megapixel keeps its size; a larger or smaller one gets one megapixel, except for shapes
    so long that a side would pass ``MAX_SIDE``.

    Args:
        width: of the picture, in pixels.
        height: alike.
    """
    area = width * height
    scale = 1.0 if AUTO_PIXELS / 2 <= area <= AUTO_PIXELS else (AUTO_PIXELS / area) ** 0.5
    scale = min(scale, MAX_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _sized(picture: Picture, size: tuple[int, int] | None) -> Image.Image:
    """The middle of a picture that has the shape of ``size``, at that size; its transparency where it has some."""
    width, height = auto_size(*picture.size) if size is None else size
    pixels = picture.rgb
    if picture.alpha is not None and picture.alpha.min() < 255:
        pixels = np.dstack([pixels, picture.alpha])
    return Image.fromarray(framed(pixels, width, height))


def _light(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The knobs that the four ``light_*`` words set."""
    words = {name: WORDS[name][asked[name]] for name in _PROMPT_ORDER}
    strength, colour = words["light_intensity"], f"{words['light_temperature'].kelvin}K"
    lights = [f"{asked['light_direction']} {colour} {asked['light_type']} {strength.lamp}"]
    if strength.fill > 0:
        lights.append(f"ambient {colour} {strength.fill}")
    usual = RelightRequest.model_fields["negative_prompt"].default
    # A dictionary, because spotlight and strong avoid the same.
    avoided = dict.fromkeys([usual, *(each.avoid for each in words.values() if each.avoid)])
    return {
        "light": " + ".join(lights),
        "prompt": ", ".join(each.prompt for each in words.values()),
        "appended_prompt": _APPENDED,
        "negative_prompt": ", ".join(avoided),
        "lowres_denoise": strength.denoise,
        "exposure_compensation": strength.ev,
    }


def _behind(background: str, subject: Image.Image) -> dict[str, Any]:
    """The knobs that ``background`` sets."""
    if background == "transparent":
        return {"background_mode": "transparent"}
    if subject.mode == "RGBA":
        # A cut-out has no background to keep, and an opaque picture was asked for: the model's stands behind it.
        return {"background_mode": "generate"}
    return {"background_mode": "keep", "background_strength": BACKGROUND_LIGHT}
