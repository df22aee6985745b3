"""Backgrounds that agree with the light in front of them: brighter on its side, of its colours; all linear."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.scenes.lights import Gobo, Lights
from benchmarks.scenes.primitives import Array
from benchmarks.scenes.shading import across
from benchmarks.scenes.stage import Stage, blurred, floored, leaning, lit
from benchmarks.scenes.tone import luminance


@dataclass(frozen=True)
class Background:
    """A background and the light it implies for whatever stands in front of it.

    ``radiance`` ``[H, W, 3]`` is linear, on the same scale as a subject lit by ``lights``. ``floor`` is how much of
    each pixel is floor, ``[H, W]`` 0..1, where shadows may fall. ``scene`` names the term of the grammar it was drawn
    for ("" for none).
    """

    radiance: Array
    lights: Lights
    kind: str
    scene: str
    floor: Array


Backdrop = Callable[[Stage], Array]

BRIGHTNESS = {
    "horizon": (0.14, 0.26),
    "outdoors": (0.08, 0.2),
    "studio": (0.06, 0.2),
    "city": (0.05, 0.1),
    "hall": (0.03, 0.08),
    "sparks": (0.03, 0.09),
}
"""Mean luminance of a background, relative to a white surface facing all the light; 0.06..0.16 for the others."""


def draw_background(
    kind: str, rng: np.random.Generator, lights: Lights, size: int, scene: str = "", split: str = "train"
) -> Background:
    """Draw a background of a kind in :data:`BACKDROPS` that fits the lights."""
    stage = Stage(rng, lights, size, split)
    radiance = np.maximum(BACKDROPS[kind](stage), 0).astype(np.float32)
    radiance = leaning(stage, radiance)
    radiance *= np.float32(
        rng.uniform(*BRIGHTNESS.get(kind, (0.06, 0.16))) / max(float(luminance(radiance).mean()), 1e-4)
    )
    return Background(radiance, lights, kind, scene, stage.floor)


def gradient(stage: Stage) -> Array:
    """A smooth backdrop of one paint."""
    least = stage.rng.uniform(0.05, 0.4)
    return lit(stage, stage.tint(), least)


def studio(stage: Stage) -> Array:
    """Paper sweep: a mottled wall with a pool of light, and a floor."""
    mottle = (0.75 + 0.5 * stage.pattern("cloudy", 0.4))[..., None]
    wall = lit(stage, stage.tint(0.12) * mottle, 0.12)
    x, y = stage.towards(0.2, 0.6)
    wall += wall * stage.spot(x, y, 0.8)[..., None] * np.float32(0.8)
    return floored(stage, wall, stage.tint(0.12), stage.rng.uniform(-0.75, -0.4))


def room(stage: Stage) -> Array:
    """A wall with pictures or shelves, furniture, a lamp on the lit side, a floor."""
    rng = stage.rng
    picture = lit(stage, stage.tint(), 0.2)
    for _ in range(int(rng.integers(2, 6))):
        x, y, w, h = rng.uniform(-1, 1), rng.uniform(-0.5, 0.8), rng.uniform(0.08, 0.35), rng.uniform(0.08, 0.4)
        cover = stage.rectangle(x - w, x + w, y - h, y + h)[..., None]
        name = str(rng.choice(["leaves", "cloudy", "striped", "checked"]))
        paint = stage.tint() * (0.4 + stage.pattern(name, 0.8))[..., None]
        picture += (lit(stage, paint, 0.2) - picture) * cover
    picture = floored(stage, picture, stage.tint(), rng.uniform(-0.8, -0.45))
    x, y = stage.towards(0.65, 0.95)
    lamp = stage.spot(x, y, 0.14)[..., None] * 4 + stage.spot(x, y, 0.6)[..., None] * np.float32(0.5)
    return blurred(picture + lamp * stage.key, int(rng.integers(0, 3)))


def window(stage: Stage) -> Array:
    """A dim room with a bright window on the lit side."""
    rng = stage.rng
    picture = floored(stage, lit(stage, stage.tint(), 0.08), stage.tint(), rng.uniform(-0.95, -0.6))
    x, y = stage.towards(0.55, 0.85)
    y = max(y, 0.15) if stage.direction != "bottom" else y
    w, h = rng.uniform(0.2, 0.4), rng.uniform(0.35, 0.6)
    pane = stage.rectangle(x - w, x + w, y - h, y + h)
    panes = int(rng.integers(1, 4))
    bars = np.abs(((stage.x - x) / (2 * w) * panes) % 1 - 0.5) * 2 * w / panes
    rails = np.abs(((stage.y - y) / (2 * h) * (panes + 1)) % 1 - 0.5) * 2 * h / (panes + 1)
    pane = pane * np.clip(np.minimum(0.5 * 2 * w / panes - bars + 0.0, bars * 0 + 1) / 0.015, 0, 1)
    pane = pane * np.clip((0.5 * 2 * h / (panes + 1) - rails) / 0.015, 0, 1)
    outside = (0.7 + 0.6 * stage.pattern("cloudy", 0.5))[..., None] * stage.key * np.float32(rng.uniform(1.8, 3.5))
    picture += (outside - picture) * np.clip(pane, 0, 1)[..., None]
    return picture + stage.key * stage.spot(x, y, 0.8)[..., None] * np.float32(0.25)


def shadowed_wall(stage: Stage) -> Array:
    """A wall on which the key light's window pattern falls: the same pattern as on the subject."""
    lamp = stage.lamps[0]
    gobo = lamp.gobo if lamp.gobo is not None else Gobo("panes")
    x, y = stage.x + 0 * stage.y, stage.y + 0 * stage.x
    passed = gobo.passes(*across(lamp.direction, x, y, -0.7))
    paint = stage.tint(0.2) * (0.85 + 0.3 * stage.pattern("cloudy", 0.5))[..., None]
    shine = (passed * (0.35 + 0.65 * stage.ramp()))[..., None] * stage.key
    return paint * (shine + stage.fill)


