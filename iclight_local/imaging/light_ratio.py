"""The light that relighting put into a picture: relit by original, at low frequencies, small enough to be kept."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from PIL import Image

from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.imaging.gains import BLACK, certain, encoded
from iclight_local.imaging.linear import luminance, to_linear
from iclight_local.imaging.smooth import resampled, tent_mean

SIDE = 32
"""Cells along the larger side: what is finer than that is detail, which relighting makes anew in every frame."""
SAMPLED_SIDE = 256
"""Larger side in pixels at which the region's part of each pixel is weighed."""
ALIKE = 0.08
"""Difference of encoded values, 0..1, at which a place of two originals counts by 0.6 as showing the same."""
OTHER_SCENE, SAME_SCENE = 0.4, 0.7
"""Shares of a region that are alike up to which two frames have nothing to do with each other, and from which all.

Measured on photographs of portraits and things: 21 pairs of unrelated ones share at most 0.35; one that moved by 3 % of
its width shares 0.73 to 0.93 with itself, by 6 % 0.49 to 0.86, by 12 % 0.27 to 0.74.
"""
_READ_SIDE = 1024
_MAGIC = b"ICLR1"
_HEAD = struct.Struct("<5sHH")
_FAINT = np.float32(4e-3)
"""Linear light of a relit place at which it counts half: what is nearly black tells no light."""
_NONE = 1 / 510
_TINY = np.float32(1e-6)

HalfArray = npt.NDArray[np.float16]


@dataclass(frozen=True)
class LightRatio:
    """The light of one frame on a grid of at most ``SIDE`` cells; first the subject, then what is round it.

    Attributes:
        ratio: natural logarithm of relit by original linear light, float16 ``[2, 3, h, w]`` for red, green and blue;
            0 where the region is not.
        scene: the original's linear light there, float16 ``[2, 3, h, w]``, 0..1: by it other scenes are told.
        weight: how much each cell knows about its region, float16 ``[2, h, w]``, 0..1.
    """

    ratio: HalfArray
    scene: HalfArray
    weight: HalfArray

    @cached_property
    def encoded_scene(self) -> FloatArray:
        """The original's encoded values, float32 ``[2, 3, h, w]``, 0..1."""
        return encoded(self.scene.astype(np.float32))

    def to_bytes(self) -> bytes:
        """The same ratio, the same bytes; 28 for each cell and 9 more, 29 kB at most."""
        planes = np.concatenate([part.ravel() for part in (self.ratio, self.scene, self.weight)])
        return _HEAD.pack(_MAGIC, *self.weight.shape[1:]) + planes.astype("<f2").tobytes()

    @staticmethod
    def from_bytes(kept: bytes) -> LightRatio:
        """What :meth:`to_bytes` wrote, exactly.

        Raises:
            ValueError: the bytes are something else, or not all there.
        """
        if len(kept) < _HEAD.size or not kept.startswith(_MAGIC):
            raise ValueError("The bytes are no light ratio: they do not begin as one; measure the frame again.")
        _, high, wide = _HEAD.unpack_from(kept)
        cells = high * wide
        wanted = _HEAD.size + 28 * cells
        if len(kept) != wanted:
            raise ValueError(f"A light ratio has {len(kept)} bytes, but needs {wanted}; measure the frame again.")
        planes = np.frombuffer(kept, "<f2", offset=_HEAD.size).astype(np.float16)
        ratio, scene, weight = np.split(planes, (6 * cells, 12 * cells))
        return LightRatio(
            ratio.reshape(2, 3, high, wide), scene.reshape(2, 3, high, wide), weight.reshape(2, high, wide)
        )


def light_ratio(seen: UInt8Array, made: UInt8Array, matte: FloatArray) -> LightRatio:
    """Measure the light of one frame.

    In linear light, both pictures are averaged over the cells of a grid and their neighbours, inside and outside of the
    matte apart, each pixel weighing as much as it surely belongs to the region (normalised convolution); the ratio is
    that of the averages.

    Args:
        seen: the original, uint8 sRGB, H x W x 3.
        made: the relit picture, or a finished result, of any size: the same framing.
        matte: float32 in 0..1, of any size: the same framing; 1 is subject.
    """
    high, wide = seen.shape[:2]
    size, grid = _within((high, wide), SAMPLED_SIDE), _within((high, wide), SIDE)
    before, after = _light(seen, size), _light(made, size)
    cover = np.clip(resampled(np.ascontiguousarray(matte, np.float32), size), 0, 1)
    regions = [_region(before, after, part, grid) for part in (cover, 1 - cover)]
    ratio, scene, weight = (np.stack(planes).astype(np.float16) for planes in zip(*regions, strict=True))
    return LightRatio(ratio, scene, weight)


def likeness(one: LightRatio, other: LightRatio) -> FloatArray:
    """How much the subjects of two frames, and their surroundings, are the same scene: float32 ``[2]``, 0..1.

    The share of the smaller region's cells that both have and whose originals are alike, between ``OTHER_SCENE`` and
    ``SAME_SCENE``. 0 where a region has next to nothing, and between grids of different shapes.
    """
    if one.weight.shape != other.weight.shape:
        return np.zeros(2, np.float32)
    weights = [each.weight.astype(np.float32) for each in (one, other)]
    least = np.minimum(*(weight.sum((1, 2)) for weight in weights))
    shared = (np.minimum(*weights) * agreement(one, other)).sum((1, 2))
    share = shared / np.maximum(least, np.float32(0.5))
    return np.asarray(np.clip((share - np.float32(OTHER_SCENE)) / np.float32(SAME_SCENE - OTHER_SCENE), 0, 1))


def agreement(one: LightRatio, other: LightRatio) -> FloatArray:
    """How alike the originals of two frames are at each place: float32 ``[2, h, w]``, 0..1."""
    apart = one.encoded_scene - other.encoded_scene
    return np.asarray(np.exp((apart**2).mean(1) / np.float32(-2 * ALIKE**2)), np.float32)


def _within(size: tuple[int, int], side: int) -> tuple[int, int]:
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _light(picture: UInt8Array, size: tuple[int, int]) -> FloatArray:
    """Linear light, channels first, at ``size``."""
    image = Image.fromarray(picture)
    # Averaging bytes is not averaging light, but large pictures need little memory that way, and both lose the same.
    image.thumbnail((_READ_SIDE, _READ_SIDE), Image.Resampling.BOX, reducing_gap=None)
    light = to_linear(np.asarray(image))
    return np.stack([resampled(light[..., channel], size) for channel in range(3)])


def _region(
    before: FloatArray, after: FloatArray, cover: FloatArray, grid: tuple[int, int]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Ratio ``[3, h, w]``, the original's light ``[3, h, w]`` and weight ``[h, w]`` of one region."""
    if float(cover.max()) <= _NONE:
        return np.zeros((3, *grid), np.float32), np.zeros((3, *grid), np.float32), np.zeros(grid, np.float32)
    sure = certain(cover) * cover
    there = _cells(sure, grid)
    dark, lit = (
        np.stack([_cells(plane * sure, grid) for plane in light]) / (there + _TINY) for light in (before, after)
    )
    ratio = np.log((lit + np.float32(BLACK)) / (dark + np.float32(BLACK)))
    bright = luminance(np.moveaxis(lit, 0, -1))
    return ratio * (there > _TINY), dark, there * bright / (bright + _FAINT)


def _cells(plane: FloatArray, grid: tuple[int, int]) -> FloatArray:
    return tent_mean(resampled(plane, grid), 1)
