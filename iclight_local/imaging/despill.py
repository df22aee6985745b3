"""The coloured light that a backdrop throws on a subject, taken out of the subject again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.imaging.linear import LUMINANCE, to_linear, to_srgb
from iclight_local.imaging.smooth import Region, tent_mean

SATURATED = 0.5
"""Saturation, (largest - smallest) / largest of linear red, green and blue, from which a backdrop colours its light."""
ALIKE = 0.9
"""Cosine of the angle within which hues count as one."""
UNIFORM = 0.5
"""Share of the background that has to be of the backdrop's hue."""
REACH = 0.33
"""How far the edge reaches into the subject, relative to the square root of its area, and how far its inside is asked
for its colour."""
INSIDE = 0.75
"""Share of faint spill that is taken out deep inside, where little arrives."""
FAINT, OWN = 0.15, 0.4
"""Shares of a pixel's luminance that backdrop light would make: up to the first it is spill, from the second on the
subject's own colour. They count away from the edge."""
GREYISH = 0.1
"""Chroma, relative to luminance, up to which the subject's inside has no colour that a pixel could share."""
_LARGER = np.float32(3**-0.5)
_LITTLE = np.float32(1e-6)
_SAMPLES = 1 << 18
_SIDE = 512
_ROWS = 64


@dataclass(frozen=True, eq=False)
class _Screen:
    """A backdrop's light, linear, and the axes that light is measured along.

    Attributes:
        light: red, green and blue.
        axes: columns that give, of light ``[..., 3]``, its chroma along and across the backdrop's, and its luminance.
    """

    light: FloatArray
    axes: FloatArray

    @property
    def chroma(self) -> float:
        """Of the backdrop's own light; all of it is along, nothing across."""
        return float(self.light @ self.axes[:, 0])

    @property
    def luminance(self) -> float:
        """Of the backdrop's own light."""
        return float(self.light @ self.axes[:, 2])


