"""The engine on this machine: segment, plan, lowres pass, highres pass."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from PIL import Image

from iclight_local.engines.record import make_record
from iclight_local.engines.subject import Subject, decode_subject
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.imaging.matte import composite_on_grey
from iclight_local.pipelines.iclight import ICLightPipeline
from iclight_local.pipelines.loading import quiet_loading
from iclight_local.pipelines.normals import estimate_normals
from iclight_local.pipelines.placement import (
    Placement,
    Precision,
    choose_placement,
    device_errors,
    peak_memory,
    place,
    reset_peak_memory,
)
from iclight_local.plan import RelightPlan, make_plan
from iclight_local.request import Knobs, ModelName, RelightRequest
from iclight_local.result import NormalsResult, Progress, ProgressCallback, RelightResult
from iclight_local.segmenters.base import Segmenter
from iclight_local.segmenters.catalogue import DEFAULT as DEFAULT_SEGMENTER
from iclight_local.segmenters.rembg_session import open_segmenter
from iclight_local.store.bundles import Bundle
from iclight_local.store.hashes import file_hashes


@dataclass(frozen=True)
class LocalOptions:
    """What a local engine stands on.

    Attributes:
        bundle: weights.
        home: folder of the hash cache.
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
        segmenter: rembg model or ONNX file.
        allow_noncommercial: take segmenters whose licence forbids commercial use.
        offline: refuse pictures by URL.
    """

    bundle: Bundle
    home: Path
    device: str = "auto"
    precision: Precision = "auto"
    segmenter: str = DEFAULT_SEGMENTER
    allow_noncommercial: bool = False
    offline: bool = False


class LocalEngine:
    """Relights on this machine. Models are loaded when first needed and kept; calls run one at a time."""

    name = "local"

    def __init__(self, options: LocalOptions) -> None:
        self.options = options
        self.placement: Placement = choose_placement(options.device, options.precision)
        self._pipes: dict[ModelName, ICLightPipeline] = {}
        self._lock = threading.Lock()

    def relight(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> RelightResult:
        """Relight one picture; see :meth:`iclight_local.engines.base.Engine.relight`."""
        with self._lock:
            run = _Run(self, request, progress)
            plan = make_plan(request, has_background=request.has_background)
            # Before anything slow: a bundle without the model is refused at once.
            self.options.bundle.offsets(plan.model)
            subject = run.subject()
            pipe = run.pipe(plan.model)
            foreground = composite_on_grey(subject.picture.rgb, subject.matte)
            with run.sampling(plan):
                call = pipe(
                    foreground,
                    subject.background,
                    callback_on_step_end=run.after_step,
                    **{**_knobs(request), "model": plan.model, "seed": plan.seed},
                )
            return run.result("relight", call.images, plan, subject)

    def normals(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> NormalsResult:
        """Estimate the normal map of one picture's subject with the background model's four lights."""
        with self._lock:
            plan = _normals_plan(request)
            run = _Run(self, request, progress)
            self.options.bundle.offsets("fbc")
            subject = run.subject()
            pipe = run.pipe("fbc")
            knobs = {**_knobs(request), "model": "fbc", "seed": plan.seed}
            del knobs["light_source"], knobs["background_flip"]
            with run.sampling(plan):
                found = estimate_normals(
                    pipe, subject.picture.rgb, subject.matte, callback_on_step_end=run.after_step, **knobs
                )
            normal = Image.fromarray(found.normal)
            return NormalsResult(
                normal=normal,
                ratios={side: Image.fromarray(picture) for side, picture in found.ratios.items()},
                relit={side: Image.fromarray(picture) for side, picture in found.relit.items()},
                run=run.result("normals", [normal], plan, subject),
            )

    def close(self) -> None:
        """Forget the loaded models, so that their memory can be freed."""
        with self._lock:
            self._pipes.clear()

    def segmenter(self) -> Segmenter:
        """The segmenter of the options; sessions are made once in a process and shared."""
        return open_segmenter(self.options.segmenter, allow_noncommercial=self.options.allow_noncommercial)

    def load(self, model: ModelName) -> ICLightPipeline:
        """The pipeline of a model, loaded once; models share the autoencoder and the text encoder."""
        if model not in self._pipes:
            bundle, placement = self.options.bundle, self.placement
            first = next(iter(self._pipes.values()), None)
            shared = {} if first is None else {name: getattr(first, name) for name in _SHARED}
            with quiet_loading():
                pipe = ICLightPipeline.from_pretrained(
                    bundle.base,
                    iclight=bundle.offsets(model),
                    model=model,
                    dtype=_dtypes(placement),
                    local_files_only=True,
                    **shared,
                )
            place(pipe, placement)
            pipe.set_progress_bar_config(disable=True)
            self._pipes[model] = pipe
        return self._pipes[model]


_SHARED = ("vae", "text_encoder", "tokenizer")


def _dtypes(placement: Placement) -> dict[str, Any]:
    return {"default": placement.dtype, "vae": placement.vae_dtype}


def _knobs(request: RelightRequest) -> dict[str, Any]:
    return {name: getattr(request, name) for name in Knobs.model_fields}


def _normals_plan(request: RelightRequest) -> RelightPlan:
    """The plan of one of the four runs.

    Raises:
        InvalidRequest: the request sets a knob that the four runs set themselves.
    """
    fixed = {"model": "fbc", "light_source": "left", "number_of_images": 1}
    for name in (*fixed, "background_image", "background_flip"):
        default = RelightRequest.model_fields[name].default
        if getattr(request, name) != default and (name, getattr(request, name)) != ("model", "fbc"):
            raise InvalidRequest(f"Normals come from four runs that set {name} themselves: leave it out.")
    return make_plan(Knobs(**{**_knobs(request), **fixed}), has_background=False)


class _Run:
    """One request on its way: its stages are timed and its progress is told."""

    def __init__(self, engine: LocalEngine, request: RelightRequest, progress: ProgressCallback | None) -> None:
        self.engine, self.request, self.progress = engine, request, progress
        self.timings: dict[str, float] = {}
        self.plan: RelightPlan | None = None
        self._steps_began = 0.0

    def subject(self) -> Subject:
        """Decode the pictures, and segment where that is needed."""

        def segment(rgb: UInt8Array) -> tuple[FloatArray, str]:
            self._tell("segment", 0, 0)
            with self.stage("segment"):
                segmenter = self.engine.segmenter()
                return segmenter.segment(rgb), segmenter.name

        with self.stage("decode"):
            subject = decode_subject(self.request, segment, offline=self.engine.options.offline)
        self.timings["decode"] -= self.timings.get("segment", 0.0)
        return subject

    def pipe(self, model: ModelName) -> ICLightPipeline:
        """Load the model's pipeline."""
        self._tell("load", 0, 0)
        with self.stage("load"), device_errors(self.engine.placement):
            return self.engine.load(model)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        began = time.perf_counter()
        yield
        self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - began

    @contextmanager
    def sampling(self, plan: RelightPlan) -> Iterator[None]:
        """Time both passes; the lowres pass ends with its last step."""
        self.plan = plan
        reset_peak_memory(self.engine.placement.device)
        self._tell("lowres", 0, plan.steps)
        self._steps_began = time.perf_counter()
        with device_errors(self.engine.placement):
            yield
        self.timings["highres"] = time.perf_counter() - self._steps_began

    def after_step(self, pipe: ICLightPipeline, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        """Take the time where the passes meet, and tell how far the run is."""
        plan = cast(RelightPlan, self.plan)
        if step + 1 == plan.lowres.steps:
            now = time.perf_counter()
            self.timings["lowres"], self._steps_began = now - self._steps_began, now
        self._tell("lowres" if step + 1 < plan.lowres.steps else "highres", step + 1, plan.steps)
        return tensors

    def result(self, kind: str, images: list[Image.Image], plan: RelightPlan, subject: Subject) -> RelightResult:
        """Gather what came back and how it came about; ``kind`` is the method, ``relight`` or ``normals``."""
        options, placement = self.engine.options, self.engine.placement
        files = list(options.bundle.files(plan.model))
        with self.stage("hash"):
            hashes = file_hashes(files, options.home)
        weights = {path.relative_to(options.bundle.path).as_posix(): hashes[path] for path in files}
        record = make_record(self.request, plan, subject)
        record["weights"] = {"bundle": options.bundle.name, "sha256": weights}
        record["kind"] = kind
        record["engine"] = {"name": self.engine.name, **placement.describe()}
        return RelightResult(
            images=images,
            seed=plan.seed,
            record=record,
            engine=self.engine.name,
            timings=self.timings,
            peak_memory=peak_memory(placement.device),
            warnings=subject.warnings + _idle_knobs(self.request, plan),
            exif=subject.picture.exif,
        )

    def _tell(self, stage: str, step: int, steps: int) -> None:
        if self.progress is not None:
            self.progress(Progress(stage, step, steps))


def _idle_knobs(request: RelightRequest, plan: RelightPlan) -> tuple[str, ...]:
    """Knobs that were set and have no effect in this run."""
    if "lowres_denoise" in request.model_fields_set and not plan.lowres.from_image:
        return ("lowres_denoise has no effect here: it works from a light source's ramp, with model fc or fcon.",)
    return ()
