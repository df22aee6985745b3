"""Lights: directions, colours of lamps and of the sky, patterns of windows; all linear."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.scenes.primitives import Array, vector
from benchmarks.scenes.tone import LUMINANCE

Colour = tuple[float, float, float]
SIDES = ("left", "right", "top", "bottom")


@dataclass(frozen=True)
class Gobo:
    """A pattern that a light passes through: ``panes``, ``blinds`` or ``leaves``.

    ``scale`` is pattern cells per scene unit, ``phase`` two shifts, ``blur`` the softness of its edges (cells).
    """

    kind: str
    scale: float = 1.2
    phase: tuple[float, float] = (0.0, 0.0)
    blur: float = 0.08

    def passes(self, a: Array, b: Array) -> Array:
        """Transmission 0..1 at coordinates ``a``, ``b`` (scene units) across the light's direction."""
        x, y = a * self.scale + self.phase[0], b * self.scale + self.phase[1]
        if self.kind == "leaves":
            wave = np.sin(6.1 * x + 2.3 * np.sin(3.7 * y)) + np.sin(5.3 * y + 2.9 * np.sin(4.1 * x) + 1.3)
            return np.asarray(np.clip(0.5 + wave / (4 * self.blur + 0.3), 0.08, 1), np.float32)
        down = self._bars(y * 2, 0.5) if self.kind == "blinds" else self._bars(y, 0.2)
        across = np.ones_like(down) if self.kind == "blinds" else self._bars(x, 0.2)
        return np.asarray(np.maximum(down * across, 0.05), np.float32)

    def _bars(self, place: Array, dark: float) -> Array:
        inside = 0.5 - np.abs(place - np.floor(place) - 0.5)
        return np.clip((inside - dark / 2) / self.blur + 0.5, 0, 1)


@dataclass(frozen=True)
class Light:
    """A lamp: parallel light, which fades with the distance from it as that of a near lamp does.

    Attributes:
        azimuth: degrees; 0 from the viewer, 90 from the right, -90 from the left, 180 from behind.
        elevation: degrees; 90 from above.
        colour: linear RGB of luminance 1.
        intensity: radiance that a white, matt surface facing the light has.
        softness: 0 a point .. 1 a wall of light: blurs terminator, shadows and highlights.
        gobo: what the light passes through, if anything.
        distance: of the lamp from the middle of the frame, in half frames; infinite for the sun.
    """

    azimuth: float
    elevation: float
    colour: Colour = (1.0, 1.0, 1.0)
    intensity: float = 1.0
    softness: float = 0.2
    gobo: Gobo | None = None
    distance: float = math.inf

    @property
    def direction(self) -> Array:
        """Unit vector to the light."""
        azimuth, elevation = np.radians(self.azimuth), np.radians(self.elevation)
        flat = np.cos(elevation)
        return vector(np.sin(azimuth) * flat, np.sin(elevation), np.cos(azimuth) * flat)

    @property
    def radiance(self) -> Array:
        """``intensity * colour``, ``[3]``."""
        return np.float32(self.intensity) * vector(*self.colour)

    def reaches(self, x: Array, y: Array, z: Array | float = 0.0) -> Array:
        """How bright the light is at points of the scene, 1 in the middle: the inverse square of the way to it."""
        direction = self.direction
        nearer = (x * direction[0] + y * direction[1] + z * direction[2]) * np.float32(1 / self.distance)
        return np.asarray(1 / (1 - np.clip(nearer, -1, 0.6)) ** 2)

    def dimmed(self, factor: float) -> Light:
        """The same light, ``factor`` times as bright."""
        return replace(self, intensity=self.intensity * factor)


@dataclass(frozen=True)
class Hemisphere:
    """Light from all around: linear RGB radiance ``sky`` from above, fading to ``ground`` from below."""

    sky: Colour
    ground: Colour

    @property
    def radiance(self) -> Array:
        """Mean of the two, ``[3]``."""
        return vector(*self.sky) / 2 + vector(*self.ground) / 2

    def dimmed(self, factor: float) -> Hemisphere:
        """The same light, ``factor`` times as bright."""
        sky, ground = ([factor * value for value in colour] for colour in (self.sky, self.ground))
        return Hemisphere((sky[0], sky[1], sky[2]), (ground[0], ground[1], ground[2]))


