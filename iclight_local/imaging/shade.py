"""Which shadow a request asks for: its name, what it says itself, and where its light stands."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from iclight_local.light import Light, Softness, parse_lights
from iclight_local.request import EditRequest

LOW_SPREAD, HIGH_SPREAD = 60.0, 10.0
"""Spread under a light at the subject's own height, and under one above it."""


@dataclass(frozen=True)
class Shade:
    """A shadow.

    Attributes:
        direction: degrees: 0 behind the subject, 90 to its left, 180 in front, 270 to its right.
        spread: 0..90 degrees; the shadow is ``tan(spread / 2)`` times as long as the subject is high.
        softness: 0..1.
        intensity: 0..1, its largest opacity.
        pose: degrees; 0 lies flat under the camera, 90 stands.
        floating: whether the subject has no contact with the ground.
    """

    direction: float
    spread: float
    softness: float
    intensity: float
    pose: float
    floating: bool


_PRESETS = {
    "soft": Shade(0, 30, 0.7, 0.55, 90, floating=False),
    "hard": Shade(45, 45, 0.15, 0.6, 90, floating=False),
    "floating": Shade(180, 10, 0.8, 0.5, 90, floating=True),
    "auto": Shade(45, 30, 0.5, 0.55, 90, floating=False),
}
_SOFTNESSES: dict[Softness, float] = {"softbox": 0.75, "ambient": 0.9, "spotlight": 0.2, "sunlight": 0.12}
"""How soft a shadow is by the type of its light."""


def shade_of(request: EditRequest) -> Shade | None:
    """The shadow that a request asks for, or None.

    The light says where a shadow of contact falls and how long it is, as long as the request names no direction; with
    ``auto`` it says how soft it is, too. What the request says itself comes before both.
    """
    if request.shadow == "none":
        return None
    shade = _PRESETS[request.shadow]
    light = _key_light(request)
    if light is not None and not shade.floating and request.shadow_direction is None:
        shade = _lit(shade, light)
    kind = None if light is None else _type(light)
    if kind is not None and request.shadow == "auto":
        shade = replace(shade, softness=_SOFTNESSES[kind])
    return Shade(
        direction=_first(request.shadow_direction, shade.direction),
        spread=_first(request.shadow_spread, shade.spread),
        softness=_first(request.shadow_softness, shade.softness),
        intensity=_first(request.shadow_intensity, shade.intensity),
        pose=_first(request.shadow_pose, shade.pose),
        floating=shade.floating,
    )


def _first(asked: float | None, otherwise: float) -> float:
    return otherwise if asked is None else asked


def _key_light(request: EditRequest) -> Light | None:
    """The strongest light of a request, one with a direction where there is one; None without any."""
    if request.light is not None:
        lights = parse_lights(request.light)
    else:
        lights = () if request.light_source == "none" else (Light(word=request.light_source),)
    directed = [light for light in lights if any(light.direction)]
    return max(directed if directed else lights, key=lambda light: light.intensity, default=None)


def _lit(shade: Shade, light: Light) -> Shade:
    """The same under a light: away from it, and the longer the lower it is."""
    right, up, near = light.direction
    if not any((right, up, near)):
        return shade
    spread = LOW_SPREAD + (HIGH_SPREAD - LOW_SPREAD) * max(0.0, math.asin(up)) / (math.pi / 2)
    if math.hypot(right, near) < 1e-6:
        return replace(shade, spread=HIGH_SPREAD)
    return replace(shade, direction=math.degrees(math.atan2(right, near)) % 360, spread=spread)


def _type(light: Light) -> Softness | None:
    return "ambient" if light.word == "ambient" else light.softness
