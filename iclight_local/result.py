"""What came back from an engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import PIL.Image

SIDES = ("left", "right", "bottom", "top")
"""The four lights of a normal map, in the order of the original demo's pictures."""


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        stage: what runs now: ``segment``, ``load``, ``convert``, ``lowres`` or ``highres``; of a hosted relight
            ``decode``, ``queue``, ``remote`` or ``fetch``.
        step: sampling steps done, both passes together; of ``convert`` its own.
        steps: sampling steps in all.
        preview: the first picture as it looks so far, RGB, about as large as the result of the running pass;
            None where none was asked for, and between two of them.
    """

    stage: str
    step: int
    steps: int
    preview: PIL.Image.Image | None = None


ProgressCallback = Callable[[Progress], None]
"""Called as a run goes on; raising :class:`~iclight_local.errors.Cancelled` in it stops the run at once."""


@dataclass(frozen=True)
class RelightResult:
    """The relit pictures of one request, and how they came about.

    Attributes:
        images: RGB, or RGBA where the result knows transparency; ``number_of_images`` of them.
        seed: the seed that was used; one generator serves all images. None: a provider did not tell it.
        record: the executed request, the seed, the hashes of the inputs and the weights, the engine and
            the versions, as plain JSON values.
        engine: name of the engine that made it.
        timings: seconds by stage (``decode``, ``segment``, ``load``, ``lowres``, ``highres``,
            ``finish``, ``hash``; of a hosted relight ``decode``, ``remote``, ``fetch``);
            stages that did not run are left out.
        peak_memory: bytes; on CUDA of the device during the run, else of this process so far.
        warnings: one sentence each.
        exif: the subject's EXIF that stays true for the result.
        xmp: its XMP that was to be kept, or None.
        density: dots per inch that its file names, or None.
        measures: how each image compares with the picture it was made from, as plain JSON values (see
            :class:`iclight_local.imaging.measure.Measures`); empty where it was not measured.
    """

    images: list[PIL.Image.Image]
    seed: int | None
    record: Mapping[str, Any]
    engine: str
    timings: Mapping[str, float] = field(default_factory=dict)
    peak_memory: int = 0
    warnings: tuple[str, ...] = ()
    exif: bytes | None = None
    xmp: bytes | None = None
    density: float | None = None
    measures: tuple[Mapping[str, Any], ...] = ()

    def record_of(self, index: int) -> dict[str, Any]:
        """The record of one of the images, its measures included."""
        measured = {"measures": dict(self.measures[index])} if self.measures else {}
        return {**self.record, "image": index, **measured}


@dataclass(frozen=True)
class NormalsResult:
    """A normal map, and how it came about.

    Attributes:
        normal: RGB; red to the right, green up, blue to the viewer, 127.5 is zero.
        ratios: each light over the mean of all four, by side.
        relit: the subject lit from each side.
        run: seed, record, timings, warnings; its ``images`` hold the normal map alone.
    """

    normal: PIL.Image.Image
    ratios: Mapping[str, PIL.Image.Image]
    relit: Mapping[str, PIL.Image.Image]
    run: RelightResult
