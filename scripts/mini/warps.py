"""Random numbers, noise and geometry for a batch of pictures at once."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

BLURS = (1, 2, 4, 8, 12)
"""Pixels of a 128-pixel picture that a blur melts into one."""


class Random:
    """What is drawn for one batch of ``count`` pictures; every value has the shape ``[n, 1, 1, 1]`` or a picture's."""

    def __init__(self, step: int, count: int) -> None:
        self.source = torch.Generator().manual_seed(step * 7919 + 17)
        self.count = count

    def of(self, count: int) -> Random:
        """The same stream, for ``count`` pictures."""
        part = Random.__new__(Random)
        part.source, part.count = self.source, count
        return part

    def uniform(self, low: float, high: float) -> Tensor:
        """Numbers in ``low..high``."""
        return torch.rand(self.count, 1, 1, 1, generator=self.source) * (high - low) + low

    def normal(self, channels: int = 1) -> Tensor:
        """Normal numbers ``[n, channels, 1, 1]``."""
        return torch.randn(self.count, channels, 1, 1, generator=self.source)

    def chance(self, share: float) -> Tensor:
        """True for about ``share`` of the pictures."""
        return self.uniform(0, 1) < share

    def integers(self, below: int) -> list[int]:
        """``n`` numbers in ``0..below - 1``."""
        return torch.randint(below, (self.count,), generator=self.source).tolist()

    def one(self, low: int, high: int) -> int:
        """One number in ``low..high`` for the whole batch."""
        return int(torch.randint(low, high + 1, (), generator=self.source))

    def field(self, low: int, high: int, channels: int = 1, size: int = 32) -> Tensor:
        """Smooth noise ``[n, channels, size, size]``, of ``low..high`` bumps a side, deviation about 1."""
        shape = (self.count, channels, self.one(low, high) + 1, self.one(low, high) + 1)
        return _grown(torch.randn(shape, generator=self.source), size)

    def slope(self, size: int = 32) -> Tensor:
        """Planes through the middle of the picture in any direction, ``[n, 1, size, size]``, about -1..1."""
        angle = self.uniform(0, 2 * math.pi)
        line = torch.linspace(-1, 1, size)
        return line * angle.cos() + line[:, None] * angle.sin()

    def texture(self, size: int) -> Tensor:
        """Two colours, mixed by noise of several scales that may be stretched: ``[n, 3, size, size]`` in 0..1."""
        total = torch.zeros(self.count, 1, size, size)
        for low, high in ((2, 6), (5, 20), (size // 6, size // 2)):
            total = total + self.field(low, high, size=size) * self.uniform(0, 1)
        sharp = torch.where(self.chance(0.3), self.uniform(4, 12), self.uniform(0.5, 2))
        mix = torch.sigmoid(total * sharp)
        colours = [torch.rand(self.count, 3, 1, 1, generator=self.source) for _ in range(2)]
        near = torch.lerp(*colours, self.uniform(0.1, 1))
        return torch.lerp(colours[0], near, mix)

    def gradient(self, size: int) -> Tensor:
        """Plain colours or gradients, ``[n, 3, size, size]`` in 0..1."""
        colours = [torch.rand(self.count, 3, 1, 1, generator=self.source) for _ in range(2)]
        near = torch.lerp(*colours, self.uniform(0, 0.7))
        return torch.lerp(colours[0], near, self.slope(size) / 2 + 0.5).clamp(0, 1)

    def blurred(self, pictures: Tensor, share: float, strongest: bool = False) -> Tensor:
        """``share`` of the pictures out of focus by some of ``BLURS``."""
        is_blurred, levels = self.chance(share).flatten().tolist(), self.integers(len(BLURS) - 1)
        result = pictures.clone()
        for index in range(self.count):
            if is_blurred[index]:
                pixels = max(BLURS[levels[index] + strongest] * pictures.shape[-1] // 128, 2)
                result[index] = defocus(pictures[index : index + 1], pixels)[0]
        return result


def defocus(picture: Tensor, pixels: int) -> Tensor:
    """``[n, C, S, S]`` with about ``pixels`` x ``pixels`` melted into one."""
    size = picture.shape[-1]
    return _grown(functional.adaptive_avg_pool2d(picture, max(size // pixels, 3)), size)


def halved(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """A picture ``[S, S, C]`` halved as long as it is not smaller than ``size``; quick, and a little sharp."""
    while picture.shape[0] >= 2 * size:
        picture = picture[::2, ::2] // 2 + picture[1::2, 1::2] // 2
    return picture


def placed(matte: Tensor, draw: Random) -> Tensor:
    """Maps ``[n, 2, 3]`` from the frame to the picture, so that the subject lies large enough somewhere in the frame.

    A subject that its own frame cuts off at the bottom is cut off there again.
    """
    count, size = draw.count, matte.shape[-1]
    line = torch.linspace(-1, 1, size)
    across, down = matte.amax((1, 2)), matte.amax((1, 3))
    left, right = _ends(across, line)
    top, bottom = _ends(down, line)
    long = torch.maximum(right - left, bottom - top).clamp(min=0.1)
    wanted = draw.uniform(0.8, 2.2).flatten()
    wanted = torch.where(draw.chance(0.25).flatten(), draw.uniform(1.8, 3.2).flatten(), wanted)
    squeeze = draw.uniform(-0.4, 0.4).flatten().exp()
    scale = (wanted / long).clamp(0.4, 2.6)
    wide, high = scale * squeeze.sqrt(), scale / squeeze.sqrt()
    # Where the middle of the subject goes: the middle of the frame, more or less.
    shift_x = draw.normal().flatten() * 0.25 - (left + right) / 2 * wide
    shift_y = draw.normal().flatten() * 0.25 - (top + bottom) / 2 * high
    is_cut = down[:, -2:].amax(1) > 0.5
    shift_y = torch.where(is_cut, torch.maximum(shift_y, 1.03 - high), shift_y)
    angle = (draw.normal().flatten() * 0.12).clamp(-0.4, 0.4) * torch.where(is_cut, 0.25, 1.0)
    angle = torch.where(draw.chance(0.06).flatten() & ~is_cut, draw.uniform(-3, 3).flatten(), angle)
    flip = torch.where(draw.chance(0.5).flatten(), -1.0, 1.0)
    rows = torch.zeros(count, 2, 3)
    cos, sin = angle.cos(), angle.sin()
    rows[:, 0, 0], rows[:, 0, 1] = cos * flip / wide, sin * flip / wide
    rows[:, 1, 0], rows[:, 1, 1] = -sin / high, cos / high
    rows[:, 0, 2] = -(rows[:, 0, 0] * shift_x * flip + rows[:, 0, 1] * shift_y)
    rows[:, 1, 2] = -(rows[:, 1, 0] * shift_x * flip + rows[:, 1, 1] * shift_y)
    return rows


def zoomed(draw: Random, low: float | Tensor, high: float | Tensor) -> Tensor:
    """Maps ``[n, 2, 3]`` to a part of the picture, never beyond its frame, mirrored or not.

    Args:
        draw: random numbers.
        low: smallest magnification, at least 1; a number or ``[n, 1]``.
        high: largest one.
    """
    near = (low + (high - low) * draw.uniform(0, 1).flatten(1)).expand(draw.count, 1)[:, 0]
    squeeze = draw.uniform(0, 0.4).flatten().exp()
    is_wide = draw.chance(0.5).flatten()
    wide, high_ = torch.where(is_wide, near * squeeze, near), torch.where(is_wide, near, near * squeeze)
    rows = torch.zeros(draw.count, 2, 3)
    rows[:, 0, 0], rows[:, 1, 1] = torch.where(draw.chance(0.5).flatten(), -1.0, 1.0) / wide, 1 / high_
    rows[:, 0, 2] = draw.uniform(-1, 1).flatten() * (1 - 1 / wide)
    rows[:, 1, 2] = draw.uniform(-1, 1).flatten() * (1 - 1 / high_)
    return rows


def warp(pictures: Tensor, maps: Tensor, size: int, beyond: str, bends: Random | None = None) -> Tensor:
    """Look at pictures ``[n, C, S', S']`` through maps: ``[n, C, size, size]``.

    Args:
        pictures: what is looked at.
        maps: from the frame to the picture, coordinates -1..1.
        size: side of the result.
        beyond: what lies beyond the picture: ``zeros`` or ``reflection``.
        bends: random numbers for bent shapes and rough outlines; None for none. Colours and matte move together.
    """
    grid = functional.affine_grid(maps, [len(pictures), 1, size, size], align_corners=False)
    if bends is not None:
        bent = bends.field(2, 5, 2, size) * torch.where(bends.chance(0.5), bends.uniform(0, 0.08), torch.zeros(()))
        fur = bends.field(size // 8, size // 2, 2, size)
        fur = fur * torch.where(bends.chance(0.35), bends.uniform(0, 0.035), torch.zeros(()))
        # Some parts of an outline are rough and others smooth.
        grid = grid + (bent + fur * (bends.field(2, 5, 1, size) > 0)).permute(0, 2, 3, 1)
    return functional.grid_sample(pictures, grid, mode="bilinear", padding_mode=beyond, align_corners=False)


def _ends(profile: Tensor, line: Tensor) -> tuple[Tensor, Tensor]:
    """The first and the last coordinate of each profile ``[n, S]`` that is above one half."""
    inside = profile > 0.5
    return torch.where(inside, line, 1.0).amin(1), torch.where(inside, line, -1.0).amax(1)


def _grown(small: Tensor, size: int) -> Tensor:
    return functional.interpolate(small, (size, size), mode="bilinear", align_corners=False)
