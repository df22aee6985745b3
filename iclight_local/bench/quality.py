"""How good a result is, by a protocol that asks nothing of the contestant.

A result may be of any size, and a middle crop of the picture. So the picture is cropped about its middle to the
result's shape, brought to at most :data:`LONGEST` pixels along its longer side (never enlarged), and the result is
scaled to that: everybody is compared at the picture's own scale, and what a smaller result has lost counts as lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image

from iclight_local.bench.cases import Case
from iclight_local.imaging.files import decode, decode_matte
from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.imaging.gradient import angle_between, light_gradient
from iclight_local.imaging.linear import to_linear, to_srgb
from iclight_local.imaging.matte import composite_on_grey, split_alpha
from iclight_local.imaging.measure import colour_difference, measure
from iclight_local.light import parse_lights
from iclight_local.request import RelightRequest
from iclight_local.segmenters.choice import choose_segmenter
from iclight_local.segmenters.rembg_session import open_segmenter

LONGEST = 1024
"""Pixels of the longer side at which pictures are compared, at most."""
SAME_SHAPE = 0.01
"""Relative difference of two aspect ratios that is rounding, so that the whole picture is meant."""
INSIDE = 0.9
"""Where the matte is above this, a pixel is the subject's alone."""
AGREES = 45.0
"""Degrees below which a light comes from the side that was asked for: it is the nearest of the four."""
EXPOSURES = tuple(2.0 ** (step / 12) for step in range(-36, 37))
"""Gains in linear light that are tried for the best exposure: three stops down and up, by twelfths."""
EXPOSED_PIXELS = 20_000
"""Pixels that it is chosen by, about."""
NO_SIDE = 0.2
"""Lights whose share in the picture's plane is below this come from no side."""


@dataclass(frozen=True)
class Framed:
    """What is known of a picture, in the frame of a result: H x W (x 3), mattes in 0..1, the paint linear."""

    picture: UInt8Array
    matte: FloatArray
    truth: UInt8Array | None
    albedo: FloatArray | None


class Judge:
    """What is known of a picture, and figures of its results."""

    def __init__(self, case: Case, segmenter: str | None, *, allow_noncommercial: bool = False) -> None:
        self._case, self._segmenter, self._allowed = case, segmenter, allow_noncommercial
        self.picture = decode(case.picture, offline=True)

    @cached_property
    def matte(self) -> tuple[FloatArray, str]:
        """The matte that is measured with, H x W, and where it comes from: ``given``, ``alpha`` or a segmenter.

        Raises:
            NoSubject: the segmenter found none.
        """
        if self._case.true_matte is not None:
            return decode_matte(self._case.true_matte, offline=True).values, "given"
        if self.picture.alpha is not None:
            return self.picture.alpha.astype(np.float32) / np.float32(255), "alpha"
        segmenter = open_segmenter(choose_segmenter(self._segmenter).name, allow_noncommercial=self._allowed)
        return segmenter.segment(self.picture.rgb), segmenter.name

    @property
    def shown(self) -> Image.Image:
        """The picture as it is compared, for the report."""
        return Image.fromarray(self._framed(self.picture.size).picture)

    @property
    def true_render(self) -> Image.Image | None:
        """The true render as it is compared, for the report."""
        truth = self._framed(self.picture.size).truth
        return None if truth is None else Image.fromarray(truth)

    def figures(self, result: Image.Image, request: RelightRequest) -> dict[str, Any]:
        """The figures of a result; None where one cannot be told.

        Returns:
            ``delta_e_inside`` and ``delta_e_outside`` (median CIEDE2000 to the picture within the matte and without),
            ``detail`` (0..1, see :mod:`iclight_local.imaging.measure`), ``shift`` (to the right and down) and
            ``misalignment`` (its length) in percent of the longer side, ``light`` (slope of the light to the right and
            up) and ``light_error`` (degrees to the side that was asked for), and against the true render over the
            subject: ``truth_rmse`` (0..255), ``truth_rmse_exposed`` (the same with the best gain in linear light) and
            ``truth_delta_e``.
        """
        pixels, alpha = split_alpha(result)
        seen = pixels if alpha is None else composite_on_grey(pixels, alpha)
        framed = self._framed(result.size)
        seen = _resized(seen, framed.picture.shape)
        inside = measure(framed.picture, seen, framed.matte).as_record()
        around = colour_difference(framed.picture, seen, 1 - framed.matte) if alpha is None else None
        shift = inside["shift"]
        longer = max(framed.picture.shape) / 100
        shares = None if not isinstance(shift, list) else [round(part / longer, 4) for part in shift]
        return {
            "delta_e_inside": inside["delta_e"],
            "delta_e_outside": None if around is None else round(around, 4),
            "detail": inside["detail"],
            "shift": shares,
            "misalignment": None if shares is None else round(float(np.hypot(*shares)), 4),
            **_light(seen, framed, request),
            **_against_truth(seen, framed),
        }

    def _framed(self, size: tuple[int, int]) -> Framed:
        picture = self.picture
        rgb = picture.rgb
        if picture.alpha is not None:
            rgb = composite_on_grey(rgb, picture.alpha.astype(np.float32) / np.float32(255))
        box = shared_box(picture.size, size)
        truth, albedo = (None if path is None else self._beside(path) for path in (self._case.truth, self._case.albedo))
        matte = np.round(self.matte[0] * np.float32(255)).astype(np.uint8)
        return Framed(
            picture=_cut(rgb, box),
            matte=_cut(matte, box).astype(np.float32) / np.float32(255),
            truth=None if truth is None else _cut(truth, box),
            albedo=None if albedo is None else to_linear(_cut(albedo, box)),
        )

    def _beside(self, path: Any) -> UInt8Array:
        found = decode(path, offline=True).rgb
        return _resized(found, self.picture.rgb.shape)


