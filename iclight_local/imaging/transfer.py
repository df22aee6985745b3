"""Carrying the light, not the pixels, to the original at its full size.

The gain is found at the relit picture's size (:mod:`iclight_local.imaging.gains`), inside and outside of the matte
apart; the original's own pixels are multiplied by it in strips of rows, so that memory does not grow with the picture.
At the matte's edge a pixel is a mixture, and each part of it gets its own region's gain: a subject that is lit anew
takes none of what shines in from behind it along, and leaves none of its own old light there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.imaging.foreground import Mixture
from iclight_local.imaging.gains import GAMMA, Gain, Twins, gain
from iclight_local.imaging.linear import luminance, to_linear, to_srgb
from iclight_local.imaging.smooth import resampled
from iclight_local.imaging.strips import in_strips

Keep = Literal["detail", "colour", "all"]

SMALL_PIXELS = 1 << 21
"""Largest size at which gains are found; a relit picture with more pixels is scaled down first."""
_FAINTEST = 1 / 510
"""Half an 8-bit step: a region that covers less of every pixel is none."""
KNEE = 0.8
"""Share of the room below white that is used as it is; what is more bends."""
_BRIGHTEST = 254


@dataclass(frozen=True)
class TransferOptions:
    """What is kept of the original, and how the light is carried.

    Attributes:
        keep: ``detail``: the relit picture's smooth luminance and chroma, the original's detail; ``colour``: hue and
            saturation (HSV) of every pixel, luminance follows the relit picture as finely as that goes; ``all``: hue,
            saturation and detail, only smooth luminance is carried.
        strength: 0 (the original) to 1 (all of the light) inside of the matte; the gain's exponent.
        background_strength: the same outside of it; 0 keeps the background's pixels.
        radius: of the smoothing, as a share of the larger side. A relit picture whose finest details agree with the
            original's is not smoothed, whatever this says (:mod:`iclight_local.imaging.gains`).
        edge: variance of the logarithm of the gain at which an edge of the light is half kept: 0.02 is a step from
            light to shadow by a factor of 1.3. More smooths the light's own edges as well.
        most: largest gain of linear light, approached softly; more brings up noise and 8-bit steps of the shadows.
        least: smallest gain, alike.
        lift: largest gain of the smooth light with ``keep`` detail, approached softly: between ``most`` and this, dark
            places get the relit picture's own smooth light without their detail growing further. More also brings a
            model's haze over black paint.
    """

    keep: Keep
    strength: float
    background_strength: float
    radius: float = 0.02
    edge: float = 0.02
    most: float = 8.0
    least: float = 1 / 32
    lift: float = 16.0


def transfer(
    original: UInt8Array, relit: UInt8Array, matte: FloatArray, options: TransferOptions, *, straight: bool = False
) -> UInt8Array:
    """Light the original as the relit picture is lit.

    Args:
        original: uint8, H x W x 3, sRGB.
        relit: uint8, h x w x 3 of any size, sRGB: the same framing.
        matte: float32, H x W, 0..1; 1 is subject.
        options: what to keep and how.
        straight: whether the original is a cut-out whose soft edges are the subject's own colours, not mixed with
            anything: then all of a pixel is lit, however transparent it is.

    Returns:
        uint8, H x W x 3. With strength 0 on both sides, and outside of the matte with ``background_strength`` 0, the
        original's exact values.

    Raises:
        ValueError: the original and the matte differ in size.
    """
    if original.shape[:2] != matte.shape:
        raise ValueError(f"A matte of {matte.shape} does not fit a picture of {original.shape[:2]} pixels.")
    applied = (matte > 0).astype(np.float32) if straight else np.clip(matte, 0, 1)
    sides = _gains(_filled(original, matte) if straight else original, relit, matte, options)
    if not sides:
        return original.copy()
    work = _in_channels if options.keep == "detail" else _in_values
    result = np.empty_like(original)
    layers = Mixture(original, applied) if _mixed(applied).any() else None

    def light(rows: slice) -> None:
        cover, front, back = applied[rows], None, None
        where = _mixed(cover)
        if layers is not None and where.any():
            cover = cover.copy()
            cover[where], front, back = layers.unmixed(rows, where)
        parts = [
            _Part(side.at(rows, matte.shape), *((1 - cover, back) if side.outside else (cover, front)))
            for side in sides
        ]
        work(original[rows], parts, where, result[rows])

    in_strips(light, matte.shape)
    return result


def _filled(cut_out: UInt8Array, alpha: FloatArray) -> UInt8Array:
    """A cut-out with its mean colour where it is not seen: what a file hides there says nothing about light."""
    hidden = alpha <= 0
    if not hidden.any() or hidden.all():
        return cut_out
    filled = cut_out.copy()
    filled[hidden] = np.round(cut_out[~hidden].mean(0, dtype=np.float64))
    return filled


def _mixed(cover: FloatArray) -> npt.NDArray[np.bool_]:
    return np.asarray((cover > 0) & (cover < 1))


@dataclass(frozen=True)
class _Side:
    """One region's gain, ready to be read row by row at full size."""

    factor: tuple[Image.Image, ...]
    offset: tuple[Image.Image, ...]
    outside: bool

    def at(self, rows: slice, shape: tuple[int, int]) -> Gain:
        """The gain of some rows of a picture of ``shape``, channels first, bilinear between its own pixels."""
        offset = _enlarged(self.offset, rows, shape) if self.offset else None
        return Gain(_enlarged(self.factor, rows, shape), offset)


class _Part(NamedTuple):
    """A gain at full size, channels first; how much of each pixel it is for; that region's own light in mixed pixels.

    ``own`` is ``[3, n]``, the mixed pixels in their order; None where there are none.
    """

    gain: Gain
    cover: FloatArray
    own: FloatArray | None = None


