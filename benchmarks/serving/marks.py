"""A number drawn into a picture, that can be read back after scaling and JPEG: it tells whose answer this is."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

SIDE = 8
"""Cells of a mark on a side: 32 bits of the number, and their complement."""
BITS = SIDE * SIDE // 2


def draw(number: int, size: tuple[int, int]) -> bytes:
    """A PNG file with the mark of a number below 2 ** 32.

    Args:
        number: to be read back.
        size: width and height in pixels, multiples of 8; the cells are rather light and rather dark grey, under noise
            that follows from the number, so that the file is as large as one of a photograph.
    """
    bits = np.array([number >> place & 1 for place in range(BITS)])
    cells = np.concatenate([bits, 1 - bits]).reshape(SIDE, SIDE)
    width, height = size
    grey = 64 + 128 * np.kron(cells, np.ones((height // SIDE, width // SIDE), np.int64))
    noise = np.random.default_rng(number).integers(-16, 17, (height, width, 3))
    buffer = io.BytesIO()
    Image.fromarray((grey[..., None] + noise).astype(np.uint8)).save(buffer, "png", compress_level=1)
    return buffer.getvalue()


def read(data: bytes) -> int | None:
    """The number in a picture's file; None where it is no whole picture, or bears no mark."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            grey = np.asarray(image.convert("L"), np.float32)
    except OSError:
        return None
    height, width = grey.shape
    if min(height, width) < 4 * SIDE:
        return None
    # The middle of each cell: at its border scaling and JPEG mix it with its neighbours.
    rows, columns = (((np.arange(SIDE) + 0.5) * side / SIDE).astype(int) for side in (height, width))
    reach = min(height, width) // SIDE // 4
    means = [[grey[y - reach : y + reach, x - reach : x + reach].mean() for x in columns] for y in rows]
    cells = (np.array(means) > 128).astype(int).ravel()
    bits, complement = cells[:BITS], cells[BITS:]
    if not np.array_equal(bits, 1 - complement):
        return None
    return int(sum(int(bit) << place for place, bit in enumerate(bits)))
