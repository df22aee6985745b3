"""Small pictures and the rows that ask for them."""

from pathlib import Path

import numpy as np
from PIL import Image

from iclight_local.batch.base import Row


def picture(path: Path, seed: int, size: tuple[int, int] = (24, 16)) -> Path:
    """A picture of noise, with a subject cut out already: no segmenter is asked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)
    pixels[..., 3] = 255
    pixels[:, : size[0] // 4, 3] = 0
    Image.fromarray(pixels).save(path)
    return path


def rows_of(folder: Path, count: int, **values: object) -> list[Row]:
    """Rows of so many pictures, which are made."""
    found = []
    for number in range(1, count + 1):
        path = picture(folder / f"p{number}.png", number)
        asked = {"subject_image": str(path), **values}
        found.append(Row(number, path.name, asked, (f"p{number}-relit.png",)))
    return found
