"""How far a result is from its original, in numbers: colour, detail, place and light of the subject."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from iclight_local.imaging.exposure import subject_luminance
from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.imaging.linear import luminance, to_linear

Mask = npt.NDArray[np.bool_]

COLOUR_PIXELS = 100_000
"""Colours are compared on pictures averaged down to so many pixels, about."""
DETAIL_PIXELS = 2_000_000
"""Detail is compared on so many of the original's pixels at most, from the middle of the subject."""
SHIFT_SIDE = 512
"""Pixels of the longer side at which the shift is measured; it is found to a twentieth of such a pixel."""
DETAIL_RANGE = 2.0
"""The data range of the structural similarity: contrasts of fine structure below 6 % count for less."""
COARSE = 4.0
"""Standard deviation in pixels of the blur that is taken away to leave the detail."""
DARK = np.float32(0.05)
"""Added to luminance before its logarithm, so that the noise of blacks is no detail."""
_WINDOW = 7
_FAINT = np.float32(0.03)
"""Gradient, in logarithms per pixel, below which an edge counts for less."""


@dataclass(frozen=True)
class Measures:
    """A result against its original, within the matte; None where there is too little to measure."""

    delta_e: float | None
    """Median CIEDE2000 difference, 0 upwards; about 1 is just visible."""
    delta_e_mean: float | None
    """Mean CIEDE2000 difference."""
    detail: float | None
    """Likeness of the fine structure whatever the light on it, 0..1; 1 is the same (see :func:`measure`)."""
    shift: tuple[float, float] | None
    """How far the result lies to the right of the original and below it, in pixels of the original."""
    luminance_before: float | None
    """Mean luminance of the original's subject, linear, 0..1."""
    luminance_after: float | None
    """Mean luminance of the result's subject, linear, 0..1."""
    hue_change: float | None
    """Median change of the HSV hue in degrees, 0..180, over pixels with S > 0.1 and V > 0.1 in the original."""
    saturation_change: float | None
    """Median change of the HSV saturation, 0..1, over the same pixels."""
    clipped_new: float | None
    """Share of the subject, 0..1, where a channel is 255 in the result and none is in the original."""

    def as_record(self) -> dict[str, float | list[float] | None]:
        """Every measure by name, rounded to four decimals, as JSON takes it."""
        return {field.name: _rounded(getattr(self, field.name)) for field in fields(self)}


def measure(original: UInt8Array, result: UInt8Array, matte: FloatArray) -> Measures:
    """Compare a result with its original.

    * Colour: CIEDE2000 (Sharma, Wu, Dalal, "The CIEDE2000 Color-Difference Formula", 2005) between averaged pixels.
    * Detail: mean over the matte of the structural similarity (Wang et al., "Image Quality Assessment", 2004; window
      of 7 pixels) of the logarithms of luminance less their blur. Light multiplies, so in logarithms
      without the coarse part other light alone changes little; lost or invented structure lowers it.
    * Shift: the peak of the cross-correlation, by Fourier transforms and then upsampled around it (Guizar-Sicairos et
      al., "Efficient subpixel image registration algorithms", 2008), of the gradients of those logarithms with doubled
      angles. Whitened (phase) correlation found the shift of relit renders less often.

    Args:
        original: uint8 sRGB, H x W x 3.
        result: uint8 sRGB, H x W x 3, in the same frame.
        matte: float32 in 0..1, H x W; the subject's pixels are those above 0.5.
    """
    if not (matte > 0.5).any():
        return Measures(**{field.name: None for field in fields(Measures)})
    # Numpy lets other threads run.
    with ThreadPoolExecutor(2) as pool:
        detail = pool.submit(_detail, original, result, matte)
        shift = pool.submit(_shift, original, result, matte)
        delta_e, delta_e_mean, hue, saturation = _colours(original, result, matte)
    return Measures(
        delta_e=delta_e,
        delta_e_mean=delta_e_mean,
        detail=detail.result(),
        shift=shift.result(),
        luminance_before=subject_luminance(original, matte),
        luminance_after=subject_luminance(result, matte),
        hue_change=hue,
        saturation_change=saturation,
        clipped_new=_clipped(original, result, matte),
    )


def colour_difference(original: UInt8Array, result: UInt8Array, matte: FloatArray) -> float | None:
    """``delta_e`` of :func:`measure` alone, for a part of the cost."""
    return _colours(original, result, matte)[0] if (matte > 0.5).any() else None


def _colours(
    original: UInt8Array, result: UInt8Array, matte: FloatArray
) -> tuple[float | None, float | None, float | None, float | None]:
    """Median and mean CIEDE2000, median changes of hue and saturation."""
    from skimage.color import deltaE_ciede2000, rgb2hsv, rgb2lab

    scale = max(1, round(float(np.sqrt(matte.size / COLOUR_PIXELS))))
    inside = np.asarray(Image.fromarray(matte).reduce(scale)) > 0.5
    if not inside.any():
        return None, None, None, None
    before, after = (_averaged(picture, scale)[inside] for picture in (original, result))
    difference = deltaE_ciede2000(rgb2lab(before), rgb2lab(after))
    coloured_before, coloured_after = rgb2hsv(before), rgb2hsv(after)
    coloured = (coloured_before[:, 1] > 0.1) & (coloured_before[:, 2] > 0.1)
    median, mean = float(np.median(difference)), float(difference.mean())
    if not coloured.any():
        return median, mean, None, None
    change = np.abs(coloured_after - coloured_before)[coloured]
    hue = np.minimum(change[:, 0], 1 - change[:, 0]) * 360
    return median, mean, float(np.median(hue)), float(np.median(change[:, 1]))