def _gains(original: UInt8Array, relit: UInt8Array, matte: FloatArray, options: TransferOptions) -> list[_Side]:
    """The gains that have an effect."""
    wanted = [(options.strength, False), (options.background_strength, True)]
    wanted = [(strength, outside) for strength, outside in wanted if strength > 0]
    if not wanted:
        return []
    size = _small_size(original.shape, relit.shape)
    cover = np.clip(resampled(np.ascontiguousarray(matte, np.float32), size), 0, 1)
    regions = [(strength, outside, 1 - cover if outside else cover) for strength, outside in wanted]
    regions = [region for region in regions if float(region[2].max()) > _FAINTEST]
    if not regions:
        return []
    before, after = _small_light(original, size), _small_light(relit, size)
    found = [(gain(Twins(before, after, part), options, strength), outside) for strength, outside, part in regions]
    return [_Side(_images(each.factor), _images(each.offset), outside) for each, outside in found]


def _small_size(original: tuple[int, ...], relit: tuple[int, ...]) -> tuple[int, int]:
    """Height and width at which gains are found: the relit picture's, but none above the original's or the limit."""
    high, wide = min(original[0], relit[0]), min(original[1], relit[1])
    scale = min(1.0, (SMALL_PIXELS / (high * wide)) ** 0.5)
    return max(1, round(high * scale)), max(1, round(wide * scale))


def _small_light(picture: UInt8Array, size: tuple[int, int]) -> FloatArray:
    """Linear light of a picture at a smaller size: the mean of what each pixel covers, so detail keeps its energy."""
    high, wide = picture.shape[:2]
    result = np.empty((*size, 3), np.float32)
    scale = high / size[0]

    def shrink(rows: slice) -> None:
        top, bottom = rows.start * scale, min(rows.stop * scale, high)
        first, last = int(top), min(int(np.ceil(bottom)), high)
        light = to_linear(picture[first:last])
        box = (0.0, top - first, float(wide), min(bottom - first, last - first))
        for channel in range(3):
            plane = Image.fromarray(np.ascontiguousarray(light[..., channel]))
            small = plane.resize((size[1], rows.stop - rows.start), Image.Resampling.BOX, box)
            result[rows, :, channel] = np.asarray(small)

    in_strips(shrink, size, scale * wide / size[1])
    return result


def _images(planes: FloatArray | None) -> tuple[Image.Image, ...]:
    if planes is None:
        return ()
    return tuple(Image.fromarray(np.ascontiguousarray(planes[..., index])) for index in range(planes.shape[2]))


def _enlarged(planes: tuple[Image.Image, ...], rows: slice, shape: tuple[int, int]) -> FloatArray:
    scale = planes[0].height / shape[0]
    box = (0.0, rows.start * scale, float(planes[0].width), min(rows.stop * scale, float(planes[0].height)))
    size = shape[1], rows.stop - rows.start
    return np.stack([np.asarray(plane.resize(size, Image.Resampling.BILINEAR, box)) for plane in planes])


def _in_channels(original: UInt8Array, parts: list[_Part], where: npt.NDArray[np.bool_], result: UInt8Array) -> None:
    """Linear light of each channel times its own gain, and what is added; highlights bend before they clip."""
    for channel in range(3):
        before = to_linear(np.ascontiguousarray(original[..., channel]))
        change = np.zeros_like(before)
        for part in parts:
            light = before
            if part.own is not None:
                light = before.copy()
                light[where] = part.own[channel]
            own = light * (part.gain.factor[channel] - 1)
            if part.gain.offset is not None:
                own += part.gain.offset[channel]
            change += part.cover * own
        _bend(change, 1 - before)
        result[..., channel] = to_srgb(before + change)


def _in_values(original: UInt8Array, parts: list[_Part], where: npt.NDArray[np.bool_], result: UInt8Array) -> None:
    """Encoded values of all channels times one factor, which keeps hue and saturation; none reaches white by it."""
    more = np.zeros(where.shape, np.float32)
    for part in parts:
        more += part.cover * (part.gain.factor[0] - 1)
    if where.any():
        more[where] = _mixed_factor(original[where], parts, where) - 1
    _bend(more, _room()[original.max(axis=2)])
    result[...] = original * (more + 1)[..., None] + np.float32(0.5)


def _mixed_factor(pixels: UInt8Array, parts: list[_Part], where: npt.NDArray[np.bool_]) -> FloatArray:
    """The factor of mixed pixels' encoded values: that of their light, of which each region changes its own share."""
    whole = luminance(to_linear(pixels)) + np.float32(1e-6)
    ratio = np.ones_like(whole)
    for part in parts:
        if part.own is not None:
            share = part.cover[where] * luminance(part.own.T) / whole
            ratio += share * (part.gain.factor[0][where] ** np.float32(GAMMA) - 1)
    return np.asarray(np.maximum(ratio, 0) ** np.float32(1 / GAMMA), np.float32)


def _bend(change: FloatArray, room: FloatArray) -> None:
    """Limit a change to the room there is, in place: as it is up to ``KNEE`` of it, then ever closer to all of it."""
    crowded = change > np.float32(KNEE) * room
    space = room[crowded]
    left = np.maximum(space * np.float32(1 - KNEE), np.float32(1e-6))
    change[crowded] = space - left * np.exp((np.float32(KNEE) * space - change[crowded]) / left)


def _room() -> FloatArray:
    """By how much a pixel's factor may exceed 1, for each value of its highest channel; white stays white."""
    values = np.arange(256, dtype=np.float32)
    return np.asarray(np.maximum(_BRIGHTEST - values, 0) / np.maximum(values, 1), np.float32)
