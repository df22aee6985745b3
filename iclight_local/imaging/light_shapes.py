"""Where a light map is bright: the shape of one light in the picture plane.

Coordinates: ``u`` from 0 at the left to 1 at the right, ``v`` from 0 at the top to 1 at the bottom. A light's unit
vector ``(x, y, z)`` (right, up, towards the viewer) lies in the picture plane to ``s = sqrt(x^2 + y^2)``, from 0 to 1.

* ramp: ``1/2 + (x (u - 1/2) + y (1/2 - v)) / (|x| + |y|)``, which is the original's line for the four sides; for a
  corner it is 1 there and 0 in the opposite one;
* glow, of light from the front: a broad Gaussian at the middle of the picture;
* halo, of light from behind (``z < 0``): the subject's matte ``m``, widened and blurred, times ``1 - m``, over its
  maximum;
* shape ``b``: ``s ramp + (1 - s) glow`` (from behind ``halo``), over its maximum; from behind the subject is dark:
  ``b (1 - (1 - s) m) + 0.15 (1 - s) m``.

Then the type changes it: softbox ``3 b^2 - 2 b^3``; sunlight ``b^0.6``; ambient ``1/2 + 0.3 (b - 1/2)``; spotlight
``(b g)^1.4`` divided by its maximum, where ``g`` is a Gaussian a fifth in from the light's side, or on the subject for
light from behind.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.light import Light

GLOW_SIGMA = 0.45
"""Of the glow of light from the front, over the larger side."""
HALO_SIGMA = 0.08
"""Of the halo's blur, over the larger side."""
HALO_WIDENING = 0.03
"""Sigma over the larger side of the blur whose lower quarter is cut off to widen the matte, by about as much."""
HALO_INSIDE = 0.15
"""What of light from behind is seen on the subject."""
SUNLIGHT_GAMMA = 0.6
SPOT_GAMMA = 1.4
SPOT_SIGMA = 0.28
"""Of a spotlight, over the larger side."""
SPOT_INSET = 0.2
"""How far a spotlight's middle is in from the light's side, over the picture's side."""
AMBIENT_CONTRAST = 0.3
"""What ambient light leaves of a shape's contrast."""
STAND_IN = (0.27, 0.36)
"""Half axes of the ellipse that stands for a subject nobody knows, over width and height."""

Grid = tuple[FloatArray, FloatArray]


def shape_of(light: Light, width: int, height: int, subject: FloatArray | None = None) -> FloatArray:
    """How bright a light makes every place of its map.

    Args:
        light: any light that has a direction.
        width: width in pixels.
        height: height in pixels.
        subject: the matte, float32 in 0..1 of any size, framed as a pass frames its picture; without one a centred
            ellipse stands for it. Only light from behind looks at it.

    Returns:
        float32, ``height`` x ``width`` in 0..1: the share of the way from the far to the lit grey level.
    """
    right, up, near = light.direction
    u = np.linspace(0, 1, width, dtype=np.float32)[None, :]
    v = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    in_plane = float(np.hypot(right, up))
    spread = max(abs(right) + abs(up), 1e-9)
    ramp = 0.5 + (right * (u - 0.5) + up * (0.5 - v)) / spread
    middle = (0.5, 0.5)
    if near < 0:
        matte = framed_matte(subject, width, height)
        middle = _middle_of(matte)
        hidden = (1 - in_plane) * matte
        shape = _to_one(in_plane * ramp + (1 - in_plane) * _halo(matte)) * (1 - hidden) + HALO_INSIDE * hidden
    else:
        shape = _to_one(in_plane * ramp + (1 - in_plane) * _bell((u, v), middle, GLOW_SIGMA))
    if light.softness == "spotlight":
        reach = in_plane * (0.5 - SPOT_INSET) / max(abs(right), abs(up), 1e-9)
        spot = (middle[0] + reach * right, middle[1] - reach * up)
        return _to_one(shape * _bell((u, v), spot, SPOT_SIGMA)) ** np.float32(SPOT_GAMMA)
    return _softened(shape, light)


