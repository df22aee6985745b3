"""The picture that a machine's speed is measured with: drawn, so that everybody's is the same."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

SIZE = (1536, 1920)
"""Width and height in pixels: three megapixels."""


def drawn_picture() -> bytes:
    """A JPEG of a lit ball on a table before a wall."""
    width, height = SIZE
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    across, down = (across - width / 2) / width, (down - height * 0.52) / width
    wall = np.asarray([0.36, 0.42, 0.5], np.float32) * (0.9 - 0.5 * across - 0.3 * down)[..., None]
    table = np.asarray([0.34, 0.25, 0.18], np.float32) * (1.15 - 0.6 * across)[..., None]
    table *= 1 - 0.7 * np.exp(-((across - 0.06) ** 2 / 0.05 + (down - 0.34) ** 2 / 0.004))[..., None]
    pixels = np.where(down[..., None] > 0.26, table, wall)
    radius = 0.33
    depth = np.sqrt(np.clip(radius**2 - across**2 - down**2, 0, None)) / radius
    light = np.clip((-0.5 * across - 0.6 * down) / radius + 0.6 * depth, 0, None)
    stripes = 0.5 + 0.5 * np.tanh(8 * np.sin(28 * (down + 0.35 * across)))
    paint = np.asarray([0.9, 0.32, 0.12], np.float32) + stripes[..., None] * np.asarray([0.05, 0.5, 0.6], np.float32)
    ball = paint * (0.12 + 0.9 * light)[..., None] + (light**24)[..., None] * 0.4
    covered = np.clip((radius - np.hypot(across, down)) * width, 0, 1)[..., None]
    linear = covered * ball + (1 - covered) * pixels
    encoded = (np.clip(linear, 0, 1) ** (1 / 2.2) * 255 + 0.5).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(encoded).save(buffer, "jpeg", quality=92)
    return buffer.getvalue()
