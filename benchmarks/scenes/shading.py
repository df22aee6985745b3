"""Light on a surface: diffuse, GGX highlights, attached and cast shadows; every term linear in the light."""

from __future__ import annotations

import numpy as np

from benchmarks.scenes.geometry import Surface
from benchmarks.scenes.lights import Hemisphere, Light
from benchmarks.scenes.materials import Appearance
from benchmarks.scenes.primitives import MISS, Array

STEPS = (1.5, 2.5, 4, 5.5, 7.5, 10, 13, 16, 20, 25, 31, 38, 46, 55)
"""Distances of the shadow march, in 128ths of the frame."""


class Shader:
    """A subject ready to be lit; everything is cut to the subject's window."""

    def __init__(self, surface: Surface, appearance: Appearance, normal: Array) -> None:
        window = surface.window
        self._normal = normal[window]
        self._metal = appearance.metal[window][..., None]
        albedo = appearance.albedo[window]
        self._diffuse = albedo * (1 - self._metal)
        self._gloss = 0.04 + (albedo - np.float32(0.04)) * self._metal
        self._roughness = np.maximum(appearance.roughness[window], np.float32(0.08))
        self._depth, self._thickness = surface.depth[window], surface.thickness[window]
        self._solid = self._depth > MISS / 2
        self._highest = float(self._depth[self._solid].max())
        self._pixel = 2 / surface.size
        rows, columns = window
        self._x = (np.arange(columns.start, columns.stop, dtype=np.float32) + 0.5)[None] * self._pixel - 1
        self._y = 1 - (np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5)[:, None] * self._pixel
        self._open = self._openness()

    def lit(self, light: Light | Hemisphere) -> Array:
        """Radiance ``[h, w, 3]`` towards the viewer, in the window, from one light."""
        return self._ambient(light) if isinstance(light, Hemisphere) else self._direct(light)

    def _direct(self, light: Light) -> Array:
        direction, normal = light.direction, self._normal
        facing = normal @ direction
        spread = np.float32(0.03 + 0.5 * light.softness)
        # Irradiance of a disc of light that sinks below the horizon: a parabola where it is cut, the cosine above.
        soft = np.where(facing > spread, facing, np.clip(facing + spread, 0, None) ** 2 / (4 * spread))
        passed = soft * self.unshadowed(light)
        if light.distance < np.inf:
            passed = passed * light.reaches(self._x, self._y, np.maximum(self._depth, -1))
        if light.gobo is not None:
            passed = passed * light.gobo.passes(*across(direction, self._x, self._y, self._depth))
        halfway = direction + np.array([0, 0, 1], np.float32)
        halfway = halfway / max(float(np.linalg.norm(halfway)), 1e-3)
        rough = np.clip(self._roughness + np.float32(0.35 * light.softness), 0.08, 1)
        # GGX with the visibility and Fresnel terms folded into one fraction (Karis, "Optimizing PBR for Mobile", 2015).
        square = rough**4
        peak = np.maximum(normal @ halfway, 0) ** 2 * (square - 1) + 1
        near = max(float(halfway @ direction), 0.1) ** 2
        shine = np.minimum(square / (4 * peak * peak * max(near, 0.1) * (rough + np.float32(0.5))), 12)
        colour = self._diffuse + self._gloss * shine[..., None]
        return np.asarray(colour * passed[..., None] * light.radiance)

    def _ambient(self, light: Hemisphere) -> Array:
        sky, ground = np.array(light.sky, np.float32), np.array(light.ground, np.float32)
        normal = self._normal
        up = (np.float32(0.5) + np.float32(0.5) * normal[..., 1])[..., None]
        mirrored = np.clip(0.5 + normal[..., 1] * normal[..., 2] * (1.6 - self._roughness), 0, 1)[..., None]
        rim = (1 - np.clip(normal[..., 2], 0, 1)) ** 5 * (1 - self._roughness)
        shine = self._gloss * (1 - 0.5 * self._roughness[..., None]) + 0.5 * rim[..., None]
        around = self._diffuse * (ground + (sky - ground) * up) + shine * (ground + (sky - ground) * mirrored)
        return np.asarray(around * self._open[..., None])

    def unshadowed(self, light: Light) -> Array:
        """Share 0..1 of the light that reaches each pixel past the subject itself.

        A march over the depth map: the light is the same everywhere, so every step is one shift of the whole map.
        """
        lx, ly, lz = (float(value) for value in light.direction)
        flat = max(float(np.hypot(lx, ly)), 1e-4)
        rows, columns = self._depth.shape
        clear = np.ones((rows, columns), np.float32)
        lowest = float(self._depth[self._solid].min())
        for step in STEPS:
            pixels = step / 64 / self._pixel
            right, down = round(lx / flat * pixels), round(-ly / flat * pixels)
            along = float(np.hypot(right, down)) * self._pixel
            rise = along * lz / flat
            if abs(right) >= columns or abs(down) >= rows or rise > self._highest - lowest:
                break
            here, there = _overlap(down, right, rows, columns)
            above = self._depth[there] - (self._depth[here] + np.float32(rise))
            width = np.float32(0.03 + (0.08 + 0.9 * light.softness) * along)
            blocked = np.clip((above - np.float32(0.012)) / width, 0, 1)
            behind = np.clip((above - self._thickness[there]) / width, 0, 1)
            clear[here] = np.minimum(clear[here], 1 - np.clip(blocked - behind, 0, 1))
        return clear

    def _openness(self) -> Array:
        """How much of the surroundings a pixel sees, 0.3..1: low where the neighbourhood stands in front of it."""
        total = np.zeros_like(self._depth)
        reach = max(2, round(0.05 / self._pixel))
        rows, columns = self._depth.shape
        count = 0
        for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (-1, -1), (1, -1), (-1, 1)):
            for far in (1, 2.5):
                shift = round(down * reach * far), round(right * reach * far)
                count += 1
                if abs(shift[0]) >= rows or abs(shift[1]) >= columns:
                    continue
                here, there = _overlap(*shift, rows, columns)
                above = (self._depth[there] - self._depth[here]) / np.float32(2.5 * reach * far * self._pixel)
                total[here] += np.clip(above, 0, 1)
        return np.clip(1 - 1.1 * total / count, 0.3, 1).astype(np.float32)


def across(direction: Array, x: Array, y: Array, z: Array | float) -> tuple[Array, Array]:
    """Coordinates of points on a plane across ``direction``, its second axis as upright as can be."""
    up = np.array([0, 1, 0], np.float32) if abs(direction[1]) < 0.95 else np.array([0, 0, -1], np.float32)
    right = np.cross(up, direction)
    right = right / np.linalg.norm(right)
    upright = np.cross(direction, right)
    return (
        (x * right[0] + y * right[1] + z * right[2]).astype(np.float32),
        (x * upright[0] + y * upright[1] + z * upright[2]).astype(np.float32),
    )


def _overlap(down: int, right: int, rows: int, columns: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The pixels whose neighbour (down, right) lies in the window, and those neighbours."""
    here = slice(max(0, -down), rows - max(0, down)), slice(max(0, -right), columns - max(0, right))
    there = slice(max(0, down), rows - max(0, -down)), slice(max(0, right), columns - max(0, -right))
    return here, there
