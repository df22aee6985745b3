"""From parts to pixels: depth, unit normals, texture coordinates and a soft matte."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from benchmarks.scenes.primitives import MISS, Array, Hit, Solid, vector

FINE = 2
"""Rays per pixel and side."""


class Part(NamedTuple):
    """A solid of one material; ``blend`` (scene units) is the width over which it melts into what it touches."""

    solid: Solid
    material: int
    blend: float = 0.0


@dataclass(frozen=True)
class Surface:
    """What the camera sees of a subject; all planes ``[H, W]`` float32, frame -1..1, y up.

    ``normal`` ``[H, W, 3]`` is of unit length wherever ``matte`` > 0, else zero. ``depth`` is z to the viewer
    (``MISS`` outside), ``thickness`` how far the solid reaches behind it. ``uv`` ``[2, H, W]`` in scene units.
    ``shares`` ``[M, H, W]`` is each material's share of the pixel (sums to 1 in the matte). ``matte`` 0..1.
    ``window`` is the rectangle of rows and columns that holds the subject.
    """

    normal: Array
    depth: Array
    thickness: Array
    uv: Array
    shares: Array
    matte: Array
    window: tuple[slice, slice]

    @property
    def size(self) -> int:
        """Side of the square frame, in pixels."""
        return int(self.matte.shape[0])


def fit(parts: Sequence[Part], turn: Array, box: tuple[float, float, float, float]) -> list[Part]:
    """Turn the parts together, then scale and shift them into ``box`` (left, right, bottom, top).

    The scale is the largest at which both the width and the height fit; low things stand a little above the bottom.
    """
    origin = vector(0, 0, 0)
    turned = [part._replace(solid=part.solid.moved(turn, 1.0, origin)) for part in parts]
    boxes = np.array([part.solid.box() for part in turned])
    left, right, bottom, top = boxes[:, 0].min(), boxes[:, 1].max(), boxes[:, 2].min(), boxes[:, 3].max()
    scale = float(min((box[1] - box[0]) / (right - left), (box[3] - box[2]) / (top - bottom)))
    spare = box[3] - box[2] - scale * (top - bottom)
    shift = vector((box[0] + box[1]) / 2 - scale * (left + right) / 2, box[2] + 0.3 * spare - scale * bottom, 0)
    still = np.eye(3, dtype=np.float32)
    return [Part(part.solid.moved(still, scale, shift), part.material, part.blend * scale) for part in turned]


def rasterise(parts: Sequence[Part], size: int) -> Surface:
    """Cast ``FINE``^2 rays per pixel of a ``size`` x ``size`` frame at the parts."""
    canvas = _Canvas(size * FINE)
    for part in parts:
        canvas.add(part)
    return canvas.surface(1 + max(part.material for part in parts))


class _Canvas:
    """The fine planes, while parts are being added."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.depth = np.full((side, side), MISS, np.float32)
        self.thickness = np.zeros((side, side), np.float32)
        self.normal = np.zeros((3, side, side), np.float32)
        self.uv = np.zeros((2, side, side), np.float32)
        self.material = np.full((side, side), -1, np.int8)

    def add(self, part: Part) -> None:
        left, right, bottom, top = part.solid.box()
        columns = self._span(left, right)
        rows = self._span(-top, -bottom)
        if columns.start >= columns.stop or rows.start >= rows.stop:
            return
        middle = (np.arange(self.side, dtype=np.float32) + 0.5) * (2 / self.side) - 1
        hit = part.solid.hit(middle[None, columns], -middle[rows, None])
        self._merge((rows, columns), hit, part)

    def _span(self, low: float, high: float) -> slice:
        first, last = (int(np.floor((value + 1) / 2 * self.side)) for value in (low, high))
        return slice(max(first - 1, 0), min(last + 2, self.side))

    def _merge(self, window: tuple[slice, slice], hit: Hit, part: Part) -> None:
        before = self.depth[window]
        wins = hit.front > before
        if part.blend > 0:
            # The polynomial smooth maximum of two depths, and the normals in the same proportion.
            both = (hit.front > MISS) & (before > MISS)
            share = np.clip(0.5 + 0.5 * (hit.front - before) / np.float32(part.blend), 0, 1)
            share = np.where(both, share, wins).astype(np.float32)
            swell = np.where(both, share * (1 - share) * np.float32(part.blend), 0)
            self.depth[window] = np.maximum(before, hit.front) + swell
            for axis in range(3):
                plane = self.normal[axis][window]
                plane += share * (hit.normal[axis] - plane)
        else:
            np.copyto(before, hit.front, where=wins)
            for axis in range(3):
                np.copyto(self.normal[axis][window], hit.normal[axis], where=wins)
        np.copyto(self.thickness[window], hit.thickness, where=wins)
        np.copyto(self.uv[0][window], hit.uv[0], where=wins)
        np.copyto(self.uv[1][window], hit.uv[1], where=wins)
        self.material[window][wins] = part.material

    def surface(self, materials: int) -> Surface:
        """Average the rays of each pixel."""
        hit = (self.material >= 0).astype(np.float32)
        cover = _pooled(hit)
        matte = _softened(cover)
        window = _around(matte)
        safe = np.maximum(cover, 1e-6)
        planes = [_pooled(self.normal[axis] * hit) / safe for axis in range(3)]
        planes += [_pooled(self.depth * hit) / safe, _pooled(self.thickness * hit) / safe]
        planes += [_picked(self.uv[axis], hit) for axis in range(2)]
        planes += [_pooled((self.material == index).astype(np.float32)) / safe for index in range(materials)]
        stack = np.stack(planes)
        inside = slice(None), *window
        stack[inside] = _spread(stack[inside], (cover > 0)[window], (matte > 0)[window])
        normal = np.moveaxis(stack[:3], 0, -1)
        normal = normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)
        depth = np.where(matte > 0, stack[3], MISS).astype(np.float32)
        return Surface(normal.astype(np.float32), depth, stack[4], stack[5:7], stack[7:], matte, window)