def shared_box(picture: tuple[int, int], result: tuple[int, int]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what a result shows of a picture: all of it, or its middle in the result's shape.

    Args:
        picture: width and height of the picture.
        result: width and height of the result.
    """
    (width, height), (wide, high) = picture, result
    ratio = wide / high / (width / height)
    if abs(ratio - 1) < SAME_SHAPE:
        return 0, 0, width, height
    across, down = (width, height / ratio) if ratio > 1 else (width * ratio, height)
    left, top = (width - across) / 2, (height - down) / 2
    return left, top, left + across, top + down


def asked_direction(request: RelightRequest) -> tuple[float, float] | None:
    """The side that the light was asked from, to the right and up; None where none was."""
    text = request.light if request.light is not None else request.light_source
    if text in ("none", "ambient"):
        return None
    flow, strength = np.zeros(2), 0.0
    for light in parse_lights(text):
        flow += light.intensity * np.array(light.direction[:2])
        strength += light.intensity
    if strength <= 0 or np.hypot(*flow) / strength < NO_SIDE:
        return None
    return float(flow[0]), float(flow[1])


def _light(seen: UInt8Array, framed: Framed, request: RelightRequest) -> dict[str, Any]:
    towards = asked_direction(request)
    if not (framed.matte > INSIDE).any():
        return {"light": None, "light_error": None}
    try:
        gradient = light_gradient(to_linear(seen), framed.matte, framed.albedo)
    except np.linalg.LinAlgError:
        # A subject of one line of pixels has no slope across it.
        return {"light": None, "light_error": None}
    error = None if towards is None else round(angle_between(gradient, towards), 2)
    return {"light": [round(part, 4) for part in gradient], "light_error": error}


def _against_truth(seen: UInt8Array, framed: Framed) -> dict[str, Any]:
    inside = framed.matte > INSIDE
    if framed.truth is None or not inside.any():
        return {"truth_rmse": None, "truth_rmse_exposed": None, "truth_delta_e": None}
    delta_e = colour_difference(framed.truth, seen, framed.matte)
    return {
        "truth_rmse": _rmse(seen[inside], framed.truth[inside]),
        "truth_rmse_exposed": _rmse_exposed(seen[inside], framed.truth[inside]),
        "truth_delta_e": None if delta_e is None else round(delta_e, 4),
    }


def _rmse_exposed(made: UInt8Array, true: UInt8Array) -> float:
    """The least error of all exposures of what was made; pixels N x 3."""
    some = slice(None, None, max(1, len(made) // EXPOSED_PIXELS))
    light = to_linear(made[some])
    errors = {gain: _rmse(to_srgb(light * np.float32(gain)), true[some]) for gain in EXPOSURES}
    best = min(errors, key=lambda gain: errors[gain])
    return _rmse(to_srgb(to_linear(made) * np.float32(best)), true)


def _rmse(first: UInt8Array, second: UInt8Array) -> float:
    apart = first.astype(np.float64) - second
    return round(float(np.sqrt((apart**2).mean())), 3)


def _cut(pixels: UInt8Array, box: tuple[float, float, float, float]) -> UInt8Array:
    wide, high = box[2] - box[0], box[3] - box[1]
    shrink = min(1.0, LONGEST / max(wide, high))
    size = max(1, round(wide * shrink)), max(1, round(high * shrink))
    if size == (pixels.shape[1], pixels.shape[0]):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS, box=box))


def _resized(pixels: UInt8Array, shape: tuple[int, ...]) -> UInt8Array:
    if pixels.shape[:2] == shape[:2]:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((shape[1], shape[0]), Image.Resampling.LANCZOS))