def horizon(stage: Stage) -> Array:
    """Sky over sea, the sun on the lit side, its glitter on the water."""
    rng = stage.rng
    level = rng.uniform(-0.35, 0.0)
    height = np.clip((stage.y - level) / (1 - level), 0, 1)[..., None]
    x, y = stage.towards(0.5, 0.9)
    y = max(y, level + rng.uniform(0.03, 0.2))
    upper = stage.fill * np.float32(1.6) + np.float32(0.02)
    sky = stage.key * np.float32(0.5) * (1 - height) ** 2 + upper * (0.4 + 0.8 * height)
    clouds = np.clip(stage.pattern("streaky", 0.4, 1.3) * 2.2 - 0.9, 0, 1)[..., None]
    sky = sky * (1 - 0.4 * clouds) + clouds * stage.key * np.float32(0.25)
    sky += stage.key * (stage.spot(x, y, 0.09) * 6 + stage.spot(x, y, 0.45) * np.float32(0.8))[..., None]
    sky *= (0.55 + 0.45 * stage.ramp())[..., None]
    ripple = stage.pattern("streaky", 0.7, 2.5)
    glitter = np.exp(-((stage.x - x) ** 2) / np.float32(0.05)) * np.clip(ripple * 4 - 1.7, 0, 2)
    sea = (stage.fill * np.float32(0.7) + stage.key * np.float32(0.12)) * (0.5 + ripple)[..., None]
    sea = sea * (0.5 + 0.6 * stage.ramp())[..., None] + stage.key * glitter[..., None]
    below = np.clip((level - stage.y) / np.float32(0.015) + 0.5, 0, 1)[..., None]
    return np.asarray(sky + (sea - sky) * below)


def outdoors(stage: Stage) -> Array:
    """Foliage or hills, out of focus, under an open sky."""
    rng = stage.rng
    leaf = np.array([0.12, 0.2, 0.06], np.float32) * (1 + rng.uniform(-0.3, 0.5, 3).astype(np.float32))
    speckle = (0.25 + 1.3 * stage.pattern("leaves", rng.uniform(0.4, 0.9)))[..., None]
    wood = lit(stage, leaf * speckle, 0.25)
    line = rng.uniform(-0.4, 0.7) + 0.25 * (stage.pattern("cloudy", 0.3)[:1] - 0.5) * 4
    sky = (stage.fill * np.float32(1.5) + stage.key * np.float32(0.35)) * (0.6 + 0.6 * stage.ramp())[..., None]
    above = np.clip((stage.y - line) / np.float32(0.08) + 0.5, 0, 1)[..., None]
    picture = wood + (sky - wood) * above
    grass = leaf * np.float32(1.3) * (0.6 + 0.8 * stage.pattern("grainy", 0.8, 2))[..., None]
    picture = floored(stage, picture, grass, rng.uniform(-0.9, -0.5))
    return blurred(picture, int(rng.integers(0, 3)))


