"""A result's layers, from the ground up: colour, background, shadow, outline, subject; mixed in linear light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.blur import blurred
from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.imaging.linear import to_linear, to_srgb
from iclight_local.imaging.strips import in_strips

Rgba = tuple[int, int, int, int]
"""sRGB red, green and blue and opacity, 0..255."""
Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; right and bottom are outside."""
CLEAR: Rgba = (0, 0, 0, 0)
"""Nothing at all."""
_FAINT = np.float32(1e-4)
_SPREAD = 2.0


@dataclass(frozen=True, eq=False)
class Layer:
    """A picture with its opacity.

    Attributes:
        rgb: uint8 sRGB, H x W x 3, not multiplied by the opacity.
        alpha: float32 in 0..1, H x W; None: opaque everywhere.
        continued: whether the colours go on where it is transparent, as those of a cut-out that was taken from its
            background do; else they may be anything there.
    """

    rgb: UInt8Array
    alpha: FloatArray | None = None
    continued: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.rgb.shape[1], self.rgb.shape[0]


@dataclass(frozen=True, eq=False)
class Layers:
    """All that a result is made of; every layer is as large as the canvas.

    Attributes:
        size: width and height of the canvas.
        colour: under everything.
        back: what stands behind the subject.
        shade: opacity of black on it, float32 in 0..1, H x W.
        outline: opacity of :attr:`line_colour` on that, float32 in 0..1, H x W.
        front: the subject.
    """

    size: tuple[int, int]
    colour: Rgba = CLEAR
    back: Layer | None = None
    shade: FloatArray | None = None
    outline: FloatArray | None = None
    line_colour: Rgba = CLEAR
    front: Layer | None = None


def parse_rgba(text: str) -> Rgba:
    """A colour written as ``#rrggbb``, ``#rrggbbaa`` or ``transparent``.

    Raises:
        InvalidRequest: it is written in another way.
    """
    if text == "transparent":
        return CLEAR
    try:
        levels = bytes.fromhex(text.removeprefix("#"))
    except ValueError:
        levels = b""
    if not text.startswith("#") or len(levels) not in (3, 4):
        raise InvalidRequest(f"A colour is {text!r}, but must be transparent, or written like #1e90ff or #1e90ff80.")
    red, green, blue, opacity = (*levels, 255)[:4]
    return red, green, blue, opacity


def composed(layers: Layers) -> UInt8Array:
    """Lay the layers on each other, in linear light.

    Returns:
        uint8 sRGB and opacity, H x W x 4, the colours not multiplied; where a layer hides all below it, its own bytes.
    """
    width, height = layers.size
    result = np.empty((height, width, 4), np.uint8)

    def work(rows: slice) -> None:
        light, alpha = _flat(layers.colour, (rows.stop - rows.start, width))
        _lay(light, alpha, layers.back, rows)
        if layers.shade is not None:
            _lay_flat(light, alpha, layers.shade[rows], (0, 0, 0, 255))
        if layers.outline is not None:
            _lay_flat(light, alpha, layers.outline[rows], layers.line_colour)
        _lay(light, alpha, layers.front, rows)
        np.divide(light, np.maximum(alpha, _FAINT)[..., None], out=light)
        strip = result[rows]
        strip[..., :3] = to_srgb(light)
        strip[..., 3] = np.rint(alpha * np.float32(255))
        strip[strip[..., 3] == 0] = 0

    in_strips(work, (height, width))
    return result


def resampled(layer: Layer, size: tuple[int, int], box: tuple[float, float, float, float]) -> Layer:
    """A box of a layer at a width and height; its very bytes where nothing is scaled.

    It is shrunk in linear light and weighted with its opacity, with a Hamming window: that has no negative lobes, which
    in linear light would draw a bright line inside of every dark edge. It is enlarged by bicubic interpolation of
    its levels, and bilinear of its opacity.
    """
    wide, high = box[2] - box[0], box[3] - box[1]
    if (wide, high) == size and all(float(edge).is_integer() for edge in box):
        left, top, right, bottom = (int(edge) for edge in box)
        rows, columns = slice(top, bottom), slice(left, right)
        return Layer(layer.rgb[rows, columns], None if layer.alpha is None else layer.alpha[rows, columns])
    return _shrunk(layer, size, box) if wide * high > size[0] * size[1] else _enlarged(layer, size, box)


def _shrunk(layer: Layer, size: tuple[int, int], box: tuple[float, float, float, float]) -> Layer:
    def scaled(plane: FloatArray) -> FloatArray:
        return np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.HAMMING, box=box))

    planes = (to_linear(np.ascontiguousarray(layer.rgb[..., channel])) for channel in range(3))
    if layer.alpha is None:
        return Layer(np.dstack([to_srgb(scaled(plane)) for plane in planes]))
    alpha = np.clip(scaled(layer.alpha), 0, 1)
    share: FloatArray = np.maximum(alpha, _FAINT)
    return Layer(np.dstack([to_srgb(scaled(plane * layer.alpha) / share) for plane in planes]), alpha)