Lights = Sequence[Light | Hemisphere]


@dataclass(frozen=True)
class Truth:
    """What lights amount to: ``direction`` left, right, top, bottom, back or none; ``temperature`` warm, cool, neutral.

    ``angle`` is where the light comes from in the picture plane (degrees, 0 right, 90 top); None where no side wins.
    """

    direction: str
    temperature: str
    angle: float | None


def describe(lights: Lights) -> Truth:
    """The ground truth of a set of lights, from their energies alone."""
    total, flow, energy = np.zeros(3), np.zeros(3), 1e-6
    for light in lights:
        amount = float(light.radiance @ LUMINANCE)
        total += light.radiance
        energy += amount
        if isinstance(light, Light):
            flow += amount * light.direction
    flow /= energy
    return Truth(_side(flow), _temperature(total), _angle(flow))


def _side(flow: Array) -> str:
    x, y, z = (float(value) for value in flow)
    if z < -0.3 and -z > abs(x):
        return "back"
    if max(abs(x), abs(y)) < 0.3 or max(abs(x), abs(y)) < 1.15 * min(abs(x), abs(y)):
        return "none"
    if abs(x) > abs(y):
        return "right" if x > 0 else "left"
    return "top" if y > 0 else "bottom"


def _angle(flow: Array) -> float | None:
    return float(np.degrees(np.arctan2(flow[1], flow[0]))) if np.hypot(flow[0], flow[1]) > 0.2 else None


def _temperature(total: Array) -> str:
    ratio = float(np.log((total[0] + 1e-6) / (total[2] + 1e-6)))
    return "warm" if ratio > 0.35 else "cool" if ratio < -0.25 else "neutral"


def kelvin(temperature: float) -> Colour:
    """Linear sRGB of a black body of 1667..25000 K, luminance 1.

    The cubic approximation of the Planckian locus by Kim et al. (US patent 7024034), which neutral 6500 K daylight
    divides out so that it is white.
    """
    warm, white = _black_body(temperature), _black_body(6504)
    return unit(warm / white)


def neon(hue: float, purity: float = 0.85) -> Colour:
    """A saturated colour of luminance 1; ``hue`` 0..1 round the wheel from red, ``purity`` 0..1."""
    wheel = np.clip(np.abs((hue * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    return unit(purity * wheel**1.5 + (1 - purity))


def unit(colour: Array | Sequence[float]) -> Colour:
    """Scale a linear colour to luminance 1."""
    values = np.maximum(np.asarray(colour, np.float64), 1e-3)
    red, green, blue = values / float(values @ LUMINANCE)
    return float(red), float(green), float(blue)


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """``first`` with ``share`` (0..1) of ``second`` in it."""
    return unit([a + (b - a) * share for a, b in zip(first, second, strict=True)])


def scaled(colour: Colour, factor: float) -> Colour:
    """``factor`` times the colour."""
    return colour[0] * factor, colour[1] * factor, colour[2] * factor


def _black_body(kelvins: float) -> Array:
    t = 1e3 / kelvins
    if kelvins <= 4000:
        x = -0.2661239 * t**3 - 0.2343589 * t**2 + 0.8776956 * t + 0.179910
    else:
        x = -3.0258469 * t**3 + 2.1070379 * t**2 + 0.2226347 * t + 0.240390
    if kelvins <= 2222:
        y = -1.1063814 * x**3 - 1.34811020 * x**2 + 2.18555832 * x - 0.20219683
    elif kelvins <= 4000:
        y = -0.9549476 * x**3 - 1.37418593 * x**2 + 2.09137015 * x - 0.16748867
    else:
        y = 3.0817580 * x**3 - 5.87338670 * x**2 + 3.75112997 * x - 0.37001483
    xyz = np.array([x / y, 1.0, (1 - x - y) / y])
    matrix = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    return np.asarray(np.maximum(matrix @ xyz, 0.01))
