"""The words of light: every term has phrases that say it and a recipe of the lights that it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Range = tuple[float, float]


@dataclass(frozen=True)
class Recipe:
    """Distributions, uniform over each range.

    Attributes:
        kelvins: colour of the key light; unused where ``hues`` are given.
        hues: 0..1 colours of neon lamps, one lamp each, the first is the key.
        fill_kelvins: colour of the surroundings.
        fill: share of the surroundings in all light, 0..1.
        softness: of the key, 0..1.
        distance: of the key in half frames: near lamps fade across the subject, the sun does not.
        elevation: of the key in degrees, where the direction leaves it free.
        directions: sides the key may come from when none is asked; repeated ones are likelier.
        gobos: patterns the key passes through.
        backdrops: kinds of background that fit.
        level: mean luminance that the exposure aims at for a middling subject, 0..1.
    """

    kelvins: Range = (4500, 7500)
    hues: tuple[Range, ...] = ()
    fill_kelvins: Range = (5000, 9000)
    fill: Range = (0.08, 0.22)
    softness: Range = (0.05, 0.45)
    distance: Range = (2.0, 3.5)
    elevation: Range = (0, 30)
    directions: tuple[str, ...] = ("left", "left", "right", "right", "top", "back", "none")
    gobos: tuple[str, ...] = ()
    backdrops: tuple[str, ...] = ("gradient", "studio", "room", "outdoors", "clutter")
    level: Range = (0.17, 0.26)


@dataclass(frozen=True)
class Term:
    """One entry of the vocabulary: ``group`` is scene, direction, type, temperature or intensity.

    ``phrases`` are what prompts say, the first is the canonical one; ``changes`` are fields of :class:`Recipe`.
    """

    name: str
    group: str
    phrases: tuple[str, ...]
    changes: dict[str, Any]


_SIDES = ("left", "right")

_SCENES = (
    Term("window", "scene", ("sunshine from window", "sunlight through a window", "sun rays from the window",
         "window light"),
         {"kelvins": (3800, 5500), "fill": (0.12, 0.28), "softness": (0.05, 0.3), "elevation": (5, 35),
          "directions": _SIDES, "backdrops": ("window",)}),
    Term("neon city", "scene", ("neon light, city", "neon lights", "city at night, neon signs",
         "street with neon light"),
         {"hues": ((0.82, 0.98), (0.5, 0.65)), "fill_kelvins": (8000, 14000), "fill": (0.08, 0.2),
          "softness": (0.2, 0.7), "directions": (*_SIDES, "none"), "backdrops": ("city",), "level": (0.12, 0.2)}),
    Term("sunset sea", "scene", ("sunset over sea", "sunset at the beach", "the sun sets over the ocean",
         "seaside at dusk"),
         {"kelvins": (2000, 2700), "fill_kelvins": (5000, 9000), "fill": (0.15, 0.3), "softness": (0.1, 0.4),
          "distance": (3, 6),
          "elevation": (-3, 15), "directions": (*_SIDES, *_SIDES, "back"), "backdrops": ("horizon",)}),
    Term("golden hour", "scene", ("golden time", "golden hour", "golden evening sun", "late afternoon glow"),
         {"kelvins": (2500, 3300), "fill_kelvins": (4500, 7000), "fill": (0.15, 0.35),
          "softness": (0.15, 0.5), "distance": (3, 6),
          "elevation": (5, 25), "directions": (*_SIDES, "back"), "backdrops": ("outdoors", "horizon", "gradient")}),
    Term("cyberpunk", "scene", ("sci-fi RGB glowing, cyberpunk", "cyberpunk", "sci-fi glow", "RGB lights, futuristic"),
         {"hues": ((0.45, 0.68), (0.78, 0.95), (0.25, 0.4)), "fill_kelvins": (9000, 15000), "fill": (0.06, 0.16),
          "softness": (0.2, 0.6), "directions": (*_SIDES, "none"), "backdrops": ("city", "sparks"),
          "level": (0.12, 0.2)}),
    Term("natural", "scene", ("natural lighting", "natural light", "daylight", "outdoors in daylight"),
         {"kelvins": (5200, 6800), "fill_kelvins": (6500, 9500), "fill": (0.3, 0.5), "softness": (0.3, 0.8),
          "distance": (3, 6),
          "elevation": (15, 50), "directions": ("left", "right", "top", "none"), "backdrops": ("outdoors", "clutter")}),
    Term("warm home", "scene", ("warm atmosphere, at home, bedroom", "at home, warm light", "a warm living room"),
         {"kelvins": (2500, 3300), "fill_kelvins": (2800, 3800), "fill": (0.2, 0.4), "softness": (0.3, 0.7),
          "directions": (*_SIDES, "top"), "backdrops": ("room",)}),
    Term("magic", "scene", ("magic lit", "magical light", "enchanted glow", "fairy lights"),
         {"hues": ((0.72, 0.85), (0.5, 0.6), (0.1, 0.15)), "fill_kelvins": (8000, 14000), "fill": (0.12, 0.25),
          "softness": (0.4, 0.8), "directions": (*_SIDES, "bottom", "back"), "backdrops": ("sparks",),
          "level": (0.12, 0.2)}),
    Term("gothic", "scene", ("evil, gothic, Yharnam", "evil, gothic", "gothic cathedral, dark", "sinister light"),
         {"kelvins": (6500, 12000), "fill_kelvins": (9000, 15000), "fill": (0.05, 0.12), "softness": (0.05, 0.3),
          "directions": (*_SIDES, "bottom", "top"), "backdrops": ("hall",), "level": (0.07, 0.13)}),
    Term("light and shadow", "scene", ("light and shadow", "dramatic light and shadow", "chiaroscuro", "hard shadows"),
         {"kelvins": (4200, 6000), "fill": (0.04, 0.1), "softness": (0.02, 0.15), "elevation": (10, 40),
          "directions": (*_SIDES, "top"), "backdrops": ("gradient", "shadowed wall", "studio")}),
    Term("window shadow", "scene", ("shadow from window", "shadows of window blinds", "window shadow on the wall"),
         {"kelvins": (3600, 5500), "fill": (0.12, 0.22), "softness": (0.02, 0.1), "elevation": (10, 30),
          "directions": _SIDES, "gobos": ("panes", "panes", "blinds", "leaves"), "backdrops": ("shadowed wall",)}),
    Term("studio", "scene", ("soft studio lighting", "studio lighting", "professional studio light", "studio portrait"),
         {"kelvins": (5200, 6500), "fill_kelvins": (5500, 6500), "fill": (0.25, 0.45), "softness": (0.6, 1),
          "elevation": (10, 40), "backdrops": ("studio", "gradient"), "level": (0.2, 0.32)}),
    Term("cozy bedroom", "scene", ("home atmosphere, cozy bedroom illumination", "cozy bedroom", "bedside lamp"),
         {"kelvins": (2300, 3000), "fill_kelvins": (2600, 3400), "fill": (0.15, 0.35), "softness": (0.3, 0.7),
          "elevation": (-5, 20), "directions": _SIDES, "backdrops": ("room",), "level": (0.12, 0.2)}),
    Term("wong kar-wai", "scene", ("neon, Wong Kar-wai, warm", "Wong Kar-wai", "warm neon, film still"),
         {"hues": ((0.0, 0.06), (0.25, 0.42)), "fill_kelvins": (2500, 3500), "fill": (0.12, 0.25),
          "softness": (0.2, 0.6), "directions": (*_SIDES, "top"), "backdrops": ("city", "room"), "level": (0.12, 0.2)}),
)  # fmt: skip

_DIRECTIONS = (
    Term("left", "direction", ("light from the left", "left light", "lit from the left", "light from left side",
         "left"),
         {}),
    Term("right", "direction", ("light from the right", "right light", "lit from the right",
         "light from right side", "right"),
         {}),
    Term("top", "direction", ("light from above", "top light", "lit from the top", "overhead light", "top"), {}),
    Term("bottom", "direction", ("light from below", "bottom light", "lit from below", "underlighting", "bottom"), {}),
    Term("back", "direction", ("light from behind", "back light", "backlit", "rim light", "back"), {}),
)  # fmt: skip

_TYPES = (
    Term("softbox", "type", ("softbox", "softbox light", "soft light", "diffused light"),
         {"softness": (0.6, 1), "fill": (0.2, 0.35), "backdrops": ("studio", "gradient")}),
    Term("sunlight", "type", ("sunlight", "direct sunlight", "sunshine", "sun"),
         {"kelvins": (4600, 5800), "softness": (0.02, 0.1), "distance": (3, 6), "fill": (0.12, 0.25),
          "fill_kelvins": (7500, 12000),
          "elevation": (15, 45), "backdrops": ("outdoors", "gradient", "clutter", "room")}),
    Term("spotlight", "type", ("spotlight", "spot light", "stage light", "a single lamp"),
         {"softness": (0.02, 0.15), "fill": (0.03, 0.09), "backdrops": ("studio", "gradient", "hall")}),
    Term("ambient", "type", ("ambient light", "ambient", "overcast", "even light"),
         {"softness": (0.7, 1), "fill": (0.6, 0.8), "directions": ("none",)}),
)  # fmt: skip

_TEMPERATURES = (
    Term("warm", "temperature", ("warm", "warm light", "warm tones", "tungsten light"),
         {"kelvins": (2600, 3500), "fill_kelvins": (2800, 4200)}),
    Term("cool", "temperature", ("cool", "cool light", "cold blue light", "moonlight", "cold"),
         {"kelvins": (9500, 18000), "fill_kelvins": (9000, 16000)}),
    Term("neutral", "temperature", ("neutral", "neutral light", "white light"),
         {"kelvins": (5600, 6800), "fill_kelvins": (5600, 6800)}),
    Term("sunset", "temperature", ("sunset", "sunset light", "orange evening light", "sunset colours"),
         {"kelvins": (1900, 2500), "fill_kelvins": (3500, 6500), "backdrops": ("horizon", "gradient", "outdoors")}),
)  # fmt: skip

_INTENSITIES = (
    Term("mood", "intensity", ("mood", "moody", "low key", "dim light", "dark"),
         {"level": (0.06, 0.11), "fill": (0.06, 0.15)}),
    Term("medium", "intensity", ("medium", "medium light", "balanced light"), {"level": (0.17, 0.24)}),
    Term("bright", "intensity", ("bright", "bright light", "high key"), {"level": (0.32, 0.42), "fill": (0.25, 0.4)}),
    Term("strong", "intensity", ("strong", "strong light", "intense light", "high contrast"),
         {"level": (0.26, 0.34), "fill": (0.04, 0.1), "softness": (0.02, 0.2)}),
)  # fmt: skip

TERMS: dict[str, Term] = {term.name: term for term in (*_SCENES, *_DIRECTIONS, *_TYPES, *_TEMPERATURES, *_INTENSITIES)}
"""Every term by name."""


def names(group: str) -> tuple[str, ...]:
    """The names of a group's terms."""
    return tuple(name for name, term in TERMS.items() if term.group == group)
