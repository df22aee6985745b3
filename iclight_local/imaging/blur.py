"""Blurs of planes and backgrounds: a Gaussian, or the disc that a lens makes of a point out of focus.

A wide blur is drawn from a smaller picture, because it leaves no detail that needs the full one. Backgrounds are
blurred in strips, in linear light, by normalised convolution (Knutsson & Westin, CVPR 1993): what has no weight has no
part in the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image
from scipy import fft, ndimage

from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.imaging.linear import to_linear, to_srgb

BlurKind = Literal["gaussian", "bokeh"]

_SIGMAS = (4.5, 4.0)
"""Standard deviation in pixels from which a Gaussian is drawn at half the size, and what is kept of wider ones."""
_DISCS = (24.0, 40.0)
"""The same for the radius of a disc, whose edge is sharp."""
_REACH = 4.0
"""Standard deviations after which a Gaussian ends."""
_RIM = np.float32(0.15)
"""A matte above this mixes the subject's colour into a pixel."""
_STRIP = 320
"""Rows of the smaller picture that are blurred at a time."""
_FILL_SIDE = 192
_FILLS = ((1.0, 0.007), (1e-3, 0.03), (1e-6, 0.12), (1e-9, 0.5))
"""Weights and standard deviations, relative to the longer side, of the blurs that continue a background."""
_FILL_WEIGHT = np.float32(1e-3)
"""Weight of that continuation in place of what a window lacks: it counts where next to nothing else does."""

Reader = Callable[[slice], FloatArray]
"""Gives some rows as C x rows x W: channels times their weight, and last the weight."""


@dataclass(frozen=True)
class _Kernel:
    """A blur of a picture that has been shrunk ``step`` times."""

    kind: BlurKind
    radius: float
    step: int

    @property
    def reach(self) -> int:
        """Pixels of the smaller picture on either side that a pixel is made of, those for enlarging it included."""
        return len(_spread(self.kind, self.radius)) // 2 + 2

    @property
    def enlarging(self) -> Image.Resampling:
        """Cubic lines follow a Gaussian closely, and overshoot beside the edge of a disc."""
        return Image.Resampling.BICUBIC if self.kind == "gaussian" else Image.Resampling.BILINEAR

    def on(self, planes: FloatArray) -> FloatArray:
        """Blur C x h x w; beyond the edges there is nothing."""
        _, height, width = planes.shape
        spread = _spread(self.kind, self.radius)
        reach = len(spread) // 2
        # Room for what reaches over an edge, which would come back at the opposite one.
        down, across = (fft.next_fast_len(max(side, reach + 1) + reach, real=True) for side in (height, width))
        size = down, across
        centred = np.zeros(size, np.float32)
        centred[: len(spread), : len(spread)] = spread
        spectrum = fft.rfft2(np.roll(centred, (-reach, -reach), (0, 1)))
        found = np.empty_like(planes)
        for channel, plane in enumerate(planes):
            product = fft.rfft2(plane, size, workers=-1)
            product *= spectrum
            found[channel] = fft.irfft2(product, size, workers=-1)[:height, :width]
        return found.clip(0, out=found)


def gaussian(plane: FloatArray, sigma: float | tuple[float, float]) -> FloatArray:
    """A Gaussian blur, beyond the edges as if the outermost pixels went on.

    Args:
        plane: float32, H x W.
        sigma: standard deviation in pixels, or that down the rows and that along the columns; 0 leaves an axis as it
            is, and ``plane`` itself is given back where nothing is blurred.

    Returns:
        float32, H x W, within the range of ``plane``; off by less than 0.002 of that range from the exact blur.
    """
    down, across = sigma if isinstance(sigma, tuple) else (sigma, sigma)
    if max(down, across) <= 0:
        return plane
    steps = _step(down, _SIGMAS), _step(across, _SIGMAS)
    narrow = _narrowed(down, steps[0]), _narrowed(across, steps[1])
    if steps == (1, 1):
        return np.asarray(ndimage.gaussian_filter(plane, narrow, mode="nearest", truncate=_REACH), np.float32)
    height, width = plane.shape
    # Two squares more on each side: the outermost are made of the outermost pixels alone, and enlarging needs both.
    room = [(2 * step, 2 * step + -side % step) for side, step in zip(plane.shape, steps, strict=True)]
    small = np.asarray(Image.fromarray(np.pad(plane, room, mode="edge")).reduce(steps[::-1]))
    small = np.asarray(ndimage.gaussian_filter(small, narrow, mode="nearest", truncate=_REACH), np.float32)
    box = (2, 2, 2 + width / steps[1], 2 + height / steps[0])
    return _resized(small, (width, height), Image.Resampling.BICUBIC, box).clip(plane.min(), plane.max())


