"""The colour of a colour temperature: the Planckian locus in linear sRGB."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

Triple = tuple[float, float, float]

NEUTRAL = 6500
"""The colour temperature that counts as white."""
TEMPER = 0.45
"""Exponent on the multipliers of a colour: in full they are physically right and too strong for a picture."""


@cache
def kelvin_colour(kelvin: int) -> Triple:
    """Linear sRGB of a colour temperature, tempered, with luminance 1; 6500 K is white.

    The Planckian locus (Planck's law times the CIE 1931 colour matching functions, in sRGB primaries) channel by
    channel relative to 6500 K, each multiplier to the power ``TEMPER``. What lies outside of sRGB (blue below about
    1900 K) is cut off at 0.
    """
    pairs = zip(planckian(kelvin), planckian(NEUTRAL), strict=True)
    return _of_luminance_one([max(0.0, one / white) ** TEMPER for one, white in pairs])


@cache
def planckian(kelvin: int) -> Triple:
    """Linear sRGB of a black body with luminance 1, untempered; blue is below 0 where it lies outside of sRGB.

    Colour matching functions: the sums of Gaussians of Wyman, Sloan and Shirley, "Simple Analytic Approximations to
    the CIE XYZ Color Matching Functions", JCGT 2(2), 2013. XYZ to sRGB: IEC 61966-2-1.
    """
    x = y = z = 0.0
    for nanometres in range(380, 785, 5):
        power = _planck(nanometres, kelvin)
        x += power * (
            1.056 * _bell(nanometres, 599.8, 37.9, 31.0)
            + 0.362 * _bell(nanometres, 442.0, 16.0, 26.7)
            - 0.065 * _bell(nanometres, 501.1, 20.4, 26.2)
        )
        y += power * (0.821 * _bell(nanometres, 568.8, 46.9, 40.5) + 0.286 * _bell(nanometres, 530.9, 16.3, 31.1))
        z += power * (1.217 * _bell(nanometres, 437.0, 11.8, 36.0) + 0.681 * _bell(nanometres, 459.0, 26.0, 13.8))
    return _of_luminance_one(
        [
            3.2406 * x - 1.5372 * y - 0.4986 * z,
            -0.9689 * x + 1.8758 * y + 0.0415 * z,
            0.0557 * x - 0.2040 * y + 1.0570 * z,
        ]
    )


def _planck(nanometres: int, kelvin: int) -> float:
    """Planck's law up to a constant factor; 1.4388e7 nm K is hc/k (CODATA 2018)."""
    return (nanometres / 560) ** -5 / math.expm1(1.4388e7 / (nanometres * kelvin))


def _bell(place: float, middle: float, left: float, right: float) -> float:
    return math.exp(-(((place - middle) / (left if place < middle else right)) ** 2) / 2)


def _of_luminance_one(rgb: Sequence[float]) -> Triple:
    luminance = 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]
    return rgb[0] / luminance, rgb[1] / luminance, rgb[2] / luminance
