"""A photograph of a disc with its matte, and relights of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from iclight_local.engines.local import LocalEngine
from tests.engines.relights import asked

SIZE = (150, 90)


def photograph(size: tuple[int, int] = SIZE) -> Image.Image:
    """A picture with a bright disc on a coloured ground, and fine stripes on both."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    disc = (x - width / 2) ** 2 + (y - height / 2) ** 2 < (min(size) / 3) ** 2
    picture = np.where(disc[..., None], (190, 150, 120), (60, 90, 130)) + ((x + y) % 4 * 6)[..., None]
    return Image.fromarray(picture.astype(np.uint8))


def matte(size: tuple[int, int] = SIZE) -> Image.Image:
    """The disc of ``photograph``, soft at its edge."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    away = np.sqrt((x - width / 2) ** 2 + (y - height / 2) ** 2)
    return Image.fromarray((np.clip(min(size) / 3 - away + 0.5, 0, 1) * 255).astype(np.uint8))


def relit(engine: LocalEngine, **knobs: Any) -> Any:
    return engine.relight(asked(photograph(), matte=matte(), **{"light_source": "left", **knobs}))
