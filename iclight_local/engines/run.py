"""One request on its way through the local engine: its stages are timed and its progress is told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from iclight_local.engines.advice import advice, black_surroundings, missed_exposure, no_ground
from iclight_local.engines.compiling import computed_by, failure_of
from iclight_local.engines.finishing import Finished, Source, finish
from iclight_local.engines.loras import describe_loras
from iclight_local.engines.presets import preset_warnings
from iclight_local.engines.record import make_record
from iclight_local.engines.subject import Subject, decode_subject
from iclight_local.imaging.asked_light import asked_light
from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.imaging.frame import Frame
from iclight_local.imaging.lightmap import BACKGROUND_RAMP, INITIAL_LATENT_RAMP
from iclight_local.pipelines.compiled import way_of_last_call
from iclight_local.pipelines.iclight import ICLightPipeline
from iclight_local.pipelines.loops import Settle
from iclight_local.pipelines.memory import Measures
from iclight_local.pipelines.placement import device_errors, peak_memory, same_cpu_threads
from iclight_local.pipelines.previews import Previews
from iclight_local.pipelines.speed import Ticks
from iclight_local.plan import RelightPlan, framed_size, plan_of
from iclight_local.request import RelightRequest
from iclight_local.result import Progress, ProgressCallback, RelightResult
from iclight_local.segmenters.base import Segmenter
from iclight_local.segmenters.choice import choose_segmenter
from iclight_local.store.hashes import file_hashes

if TYPE_CHECKING:
    from iclight_local.engines.local import LocalEngine


def takes_pictures_shape(request: RelightRequest) -> bool:
    """Whether the frame of a request takes the shape of its picture, because no size was asked for."""
    return request.fit != "crop" and not {"width", "height"} & request.model_fields_set


def shaped_as(request: RelightRequest, size: tuple[int, int]) -> RelightRequest:
    """The request with a frame in the shape of a picture of ``size`` (width, height) pixels."""
    width, height = framed_size(size, (request.width, request.height))
    return request.model_copy(update={"width": width, "height": height})


IN_TILES = (
    "The autoencoder worked in tiles to fit into the card's memory, which changes the picture slightly: "
    "a smaller --highres-scale does without."
)


@dataclass(frozen=True)
class Told:
    """What a result tells of its subject, which is little where the subject is large.

    Attributes:
        record: without what is known only in the end.
        warnings: one sentence each.
        exif: that stays true for the result.
    """

    record: dict[str, Any]
    warnings: tuple[str, ...]
    exif: bytes | None


class Run:
    """One request on its way.

    Args:
        engine: the engine.
        request: the request, with a preset's values in it.
        plan: what will be done.
        progress: told how far it is, or None.
    """

    def __init__(
        self, engine: LocalEngine, request: RelightRequest, plan: RelightPlan, progress: ProgressCallback | None
    ) -> None:
        self.engine, self.request, self.plan, self.progress = engine, request, plan, progress
        self.timings: dict[str, float] = {}
        self.weights: dict[str, str] = {}
        self.finished: list[Finished] = []
        self.measures = Measures()
        self.previewer: Previews | None = None
        idle = engine.memory.idle_notice
        self.notices = [*engine.options.notices, *([] if idle is None else [idle])]
        self._ways: list[str | None] = []
        self._ticks = Ticks(engine.placement.device)
        self._waited = 0.0
        self._peak: int | None = None
        # Before anything slow: a bundle without the model is refused at once.
        engine.options.bundle.offsets(plan.model)

    def subject(self) -> Subject:
        """Decode the pictures, and segment where that is needed."""
        options = self.engine.options
        with self.stage("decode"):
            subject = decode_subject(self.request, self._segment, offline=options.offline)
        self.timings["decode"] -= self.timings.get("segment", 0.0) + self._waited
        if subject.segmenter_file is not None:
            with self.stage("hash"), self.engine.hashing:
                hashes = file_hashes([subject.segmenter_file], options.home)
            self.weights["segmenter"] = hashes[subject.segmenter_file]
        return subject

    def frame(self, subject: Subject) -> Frame:
        """Where the picture lies in the model's frame; where the whole of it is wanted, the frame takes its shape."""
        if takes_pictures_shape(self.request):
            self.request = shaped_as(self.request, subject.picture.size)
            self.plan = plan_of(self.request.model_copy(update={"seed": self.plan.seed}))
        highres = self.plan.highres
        return Frame(self.request.fit, subject.picture.size, (highres.width, highres.height))

    def light(self, subject: Subject, frame: Frame) -> UInt8Array | None:
        """The light map that is drawn here; None where the pipeline draws a plain ramp, or there is none."""
        if subject.light is None and not self.plan.lights:
            return None
        lowres = self.plan.lowres
        bounds = BACKGROUND_RAMP if self.plan.model == "fbc" else INITIAL_LATENT_RAMP
        matte = frame.matte_for_model(subject.matte)
        return asked_light(self.request, subject.light, (lowres.width, lowres.height), bounds, matte)

    def finish(self, images: list[Image.Image], source: Source) -> list[Image.Image]:
        """Turn what the model made into what was asked for, and keep its measures."""
        with self.stage("finish"):
            self.finished = [finish(np.asarray(image), source, self.request) for image in images]
        return [each.image for each in self.finished]

    def pipe(self) -> ICLightPipeline:
        """Load the pipeline, and hash the files it is loaded from."""
        self._tell("load", 0)
        engine = self.engine
        with self.stage("load"):
            pipe = engine.load(self.plan.model, self._tell_conversion)
            self.notices += engine.loading_notices
            if engine.options.preview_every and self.progress is not None:
                self.previewer, notices = engine.previewer(pipe)
                self.notices += notices
        self.hash()
        return pipe

    def settle(self, pipe: ICLightPipeline, settle: Settle) -> None:
        """Bring the pipeline to where it runs, when its turn has come, and keep what is done to fit into memory.

        The engine is not asked for it again: it may have been closed in between, and would load another.
        """
        compiler = self.engine.compiler
        with self.stage("load"):
            self.measures = settle()
            if compiler is not None:
                compiler.settle(pipe, self.measures)

    def hash(self) -> None:
        """Hash the files that the model is loaded from."""
        with self.stage("hash"):
            self.weights |= self.engine.hashes(self.plan.model)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        began = time.perf_counter()
        yield
        self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - began

    @contextmanager
    def sampling(self) -> Iterator[None]:
        """Time both passes, turns of others included; the lowres pass ends with its last step.

        The times are the device's, which lags behind whoever gives it its work.
        """
        self._tell("lowres", 0)
        with device_errors(self.engine.placement):
            self._ticks.note()
            yield
            self._ticks.note()
            seconds = self._ticks.seconds()
        # A run may have no lowres step.
        self.timings |= dict(zip(("lowres", "highres")[-len(seconds) :], seconds, strict=True))
        if self.engine.placement.device.type == "cuda":
            # Whoever begins when nobody else samples begins to measure anew, maybe before this one is finished.
            self._peak = peak_memory(self.engine.placement.device)

    def after_step(self, pipe: ICLightPipeline, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        """Take the time where the passes meet, and tell how far the run is."""
        self._ways.append(way_of_last_call(pipe))
        lowres = self.plan.lowres.steps
        if step + 1 == lowres:
            self._ticks.note()
        self._tell("lowres" if step + 1 < lowres else "highres", step + 1, self._preview(step + 1, tensors))
        return tensors

    @property
    def tensors(self) -> tuple[str, ...]:
        """The tensors that :meth:`after_step` needs."""
        return ("latents",) if self.previewer is None else ("latents", "predicted")

    def told(self, kind: str, subject: Subject) -> Told:
        """What the result will tell of its subject; ``kind`` is the method, ``relight``, ``cut_out`` or ``normals``."""
        return Told(
            record={"kind": kind, **make_record(self.request, self.plan, subject)},
            warnings=(
                *subject.warnings,
                *advice(self.request, self.plan),
                *black_surroundings(subject.picture.rgb, subject.matte),
                *no_ground(self.request, subject.matte_source),
                *preset_warnings(self.request, self.engine.options.preset),
            ),
            exif=subject.picture.exif,
        )

    def result(self, images: list[Image.Image], told: Told) -> RelightResult:
        """Gather what came back and how it came about."""
        engine = self.engine
        notices = [*self.notices, *failure_of(engine.compiler)]
        record = dict(told.record)
        record["weights"] = {"bundle": engine.options.bundle.name, "sha256": self.weights}
        record["engine"] = {"name": engine.name, **engine.placement.describe()}
        record["engine"] |= computed_by(self._ways)
        if self.measures.words:
            record["engine"]["memory"] = self.measures.words
        if engine.options.preset != "none":
            record["preset"] = engine.options.preset
        if engine.loras:
            with engine.hashing:
                record["loras"] = describe_loras(engine.loras, engine.options.home)
        return RelightResult(
            images=images,
            seed=self.plan.seed,
            record=record,
            engine=engine.name,
            timings=self.timings,
            peak_memory=peak_memory(engine.placement.device) if self._peak is None else self._peak,
            warnings=engine.tell_once(notices) + told.warnings + self._late_warnings(),
            exif=told.exif,
            measures=tuple(each.measures.as_record() for each in self.finished),
        )

    def _late_warnings(self) -> tuple[str, ...]:
        tiles = (IN_TILES,) if self.measures.vae_tiling else ()
        return tiles + missed_exposure([(each.luminance, each.measures.luminance_after) for each in self.finished])

    def _segment(self, rgb: UInt8Array) -> tuple[FloatArray, Segmenter]:
        options, engine = self.engine.options, self.engine
        choice = choose_segmenter(options.segmenter)
        self._tell("segment", 0)
        began = time.perf_counter()
        # On a small card its model must not be in memory while somebody samples.
        with engine.stepper.alone() if engine.memory.is_small else engine.segmenting:
            self._waited += time.perf_counter() - began
            # Importing rembg imports numba, which sets OpenMP's threads, and so torch's, to all cores: those of this
            # thread alone, so that nobody who samples in another one notices.
            with self.stage("segment"), same_cpu_threads():
                found = choice.segment(rgb, allow_noncommercial=options.allow_noncommercial)
        if choice.notice is not None:
            self.notices.append(choice.notice)
        return found

    def _preview(self, step: int, tensors: dict[str, Any]) -> Image.Image | None:
        if self.previewer is None or step % self.engine.options.preview_every:
            return None
        return self.previewer.picture(tensors["predicted"])

    def _tell_conversion(self, done: int, of: int) -> None:
        if self.progress is not None:
            self.progress(Progress("convert", done, of))

    def _tell(self, stage: str, step: int, preview: Image.Image | None = None) -> None:
        if self.progress is not None:
            self.progress(Progress(stage, step, self.plan.steps, preview))
