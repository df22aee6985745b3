"""One light: direction, colour, intensity, type."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from iclight_local.errors import InvalidRequest
from iclight_local.light.kelvin import Triple, kelvin_colour

Direction = Literal[
    "left", "right", "top", "bottom", "top-left", "top-right", "bottom-left", "bottom-right", "front", "back", "ambient"
]
"""The words for a direction; ``ambient`` is everywhere."""
PlainWord = Literal["left", "right", "top", "bottom", "ambient"]
"""The words whose light maps are the original demos' own."""
Softness = Literal["softbox", "sunlight", "spotlight", "ambient"]
"""The types of light: how it falls off from its side."""

ANGLES: dict[Direction, tuple[float, float]] = {
    "left": (-90, 0),
    "right": (90, 0),
    "top": (0, 90),
    "bottom": (0, -90),
    "top-left": (-90, 45),
    "top-right": (90, 45),
    "bottom-left": (-90, -45),
    "bottom-right": (90, -45),
    "front": (0, 0),
    "back": (180, 0),
    "ambient": (0, 0),
}
"""Azimuth and elevation of every direction word, in degrees."""
SOFTNESSES: tuple[Softness, ...] = get_args(Softness)
RANGES = {"azimuth": (-180, 180), "elevation": (-90, 90), "intensity": (0, 2), "kelvin": (1000, 20000)}
"""Smallest and largest value of every number of a light."""


@dataclass(frozen=True)
class Light:
    """One light.

    Attributes:
        azimuth: degrees, -180..180; 0 from the viewer, 90 from the right, -90 from the left, 180 from behind.
        elevation: degrees, -90..90; 90 from above.
        word: the direction word, where one was given; it sets azimuth and elevation.
        rgb: sRGB levels 0..255 of its colour, or None.
        kelvin: its colour temperature, 1000..20000, or None; with neither it is white.
        intensity: 0..2, in linear light; 2 is one f-stop above 1.
        softness: its type; None falls off evenly, as the original's ramps do.

    Raises:
        InvalidRequest: a value out of its range, or values that contradict each other.
    """

    azimuth: float = 0.0
    elevation: float = 0.0
    word: Direction | None = None
    rgb: tuple[int, int, int] | None = None
    kelvin: int | None = None
    intensity: float = 1.0
    softness: Softness | None = None

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise InvalidRequest(f"A light has the {name} {value}, but it must be from {low} to {high}.")
        if self.rgb is not None and not (len(self.rgb) == 3 and all(0 <= level <= 255 for level in self.rgb)):
            raise InvalidRequest(f"A light has the colour {self.rgb}, but it must be three levels from 0 to 255.")
        if self.rgb is not None and self.kelvin is not None:
            raise InvalidRequest("A light has a colour and a colour temperature: give one of them.")
        _check_word("direction", self.word, ANGLES)
        _check_word("type", self.softness, SOFTNESSES)
        if self.word is None:
            return
        if self.word == "ambient" and self.softness is not None:
            raise InvalidRequest(f"A light is ambient, which is even, and {self.softness}: give one of them.")
        if (self.azimuth, self.elevation) not in ((0, 0), ANGLES[self.word]):
            raise InvalidRequest(f"A light comes from {self.word} and from an azimuth and elevation: give one of them.")
        azimuth, elevation = ANGLES[self.word]
        object.__setattr__(self, "azimuth", azimuth)
        object.__setattr__(self, "elevation", elevation)

    @property
    def direction(self) -> Triple:
        """Unit vector towards the light: right, up, towards the viewer; zeros for ``ambient``."""
        if self.word == "ambient":
            return 0.0, 0.0, 0.0
        azimuth, elevation = math.radians(self.azimuth), math.radians(self.elevation)
        flat = math.cos(elevation)
        right, up, near = math.sin(azimuth) * flat, math.sin(elevation), math.cos(azimuth) * flat
        # The cosine of 90 degrees is not quite 0, and a light from the left would stand a hair in front.
        return round(right, 12), round(up, 12), round(near, 12)

    @property
    def behind(self) -> bool:
        """Whether it comes from behind the subject, so that its map has to know where the subject is."""
        return self.direction[2] < 0

    @property
    def colour(self) -> Triple:
        """Linear red, green and blue: of ``rgb`` as it is, of a colour temperature with luminance 1."""
        if self.kelvin is not None:
            return kelvin_colour(self.kelvin)
        red, green, blue = (255, 255, 255) if self.rgb is None else self.rgb
        return _linear(red / 255), _linear(green / 255), _linear(blue / 255)


def temperature_of(lights: Sequence[Light]) -> Triple | None:
    """Linear colour of all lights together where each has a colour temperature; None where one has another colour.

    Coloured lamps tint what they fall on; a colour temperature is that of the whole scene.
    """
    if not lights or any(light.kelvin is None for light in lights):
        return None
    red, green, blue = (sum(light.intensity * light.colour[channel] for light in lights) for channel in range(3))
    return red, green, blue


def _check_word(what: str, word: str | None, known: Iterable[str]) -> None:
    if word is not None and word not in known:
        raise InvalidRequest(f"A light has the {what} {word!r}, but it must be one of {', '.join(known)}.")


def _linear(level: float) -> float:
    """Linear light of an sRGB value in 0..1 (IEC 61966-2-1)."""
    return level / 12.92 if level <= 0.04045 else float(((level + 0.055) / 1.055) ** 2.4)
