"""Solids that an orthographic ray, looking down the z axis, hits in closed form or in a few Newton steps.

Camera space everywhere: x to the right, y up, z to the viewer; the frame spans -1..1 in x and y.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""Planes and vectors: float32, except where numpy widens a scalar step in between."""

Point = Sequence[float] | Array
"""Three coordinates."""

MISS = np.float32(-10.0)
"""Depth where a ray hits nothing: behind everything."""


class Hit(NamedTuple):
    """What the rays of a window meet first; every plane has the window's shape ``[h, w]``.

    ``front`` is the depth z (``MISS`` where nothing), ``thickness`` how far the solid reaches behind it,
    ``normal`` three planes of the unit normal, ``uv`` two planes of texture coordinates in scene units.
    """

    front: Array
    thickness: Array | float
    normal: tuple[Array, Array, Array]
    uv: tuple[Array, Array]


class Solid(Protocol):
    """A solid that knows its extent, how to be moved, and where rays hit it."""

    def box(self) -> tuple[float, float, float, float]:
        """Left, right, bottom, top of the silhouette, in scene units; may be generous."""
        ...

    def moved(self, turn: Array, scale: float, shift: Array) -> Solid:
        """The solid behind ``p -> scale * turn @ p + shift``."""
        ...

    def hit(self, x: Array, y: Array) -> Hit:
        """First hits of the rays through ``x`` ``[1, w]`` and ``y`` ``[h, 1]``."""
        ...


def vector(*values: float) -> Array:
    """A float32 vector."""
    return np.array(values, np.float32)


def rotation(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> Array:
    """Turn by ``roll`` about z, then ``pitch`` about x, then ``yaw`` about y (radians); ``[3, 3]``."""
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_y @ about_x @ about_z, np.float32)


def _wrap(x: Array, y: Array, z: Array, axis: Array) -> tuple[Array, Array]:
    """Texture coordinates around ``axis``: the seam always faces away from the viewer."""
    side = vector(1, 0, 0) - axis * axis[0] if abs(axis[1]) >= abs(axis[0]) else vector(0, 1, 0) - axis * axis[1]
    side = side / np.linalg.norm(side)
    face = np.cross(side, axis)
    face = face if face[2] >= 0 else -face
    across, toward = x * side[0] + y * side[1] + z * side[2], x * face[0] + y * face[1] + z * face[2]
    radius = np.sqrt(across * across + toward * toward)
    around = np.arctan2(across, toward) * float(radius.mean() + 1e-3)
    return around, x * axis[0] + y * axis[1] + z * axis[2]


@dataclass(frozen=True)
class Ellipsoid:
    """``centre`` ``[3]``, ``radii`` ``[3]`` along the columns of ``turn`` ``[3, 3]``."""

    centre: Array
    radii: Array
    turn: Array

    def box(self) -> tuple[float, float, float, float]:
        """Exact extent of the silhouette."""
        reach = np.sqrt(((self.turn * self.radii) ** 2).sum(1))
        x, y = self.centre[0], self.centre[1]
        return x - reach[0], x + reach[0], y - reach[1], y + reach[1]

    def moved(self, turn: Array, scale: float, shift: Array) -> Ellipsoid:
        """See :class:`Solid`."""
        return Ellipsoid(scale * turn @ self.centre + shift, self.radii * np.float32(scale), turn @ self.turn)

    def hit(self, x: Array, y: Array) -> Hit:
        """Solve the quadratic of the ray."""
        form = (self.turn / self.radii**2) @ self.turn.T
        x, y = x - self.centre[0], y - self.centre[1]
        half = (form[0, 2] * x + form[1, 2] * y) / form[2, 2]
        rest = (form[0, 0] * x * x + 2 * form[0, 1] * x * y + form[1, 1] * y * y - 1) / form[2, 2]
        under = half * half - rest
        root = np.sqrt(np.maximum(under, 0))
        z = root - half
        normal = [form[row, 0] * x + form[row, 1] * y + form[row, 2] * z for row in range(3)]
        length = 1 / np.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2 + 1e-12)
        front = np.where(under > 0, z + self.centre[2], MISS)
        planes = (normal[0] * length, normal[1] * length, normal[2] * length)
        return Hit(front, 2 * root, planes, _wrap(x, y, z, self.turn[:, 1]))


