"""Which segmenter cuts the subject out where none is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from iclight_local.errors import NoSubject
from iclight_local.segmenters.base import Segmenter
from iclight_local.segmenters.catalogue import DEFAULT, EMBEDDED
from iclight_local.segmenters.rembg_session import fetch_command, find_model, open_segmenter

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Choice(NamedTuple):
    """A segmenter, and whether it only stands in for the usual one.

    Attributes:
        name: what ``open_segmenter`` takes.
        notice: the sentence where it stands in for the usual one, with the command that fetches that; else None.
    """

    name: str
    notice: str | None = None

    def segment(
        self, rgb: npt.NDArray[np.uint8], *, allow_noncommercial: bool
    ) -> tuple[npt.NDArray[np.float32], Segmenter]:
        """Cut the subject out of a picture.

        Args:
            rgb: uint8, H x W x 3.
            allow_noncommercial: as ``open_segmenter`` takes it.

        Returns:
            The matte (float32 in 0..1, H x W), and the segmenter that made it.

        Raises:
            NoSubject: nothing stands out as a subject; with every cure there is.
            ICLightError: as ``open_segmenter`` raises.
        """
        segmenter = open_segmenter(self.name, allow_noncommercial=allow_noncommercial)
        try:
            return segmenter.segment(rgb), segmenter
        except NoSubject as error:
            raise self._explained(error) from None

    def _explained(self, error: NoSubject) -> NoSubject:
        """``error``; with a better segmenter as a further cure, where this one only stands in for it."""
        if self.notice is None:
            return error
        better = f"fetch the better '{DEFAULT}' once with `{fetch_command(DEFAULT)}`"
        return NoSubject(f"{str(error).rstrip('.')}, or {better}.")


def choose_segmenter(asked: str | None) -> Choice:
    """The segmenter that was asked for; else the usual one, or the embedded one where that is not on this machine."""
    if asked is not None:
        return Choice(asked)
    if find_model(DEFAULT) is not None or find_model(EMBEDDED.name) is None:
        return Choice(DEFAULT)
    return Choice(
        EMBEDDED.name,
        f"The segmentation model '{DEFAULT}' is not on this machine, so the package's own small one, "
        f"'{EMBEDDED.name}', cuts the subject out: for better edges fetch the other once with "
        f"`{fetch_command(DEFAULT)}`.",
    )
