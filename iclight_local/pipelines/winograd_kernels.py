"""The transforms of Winograd's convolution F(4x4, 3x3), compiled to machine code when they are first called.

A tile is 4 x 4 pixels of the result; it is made from 6 x 6 pixels of the picture. All channels of a pixel lie side by
side, and every loop runs over them, so that a processor's vector registers are full whatever the width of the picture.

Source: A. Lavin, S. Gray, "Fast algorithms for convolutional neural networks", CVPR 2016, section 4.3; the points are
0, 1, -1, 2, -2 and infinity.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

TILE, PATCH = 4, 6
"""Pixels along a side of a tile of the result, and of what it is made from."""
_compiled = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
_2, _4, _5, _8 = (np.float32(each) for each in (2, 4, 5, 8))


@_compiled
def into_tiles(picture: Any, tiles: Any, first: int, last: int, offset: int) -> None:
    """Transform the tiles ``first`` to ``last - 1``: ``B^T d B`` for each channel.

    Args:
        picture: float32, n x H x W x C; what lies outside of it is 0.
        tiles: float32, 36 x count x C, is filled from ``offset`` on.
        first: number of a tile; row by row, picture by picture.
        last: number of the tile behind the last one.
        offset: place in ``tiles`` of the tile ``first``.
    """
    _, height, width, channels = picture.shape
    down, across = (height + TILE - 1) // TILE, (width + TILE - 1) // TILE
    half = np.empty((PATCH, PATCH, channels), np.float32)
    edge = np.empty((PATCH, PATCH, channels), np.float32)
    for tile in range(first, last):
        one, place = tile // (down * across), tile % (down * across)
        y, x = TILE * (place // across) - 1, TILE * (place % across) - 1
        inside = y >= 0 and x >= 0 and y + PATCH <= height and x + PATCH <= width
        if not inside:
            _copy_edge(picture[one], edge, y, x)
        patch = picture[one, y : y + PATCH, x : x + PATCH] if inside else edge
        for column in range(PATCH):
            _six(patch[:, column], half[:, column])
        for row in range(PATCH):
            _six(half[row], tiles[PATCH * row : PATCH * row + PATCH, offset + tile - first])


@_compiled
def from_tiles(tiles: Any, bias: Any, result: Any, first: int, last: int, offset: int) -> None:
    """Transform tiles back, ``A^T m A`` for each channel, and add the bias.

    Args:
        tiles: float32, 36 x count x C.
        bias: float32, C.
        result: float32, n x H x W x C; its tiles ``first`` to ``last - 1`` are written.
        first: number of a tile, as in :func:`into_tiles`.
        last: number of the tile behind the last one.
        offset: place in ``tiles`` of the tile ``first``.
    """
    _, height, width, channels = result.shape
    down, across = (height + TILE - 1) // TILE, (width + TILE - 1) // TILE
    half = np.empty((TILE, PATCH, channels), np.float32)
    line = np.empty((TILE, channels), np.float32)
    for tile in range(first, last):
        one, place = tile // (down * across), tile % (down * across)
        y, x = TILE * (place // across), TILE * (place % across)
        wide = min(TILE, width - x)
        for column in range(PATCH):
            _four(tiles[column::PATCH, offset + tile - first], half[:, column])
        for row in range(min(TILE, height - y)):
            _four(half[row], line)
            for pixel in range(wide):
                for channel in range(channels):
                    result[one, y + row, x + pixel, channel] = line[pixel, channel] + bias[channel]


@numba.njit(inline="always")
def _copy_edge(picture: Any, edge: Any, y: int, x: int) -> None:
    """Copy a patch that reaches beyond the picture, with zeros there."""
    edge[:] = np.float32(0)
    height, width, _ = picture.shape
    for row in range(max(0, -y), min(PATCH, height - y)):
        for column in range(max(0, -x), min(PATCH, width - x)):
            edge[row, column] = picture[y + row, x + column]


@numba.njit(inline="always")
def _six(given: Any, made: Any) -> None:
    """``B^T`` times six rows of channels."""
    for i in range(given.shape[1]):
        a, b, c, d, e, f = given[0, i], given[1, i], given[2, i], given[3, i], given[4, i], given[5, i]
        made[0, i] = _4 * a - _5 * c + e
        made[1, i] = d + e - _4 * (b + c)
        made[2, i] = e - d + _4 * (b - c)
        made[3, i] = e - c + _2 * (d - b)
        made[4, i] = e - c + _2 * (b - d)
        made[5, i] = _4 * b - _5 * d + f


@numba.njit(inline="always")
def _four(given: Any, made: Any) -> None:
    """``A^T`` times six rows of channels."""
    for i in range(given.shape[1]):
        a, b, c, d, e, f = given[0, i], given[1, i], given[2, i], given[3, i], given[4, i], given[5, i]
        made[0, i] = a + b + c + d + e
        made[1, i] = b - c + _2 * (d - e)
        made[2, i] = b + c + _4 * (d + e)
        made[3, i] = b - c + _8 * (d - e) + f