def background_weight(matte: FloatArray) -> FloatArray:
    """How surely a pixel shows the background and nothing of the subject: the weight to blur a photograph's own with.

    Stricter than ``1 - matte``: along a soft edge, and one pixel farther, the subject's colour is in the picture.

    Args:
        matte: float32 in 0..1, H x W; 1 is subject.

    Returns:
        float32 in 0..1, H x W.
    """
    grown = np.asarray(ndimage.maximum_filter(matte, 3), np.float32)
    grown /= -_RIM
    grown += 1
    return grown.clip(0, 1, out=grown)


def blurred(picture: UInt8Array, weight: FloatArray, kind: BlurKind, radius: float) -> UInt8Array:
    """Blur a background in linear light, each pixel counting as much as it belongs to it.

    Where no weight is near, the colours of the nearest background go on. Beyond the picture's edges nothing counts.

    Args:
        picture: uint8 sRGB, H x W x 3, not multiplied by the weight.
        weight: float32 in 0..1, H x W; without any weight everything counts.
        kind: gaussian, or bokeh, which makes a flat disc of a point.
        radius: the standard deviation, or the disc's radius, in pixels; 0 gives the picture back.

    Returns:
        uint8 sRGB, H x W x 3.
    """
    if radius <= 0:
        return picture
    counts = bool(weight.any())

    def rows_of(rows: slice) -> FloatArray:
        shares = weight[rows] if counts else np.ones_like(weight[rows])
        light = to_linear(picture[rows])
        return np.stack([*(light[..., channel] * shares for channel in range(3)), shares])

    result = np.empty_like(picture)

    def keep(rows: slice, channel: int, means: FloatArray) -> None:
        result[rows, :, channel] = to_srgb(means)

    _weighted_means(rows_of, weight.shape, _kernel(kind, radius), keep)
    return result


def blurred_alpha(alpha: FloatArray, kind: BlurKind, radius: float) -> FloatArray:
    """Blur a background's own transparency as :func:`blurred` blurs its colours, whose weight it is.

    Args:
        alpha: float32 in 0..1, H x W.
        kind: gaussian or bokeh.
        radius: the standard deviation, or the disc's radius, in pixels; 0 gives ``alpha`` back.

    Returns:
        float32 in 0..1, H x W.
    """
    if radius <= 0:
        return alpha

    def rows_of(rows: slice) -> FloatArray:
        return np.stack([alpha[rows], np.ones_like(alpha[rows])])

    result = np.empty_like(alpha)

    def keep(rows: slice, _: int, means: FloatArray) -> None:
        result[rows] = means.clip(0, 1)

    _weighted_means(rows_of, alpha.shape, _kernel(kind, radius), keep)
    return result


def _weighted_means(
    rows_of: Reader,
    size: tuple[int, ...],
    kernel: _Kernel,
    keep: Callable[[slice, int, FloatArray], None],
) -> None:
    """Hand the blurred channels to ``keep``, strip by strip at full size."""
    height, width = size
    step = kernel.step
    small = _Small(rows_of, height, step)
    fill, scale = _continued(small, math.ceil(max(height, width) / step))
    for top in range(0, small.height, _STRIP):
        bottom = min(small.height, top + _STRIP)
        first, last = max(0, top - kernel.reach), min(small.height, bottom + kernel.reach)
        sums = kernel.on(small.rows(first, last))
        lacking = _FILL_WEIGHT * (1 - sums[-1])
        total = sums[-1] + lacking
        high, wide = total.shape
        box = (0, first / scale, wide / scale, last / scale)
        rows = slice(top * step, min(height, bottom * step))
        part = (0, top - first, width / step, rows.stop / step - first)
        for channel, plane in enumerate(sums[:-1]):
            plane += lacking * _resized(fill[channel], (wide, high), Image.Resampling.BILINEAR, box)
            plane /= total
            keep(rows, channel, _resized(plane, (width, rows.stop - rows.start), kernel.enlarging, part))


