"""How a picture lies in what the model sees, and how the model's result lies over the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iclight_local.imaging.files import Picture
from iclight_local.imaging.fit import FloatArray, UInt8Array, resize, resize_and_center_crop
from iclight_local.imaging.matte import GREY
from iclight_local.request import Fit

Size = tuple[int, int]


@dataclass(frozen=True)
class Frame:
    """The place of a picture in the model's frame.

    Attributes:
        fit: ``crop``: the model sees the picture's middle, scaled to cover its frame. ``pad``, ``input``: it sees the
            whole picture, letterboxed.
        picture: width and height of the picture.
        model: width and height of the highres pass.
    """

    fit: Fit
    picture: Size
    model: Size

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the picture in the model's frame; never empty."""
        (width, height), (wide, high) = self.picture, self.model
        if self.fit == "crop":
            return 0, 0, wide, high
        scale = min(wide / width, high / height)
        shown = max(1, round(width * scale)), max(1, round(height * scale))
        left, top = (wide - shown[0]) // 2, (high - shown[1]) // 2
        return left, top, left + shown[0], top + shown[1]

    @property
    def result(self) -> Size:
        """Width and height of the result."""
        left, top, right, bottom = self.box
        return self.picture if self.fit == "input" else (right - left, bottom - top)

    def for_model(self, picture: UInt8Array, outside: int = GREY) -> UInt8Array:
        """A picture of ``picture``'s size (H x W or H x W x 3) as the model is to see it.

        With ``crop`` it is left to the pipeline's own fitting; else it is letterboxed in the level ``outside``.
        """
        if self.fit == "crop":
            return picture
        left, top, right, bottom = self.box
        canvas = np.full((self.model[1], self.model[0], *picture.shape[2:]), outside, np.uint8)
        canvas[top:bottom, left:right] = resize(picture, right - left, bottom - top)
        return canvas

    def matte_for_model(self, matte: FloatArray) -> FloatArray:
        """A matte of the picture's size as it lies in the model's frame, at the size of the highres pass."""
        levels = np.round(matte * np.float32(255)).astype(np.uint8)
        seen = resize_and_center_crop(self.for_model(levels, 0), *self.model)
        return seen.astype(np.float32) / np.float32(255)

    def from_model(self, result: UInt8Array) -> UInt8Array:
        """What of the model's result shows the picture, at the model's own resolution."""
        left, top, right, bottom = self.box
        return np.ascontiguousarray(result[top:bottom, left:right])

    def of_picture(self, picture: UInt8Array) -> UInt8Array:
        """A picture of ``picture``'s size (H x W or H x W x 3) framed and scaled as the result is."""
        if self.fit == "crop":
            return resize_and_center_crop(picture, *self.model)
        return picture if self.picture == self.result else resize(picture, *self.result)

    def of_matte(self, matte: FloatArray) -> FloatArray:
        """A matte of the picture's size framed and scaled as the result is; exact where its levels are bytes."""
        levels = np.round(matte * np.float32(255)).astype(np.uint8)
        return self.of_picture(levels).astype(np.float32) / np.float32(255)


def as_photographed(picture: Picture, size: Size) -> UInt8Array:
    """A picture itself, its transparency included, framed as a result of ``size`` (width and height) is."""
    pixels = picture.rgb if picture.alpha is None else np.dstack([picture.rgb, picture.alpha])
    return resize_and_center_crop(pixels, *size)


def scaled(picture: UInt8Array, size: Size) -> UInt8Array:
    """``picture`` at ``size``; itself where it has that size."""
    height, width = picture.shape[:2]
    return picture if (width, height) == size else resize(picture, *size)
