"""Is there a subject? Judged on the network's own answer.

rembg stretches every mask to the full range, so that an empty scene comes back as a full matte of noise. What
the network really said is only seen between the network and rembg: ``JudgedSession`` stands there, so that
one inference serves both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from iclight_local.errors import EngineError, NoSubject, WeightsError

if TYPE_CHECKING:
    import numpy.typing as npt

SUBJECT: Final = 0.5
"""From this probability on a pixel counts as subject."""

SMALLEST_AREA: Final = 0.0005
"""Smallest share of the picture that is still a subject (0.05 %): 22 x 22 pixels of a megapixel."""

_GREY_LEVEL: Final = 1 / 255
_ROUNDING: Final = 1e-3
_CURE: Final = "give --matte, or a picture with its own transparency"


def sigmoid(logits: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Logits of any shape to probabilities 0..1, float32, same shape; never overflows."""
    # tanh saturates where exp would overflow.
    return np.asarray((1 + np.tanh(logits.astype(np.float32) / 2)) / 2, dtype=np.float32)


def are_logits(raw: npt.NDArray[Any]) -> bool:
    """Whether a network's answer (any shape) leaves 0..1, which a probability cannot."""
    return bool(raw.min() < -_ROUNDING or raw.max() > 1 + _ROUNDING)


def require_subject(probability: npt.NDArray[np.float32], name: str) -> None:
    """Refuse an answer without a subject.

    Args:
        probability: what the network holds each pixel to be, shape (h, w), 0 background .. 1 subject.
        name: the model, for the sentence.

    Raises:
        NoSubject: the peak is below ``SUBJECT``, or all pixels are alike, or the subject is smaller than
            ``SMALLEST_AREA``.
    """
    peak = float(probability.max())
    if peak < SUBJECT:
        raise NoSubject(f"{name} found no subject in the picture (its strongest pixel is {peak:.0%} sure): {_CURE}.")
    if peak - float(probability.min()) < _GREY_LEVEL:
        raise NoSubject(f"{name} found no subject in the picture (none stands out, all is {peak:.0%} sure): {_CURE}.")
    area = float((probability >= SUBJECT).mean())
    if area < SMALLEST_AREA:
        raise NoSubject(f"{name} found no subject in the picture (only {area:.3%} of it stands out, a speck): {_CURE}.")


class JudgedSession:
    """Stands in for an ``onnxruntime.InferenceSession`` inside a rembg session. Not thread-safe.

    Args:
        inner: the ``InferenceSession``; whatever is not ``run`` is passed on to it.
        name: the model, for sentences.
        gives_logits: True where the rembg session applies the sigmoid itself (BiRefNet); elsewhere the range
            of the answer decides, and logits are handed on as probabilities, because stretching
            logits linearly would make every edge a wide ramp.
    """

    def __init__(self, inner: Any, name: str, *, gives_logits: bool) -> None:
        self._inner = inner
        self._name = name
        self._gives_logits = gives_logits
        self.probability: npt.NDArray[np.float32] = np.zeros((0, 0), dtype=np.float32)
        """The last answer, shape (h, w) in the network's size, 0..1."""

    def run(self, outputs: Any, feed: Any, *options: Any) -> list[Any]:
        """As ``InferenceSession.run``.

        Raises:
            NoSubject: see ``require_subject``; raised from here, before rembg divides by the range.
            WeightsError: the first output is not one mask, shape (1, 1, h, w).
            EngineError: the answer holds values that are not numbers.
        """
        answers = self._inner.run(outputs, feed, *options)
        raw = np.asarray(answers[0])
        if raw.ndim != 4 or raw.shape[:2] != (1, 1) or raw.size == 0:
            raise WeightsError(
                f"{self._name} is not a segmentation model for one subject: its first output has the shape "
                f"{'x'.join(map(str, raw.shape))}, and 1x1xHxW is needed."
            )
        if not np.isfinite(raw).all():
            raise EngineError(f"{self._name} answered with values that are not numbers: {_CURE}.")
        if self._gives_logits:
            self.probability = sigmoid(raw[0, 0])
        else:
            answers[0] = sigmoid(raw) if are_logits(raw) else raw.astype(np.float32).clip(0, 1)
            self.probability = answers[0][0, 0]
        require_subject(self.probability, self._name)
        return list(answers)

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._inner, attribute)