@dataclass(frozen=True)
class Cone:
    """A round cone: all spheres from (``start``, ``first``) to (``end``, ``last``); a capsule where the radii agree."""

    start: Array
    end: Array
    first: float
    last: float

    def box(self) -> tuple[float, float, float, float]:
        """Extent of the two end spheres."""
        (ax, ay, _), (bx, by, _) = self.start, self.end
        left, right = min(ax - self.first, bx - self.last), max(ax + self.first, bx + self.last)
        return left, right, min(ay - self.first, by - self.last), max(ay + self.first, by + self.last)

    def moved(self, turn: Array, scale: float, shift: Array) -> Cone:
        """See :class:`Solid`."""
        start, end = scale * turn @ self.start + shift, scale * turn @ self.end + shift
        return Cone(start, end, self.first * scale, self.last * scale)

    def hit(self, x: Array, y: Array) -> Hit:
        """The sphere whose front is highest on each ray.

        Along the axis, s in 0..1, that front is ``z(s) + sqrt(Q(s))`` with the quadratic
        ``Q = r(s)^2 - |q - c(s)|^2 = alpha s^2 + 2 beta s + gamma``; its derivative's zero is closed form.
        """
        axis, widen = self.end - self.start, np.float32(self.last - self.first)
        x, y = x - self.start[0], y - self.start[1]
        alpha = np.float32(min(widen**2 - axis[0] ** 2 - axis[1] ** 2, -1e-5))
        beta = self.first * widen + x * axis[0] + y * axis[1]
        gamma = self.first**2 - x * x - y * y
        spread = np.maximum(beta * beta - alpha * gamma, 0) / (axis[2] ** 2 - alpha)
        s = np.clip((-axis[2] * np.sqrt(spread) - beta) / alpha, 0, 1)
        under = alpha * s * s + 2 * beta * s + gamma
        root = np.sqrt(np.maximum(under, 0))
        radius = self.first + s * widen
        front = np.where(under > 0, self.start[2] + s * axis[2] + root, MISS)
        normal = ((x - s * axis[0]) / radius, (y - s * axis[1]) / radius, root / radius)
        length = float(np.linalg.norm(axis)) + 1e-6
        around = np.arctan2(normal[0] * axis[1] - normal[1] * axis[0], normal[2] * length) * np.float32(self.first)
        return Hit(front, 2 * root, normal, (around, s * np.float32(length)))


@dataclass(frozen=True)
class Superquadric:
    """``((|x/a|^m + |z/c|^m)^(n/m) + |y/b|^n)^(1/n) <= 1`` in the frame ``turn``; m, n >= 2, so convex.

    ``m`` shapes the cross section (2 round, 8 a rounded square), ``n`` the profile along the local y.
    """

    centre: Array
    radii: Array
    turn: Array
    m: float = 4.0
    n: float = 4.0

    def box(self) -> tuple[float, float, float, float]:
        """Extent of the enclosing cuboid, generous for round shapes."""
        reach = np.abs(self.turn * self.radii).sum(1)
        x, y = self.centre[0], self.centre[1]
        return x - reach[0], x + reach[0], y - reach[1], y + reach[1]

    def moved(self, turn: Array, scale: float, shift: Array) -> Superquadric:
        """See :class:`Solid`."""
        centre = scale * turn @ self.centre + shift
        return replace(self, centre=centre, radii=self.radii * np.float32(scale), turn=turn @ self.turn)

    def hit(self, x: Array, y: Array) -> Hit:
        """Newton's method from the front: the gauge is convex along a ray, so it never steps past the surface."""
        x, y = x - self.centre[0], y - self.centre[1]
        flat = [self.turn[0, k] * x + self.turn[1, k] * y for k in range(3)]
        ray = self.turn[2]
        reach = np.float32(np.linalg.norm(self.radii))
        z = np.full(flat[0].shape, reach, np.float32)
        for _ in range(7):
            gauge, slope = self._gauge([flat[k] + z * ray[k] for k in range(3)])
            forward = slope[0] * ray[0] + slope[1] * ray[1] + slope[2] * ray[2]
            z = np.maximum(z - (gauge - 1) / np.maximum(forward, 0.05 / reach), -reach)
        local = [flat[k] + z * ray[k] for k in range(3)]
        gauge, slope = self._gauge(local)
        forward = slope[0] * ray[0] + slope[1] * ray[1] + slope[2] * ray[2]
        front = np.where((np.abs(gauge - 1) < 0.02) & (forward > 0), z + self.centre[2], MISS)
        length = 1 / np.sqrt(slope[0] ** 2 + slope[1] ** 2 + slope[2] ** 2 + 1e-12)
        nx, ny, nz = (
            (self.turn[row, 0] * slope[0] + self.turn[row, 1] * slope[1] + self.turn[row, 2] * slope[2]) * length
            for row in range(3)
        )
        sideways = np.abs(slope[0]) > np.abs(slope[2])
        lid = np.abs(slope[1]) > np.maximum(np.abs(slope[0]), np.abs(slope[2]))
        u, v = np.where(sideways & ~lid, local[2], local[0]), np.where(lid, local[2], local[1])
        return Hit(front, float(self.radii.min()) * 1.6, (nx, ny, nz), (u, v))

    def _gauge(self, local: list[Array]) -> tuple[Array, list[Array]]:
        """The gauge (1 on the surface) and its gradient in the local frame."""
        a, b, c = (np.float32(radius) for radius in self.radii)
        m, n = np.float32(self.m), np.float32(self.n)
        px, py, pz = np.abs(local[0]) / a, np.abs(local[1]) / b, np.abs(local[2]) / c
        xm, ym, zm = px ** (m - 1), py ** (n - 1), pz ** (m - 1)
        ring = xm * px + zm * pz + np.float32(1e-9)
        total = ring ** (n / m) + ym * py + np.float32(1e-9)
        gauge = total ** (1 / n)
        outer = gauge / total
        inner = outer * ring ** (n / m - 1)
        slope = [
            inner * xm / a * np.sign(local[0]),
            outer * ym / b * np.sign(local[1]),
            inner * zm / c * np.sign(local[2]),
        ]
        return gauge, slope


