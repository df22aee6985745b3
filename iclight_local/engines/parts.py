"""One request between the stages of a relight on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from iclight_local.engines.finishing import Source, framed
from iclight_local.engines.run import Run, Told
from iclight_local.engines.subject import Subject
from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.imaging.frame import Frame
from iclight_local.imaging.matte import composite_on_grey
from iclight_local.pipelines.items import Fitted, fitted
from iclight_local.pipelines.placement import device_errors
from iclight_local.result import RelightResult


@dataclass(frozen=True)
class Scene:
    """What the model is to see.

    Attributes:
        foreground: the subject on grey, fitted to both passes.
        background: what lights it from behind, mirrored where that was asked for; or None.
        light: the light map that is drawn here, uint8, H x W x 3; or None.
    """

    foreground: Fitted
    background: Fitted | None
    light: UInt8Array | None


@dataclass(eq=False)
class LocalPart:
    """One request between its stages; see :class:`iclight_local.engines.together.LocalStages`.

    Of a picture of 24 megapixels it holds 9 MB where the result has the size of the highres pass (``crop``, ``pad``),
    168 MB where it has the picture's (``input``), and as much again as each of alpha (24 MB) and background (72 MB)
    takes then; 3 MB less when it was sampled, nothing when it was finished. To prepare one takes 0.9 GB for a moment.

    Attributes:
        run: the request on its way.
        told: what its result will tell of the subject.
        source: what the result is made from, beside the model's pictures; None where there will be no result, and once
            there is one.
        scene: what the model is to see; None once there are pictures, or will be none.
        made: the model's pictures, RGB, at the size of the highres pass, as many as were asked for; None before it was
            sampled and after it was finished. Whoever puts others in their place has the result made of these.
        failure: why there will be no result.
    """

    run: Run
    told: Told
    source: Source | None
    scene: Scene | None
    made: list[Image.Image] | None = None
    failure: Exception | None = None

    def seen(self) -> tuple[UInt8Array, FloatArray]:
        """What :attr:`made` was made from, in the same frame and of the same size, to compare it with.

        Returns:
            The subject's own picture (uint8, H x W x 3; grey 127 outside of it) and its matte (float32 in 0..1, H x W),
            at the size of the highres pass.

        Raises:
            ValueError: it failed or is finished.
        """
        if self.source is None:
            raise ValueError("Nothing is left of a part that failed or is finished.")
        frame = self.source.frame
        return frame.for_model(self.source.picture), frame.matte_for_model(self.source.matte)

    def take(self, made: Sequence[Image.Image]) -> None:
        """Take the model's pictures, and let go of what they were made from."""
        self.made, self.scene = list(made), None

    def fail(self, error: Exception) -> None:
        """Keep why there will be no result, and let go of all else."""
        self.failure, self.scene, self.source = error, None, None

    def finish(self) -> RelightResult:
        """Make the result, and let go of all else."""
        if self.failure is not None:
            raise self.failure
        if self.made is None or self.source is None:
            raise ValueError("Only what was sampled can be finished, and only once.")
        made, source = self.made, self.source
        self.made = self.source = None
        images = self.run.finish(made, source)
        result = self.run.result(images, self.told)
        self.run.finished.clear()
        return result


def prepared(run: Run, subject: Subject) -> LocalPart:
    """All that a part needs of its subject; its pictures are kept at the sizes of the passes and the result alone."""
    frame = run.frame(subject)
    # Memory is all that can fail here.
    with device_errors(run.engine.placement), run.stage("decode"):
        source = framed(subject, frame, mirrored=run.request.background_flip)
        return LocalPart(run, run.told("relight", subject), source, _scene(run, subject, frame))


def _scene(run: Run, subject: Subject, frame: Frame) -> Scene:
    foreground = frame.for_model(composite_on_grey(subject.picture.rgb, subject.matte))
    behind = subject.background if run.request.has_background else None
    if behind is not None and run.plan.background_flip:
        behind = np.fliplr(behind)
    background = None if behind is None else fitted(behind, run.plan)
    return Scene(fitted(foreground, run.plan), background, run.light(subject, frame))
