"""Materials: what colours, gloss and bumps a part has, with the statistics of real things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.scenes.geometry import Surface
from benchmarks.scenes.primitives import Array
from benchmarks.scenes.textures import BANK, sample, tile
from benchmarks.scenes.tone import from_srgb


@dataclass(frozen=True)
class Material:
    """How a part looks, before light.

    Attributes:
        colours: two to five sRGB colours (0..1) that the pattern's values 0..1 run through.
        pattern: a name in ``textures.PATTERNS``, or "plain".
        scale: tiles per scene unit.
        roughness: 0.08 (mirror-like) .. 1 (chalk), the GGX parameter before squaring.
        metal: 0 dielectric .. 1 metal.
        bump: depth of the relief, 0..1, of ``relief``, another pattern.
    """

    colours: tuple[tuple[float, float, float], ...]
    pattern: str = "cloudy"
    scale: float = 0.5
    roughness: float = 0.6
    metal: float = 0.0
    relief: str = "cloudy"
    bump: float = 0.1


@dataclass(frozen=True)
class Appearance:
    """Per pixel: ``albedo`` ``[H, W, 3]`` linear 0..1, ``roughness`` and ``metal`` ``[H, W]`` 0..1."""

    albedo: Array
    roughness: Array
    metal: Array


SKIN = ((0.85, 0.69, 0.60), (0.81, 0.61, 0.50), (0.73, 0.53, 0.41), (0.62, 0.43, 0.32), (0.47, 0.32, 0.24))
HAIR = ((0.16, 0.12, 0.10), (0.30, 0.20, 0.13), (0.48, 0.34, 0.20), (0.74, 0.60, 0.40), (0.52, 0.25, 0.14))
LEAF = ((0.24, 0.42, 0.16), (0.36, 0.52, 0.20), (0.50, 0.60, 0.28), (0.22, 0.38, 0.26), (0.55, 0.40, 0.22))
METAL = ((0.80, 0.80, 0.82), (0.90, 0.75, 0.42), (0.86, 0.58, 0.45), (0.62, 0.63, 0.66), (0.72, 0.62, 0.45))
WOOD = ((0.62, 0.44, 0.28), (0.74, 0.58, 0.40), (0.45, 0.30, 0.20), (0.82, 0.70, 0.52))
STONE = ((0.62, 0.60, 0.57), (0.50, 0.48, 0.46), (0.75, 0.70, 0.62), (0.58, 0.50, 0.44))
FUR = ((0.66, 0.48, 0.30), (0.82, 0.74, 0.64), (0.42, 0.32, 0.26), (0.60, 0.58, 0.56), (0.84, 0.60, 0.34))


def draw_material(rng: np.random.Generator, kind: str) -> Material:
    """A random material of a ``kind`` in :data:`KINDS`."""
    return KINDS[kind](rng)


def paint(
    surface: Surface, materials: Sequence[Material], rng: np.random.Generator, split: str
) -> tuple[Appearance, Array]:
    """Lay the materials on the surface.

    Returns:
        The appearance, and the unit normals ``[H, W, 3]`` with the materials' relief in them.
    """
    window = surface.window
    rows, columns = surface.matte[window].shape
    albedo = np.zeros((rows, columns, 3), np.float32)
    roughness, metal, height = (np.zeros((rows, columns), np.float32) for _ in range(3))
    u, v = surface.uv[(slice(None), *window)]
    for material, share in zip(materials, surface.shares[(slice(None), *window)], strict=False):
        if not share.any():
            continue
        u0, v0 = rng.uniform(0, 1, 2).astype(np.float32)
        grain = sample(_any_tile("cloudy", split, rng), u * np.float32(0.9) + u0, v * np.float32(0.9) + v0)
        albedo += share[..., None] * _coloured(material, (u + u0, v + v0), grain, rng, split)
        roughness += share * np.clip(material.roughness + 0.25 * (grain - 0.5), 0.08, 1)
        metal += share * material.metal
        if material.bump > 0:
            relief = sample(
                _any_tile(material.relief, split, rng), u * material.scale * 1.3 + v0, v * material.scale * 1.3
            )
            height += share * relief * np.float32(0.07 * material.bump / material.scale)
    full = Appearance(*(_framed(plane, surface) for plane in (albedo, roughness, metal)))
    return full, _bumped(surface, height)


def _coloured(material: Material, uv: tuple[Array, Array], grain: Array, rng: np.random.Generator, split: str) -> Array:
    """Albedo of one material over the window."""
    stops = from_srgb(np.array(material.colours, np.float32))
    if material.pattern == "plain" or len(stops) == 1:
        colour = np.broadcast_to(stops[0], (*grain.shape, 3))
    else:
        values = sample(_any_tile(material.pattern, split, rng), uv[0] * material.scale, uv[1] * material.scale)
        ramp = np.linspace(0, 1, len(stops))
        table = np.stack([np.interp(np.linspace(0, 1, 256), ramp, stops[:, axis]) for axis in range(3)], -1)
        colour = table.astype(np.float32)[(np.clip(values, 0, 1) * 255).astype(np.int32)]
    mottled = 1 + np.float32(0.3) * (grain - 0.5)
    return np.clip(colour * mottled[..., None], 0.015, 0.92)


def _any_tile(pattern: str, split: str, rng: np.random.Generator) -> Array:
    return tile(pattern, split, int(rng.integers(BANK)))


def _framed(plane: Array, surface: Surface) -> Array:
    full = np.zeros((*surface.matte.shape, *plane.shape[2:]), np.float32)
    full[surface.window] = plane
    return full


def _bumped(surface: Surface, height: Array) -> Array:
    """Tilt the normals by the relief's slope, limited where foreshortening or a part's border makes it explode."""
    down, across = np.gradient(height, 2 / surface.size)
    across, up = np.clip(across, -0.4, 0.4), np.clip(-down, -0.4, 0.4)
    normal = surface.normal[surface.window]
    along = normal[..., 0] * across + normal[..., 1] * up
    tilted = normal + normal * along[..., None]
    tilted[..., 0] -= across
    tilted[..., 1] -= up
    length = np.linalg.norm(tilted, axis=-1, keepdims=True)
    known = np.linalg.norm(normal, axis=-1, keepdims=True) > 0.5
    return _framed(np.where(known, tilted / np.maximum(length, 1e-6), 0).astype(np.float32), surface)


def _near(rng: np.random.Generator, colour: Sequence[float], spread: float) -> tuple[float, float, float]:
    """A colour close to ``colour``: lighter or darker, and a little off in hue."""
    shade, tint = rng.normal(0, spread), rng.normal(0, spread * 0.35, 3)
    red, green, blue = (
        float(np.clip(value + shade + off, 0.05, 0.97)) for value, off in zip(colour, tint, strict=True)
    )
    return red, green, blue


def _pick(
    rng: np.random.Generator, palette: Sequence[Sequence[float]], spread: float, count: int
) -> tuple[tuple[float, float, float], ...]:
    base = palette[int(rng.integers(len(palette)))]
    return tuple(_near(rng, base, spread) for _ in range(count))


def _hue(
    rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]
) -> tuple[float, float, float]:
    # Reds to yellows and blues are what people paint and dye with; saturated greens are rare.
    hue = float(rng.choice([rng.uniform(-0.3, 1.1), rng.uniform(3.3, 4.2), rng.uniform(0, 6)], p=(0.42, 0.33, 0.25)))
    most = rng.uniform(*value)
    least = most * (1 - rng.uniform(*saturation))
    wheel = np.clip(np.abs((hue + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    red, green, blue = (float(channel) for channel in least + (most - least) * wheel)
    return red, green, blue


def _skin(rng: np.random.Generator) -> Material:
    return Material(_pick(rng, SKIN, 0.02, 3), "cloudy", 1.2, rng.uniform(0.4, 0.6), 0, "cloudy", 0.05)


def _hair(rng: np.random.Generator) -> Material:
    return Material(_pick(rng, HAIR, 0.06, 3), "strands", 0.8, rng.uniform(0.35, 0.55), 0, "strands", 0.4)


def _cloth(rng: np.random.Generator) -> Material:
    pattern = str(rng.choice(["woven", "striped", "plaid", "dotted", "cloudy", "checked", "leaves", "written"],
                             p=[0.25, 0.15, 0.12, 0.08, 0.2, 0.05, 0.1, 0.05]))  # fmt: skip
    first = _hue(rng, (0.05, 0.65), (0.3, 0.9))
    second = _near(rng, first, 0.08) if pattern in ("woven", "cloudy") else _hue(rng, (0.0, 0.8), (0.25, 0.95))
    return Material((first, second), pattern, rng.uniform(0.5, 1.2), rng.uniform(0.6, 0.95), 0,
                    "folded", rng.uniform(0.2, 1.0))  # fmt: skip


def _leaf(rng: np.random.Generator) -> Material:
    return Material(_pick(rng, LEAF, 0.08, 3), "strands", 1.0, rng.uniform(0.3, 0.6), 0, "strands", 0.3)


def _metal(rng: np.random.Generator) -> Material:
    rough = rng.uniform(0.18, 0.5)
    relief = str(rng.choice(["streaky", "hammered", "cloudy"]))
    return Material(_pick(rng, METAL, 0.04, 2), "grainy", 0.6, rough, rng.uniform(0.7, 1), relief, rng.uniform(0, 0.3))


def _plastic(rng: np.random.Generator) -> Material:
    first = _hue(rng, (0.3, 0.9), (0.45, 0.95))
    return Material((first, _near(rng, first, 0.03)), "grainy", 0.6, rng.uniform(0.15, 0.45), 0, "cloudy", 0.05)


def _wood(rng: np.random.Generator) -> Material:
    return Material(_pick(rng, WOOD, 0.1, 3), "streaky", 0.6, rng.uniform(0.4, 0.8), 0, "streaky", 0.3)


def _stone(rng: np.random.Generator) -> Material:
    pattern = str(rng.choice(["marbled", "cloudy", "grainy"]))
    return Material(_pick(rng, STONE, 0.1, 3), pattern, 0.5, rng.uniform(0.5, 0.95), 0, "hammered", rng.uniform(0, 0.5))


def _ceramic(rng: np.random.Generator) -> Material:
    pattern = str(rng.choice(["checked", "striped", "dotted", "marbled", "leaves", "plain", "written"]))
    colours = (_hue(rng, (0.0, 0.35), (0.6, 0.95)), _hue(rng, (0.2, 0.9), (0.25, 0.9)))
    return Material(colours, pattern, rng.uniform(0.4, 0.9), rng.uniform(0.12, 0.5), 0, "cloudy", rng.uniform(0, 0.1))


def _fur(rng: np.random.Generator) -> Material:
    pattern = str(rng.choice(["strands", "cloudy", "leaves"]))
    return Material(_pick(rng, FUR, 0.09, 3), pattern, 0.7, rng.uniform(0.7, 1), 0, "cloudy", rng.uniform(0.2, 0.5))


def _print(rng: np.random.Generator) -> Material:
    pattern = str(rng.choice(["written", "leaves", "checked", "plaid"], p=[0.5, 0.3, 0.1, 0.1]))
    colours = tuple(_hue(rng, (0.0, 0.8), (0.3, 0.95)) for _ in range(3))
    return Material(colours, pattern, rng.uniform(0.4, 0.9), rng.uniform(0.25, 0.8), 0, "cloudy", 0.03)


def _dark(rng: np.random.Generator) -> Material:
    return Material(((0.08, 0.07, 0.07), (0.14, 0.12, 0.11)), "grainy", 1, rng.uniform(0.15, 0.4), 0, "cloudy", 0)


def _lip(rng: np.random.Generator) -> Material:
    return Material((_near(rng, (0.66, 0.33, 0.32), 0.05),), "plain", 1, 0.35, 0, "cloudy", 0)


def _white(rng: np.random.Generator) -> Material:
    return Material(((0.86, 0.85, 0.83),), "plain", 1, 0.5, 0, "cloudy", 0)


KINDS = {
    "skin": _skin,
    "hair": _hair,
    "cloth": _cloth,
    "leaf": _leaf,
    "metal": _metal,
    "plastic": _plastic,
    "wood": _wood,
    "stone": _stone,
    "ceramic": _ceramic,
    "fur": _fur,
    "print": _print,
    "dark": _dark,
    "lip": _lip,
    "white": _white,
}
"""Every kind of material."""
