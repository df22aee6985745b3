"""Subjects that are drawn, for measurements that need pictures where nobody gave any."""

from __future__ import annotations

import numpy as np

from iclight_local.imaging.fit import UInt8Array
from iclight_local.imaging.matte import GREY

_LAMP_HEIGHT = 0.6
"""How far the lamp stands before the subject, over its distance to the side."""


def drawn_subject(seed: int, size: int) -> UInt8Array:
    """A shaded, striped body with a head on it, on grey 127, as a pass sees a subject.

    Each part is an ellipsoid under one lamp: ``paint (0.25 + 0.75 max(0, n l))`` of its normal ``n``.

    Args:
        seed: of form, paint and lamp; the same seed gives the same bytes.
        size: pixels of a side.

    Returns:
        uint8, ``size x size x 3``.
    """
    rng = np.random.default_rng(seed)
    v, u = (np.mgrid[:size, :size] + 0.5) / size
    angle = rng.uniform(0, 2 * np.pi)
    lamp = np.array([np.cos(angle), np.sin(angle), _LAMP_HEIGHT])
    lamp /= np.linalg.norm(lamp)
    picture = np.full((size, size, 3), float(GREY))
    width, top = rng.uniform(0.2, 0.38), rng.uniform(0.35, 0.5)
    parts = ((0.5, 1.0, width, 1 - top), (rng.uniform(0.42, 0.58), top - 0.08, width * 0.55, width * 0.65))
    for middle_u, middle_v, half_u, half_v in parts:
        x, y = (u - middle_u) / half_u, (v - middle_v) / half_v
        inside = x**2 + y**2 < 1
        z = np.sqrt(np.clip(1 - x**2 - y**2, 0, 1))
        light = 0.25 + 0.75 * np.clip(x * lamp[0] + y * lamp[1] + z * lamp[2], 0, None)
        stripes = 0.8 + 0.2 * np.sign(np.sin(rng.uniform(10, 60) * (u + rng.uniform(-1, 1) * v)))
        paint = rng.uniform(0.1, 1, 3) * 255
        shaded = np.clip(paint * (light * stripes)[..., None] + rng.normal(0, 4, (size, size, 1)), 0, 255)
        picture = np.where(inside[..., None], shaded, picture)
    return picture.astype(np.uint8)
