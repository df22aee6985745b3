"""The subject's own colours at soft edges, without the background that was behind it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
from PIL import Image

from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.imaging.linear import to_linear, to_srgb
from iclight_local.imaging.smooth import box_mean
from iclight_local.imaging.strips import in_strips

RADII = (0.09, 0.045, 0.022, 0.011, 0.006, 0.003)
"""Radii of the passes, relative to the longer side: from the first to beyond the second of the paper's."""
DAMPING = np.float32(0.02)
"""How little an estimate trusts a pixel against its neighbourhood; 0 would let noise through."""
INDISTINCT = 0.05
"""Contrast, relative to the energy of both layers, at which a pixel's colours and the matte count alike."""
PURE_RADIUS = 0.02
"""Within which a mixed pixel's colours are compared with pure ones, relative to the longer side."""
PURER = 12
"""Power of the matte that makes out pure pixels."""
ENOUGH = np.float32(0.1)
"""Share of pure pixels nearby, of either layer, from which their mean colour is trusted wholly."""
_FEW = np.float32(1e-5)
"""Weight of a layer where its matte is 0: the wider neighbourhood's colour is kept where there is no nearer one."""
_SIDE = 1024
_ROWS = 256


class Layers:
    """The two lights that a picture's mixed pixels are mixed of: the foreground's and the background's.

    Blur fusion (Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021, arXiv 2006.14970) in linear light:
    with the means F of the foreground and B of the background nearby, weighted with the matte a and with 1 - a, a
    pixel of colour I lacks ``d = I - a * F - (1 - a) * B``, of which the foreground gets its share. Three things differ
    from the paper. The share is the least-squares one, ``F + a * d / (a**2 + (1 - a)**2 + DAMPING)``, and the
    background gets its own, so that the two add up to the pixel; there are six neighbourhoods, each half as wide as
    the one before, instead of two; and the means weigh with the cubes of a and 1 - a, which keeps to the purer pixels.

    The passes work on at most 1024 pixels of the longer side, and the shares are taken at full resolution.
    """

    def __init__(self, picture: UInt8Array, matte: FloatArray) -> None:
        """Look at the neighbourhoods.

        Args:
            picture: uint8 sRGB, H x W x 3.
            matte: float32 in 0..1, H x W; 1 is foreground.
        """
        self._picture, self._matte = picture, matte
        self._scale = -(-max(matte.shape) // _SIDE)
        light, share = _reduced(picture, matte, self._scale)
        self._near = _neighbourhoods(light, share)

    def fill(self, rows: slice, front: UInt8Array | None, back: UInt8Array | None) -> None:
        """Write both layers' own colours into some rows of two pictures (uint8 sRGB, H x W x 3), or of one.

        A pixel that is of one layer alone is left as it is there; in the other one it gets the colour of that layer
        nearby.
        """
        share = self._matte[rows]
        soft = (share > 0) & (share < 1)
        near = self._near_in(rows, self._near)
        light = np.ascontiguousarray(to_linear(self._picture[rows][soft]).T)
        parts = _fused(light, share[soft], near[:3][:, soft], near[3:][:, soft])
        for picture, part, layer, hidden in zip(
            (front, back), parts, (near[:3], near[3:]), (share <= 0, share >= 1), strict=True
        ):
            if picture is not None:
                picture[rows][soft] = to_srgb(part.T)
                picture[rows][hidden] = to_srgb(layer[:, hidden].T)

    def _near_in(self, rows: slice, layers: FloatArray) -> FloatArray:
        """Layers of the neighbourhood ``[C, rows, W]`` at the picture's own size."""
        width, scale = self._matte.shape[1], self._scale
        box = (0, rows.start / scale, width / scale, rows.stop / scale)
        return _resized(layers, (width, rows.stop - rows.start), box)


class Mixture(Layers):
    """The same for pixels whose matte is not to be trusted: their own colours say what they are mixed of."""

    def __init__(self, picture: UInt8Array, matte: FloatArray) -> None:
        """Look at the neighbourhoods; as in :class:`Layers`."""
        super().__init__(picture, matte)
        self._pure = _pure(*_reduced(picture, matte, self._scale))

    def unmixed(self, rows: slice, where: npt.NDArray[np.bool_]) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Some pixels' share of foreground, as the matte and their own colours say, and what they are mixed of.

        A matte is often a pixel or two too wide or too narrow. Where foreground and background nearby differ in colour,
        a pixel tells by its own how much it has of each: ``t = <I - B, F - B> / |F - B|**2``, with the mean colours F
        and B of the pure pixels within :data:`PURE_RADIUS`. That counts for as much as
        ``|F - B|**2 / (|F - B|**2 + INDISTINCT * (|F|**2 + |B|**2))``, less where pure pixels are few; the matte counts
        for the rest.

        Args:
            rows: of the picture, with both ends.
            where: which pixels of them, rows x W.

        Returns:
            Share ``[n]``, foreground and background ``[3, n]``, linear, in the order of ``where``'s pixels.
        """
        light, pure = self._around(rows, where, self._pure)
        front, back, told = pure[:3], pure[3:6], self._matte[rows][where]
        apart = front - back
        contrast = np.square(apart).sum(0)
        seen = np.clip(((light - back) * apart).sum(0) / (contrast + np.float32(1e-9)), 0, 1)
        faint = np.float32(INDISTINCT) * (np.square(front).sum(0) + np.square(back).sum(0))
        share = told + pure[6] * contrast / (contrast + faint + np.float32(1e-9)) * (seen - told)
        near = self._around(rows, where, self._near)[1]
        front, back = _fused(light, share, near[:3], near[3:])
        # Neither part can be brighter than the pixel: else a darker light would leave less than nothing of it.
        few = np.float32(1e-6)
        return np.asarray(share), np.minimum(front, light / (share + few)), np.minimum(back, light / (1 - share + few))

    def _around(self, rows: slice, where: npt.NDArray[np.bool_], layers: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Light ``[3, n]`` of some pixels, and ``[6, n]`` of the layers of their neighbourhood."""
        near = self._near_in(rows, layers)[:, where]
        return np.ascontiguousarray(to_linear(self._picture[rows][where]).T), near


def decontaminated(picture: UInt8Array, matte: FloatArray) -> UInt8Array:
    """The foreground's colours, see :class:`Layers`: at soft edges without the share of the old background.

    Args:
        picture: uint8 sRGB, H x W x 3.
        matte: float32 in 0..1, H x W; 1 is foreground.

    Returns:
        uint8 sRGB, H x W x 3: the picture's bytes where the matte is 1; where it is 0 the colour of the foreground
        nearby, which changes slowly.
    """
    layers, result = Layers(picture, matte), picture.copy()

    def work(rows: slice) -> None:
        if matte[rows].min() < 1:
            layers.fill(rows, result, None)

    in_strips(work, matte.shape)
    return result


def separated(picture: UInt8Array, matte: FloatArray) -> tuple[UInt8Array, UInt8Array]:
    """Foreground and background of a picture, each as :func:`decontaminated` gives the foreground.

    Args:
        picture: uint8 sRGB, H x W x 3.
        matte: float32 in 0..1, H x W; 1 is foreground.
    """
    layers, front, back = Layers(picture, matte), picture.copy(), picture.copy()
    in_strips(lambda rows: layers.fill(rows, front, back), matte.shape)
    return front, back


def _fused(light: FloatArray, matte: FloatArray, front: FloatArray, back: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Foreground and background ``[3, ...]`` of a pixel's light, given those of its neighbourhood."""
    rest = 1 - matte
    lack = light - matte * front - rest * back
    lack /= matte**2 + rest**2 + DAMPING
    return np.clip(front + matte * lack, 0, 1), np.clip(back + rest * lack, 0, 1)


def _neighbourhoods(light: FloatArray, matte: FloatArray) -> FloatArray:
    """The last neighbourhood's foreground and background, ``[6, H, W]``, of light ``[3, H, W]``."""
    rest = 1 - matte
    front = np.where(matte > 0, light, _mean(light, matte))
    back = np.where(rest > 0, light, _mean(light, rest))
    for radius in RADII:
        reach = radius * max(matte.shape)
        with ThreadPoolExecutor(1) as beside:
            behind = beside.submit(_blurred, back, rest, reach)
            near = _blurred(front, matte, reach), behind.result()
        front, back = _fused(light, matte, *near)
    return np.concatenate(near)


def _pure(light: FloatArray, matte: FloatArray) -> FloatArray:
    """Mean colours of the pure pixels of foreground and background nearby, and whether there are enough, [7, H, W]."""
    reach = max(1, round(PURE_RADIUS * max(matte.shape)))
    means, amounts = [], []
    for share in (matte, 1 - matte):
        weight = share**PURER
        amount = box_mean(box_mean(weight, reach), reach)
        sums = [box_mean(box_mean(plane * weight, reach), reach) for plane in light]
        means += [plane / (amount + _FEW) for plane in sums]
        amounts.append(np.clip(amount / ENOUGH, 0, 1))
    return np.stack([*means, amounts[0] * amounts[1]]).astype(np.float32)


def _mean(light: FloatArray, weight: FloatArray) -> FloatArray:
    """Mean colour of a layer, ``[3, 1, 1]``."""
    weight = weight * weight * weight + _FEW
    return np.asarray((light * weight).sum((1, 2), keepdims=True) / weight.sum())


def _blurred(planes: FloatArray, weight: FloatArray, radius: float) -> FloatArray:
    """Weighted means: down to a grid of that pitch and up again, with tents, is about a box of that radius.

    They weigh with the cube of ``weight``.
    """
    height, width = weight.shape
    weight = weight * weight * weight + _FEW
    grid = max(1, round(width / max(radius, 1))), max(1, round(height / max(radius, 1)))
    summed = np.concatenate([planes * weight, weight[None]])
    summed = _resized(_resized(summed, grid, (0, 0, width, height)), (width, height), (0, 0, *grid))
    return np.asarray(summed[:-1] / summed[-1])


def _resized(planes: FloatArray, size: tuple[int, int], box: tuple[float, float, float, float]) -> FloatArray:
    """A box of planes ``[C, H, W]`` at a width and height, bilinear."""
    images = [Image.fromarray(plane).resize(size, Image.Resampling.BILINEAR, box=box) for plane in planes]
    return np.stack([np.asarray(image) for image in images])


def _reduced(picture: UInt8Array, matte: FloatArray, scale: int) -> tuple[FloatArray, FloatArray]:
    """Light ``[3, H, W]`` and matte, averaged over squares of ``scale`` pixels."""
    parts = []
    rows = scale * max(1, _ROWS // scale)
    for top in range(0, len(matte), rows):
        planes = [*_planes(to_linear(picture[top : top + rows])), matte[top : top + rows]]
        parts.append(np.stack([np.asarray(Image.fromarray(plane).reduce(scale)) for plane in planes]))
    reduced = np.concatenate(parts, 1)
    return reduced[:3], reduced[3]


def _planes(light: FloatArray) -> FloatArray:
    return np.ascontiguousarray(np.moveaxis(light, -1, 0))