def city(stage: Stage) -> Array:
    """Night: dark blocks with lit windows, and blobs and tubes of neon in the lamps' colours on the lamps' sides."""
    rng = stage.rng
    picture = stage.black() + stage.fill * np.float32(0.35)
    for _ in range(int(rng.integers(3, 7))):
        x, w, top = rng.uniform(-1, 1), rng.uniform(0.12, 0.35), rng.uniform(0, 1)
        cover = stage.rectangle(x - w, x + w, -1.2, top)[..., None]
        windows = np.clip(stage.pattern("checked", 1.0) * stage.pattern("grainy", 1.2) * 3 - 1.4, 0, 1)[..., None]
        block = stage.fill * stage.rng.uniform(0.2, 0.6) + windows * stage.key * np.float32(0.2)
        picture += (block - picture) * cover
    for lamp in stage.lamps:
        direction = lamp.direction
        for _ in range(int(rng.integers(2, 6))):
            x = direction[0] * rng.uniform(0.4, 1.0) + rng.normal(0, 0.2)
            y = np.clip(direction[1] * 0.8 + rng.normal(0.1, 0.35), -0.8, 0.95)
            radius = rng.uniform(0.04, 0.14)
            if rng.random() < 0.35:
                glow = stage.rectangle(x - 0.025, x + 0.025, y - 3 * radius, y + 3 * radius, 0.03)
            else:
                glow = np.clip((radius**2 - (stage.x - x) ** 2 - (stage.y - y) ** 2) / (0.4 * radius**2), 0, 1)
            halo = stage.spot(x, y, 4 * radius) * np.float32(0.2)
            picture += (glow * np.float32(1.6) + halo)[..., None] * lamp.radiance
    below = np.clip((-0.6 - stage.y) * 3, 0, 1)[..., None]
    stage.floor = below[..., 0] + 0 * stage.x
    return np.asarray(
        picture + below * np.float32(0.5) * picture[::-1] * (0.4 + stage.pattern("streaky", 0.6, 3))[..., None]
    )


def hall(stage: Stage) -> Array:
    """Gothic: dark stone with pointed windows and a few candles."""
    rng = stage.rng
    stone = stage.tint(0.1) * np.float32(0.5) * (0.4 + stage.pattern("hammered", 0.8))[..., None]
    picture = lit(stage, stone, 0.08)
    x0, y0 = stage.towards(0.4, 0.7)
    for offset in (-0.55, 0.0, 0.55):
        # Two circles that meet in a point; a mullion and a rail divide the panes.
        x, half, y = x0 + offset, 0.17, float(np.clip(y0, 0.2, 0.5))
        beside = np.abs(stage.x - x)
        arch = np.clip((2 * half - np.hypot(beside + half, np.maximum(stage.y - y, 0))) / 0.02 + 0.5, 0, 1)
        arch = arch * np.clip((stage.y - y + 0.75) / 0.02 + 0.5, 0, 1)
        arch = arch * np.clip(np.minimum(beside, np.abs(stage.y - y)) / 0.02 - 0.3, 0.1, 1)
        glow = stage.key * np.float32(1.2 * np.exp(-abs(offset)))
        picture += (glow - picture) * arch[..., None]
    picture += stage.spot(x0, y0, 0.7)[..., None] * stage.key * np.float32(0.2)
    return floored(stage, picture, stone, rng.uniform(-0.85, -0.6))


def sparks(stage: Stage) -> Array:
    """Darkness full of glowing motes and mist, brightest where the light comes from."""
    rng = stage.rng
    mist = stage.pattern("cloudy", 0.4)[..., None]
    x0, y0 = stage.towards(0.3, 0.8)
    picture: Array = stage.fill * mist + stage.key * mist * stage.spot(x0, y0, 0.7)[..., None] * np.float32(0.9)
    for _ in range(int(rng.integers(10, 26))):
        x, y, radius = rng.normal(x0 * 0.7, 0.45), rng.normal(y0 * 0.7, 0.45), rng.uniform(0.012, 0.05)
        lamp = stage.lamps[int(rng.integers(len(stage.lamps)))] if stage.lamps else None
        colour = lamp.radiance if lamp is not None else stage.key
        picture = picture + stage.spot(x, y, radius)[..., None] * colour * np.float32(rng.uniform(1, 3))
    return picture


def clutter(stage: Stage) -> Array:
    """Anything: dead leaves in random paints, lit from the side; what inputs were photographed against."""
    values = stage.pattern("leaves", stage.rng.uniform(0.3, 0.8))
    first, second = stage.tint(0.5), stage.tint(0.5)
    paint = first * values[..., None] + second * (1 - values[..., None])
    paint = paint * (0.6 + 0.8 * stage.pattern("grainy", 0.6))[..., None]
    return blurred(lit(stage, paint, 0.3), int(stage.rng.integers(0, 4)))


BACKDROPS: dict[str, Backdrop] = {
    "gradient": gradient,
    "studio": studio,
    "room": room,
    "window": window,
    "shadowed wall": shadowed_wall,
    "horizon": horizon,
    "outdoors": outdoors,
    "city": city,
    "hall": hall,
    "sparks": sparks,
    "clutter": clutter,
}
"""Every kind of background."""