def _pooled(plane: Array) -> Array:
    total = plane[::FINE, ::FINE] + plane[1::FINE, ::FINE] + plane[::FINE, 1::FINE] + plane[1::FINE, 1::FINE]
    return total * np.float32(0.25)


def _picked(plane: Array, hit: Array) -> Array:
    """One ray's value per pixel: texture coordinates of two parts must not be averaged."""
    picked = plane[::FINE, ::FINE]
    for row, column in ((1, 0), (0, 1), (1, 1)):
        picked = np.where(hit[::FINE, ::FINE] > 0, picked, plane[row::FINE, column::FINE])
    return picked


def _softened(cover: Array) -> Array:
    """A tent of about one pixel: mattes of photographs are never sharper than that."""
    padded = np.pad(cover, 1, mode="edge")
    across = 0.25 * padded[:, :-2] + 0.5 * padded[:, 1:-1] + 0.25 * padded[:, 2:]
    return np.clip(0.25 * across[:-2] + 0.5 * across[1:-1] + 0.25 * across[2:], 0, 1).astype(np.float32)


def _spread(stack: Array, known: Array, wanted: Array) -> Array:
    """Carry the planes one pixel outwards, where the matte is soft but no ray hit."""
    weight = np.pad(known.astype(np.float32), 1)
    padded = np.pad(stack * known, ((0, 0), (1, 1), (1, 1)))
    rows, columns = known.shape
    total, count = np.zeros_like(stack), np.zeros(known.shape, np.float32)
    for row in range(3):
        for column in range(3):
            total += padded[:, row : row + rows, column : column + columns]
            count += weight[row : row + rows, column : column + columns]
    grown = total / np.maximum(count, 1)
    return np.where(known, stack, np.where(wanted, grown, 0)).astype(np.float32)


def _around(matte: Array) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(matte.any(1)), np.flatnonzero(matte.any(0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
