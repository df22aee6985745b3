"""Patterns without colour: square tiles of values 0..1 that a palette turns into albedo.

A bank of tiles per split is drawn once per process, so a scene only looks them up.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from benchmarks.scenes.primitives import Array

TILE = 256
"""Side of a tile in texels, a power of two; tiles repeat."""

BANK = 16
"""Tiles of each pattern and split."""


def noise(rng: np.random.Generator, side: int, slope: float, stretch: float = 1.0) -> Array:
    """Gaussian noise with amplitude ``1 / f^slope``, periodic, ranked into 0..1; ``stretch`` > 1 draws it out in x."""
    down, across = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]
    frequency = np.hypot(down, across * stretch)
    frequency[0, 0] = 1
    white = rng.standard_normal((side, side // 2 + 1)) + 1j * rng.standard_normal((side, side // 2 + 1))
    field = np.fft.irfft2(white / frequency**slope, s=(side, side))
    field = (field - field.mean()) / (field.std() + 1e-9)
    return np.asarray(np.clip(0.5 + field / 5, 0, 1), np.float32)


def sample(tile: Array, u: Array, v: Array) -> Array:
    """Bilinear look-up at ``u``, ``v`` in tiles (1 = once across), repeating."""
    x, y = u * TILE, v * TILE
    left, low = np.floor(x), np.floor(y)
    fx, fy = x - left, y - low
    column, row = left.astype(np.int32) & (TILE - 1), (low.astype(np.int32) & (TILE - 1)) * TILE
    right, up = (column + 1) & (TILE - 1), (row + TILE) & (TILE * TILE - 1)
    flat = tile.ravel()
    bottom = flat[row + column] * (1 - fx) + flat[row + right] * fx
    top = flat[up + column] * (1 - fx) + flat[up + right] * fx
    return np.asarray(bottom * (1 - fy) + top * fy)


@lru_cache(maxsize=1024)
def tile(pattern: str, split: str, index: int) -> Array:
    """The bank's tile ``[TILE, TILE]`` of a pattern of :data:`PATTERNS`; test tiles differ from training tiles."""
    entropy = [*split.encode(), 0, *pattern.encode(), 0, index]
    values = PATTERNS[pattern](np.random.default_rng(entropy))
    values.flags.writeable = False
    return values


def _cloudy(rng: np.random.Generator) -> Array:
    return noise(rng, TILE, rng.uniform(1.1, 1.9))


def _grainy(rng: np.random.Generator) -> Array:
    return noise(rng, TILE, rng.uniform(0.3, 0.8))


def _streaky(rng: np.random.Generator) -> Array:
    return noise(rng, TILE, rng.uniform(1.0, 1.5), stretch=rng.uniform(5, 14))


def _stranded(rng: np.random.Generator) -> Array:
    return np.ascontiguousarray(_streaky(rng).T)


def _folded(rng: np.random.Generator) -> Array:
    """Folds of cloth: long, smooth waves."""
    return noise(rng, TILE, 2.4, stretch=rng.uniform(0.25, 0.6))


def _marbled(rng: np.random.Generator) -> Array:
    warp = noise(rng, TILE, 1.8)
    across = np.arange(TILE, dtype=np.float32)[None] / TILE
    return np.asarray(0.5 + 0.5 * np.sin(2 * np.pi * (rng.integers(2, 6) * across + 5 * warp)), np.float32)


def _checked(rng: np.random.Generator) -> Array:
    count = int(rng.choice([4, 8, 8, 16]))
    cell = (np.arange(TILE) * count) // TILE
    return ((cell[:, None] + cell[None]) % 2).astype(np.float32)


def _striped(rng: np.random.Generator) -> Array:
    widths = rng.uniform(0.3, 1, int(rng.integers(4, 14)))
    edges = np.cumsum(widths) / widths.sum()
    tones = np.clip(np.arange(len(widths)) % 2 + rng.uniform(-0.3, 0.3, len(widths)), 0, 1)
    row = tones[np.searchsorted(edges, np.arange(TILE) / TILE, side="right").clip(max=len(widths) - 1)]
    field = np.repeat(row[None], TILE, 0) if rng.random() < 0.5 else np.repeat(row[:, None], TILE, 1)
    return np.ascontiguousarray(field, dtype=np.float32)


