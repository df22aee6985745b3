"""The engine on this machine: segment, plan, lowres pass, highres pass."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from iclight_local.engines.record import make_record
from iclight_local.engines.subject import Subject, decode_subject
from iclight_local.errors import NoSubject
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
    free_memory,
    peak_memory,
    place,
    reset_peak_memory,
    same_cpu_threads,
)
from iclight_local.pipelines.single_file import load_vae
from iclight_local.plan import SET_BY_NORMALS, RelightPlan, make_normals_plan, make_plan
from iclight_local.request import Knobs, ModelName, RelightRequest
from iclight_local.result import NormalsResult, Progress, ProgressCallback, RelightResult
from iclight_local.segmenters.base import Segmenter
from iclight_local.segmenters.choice import choose_segmenter
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
        segmenter: name of a model or ONNX file; None: the usual one, or the embedded one in its place.
        allow_noncommercial: take segmenters whose licence forbids commercial use.
        offline: refuse pictures by URL.
        notices: sentences about the options themselves; the first result warns of them.
    """

    bundle: Bundle
    home: Path
    device: str = "auto"
    precision: Precision = "auto"
    segmenter: str | None = None
    allow_noncommercial: bool = False
    offline: bool = False
    notices: tuple[str, ...] = ()


class LocalEngine:
    """Relights on this machine. Models are loaded when first needed and kept; calls run one at a time."""

    name = "local"

    def __init__(self, options: LocalOptions) -> None:
        self.options = options
        self.placement: Placement = choose_placement(options.device, options.precision)
        self._pipes: dict[ModelName, ICLightPipeline] = {}
        self._hashes: dict[ModelName, dict[str, str]] = {}
        self._told: set[str] = set()
        self._lock = threading.RLock()

    def relight(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> RelightResult:
        """Relight one picture; see :meth:`iclight_local.engines.base.Engine.relight`."""
        plan = make_plan(request, has_background=request.has_background)
        run = _Run(self, request, plan, progress)
        subject = run.subject()
        with self._lock:
            pipe = run.pipe()
            foreground = composite_on_grey(subject.picture.rgb, subject.matte)
            with run.sampling():
                call = pipe(
                    foreground,
                    subject.background,
                    callback_on_step_end=run.after_step,
                    **{**_knobs(request), "model": plan.model, "seed": plan.seed},
                )
            return run.result("relight", call.images, subject)

    def normals(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> NormalsResult:
        """Estimate the normal map of one picture's subject with the background model's four lights."""
        plan = make_normals_plan(request)
        run = _Run(self, request, plan, progress)
        subject = run.subject()
        knobs = {name: value for name, value in _knobs(request).items() if name not in SET_BY_NORMALS}
        with self._lock:
            pipe = run.pipe()
            with run.sampling():
                found = estimate_normals(
                    pipe,
                    subject.picture.rgb,
                    subject.matte,
                    callback_on_step_end=run.after_step,
                    **{**knobs, "seed": plan.seed},
                )
            normal = Image.fromarray(found.normal)
            return NormalsResult(
                normal=normal,
                ratios={side: Image.fromarray(picture) for side, picture in found.ratios.items()},
                relit={side: Image.fromarray(picture) for side, picture in found.relit.items()},
                run=run.result("normals", [normal], subject),
            )

    def load(self, model: ModelName) -> ICLightPipeline:
        """The pipeline of a model, loaded once; models share the autoencoder and the text encoder.

        Raises:
            WeightsError: the bundle has no such model, or its files are damaged.
            OutOfMemory: it does not fit.
        """
        with self._lock:
            if model not in self._pipes:
                with device_errors(self.placement), quiet_loading():
                    self._pipes[model] = self._loaded(model)
            return self._pipes[model]

    def hashes(self, model: ModelName) -> dict[str, str]:
        """sha256 of the files that a model is loaded from, by their place in the bundle; taken once, when loaded."""
        if model not in self._hashes:
            bundle = self.options.bundle
            found = file_hashes(bundle.files(model), self.options.home)
            self._hashes[model] = {path.relative_to(bundle.path).as_posix(): digest for path, digest in found.items()}
        return self._hashes[model]

    def tell_once(self, notices: Sequence[str]) -> tuple[str, ...]:
        """Of sentences that hold for every picture, those that no result has warned of yet."""
        with self._lock:
            new = tuple(notice for notice in notices if notice not in self._told)
            self._told.update(new)
        return new

    def close(self) -> None:
        """Forget the loaded models and give their memory back."""
        with self._lock:
            self._pipes.clear()
            self._hashes.clear()
            free_memory(self.placement.device)

    def _loaded(self, model: ModelName) -> ICLightPipeline:
        bundle, placement = self.options.bundle, self.placement
        first = next(iter(self._pipes.values()), None)
        shared = {} if first is None else {name: getattr(first, name) for name in _SHARED}
        if bundle.vae is not None and "vae" not in shared:
            shared["vae"] = load_vae(bundle.vae, placement.vae_dtype)
        pipe = ICLightPipeline.from_pretrained(
            bundle.base,
            iclight=bundle.offsets(model),
            model=model,
            dtype={"default": placement.dtype, "vae": placement.vae_dtype},
            local_files_only=True,
            **shared,
        )
        place(pipe, placement)
        pipe.set_progress_bar_config(disable=True)
        return pipe


_SHARED = ("vae", "text_encoder", "tokenizer")
"""Components that all models of a bundle have in common."""


def _knobs(request: RelightRequest) -> dict[str, Any]:
    return {name: getattr(request, name) for name in Knobs.model_fields}


class _Run:
    """One request on its way: its stages are timed and its progress is told."""

    def __init__(
        self, engine: LocalEngine, request: RelightRequest, plan: RelightPlan, progress: ProgressCallback | None
    ) -> None:
        self.engine, self.request, self.plan, self.progress = engine, request, plan, progress
        self.timings: dict[str, float] = {}
        self.weights: dict[str, str] = {}
        self.notices = list(engine.options.notices)
        self._steps_began = 0.0
        # Before anything slow: a bundle without the model is refused at once.
        engine.options.bundle.offsets(plan.model)

    def subject(self) -> Subject:
        """Decode the pictures, and segment where that is needed."""
        options = self.engine.options
        with self.stage("decode"):
            subject = decode_subject(self.request, self._segment, offline=options.offline)
        self.timings["decode"] -= self.timings.get("segment", 0.0)
        if subject.segmenter_file is not None:
            with self.stage("hash"):
                hashes = file_hashes([subject.segmenter_file], options.home)
            self.weights["segmenter"] = hashes[subject.segmenter_file]
        return subject

    def pipe(self) -> ICLightPipeline:
        """Load the pipeline, and hash the files that it is loaded from."""
        self._tell("load", 0)
        with self.stage("load"):
            pipe = self.engine.load(self.plan.model)
        with self.stage("hash"):
            self.weights |= self.engine.hashes(self.plan.model)
        return pipe

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        began = time.perf_counter()
        yield
        self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - began

    @contextmanager
    def sampling(self) -> Iterator[None]:
        """Time both passes; the lowres pass ends with its last step."""
        reset_peak_memory(self.engine.placement.device)
        self._tell("lowres", 0)
        self._steps_began = time.perf_counter()
        with device_errors(self.engine.placement):
            yield
        self.timings["highres"] = time.perf_counter() - self._steps_began

    def after_step(self, pipe: ICLightPipeline, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        """Take the time where the passes meet, and tell how far the run is."""
        lowres = self.plan.lowres.steps
        if step + 1 == lowres:
            now = time.perf_counter()
            self.timings["lowres"], self._steps_began = now - self._steps_began, now
        self._tell("lowres" if step + 1 < lowres else "highres", step + 1)
        return tensors

    def result(self, kind: str, images: list[Image.Image], subject: Subject) -> RelightResult:
        """Gather what came back and how it came about; ``kind`` is the method, ``relight`` or ``normals``."""
        engine = self.engine
        record = {"kind": kind, **make_record(self.request, self.plan, subject)}
        record["weights"] = {"bundle": engine.options.bundle.name, "sha256": self.weights}
        record["engine"] = {"name": engine.name, **engine.placement.describe()}
        return RelightResult(
            images=images,
            seed=self.plan.seed,
            record=record,
            engine=engine.name,
            timings=self.timings,
            peak_memory=peak_memory(engine.placement.device),
            warnings=engine.tell_once(self.notices) + subject.warnings + _idle_knobs(self.request, self.plan),
            exif=subject.picture.exif,
        )

    def _segment(self, rgb: UInt8Array) -> tuple[FloatArray, Segmenter]:
        options = self.engine.options
        choice = choose_segmenter(options.segmenter)
        self._tell("segment", 0)
        # Importing rembg imports numba, which sets OpenMP's threads, and so torch's, to all cores.
        with self.stage("segment"), same_cpu_threads():
            segmenter = open_segmenter(choice.name, allow_noncommercial=options.allow_noncommercial)
            try:
                matte = segmenter.segment(rgb)
            except NoSubject as error:
                raise choice.explained(error) from None
        if choice.notice is not None:
            self.notices.append(choice.notice)
        return matte, segmenter

    def _tell(self, stage: str, step: int) -> None:
        if self.progress is not None:
            self.progress(Progress(stage, step, self.plan.steps))


def _idle_knobs(request: RelightRequest, plan: RelightPlan) -> tuple[str, ...]:
    """Knobs that were set and have no effect in this run."""
    if "lowres_denoise" in request.model_fields_set and not plan.lowres.from_image:
        return ("lowres_denoise has no effect here: it works from a light source's ramp, with model fc or fcon.",)
    return ()