class _Small:
    """The weighted channels ``step`` times smaller; at full size they are read as they are needed."""

    def __init__(self, rows_of: Reader, height: int, step: int) -> None:
        self.height = math.ceil(height / step)
        self._rows_of = rows_of
        self._whole = None if step == 1 else _shrunk_in_strips(rows_of, height, step)

    def rows(self, first: int, last: int) -> FloatArray:
        """C x (``last`` - ``first``) x w."""
        return self._rows_of(slice(first, last)) if self._whole is None else self._whole[:, first:last]


def _shrunk_in_strips(rows_of: Reader, height: int, step: int) -> FloatArray:
    """The channels ``step`` times smaller, C x h x w."""
    strip = step * max(1, _STRIP // step)
    tops = range(0, height, strip)
    return np.concatenate([_shrunk(rows_of(slice(top, min(height, top + strip))), step) for top in tops], 1)


def _continued(small: _Small, longer: int) -> tuple[FloatArray, int]:
    """A smooth tiny picture of the channels, going on where nothing has weight, and how much smaller it is.

    ``longer``: the longer side of ``small``.
    """
    scale = math.ceil(longer / _FILL_SIDE)
    tiny = _shrunk_in_strips(lambda rows: small.rows(rows.start, rows.stop), small.height, scale)
    summed = np.zeros_like(tiny)
    for share, extent in _FILLS:
        sigma = extent * longer / scale
        wide = ndimage.gaussian_filter(tiny, (0, sigma, sigma), mode="constant", truncate=_REACH)
        summed += np.float32(share) * wide
    return summed[:-1] / summed[-1], scale


def _kernel(kind: BlurKind, radius: float) -> _Kernel:
    if kind == "gaussian":
        step = _step(radius, _SIGMAS)
        return _Kernel(kind, _narrowed(radius, step), step)
    step = _step(radius, _DISCS)
    return _Kernel(kind, radius / step, step)


def _step(radius: float, bounds: tuple[float, float]) -> int:
    """How many times smaller a picture may be for a blur; the bounds are those of its kind."""
    halved, kept = bounds
    return 1 if radius < halved else max(2, int(radius / kept))


def _narrowed(sigma: float, step: int) -> float:
    """What is left of a standard deviation in a picture ``step`` times smaller: the squares' means blur it, too."""
    return math.sqrt(sigma * sigma - (step * step - 1) / 12) / step


def _spread(kind: BlurKind, radius: float) -> FloatArray:
    """What a blur makes of a point: shares of the pixels round it, which sum to 1."""
    reach = math.ceil(radius * (_REACH if kind == "gaussian" else 1))
    place = np.arange(-reach, reach + 1, dtype=np.float64)
    distance = np.hypot(place[:, None], place)
    fading = np.exp(-((distance / radius) ** 2) / 2)
    shares = fading if kind == "gaussian" else (radius + 0.5 - distance).clip(0, 1)
    return np.asarray(shares / shares.sum(), np.float32)


def _shrunk(planes: FloatArray, step: int) -> FloatArray:
    """Means of squares of ``step`` pixels, of C x H x W; beyond the edges there is nothing."""
    height, width = planes.shape[1:]
    padded = np.pad(planes, ((0, 0), (0, -height % step), (0, -width % step)))
    return np.stack([np.asarray(Image.fromarray(plane).reduce(step)) for plane in padded])


def _resized(
    plane: FloatArray, size: tuple[int, int], resample: Image.Resampling, box: tuple[float, float, float, float]
) -> FloatArray:
    """A part of ``plane`` (h x w) at ``size`` (width, height); a part at its own size is as it was."""
    return np.asarray(Image.fromarray(plane).resize(size, resample, box=box))