def _plaid(rng: np.random.Generator) -> Array:
    field = 0.5 * (_striped(rng) + np.ascontiguousarray(_striped(rng).T))
    return np.asarray(field, np.float32)


def _dotted(rng: np.random.Generator) -> Array:
    count = int(rng.choice([6, 8, 12]))
    place = np.arange(TILE, dtype=np.float32) / TILE * count
    fold = (place % 1 - 0.5) ** 2
    return np.clip((rng.uniform(0.2, 0.4) ** 2 - fold[:, None] - fold[None]) * 30, 0, 1).astype(np.float32)


def _leaves(rng: np.random.Generator) -> Array:
    """Dead leaves: shapes of all sizes (density ~ r^-3) fall on each other, as occlusion in pictures does."""
    image = Image.new("L", (TILE, TILE), int(rng.integers(256)))
    pen = ImageDraw.Draw(image)
    for _ in range(500):
        radius = float(min(4 / np.sqrt(rng.uniform(0.006, 1)), 50))
        x, y = rng.uniform(0, TILE, 2)
        tone, wide = int(rng.integers(256)), radius * rng.uniform(0.5, 1.5)
        for dx in (-TILE, 0, TILE):
            for dy in (-TILE, 0, TILE):
                if abs(x + dx - TILE / 2) < TILE / 2 + wide and abs(y + dy - TILE / 2) < TILE / 2 + radius:
                    box = (x + dx - wide, y + dy - radius, x + dx + wide, y + dy + radius)
                    (pen.ellipse if radius % 2 < 1.3 else pen.rectangle)(box, fill=tone)
    return np.asarray(image.filter(ImageFilter.GaussianBlur(0.8)), np.float32) / 255


def _written(rng: np.random.Generator) -> Array:
    """Text-like marks: lines of random letters, and a bar or two."""
    image = Image.new("L", (TILE, TILE), 0)
    pen = ImageDraw.Draw(image)
    top = 4
    while top < TILE - 12:
        height = int(rng.choice([12, 16, 24, 44]))
        text = "".join(rng.choice(list("ABDEGHKMNORSTXaegknorst0248 ")) for _ in range(int(rng.integers(4, 26))))
        if top + height < TILE:
            pen.text((int(rng.integers(2, 40)), top), text, fill=255, font=ImageFont.load_default(height))
        if rng.random() < 0.2:
            pen.rectangle((0, top + height + 2, TILE, top + height + 5), fill=180)
        top += int(height * rng.uniform(1.2, 2))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(0.7)), np.float32)[::-1] / 255


def _hammered(rng: np.random.Generator) -> Array:
    """Dents and pores, for bumps."""
    seeds = rng.uniform(0, TILE, (90, 2)).astype(np.float32)
    place = np.arange(TILE, dtype=np.float32)
    best = np.full((TILE, TILE), 1e9, np.float32)
    for x, y in seeds:
        dx, dy = np.abs(place - x), np.abs(place - y)
        dx, dy = np.minimum(dx, TILE - dx), np.minimum(dy, TILE - dy)
        best = np.minimum(best, dx[None] ** 2 + dy[:, None] ** 2)
    return np.clip(np.sqrt(best) / 26, 0, 1)


def _woven(rng: np.random.Generator) -> Array:
    count = int(rng.choice([12, 16, 20]))
    wave = np.sin(2 * np.pi * count * np.arange(TILE) / TILE)
    return (0.5 + 0.25 * (wave[:, None] + wave[None])).astype(np.float32)


PATTERNS: dict[str, Callable[[np.random.Generator], Array]] = {
    "cloudy": _cloudy,
    "grainy": _grainy,
    "streaky": _streaky,
    "strands": _stranded,
    "folded": _folded,
    "marbled": _marbled,
    "checked": _checked,
    "striped": _striped,
    "plaid": _plaid,
    "dotted": _dotted,
    "leaves": _leaves,
    "written": _written,
    "hammered": _hammered,
    "woven": _woven,
}
"""Every pattern by name."""