def _enlarged(layer: Layer, size: tuple[int, int], box: tuple[float, float, float, float]) -> Layer:
    rgb, alpha = layer.rgb, layer.alpha
    if alpha is not None and not layer.continued and not alpha.all():
        # What is transparent may hold any colour, and none of it may come out at an edge.
        rgb = np.where((alpha > 0)[..., None], rgb, blurred(rgb, alpha, "gaussian", _SPREAD))
    large = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC, box=box))
    if alpha is None:
        return Layer(large)
    soft = Image.fromarray(alpha).resize(size, Image.Resampling.BILINEAR, box=box)
    return Layer(large, np.clip(np.asarray(soft), 0, 1))


def laid(layer: Layer, source: Box, target: Box, canvas: tuple[int, int]) -> Layer | None:
    """A box of a layer on an empty canvas.

    Args:
        layer: any size.
        source: the part of it that is laid.
        target: where that lies on the canvas; it may leave it.
        canvas: width and height.

    Returns:
        A layer of the canvas's size; None where nothing of it is on the canvas.
    """
    left, top = max(target[0], 0), max(target[1], 0)
    right, bottom = min(target[2], canvas[0]), min(target[3], canvas[1])
    if left >= right or top >= bottom:
        return None
    across = (source[2] - source[0]) / (target[2] - target[0])
    down = (source[3] - source[1]) / (target[3] - target[1])
    box = (
        source[0] + (left - target[0]) * across,
        source[1] + (top - target[1]) * down,
        min(source[0] + (right - target[0]) * across, source[2]),
        min(source[1] + (bottom - target[1]) * down, source[3]),
    )
    part = resampled(layer, (right - left, bottom - top), box)
    if part.size == canvas:
        return part
    rgb, alpha = np.zeros((canvas[1], canvas[0], 3), np.uint8), np.zeros((canvas[1], canvas[0]), np.float32)
    rgb[top:bottom, left:right] = part.rgb
    alpha[top:bottom, left:right] = 1 if part.alpha is None else part.alpha
    return Layer(rgb, alpha)


def shrunk(pixels: UInt8Array, size: tuple[int, int]) -> UInt8Array:
    """A picture (uint8, H x W x 4) at a smaller width and height."""
    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    layer = Layer(np.ascontiguousarray(pixels[..., :3]), pixels[..., 3].astype(np.float32) / np.float32(255))
    small = resampled(layer, size, (0, 0, pixels.shape[1], pixels.shape[0]))
    levels = np.rint((0 if small.alpha is None else small.alpha) * np.float32(255))
    result = np.dstack([small.rgb, levels.astype(np.uint8)])
    result[result[..., 3] == 0] = 0
    return result


def covering(size: tuple[int, int], canvas: tuple[int, int], *, whole: bool) -> Box:
    """Where a background picture lies on a canvas: in its middle, and covering it.

    Args:
        size: its width and height.
        canvas: width and height.
        whole: it is shown as a whole instead, and may leave some of the canvas free.
    """
    ratios = canvas[0] / size[0], canvas[1] / size[1]
    scale = min(ratios) if whole else max(ratios)
    wide, high = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    left, top = (canvas[0] - wide) // 2, (canvas[1] - high) // 2
    return left, top, left + wide, top + high


def _flat(colour: Rgba, shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """One colour, multiplied by its opacity, and its opacity."""
    opacity = np.float32(colour[3] / 255)
    light = np.broadcast_to(to_linear(np.array(colour[:3], np.uint8)) * opacity, (*shape, 3))
    return light.copy(), np.full(shape, opacity)


def _lay(light: FloatArray, alpha: FloatArray, layer: Layer | None, rows: slice) -> None:
    """Lay some rows of a layer on light that is multiplied by its opacity."""
    if layer is None:
        return
    if layer.alpha is None:
        light[:], alpha[:] = to_linear(layer.rgb[rows]), 1
        return
    share = layer.alpha[rows]
    light *= (1 - share)[..., None]
    light += to_linear(layer.rgb[rows]) * share[..., None]
    alpha *= 1 - share
    alpha += share


def _lay_flat(light: FloatArray, alpha: FloatArray, opacity: FloatArray, colour: Rgba) -> None:
    """Lay one colour on it, as opaque as ``opacity`` times its own."""
    share = opacity * np.float32(colour[3] / 255)
    light *= (1 - share)[..., None]
    light += to_linear(np.array(colour[:3], np.uint8)) * share[..., None]
    alpha *= 1 - share
    alpha += share