def framed(picture: UInt8Array, width: int, height: int) -> UInt8Array:
    """The middle of a picture (uint8, H x W or H x W x 3) at exactly ``width`` x ``height`` pixels.

    To a fraction of a pixel it is what the original's ``resize_and_center_crop`` shows, whose size is exact only
    where it is even.
    """
    image = Image.fromarray(picture)
    scale = max(width / image.width, height / image.height)
    wide, high = min(width / scale, image.width), min(height / scale, image.height)
    left, top = (image.width - wide) / 2, (image.height - high) / 2
    box = (left, top, left + wide, top + high)
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS, box=box))


def framed_matte(subject: FloatArray | None, width: int, height: int) -> FloatArray:
    """A matte (float32 in 0..1, any size) as a pass of ``width`` x ``height`` pixels frames its picture.

    An ellipse stands for one that is missing, empty, or outside of the frame.
    """
    if subject is not None:
        levels = framed(np.round(subject * np.float32(255)).astype(np.uint8), width, height)
        if levels.any():
            return levels.astype(np.float32) / np.float32(255)
    across = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None, :] / STAND_IN[0]
    down = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None] / STAND_IN[1]
    return np.asarray(across**2 + down**2 <= 1, np.float32)


def blur(field: FloatArray, sigma: float) -> FloatArray:
    """A Gaussian blur (sigma in pixels, above 0) of ``field`` (float32, H x W).

    At the edges it is the mean of what is inside, so that an even field stays even.
    """
    down, across = (_gauss(side, sigma) for side in field.shape)
    return np.asarray(down @ field @ across.T, np.float32)


def _gauss(side: int, sigma: float) -> FloatArray:
    """The matrix that blurs a line of ``side`` pixels; every row sums to 1."""
    place = np.arange(side, dtype=np.float32)
    weights = np.exp(-(((place[:, None] - place) / np.float32(sigma)) ** 2) / 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def _softened(shape: FloatArray, light: Light) -> FloatArray:
    if light.softness == "softbox":
        return np.asarray(shape * shape * (3 - 2 * shape), np.float32)
    if light.softness == "sunlight":
        return np.asarray(shape ** np.float32(SUNLIGHT_GAMMA), np.float32)
    if light.softness == "ambient":
        return np.asarray(0.5 + AMBIENT_CONTRAST * (shape - 0.5), np.float32)
    return shape


def _halo(matte: FloatArray) -> FloatArray:
    larger = max(matte.shape)
    wide = np.minimum(1, 4 * blur(matte, max(0.5, HALO_WIDENING * larger)))
    return _to_one(blur(wide, max(0.5, HALO_SIGMA * larger)) * (1 - matte))


def _middle_of(matte: FloatArray) -> tuple[float, float]:
    """The centre of gravity of a matte, in 0..1; the picture's middle where it is empty."""
    total = float(matte.sum())
    if total == 0:
        return 0.5, 0.5
    across, down = (matte.sum(axis=axis) @ np.linspace(0, 1, matte.shape[1 - axis]) / total for axis in (0, 1))
    return float(across), float(down)


def _bell(grid: Grid, middle: tuple[float, float], sigma: float) -> FloatArray:
    """A round Gaussian around ``middle``; ``sigma`` is over the larger side."""
    (u, v), (across, down) = grid, middle
    wide, high = u.size / max(u.size, v.size), v.size / max(u.size, v.size)
    distance = ((u - across) * wide) ** 2 + ((v - down) * high) ** 2
    return np.asarray(np.exp(-distance / (2 * sigma**2)), np.float32)


def _to_one(shape: npt.NDArray[np.floating]) -> FloatArray:
    """``shape`` with its brightest place at 1; as it is where it is dark everywhere."""
    peak = float(shape.max())
    return np.asarray(shape / peak if peak > 1e-3 else shape, np.float32).clip(0, 1)
