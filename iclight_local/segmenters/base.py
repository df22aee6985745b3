"""What every segmenter does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt


class Segmenter(Protocol):
    """Something that finds the subject of a picture; safe to share between threads."""

    @property
    def name(self) -> str:
        """What the result's metadata calls it: a model's name or a file's name, never a path."""
        ...

    @property
    def file(self) -> Path:
        """The file of its model, whose hash goes into the record."""
        ...

    def segment(self, rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Find the subject.

        Args:
            rgb: the picture, uint8, shape (H, W, 3), 0..255.

        Returns:
            The soft alpha, float32, shape (H, W): 0 background, 1 subject, hair and glass in between.

        Raises:
            NoSubject: nothing in the picture stands out as a subject.
            WeightsError: the model's answer is not a mask.
            EngineError: the model failed on this machine.
        """
        ...