def _averaged(picture: UInt8Array, scale: int) -> FloatArray:
    """Encoded colours in 0..1, averaged over squares of ``scale`` pixels."""
    return np.asarray(Image.fromarray(picture).reduce(scale), np.float32) / np.float32(255)


def _detail(original: UInt8Array, result: UInt8Array, matte: FloatArray) -> float | None:
    from skimage.filters import gaussian
    from skimage.metrics import structural_similarity

    window = _middle(matte, DETAIL_PIXELS)
    weight = matte[window]
    if min(weight.shape) < _WINDOW or weight.sum() <= 0:
        return None
    tones = [_tone(picture[window]) for picture in (original, result)]
    fine = [tone - gaussian(tone, COARSE, truncate=2.5) for tone in tones]
    _, likeness = structural_similarity(*fine, win_size=_WINDOW, data_range=DETAIL_RANGE, full=True)
    return float(np.clip((likeness * weight).sum(dtype=np.float64) / weight.sum(dtype=np.float64), 0, 1))


def _shift(original: UInt8Array, result: UInt8Array, matte: FloatArray) -> tuple[float, float] | None:
    from skimage.registration import phase_cross_correlation

    rows, columns = _middle(matte, matte.size)
    high, wide = rows.stop - rows.start, columns.stop - columns.start
    scale = max(1.0, max(high, wide) / SHIFT_SIDE)
    size = max(1, round(wide / scale)), max(1, round(high / scale))
    if min(size) < _WINDOW:
        return None
    box = (columns.start, rows.start, columns.stop, rows.stop)
    cover = Image.fromarray((matte * 255).astype(np.uint8)).resize(size, Image.Resampling.BOX, box=box)
    # A window without edges of its own: the matte's outline stands still in both pictures.
    weight = np.asarray(cover.filter(ImageFilter.GaussianBlur(max(size) / 16)), np.float32)
    small = (np.asarray(Image.fromarray(p).resize(size, Image.Resampling.BOX, box=box)) for p in (original, result))
    edges = [_edges(picture, weight) for picture in small]
    if min(float(np.abs(plane).max()) for plane in edges) <= 0:
        return None
    moved, _, _ = phase_cross_correlation(*edges, upsample_factor=20, normalization=None)
    # Plus zero, which turns -0.0 into 0.0.
    return float(-moved[1]) * wide / size[0] + 0.0, float(-moved[0]) * high / size[1] + 0.0


def _edges(picture: UInt8Array, weight: FloatArray) -> npt.NDArray[np.complex64]:
    """Gradients as complex numbers of twice their angle: other light may invert an edge, but does not turn it."""
    from skimage.filters import gaussian

    down, across = np.gradient(gaussian(_tone(picture), 1.0))
    slope = across + np.complex64(1j) * down
    doubled = slope**2 / np.sqrt(np.abs(slope) ** 2 + _FAINT**2)
    return np.asarray((doubled - (doubled * weight).sum() / weight.sum()) * weight, np.complex64)


def _tone(picture: UInt8Array) -> FloatArray:
    return np.asarray(np.log(luminance(to_linear(picture)) + DARK))


def _middle(matte: FloatArray, pixels: int) -> tuple[slice, slice]:
    """Rows and columns around the middle of the subject's bounding box, at most so many pixels."""
    inside = matte > 0.5
    spans = [np.flatnonzero(inside.any(axis)) for axis in (1, 0)]
    sides = [int(span[-1] - span[0]) + 1 for span in spans]
    shrink = min(1.0, float(np.sqrt(pixels / (sides[0] * sides[1]))))
    window = []
    for span, side in zip(spans, sides, strict=True):
        kept = max(1, int(side * shrink))
        start = int(span[0]) + (side - kept) // 2
        window.append(slice(start, start + kept))
    return window[0], window[1]


def _clipped(original: UInt8Array, result: UInt8Array, matte: FloatArray) -> float:
    inside = matte > 0.5
    new = inside & _is_clipped(result) & ~_is_clipped(original)
    return float(new.sum()) / float(inside.sum())


def _is_clipped(picture: UInt8Array) -> Mask:
    # Three times as fast as max(axis=2) over an axis of three.
    return np.asarray((picture[..., 0] == 255) | (picture[..., 1] == 255) | (picture[..., 2] == 255))


def _rounded(value: float | tuple[float, float] | None) -> float | list[float] | None:
    if value is None:
        return None
    return [round(part, 4) for part in value] if isinstance(value, tuple) else round(float(value), 4)
