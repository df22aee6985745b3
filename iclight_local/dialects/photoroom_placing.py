"""Where Photoroom puts a cut-out: its box fills the picture, against the sides that cut the subject off."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SEEN = 0.02
"""Opacity above which a pixel belongs to the box."""
_RIM = 2
# A side that is touched along less of it cuts nothing off.
_TOUCHED = 0.02


def placed(image: Image.Image, *, snap: bool) -> Image.Image:
    """A cut-out moved and scaled so that the box of its subject fits its frame.

    Args:
        image: any mode; without an alpha channel, or with one that hides everything, it stays as it is.
        snap: whether a subject that a side cuts off is put against that side, and not into the middle.

    Returns:
        A picture of the same size.
    """
    if image.mode != "RGBA":
        return image
    seen = np.asarray(image.getchannel("A")) > SEEN * 255
    if not seen.any():
        return image
    left, right = _extent(seen, 0)
    top, bottom = _extent(seen, 1)
    subject = image.crop((left, top, right, bottom))
    scale = min(image.width / subject.width, image.height / subject.height)
    size = max(1, round(subject.width * scale)), max(1, round(subject.height * scale))
    if size != subject.size:
        subject = subject.resize(size, Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.LANCZOS)
    spare = image.width - subject.width, image.height - subject.height
    x, y = (_offset(each, *sides) if snap else each // 2 for each, sides in zip(spare, _cut_off(seen), strict=True))
    canvas = Image.new("RGBA", image.size)
    canvas.paste(subject, (x, y))
    return canvas


def _extent(seen: NDArray[np.bool_], axis: int) -> tuple[int, int]:
    found = np.flatnonzero(seen.any(axis=axis))
    return int(found[0]), int(found[-1]) + 1


def _cut_off(seen: NDArray[np.bool_]) -> tuple[tuple[bool, bool], tuple[bool, bool]]:
    """Whether left and right, and top and bottom, cut the subject off."""

    def touched(rim: NDArray[np.bool_], axis: int) -> bool:
        return bool(rim.any(axis=axis).mean() >= _TOUCHED)

    across = touched(seen[:, :_RIM], 1), touched(seen[:, -_RIM:], 1)
    return across, (touched(seen[:_RIM], 0), touched(seen[-_RIM:], 0))


def _offset(spare: int, first: bool, last: bool) -> int:
    """Pixels in front of the subject, of those that are left beside it."""
    if first == last:
        return spare // 2
    return 0 if first else spare