@dataclass(frozen=True)
class Lathe:
    """A profile turned about the local y axis: ``profile`` ``[k]`` holds radii from bottom to top.

    ``half`` is half the height. With ``wall`` > 0 the body is hollow and open at the top, as a cup is.
    """

    centre: Array
    turn: Array
    profile: Array
    half: float
    wall: float = 0.0

    def box(self) -> tuple[float, float, float, float]:
        """Extent of the enclosing cylinder."""
        axis, most = np.abs(self.turn[:, 1]) * self.half, float(self.profile.max())
        reach = axis + most * np.sqrt(np.maximum(1 - self.turn[:, 1] ** 2, 0))
        x, y = self.centre[0], self.centre[1]
        return x - reach[0], x + reach[0], y - reach[1], y + reach[1]

    def moved(self, turn: Array, scale: float, shift: Array) -> Lathe:
        """See :class:`Solid`."""
        profile = self.profile * np.float32(scale)
        centre = scale * turn @ self.centre + shift
        return Lathe(centre, turn @ self.turn, profile, self.half * scale, self.wall * scale)

    def hit(self, x: Array, y: Array) -> Hit:
        """March from the front to the first sign change, then bisect."""
        x, y = x - self.centre[0], y - self.centre[1]
        flat = [self.turn[0, k] * x + self.turn[1, k] * y for k in range(3)]
        ray, steps = self.turn[2], 48 if self.wall > 0 else 20
        level = np.sqrt(max(1 - ray[1] ** 2, 0))
        reach = np.float32((self.profile.max() * level + self.half * abs(ray[1])) * 1.01)
        near = np.full(flat[0].shape, reach, np.float32)
        found = np.zeros(near.shape, bool)
        for step in range(1, steps + 1):
            z = reach - 2 * reach * np.float32(step / steps)
            inside = ~found & (self._outside([flat[k] + z * ray[k] for k in range(3)])[0] < 0)
            near[inside] = z
            found |= inside
        low, width = near, np.float32(2 * reach / steps)
        for _ in range(6):
            width = width / 2
            inside = self._outside([flat[k] + (low + width) * ray[k] for k in range(3)])[0] < 0
            low = np.where(inside, low + width, low)
        local = [flat[k] + low * ray[k] for k in range(3)]
        _, slope, radius, inner = self._outside(local)
        sign = np.where(inner, -1, 1).astype(np.float32)
        nx, ny, nz = local[0] / radius * sign, -slope * sign, local[2] / radius * sign
        length = 1 / np.sqrt(nx * nx + ny * ny + nz * nz + 1e-12)
        normal = tuple((self.turn[row, 0] * nx + self.turn[row, 1] * ny + self.turn[row, 2] * nz) * length
                       for row in range(3))  # fmt: skip
        front = np.where(found, low + self.centre[2], MISS)
        return Hit(front, np.float32(self.profile.max()), normal, _wrap(x, y, low, self.turn[:, 1]))  # type: ignore[arg-type]

    def _outside(self, local: list[Array]) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
        """Signed excess over the profile, the profile's slope, the distance to the axis, and whether inside a cup."""
        place = (local[1] / np.float32(self.half) + 1) * np.float32(0.5 * (len(self.profile) - 1))
        within = np.clip(place, 0, len(self.profile) - 1.001)
        index = within.astype(np.int32)
        step = np.diff(self.profile, append=self.profile[-1])
        edge = self.profile[index] + (within - index) * step[index]
        radius = np.sqrt(local[0] ** 2 + local[2] ** 2) + np.float32(1e-6)
        excess = radius - edge
        inner = np.zeros(excess.shape, bool)
        if self.wall > 0:
            cavity = edge - np.float32(self.wall) - radius
            inner = cavity > excess
            excess = np.where(inner, cavity, excess)
        excess = np.where(place == within, excess, 1)
        slope = step[index] * np.float32((len(self.profile) - 1) / (2 * self.half))
        return excess, slope, radius, inner