def despilled(front: UInt8Array, picture: UInt8Array, matte: FloatArray) -> UInt8Array:
    """A foreground without the light that a strongly coloured backdrop throws on it.

    Keyers limit green to the larger, or to the mean, of red and blue, which takes a green screen's light out of what
    is grey. The same for any hue, and with what is around a pixel taken into account, is this project's own formula. In
    linear light, u is the unit vector of the backdrop's chroma ``B - mean(B)``, v the one across it and across grey. Of
    a pixel p, ``<p, u>`` is the chroma along the backdrop's: more than 0 is what green has above the mean of the other
    two, and more than ``|<p, v>| / sqrt(3)`` what it has above the larger. The excess over a limit, in units of the
    backdrop's, ``s = (<p, u> - limit) / <B, u>``, is spill, of which the share k is taken out: ``p - k * s * B``.
    All of that light goes, and not its chroma alone: it was added to the subject's own. Of a grey sphere under a green
    screen 1.7 of 10 units of colour difference (CIE 1976) are left so, and 4.6 where the luminance stays.

    The limit follows the subject's inside nearby (see :func:`_own`), whose chroma relative to its luminance is a along
    and b across. Where a is above 0, it is ``a * Y(p)``: a green shirt stays green. Where it is below, as skin's is
    under a green screen, it is ``a * Y(p)`` times ``m = <p, v> / Y(p) * b / (b**2 + GREYISH**2)``, clipped to 0..1:
    backdrop light has no chroma across, so that this tells how much of the inside's colour a pixel has; of one that is
    grey the limit is grey, and grey hair round a face does not become pink. Deep inside the limit is at least the
    larger of the others: there a yellow thing is just yellow. At the edge k is 1; deep inside it falls from
    :data:`INSIDE` to 0 between the shares :data:`FAINT` and :data:`OWN`. How much a pixel is at the edge falls evenly
    with its distance, over :data:`REACH`.

    Args:
        front: uint8 sRGB, H x W x 3, not multiplied by the matte, and decontaminated.
        picture: uint8 sRGB, H x W x 3, as it was taken, with its backdrop.
        matte: float32 in 0..1, H x W; 1 is subject.

    Returns:
        uint8 sRGB, H x W x 3; ``front`` itself where there is no backdrop, or one that is not strongly coloured, or not
        of one hue.
    """
    screen = _screen(picture, matte)
    if screen is None:
        return front
    scale = -(-max(matte.shape) // _SIDE)
    small = np.asarray(Image.fromarray(np.asarray(matte, np.float32)).reduce(scale))
    near = _nearness(small)
    light = to_linear(np.asarray(Image.fromarray(front).reduce(scale)))
    around = (near, *_own(screen, light, small * (1 - near)))
    result = front.copy()
    for top in range(0, len(matte), _ROWS):
        rows = slice(top, min(top + _ROWS, len(matte)))
        seen = np.flatnonzero(matte[rows] > 0)
        if seen.size:
            planes = [_enlarged(plane, rows, matte.shape[1], scale).ravel()[seen] for plane in around]
            flat = result[rows].reshape(-1, 3)
            flat[seen] = _limited(screen, flat[seen], *planes)
    return result


def _screen(picture: UInt8Array, matte: FloatArray) -> _Screen | None:
    """The backdrop: the median of what is wholly background, which is the same in bytes as in linear light."""
    step = max(1, round((matte.size / _SAMPLES) ** 0.5))
    behind = picture[::step, ::step][matte[::step, ::step] <= 0]
    if not len(behind):
        return None
    light = to_linear(np.median(behind, 0).round().astype(np.uint8))
    if not light.any() or float(np.ptp(light)) < SATURATED * float(light.max()):
        return None
    along = light - light.mean()
    along /= np.linalg.norm(along)
    across = np.cross(np.full(3, _LARGER), along)
    chroma = to_linear(behind)
    chroma -= chroma.mean(1, keepdims=True)
    alike = chroma @ along >= ALIKE * np.linalg.norm(chroma, axis=1)
    # What has no chroma at all is of no hue.
    if (alike & chroma.any(1)).mean() < UNIFORM:
        return None
    return _Screen(light, np.stack([along, across, LUMINANCE], 1).astype(np.float32))


def _nearness(matte: FloatArray) -> FloatArray:
    """How much each pixel is at the edge, 0..1: 1 on it, 0 beyond :data:`REACH`; a picture's border is no edge."""
    reach = max(2, round(REACH * float(matte.sum()) ** 0.5))
    return np.asarray((2 * tent_mean(1 - matte, reach)).clip(0, 1), np.float32)


def _own(screen: _Screen, light: FloatArray, inner: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The subject's own chroma nearby, along the backdrop's and across it, relative to its luminance; each h x w.

    It is the mean of the inside, without its own faint spill: what it has above the larger of the others, as far as
    that would be a small share of its luminance. Of a subject without an inside it is 0.

    Args:
        screen: the backdrop.
        light: the foreground, linear, h x w x 3.
        inner: how much each pixel is inside of the subject, away from its edge, h x w.
    """
    if inner.max() < 1 / 255:
        return np.zeros_like(inner), np.zeros_like(inner)
    region = Region(inner)
    reach = max(2, round(REACH * float(inner.sum()) ** 0.5))
    parts = light @ screen.axes
    along, across, bright = (region.nearby(np.ascontiguousarray(parts[..., index]), reach) for index in range(3))
    bright = np.maximum(bright, _LITTLE)
    excess = np.maximum(along - _LARGER * np.abs(across), 0)
    own = along - excess * (1 - _ownness(screen, excess, bright))
    return np.asarray(own / bright), np.asarray(across / bright)


def _ownness(screen: _Screen, excess: FloatArray, bright: FloatArray) -> FloatArray:
    """0..1: whether an excess of chroma is the subject's own, by the luminance it would be as backdrop light."""
    share = excess * np.float32(screen.luminance / screen.chroma) / bright
    step = ((share - np.float32(FAINT)) / np.float32(OWN - FAINT)).clip(0, 1)
    return np.asarray(step * step * (3 - 2 * step))


def _limited(
    screen: _Screen, pixels: UInt8Array, near: FloatArray, own_along: FloatArray, own_across: FloatArray
) -> UInt8Array:
    """Pixels ``[n, 3]`` without their spill; what is told of each of them is ``[n]``."""
    # Planes, which lie together in memory: three times as fast.
    light = to_linear(np.ascontiguousarray(pixels.T))
    along, across, bright = screen.axes.T @ light
    match = across * own_across / ((own_across * own_across + np.float32(GREYISH**2)) * (bright + _LITTLE))
    limit = own_along * bright
    limit *= np.where(own_along < 0, match.clip(0, 1), 1)
    # By the cube, a limit from inside comes in late: up to there the edge's own holds.
    limit += (1 - near) ** 3 * np.maximum(_LARGER * np.abs(across) - limit, 0)
    excess = along - limit
    spilled = np.flatnonzero(excess > 0)
    excess, near, bright = excess[spilled], near[spilled], bright[spilled] + _LITTLE
    excess *= near + (1 - near) * np.float32(INSIDE) * (1 - _ownness(screen, excess, bright))
    taken = screen.light / np.float32(screen.chroma)
    result = pixels.copy()
    for channel, plane in enumerate(light):
        result[spilled, channel] = to_srgb(plane[spilled] - excess * taken[channel])
    return result


def _enlarged(plane: FloatArray, rows: slice, width: int, scale: int) -> FloatArray:
    """Rows of a plane that was reduced by ``scale``, at full size, bilinear."""
    box = (0, rows.start / scale, width / scale, rows.stop / scale)
    size = (width, rows.stop - rows.start)
    return np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BILINEAR, box=box))
