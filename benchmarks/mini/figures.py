"""Distances of pictures, and the lines of the summary; no models here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.scenes import untone
from benchmarks.scenes.primitives import Array
from benchmarks.scenes.samples import Bytes

INSIDE = 0.9
"""Where the matte is above this, a pixel is the subject's alone."""


@dataclass(frozen=True)
class Line:
    """A line of the summary: a figure, and what is asked of it.

    Attributes:
        what: the figure in words.
        figure: the figure.
        bound: what is asked; None where nothing is and the figure explains another.
        unit: ``%`` (figure and bound are shares 0..1), ``deg``, ``dB`` or "".
        most: whether the bound is the most that is allowed, not the least.
    """

    what: str
    figure: float
    bound: float | None = None
    unit: str = ""
    most: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the figure is within its bound; None without one."""
        if self.bound is None:
            return None
        return self.figure <= self.bound if self.most else self.figure >= self.bound

    def as_json(self) -> dict[str, Any]:
        """The line as plain values, with ``met``."""
        return {**asdict(self), "met": self.met}


def outcome(scenes: Sequence[Any], lines: Sequence[Line]) -> dict[str, Any]:
    """A section's part of the JSON: the lines of its summary, and every raw value."""
    return {"lines": [line.as_json() for line in lines], "scenes": list(scenes)}


def linear(picture: Bytes) -> Array:
    """Linear light of a picture; its exposure is unknown and taken as 1, so the light is known up to a factor."""
    return untone(picture / np.float32(255), 1.0)


def srgb(picture: Bytes) -> Array:
    """Values 0..1."""
    return picture / np.float32(255)


def rms(first: Array, second: Array, weight: Array) -> float:
    """Root of the mean squared difference ``[..., 3]``, weighted with ``weight`` ``[...]``."""
    square = ((first.astype(np.float64) - second) ** 2).mean(-1)
    return float(np.sqrt((square * weight).sum() / weight.sum()))


def decibels(error: float) -> float:
    """PSNR of a root mean squared error of values 0..1; at most 99."""
    return float(min(-20 * np.log10(max(error, 1e-12)), 99.0))


def psnr(one: Bytes, other: Bytes) -> float:
    """PSNR of two whole pictures in dB; at most 99."""
    return decibels(rms(srgb(one), srgb(other), np.ones(one.shape[:2])))


def share(truths: Iterable[bool]) -> float:
    """How many of them are true, 0..1."""
    return float(np.mean([bool(each) for each in truths]))


def mean(values: Iterable[float]) -> float:
    """The arithmetic mean."""
    return float(np.mean(list(values)))


def median(values: Iterable[float]) -> float:
    """The middle value."""
    return float(np.median(list(values)))


def percentile(values: Iterable[float], part: float) -> float:
    """The value that ``part`` percent of the values stay below."""
    return float(np.percentile(list(values), part))
