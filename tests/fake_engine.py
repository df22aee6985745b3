"""An engine that relights nothing: the one fake, through which every edge is tested."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from iclight_local.engines.staged import Whole, one_by_one
from iclight_local.errors import ICLightError
from iclight_local.imaging.files import Picture, decode, decode_matte
from iclight_local.imaging.fit import UInt8Array
from iclight_local.plan import executed_knobs, plan_of
from iclight_local.request import RelightRequest
from iclight_local.result import SIDES, NormalsResult, Progress, ProgressCallback, RelightResult


@dataclass
class FakeEngine:
    """Answers every request with small pictures that follow from the seed.

    Attributes:
        error: raised by ``relight`` and ``normals`` after their progress was told, where it is given.
        warnings: what results warn of.
        exif: EXIF of the results.
        requests: what was asked, in order.
        batches: how many requests each call of ``relight_together`` brought.
        offline: whether pictures by URL are refused.
        warmed: what each call of ``warm_up`` was told.
        closed: whether ``close`` was called.
    """

    error: BaseException | None = None
    warnings: Sequence[str] = ()
    exif: bytes | None = None
    name: str = "fake"
    offline: bool = False
    requests: list[RelightRequest] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    warmed: list[int] = field(default_factory=list)
    closed: bool = False

    def relight(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> RelightResult:
        """Pictures of 24 x 16 pixels of noise, drawn from seed and index."""
        self.requests.append(request)
        plan = plan_of(request)
        for stage, step in (("load", 0), ("lowres", 0), ("lowres", 1), ("highres", 2)):
            if progress is not None:
                progress(Progress(stage, step, 2))
        if self.error is not None:
            raise self.error
        return RelightResult(
            images=[picture(plan.seed, index) for index in range(plan.number_of_images)],
            seed=plan.seed,
            record={
                "seed": plan.seed,
                "request": executed_knobs(request, plan),
                "subject": {"name": "subject.png", "matte": "fake"},
                "engine": {"name": self.name},
            },
            engine=self.name,
            timings={"load": 0.25, "lowres": 1.0, "highres": 2.0},
            peak_memory=123_000_000,
            warnings=tuple(self.warnings),
            exif=self.exif,
        )

    def relight_together(
        self, requests: Sequence[RelightRequest], *, progress: Sequence[ProgressCallback | None]
    ) -> list[RelightResult | ICLightError]:
        """Each as it is alone; how many there were is noted."""
        self.batches.append(len(requests))
        return one_by_one(self, requests, progress)

    def staged(self) -> Whole:
        """In one piece."""
        return Whole(self)

    def batch_key(self, request: RelightRequest) -> Hashable:
        """What shapes a batch, the picture's own shape apart."""
        return plan_of(request).sizes

    def cut_out(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> RelightResult:
        """The picture itself, of which the left half is the subject."""
        result = self.relight(request, progress=progress)
        image = Image.fromarray(decode(request.subject_image).rgb).convert("RGBA")
        image.paste((0, 0, 0, 0), (image.width // 2, 0, image.width, image.height))
        return replace(result, images=[image])

    def normals(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> NormalsResult:
        """A normal map and its parts, drawn from the seed."""
        lit = request.model_copy(update={"light_source": "left", "model": "fbc"})
        run = self.relight(lit, progress=progress)
        return NormalsResult(
            normal=run.images[0],
            ratios={side: picture(run.seed, 1 + index) for index, side in enumerate(SIDES)},
            relit={side: picture(run.seed, 5 + index) for index, side in enumerate(SIDES)},
            run=run,
        )

    def warm_up(self, together: int, *, progress: ProgressCallback | None = None) -> None:
        """Note for how many."""
        self.warmed.append(together)

    def close(self) -> None:
        """Note that it was called."""
        self.closed = True


def picture(seed: int, index: int) -> Image.Image:
    """The picture that a fake engine gives for a seed."""
    pixels = np.random.default_rng([seed, index]).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


class FramedFake(FakeEngine):
    """Relights in the picture's own frame, as ``fit`` input promises: red and blue change places.

    Its subject is the left half of a picture that brings no matte of its own; a scene that it makes is :data:`SCENE`.
    """

    def relight(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> RelightResult:
        """The picture in its other colours, before what was asked to stand behind it."""
        result = super().relight(request, progress=progress)
        picture = decode(request.subject_image)
        lit = np.ascontiguousarray(picture.rgb[..., ::-1])
        matte = _matte(request, picture)
        if request.behind == "transparent":
            lit = np.dstack([lit, matte])
        elif request.behind == "generate":
            share = (matte / 255)[..., None]
            lit = np.rint(lit * share + np.array(SCENE) * (1 - share)).astype(np.uint8)
        elif picture.alpha is not None:
            lit = np.dstack([lit, picture.alpha])
        return replace(result, images=[Image.fromarray(lit)] * request.number_of_images)

    def cut_out(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> RelightResult:
        """The picture with the same matte."""
        result = super().relight(request, progress=progress)
        picture = decode(request.subject_image)
        return replace(result, images=[Image.fromarray(np.dstack([picture.rgb, _matte(request, picture)]))])


SCENE = (0, 120, 240)
"""Colour of a scene that :class:`FramedFake` makes."""


def _matte(request: RelightRequest, picture: Picture) -> UInt8Array:
    if request.matte is not None:
        return np.rint(decode_matte(request.matte).values * 255).astype(np.uint8)
    if picture.alpha is not None:
        return picture.alpha
    matte = np.zeros(picture.rgb.shape[:2], np.uint8)
    matte[:, : matte.shape[1] // 2] = 255
    return matte
