"""The engine on this machine: segment, plan, lowres pass, highres pass."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from iclight_local.engines.compiling import CompileMode, compiler_for
from iclight_local.engines.int8 import with_whole_steps
from iclight_local.engines.loading import load_pipe
from iclight_local.engines.loras import checked_loras
from iclight_local.engines.presets import PresetName, with_preset
from iclight_local.engines.run import Run, shaped_as, takes_pictures_shape
from iclight_local.engines.staged import relight_staged
from iclight_local.engines.subject import Subject
from iclight_local.engines.together import LocalStages
from iclight_local.engines.warming import warm
from iclight_local.errors import ICLightError, WeightsError
from iclight_local.imaging.compose import with_alpha
from iclight_local.imaging.files import upright_size
from iclight_local.imaging.foreground import decontaminated
from iclight_local.layouts.lora import LoraFile
from iclight_local.pipelines.calibration import Tell
from iclight_local.pipelines.iclight import ICLightPipeline
from iclight_local.pipelines.loading import quiet_loading
from iclight_local.pipelines.loops import Loop, Settle
from iclight_local.pipelines.lossless import Room
from iclight_local.pipelines.memory import work_of
from iclight_local.pipelines.normals import NormalMap, normals_steps
from iclight_local.pipelines.offloading import CardMemory
from iclight_local.pipelines.placement import Placement, Precision, choose_placement, device_errors, free_memory
from iclight_local.pipelines.previews import OwnPreviewer, Previewer, Previews
from iclight_local.pipelines.stepping import Stepper
from iclight_local.pipelines.unet_calls import UNetSteps
from iclight_local.plan import SET_BY_NORMALS, RelightPlan, make_normals_plan, plan_of
from iclight_local.request import Knobs, ModelName, RelightRequest
from iclight_local.result import SIDES, NormalsResult, ProgressCallback, RelightResult
from iclight_local.segmenters.rembg_session import drop_segmenters
from iclight_local.store.bundles import Bundle
from iclight_local.store.hashes import file_hashes
from iclight_local.store.manifest import load_manifest
from iclight_local.store.places import place as place_of

PREVIEWS = "taesd"
"""The manifest's entry of the autoencoder that makes previews."""


@dataclass(frozen=True)
class LocalOptions:
    """What a local engine stands on.

    Attributes:
        bundle: weights.
        home: folder of the hash cache.
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        precision: ``auto``, ``fp32``, ``bf16``, ``fp16`` or ``int8``.
        segmenter: name of a model or ONNX file; None: the usual one, or the embedded one in its place.
        vram: ``auto``, or the size in GB of the card to behave like: ``4``, ``6``, ``8``, ``12`` or ``24``.
        compile: ``auto``, ``on`` or ``off``.
        lasting: whether many pictures will follow, for which ``auto`` compiles on CUDA.
        lora: LoRAs that are laid on the weights.
        preset: ``none`` or ``fast``; its values stand in for what a request leaves open.
        preview_every: sampling steps from one preview to the next, told with the progress; 0 makes none.
        allow_noncommercial: take segmenters whose licence forbids commercial use.
        offline: refuse pictures by URL.
        notices: sentences about the options themselves; the first result warns of them.
    """

    bundle: Bundle
    home: Path
    device: str = "auto"
    precision: Precision = "auto"
    vram: str = "auto"
    compile: CompileMode = "auto"
    lasting: bool = False
    lora: tuple[LoraFile, ...] = ()
    preset: PresetName = "none"
    preview_every: int = 0
    segmenter: str | None = None
    allow_noncommercial: bool = False
    offline: bool = False
    notices: tuple[str, ...] = ()


class LocalEngine:
    """Relights on this machine. Models are loaded when first needed and kept; calls that sample take turns.

    Attributes:
        stepper: carries whatever samples.
        lock: held by who loads models; for seconds.
        segmenting: held by who cuts a subject out; on a small card nobody samples then, either.
        hashing: held by who hashes files, so that nobody reads the same ones meanwhile.
        room: what the weights of its models may grow by; found when the first is loaded.
        loading_notices: sentences about what loading had to do; the first result warns of them.

    Raises:
        WeightsError: a LoRA, or the preset's, is missing or does not fit.
        Unsupported: the device is not there.
    """

    name = "local"

    def __init__(self, options: LocalOptions) -> None:
        self.options = options
        self.placement: Placement = choose_placement(options.device, options.precision)
        self.loras = checked_loras(options.lora, options.preset, options.bundle, options.home)
        self.compiler = compiler_for(options, self.placement)
        self.memory = CardMemory(self.placement, options.vram, recorded=self.compiler is not None)
        self._previewer: Previewer | None = None
        self._pipes: dict[ModelName, ICLightPipeline] = {}
        self._hashes: dict[ModelName, dict[str, str]] = {}
        self.room = Room(0, 0)
        self.loading_notices: list[str] = []
        self._told: set[str] = set()
        self._telling = threading.Lock()
        self.stepper = Stepper(self.memory, self._make_room)
        self._stages = LocalStages(self)
        self.lock = threading.RLock()
        self.segmenting = threading.Lock()
        self.hashing = threading.Lock()

    def relight(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> RelightResult:
        """Relight one picture; see :meth:`iclight_local.engines.base.Engine.relight`."""
        (outcome,) = relight_staged(self._stages, [request], [progress])
        if isinstance(outcome, ICLightError):
            raise outcome
        return outcome

    def relight_together(
        self, requests: Sequence[RelightRequest], *, progress: Sequence[ProgressCallback | None]
    ) -> list[RelightResult | ICLightError]:
        """Relight several; see :meth:`iclight_local.engines.base.Engine.relight_together`."""
        return relight_staged(self._stages, requests, progress)

    def staged(self) -> LocalStages:
        """See :meth:`iclight_local.engines.base.Engine.staged`."""
        return self._stages

    @property
    def offline(self) -> bool:
        """See :attr:`iclight_local.engines.base.Engine.offline`."""
        return self.options.offline

    def batch_key(self, request: RelightRequest) -> Hashable:
        """See :meth:`iclight_local.engines.base.Engine.batch_key`."""
        return self.plan(request).sizes

    def plan(self, request: RelightRequest) -> RelightPlan:
        """What will be done for a request; no more of its picture is read than the size.

        Raises:
            InvalidRequest: the request is wrong.
        """
        request, _ = self.settled(request)
        if takes_pictures_shape(request):
            request = shaped_as(request, upright_size(request.subject_image, offline=self.options.offline))
        return plan_of(request)

    def settled(self, request: RelightRequest) -> tuple[RelightRequest, tuple[str, ...]]:
        """A request as it is run here: with the preset's values, without what its precision cannot do; and warnings."""
        request = with_preset(request, self.options.preset)
        return with_whole_steps(request) if self.placement.int8 else (request, ())

    def cut_out(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> RelightResult:
        """Cut one picture's subject out: its own colours with the matte as alpha, RGBA; no model of light is loaded."""
        run = Run(self, request, plan_of(request), progress)
        # They speak of weights and memory, of which this needs none.
        run.notices.clear()
        subject = run.subject()
        with run.stage("finish"):
            rgb = subject.picture.rgb
            front = rgb if subject.matte_source == "alpha" else decontaminated(rgb, subject.matte)
            image = Image.fromarray(with_alpha(front, subject.matte))
        return run.result([image], run.told("cut_out", subject))

    def normals(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> NormalsResult:
        """Estimate the normal map of one picture's subject with the background model's four lights."""
        request, warnings = self.settled(request)
        plan = make_normals_plan(request)
        run = Run(self, request, plan, progress)
        subject = run.subject()
        pipe = run.pipe()

        def begin(settle: Settle) -> UNetSteps[NormalMap]:
            run.settle(pipe, settle)
            return _normals(run, pipe, subject)

        told = run.told("normals", subject)
        told = replace(told, warnings=(*told.warnings, *warnings))
        loop = Loop(pipe, work_of(plan, len(SIDES)), begin)
        self.stepper.run([loop])
        found = loop.outcome()
        normal = Image.fromarray(found.normal)
        return NormalsResult(
            normal=normal,
            ratios={side: Image.fromarray(picture) for side, picture in found.ratios.items()},
            relit={side: Image.fromarray(picture) for side, picture in found.relit.items()},
            run=run.result([normal], told),
        )

    def load(self, model: ModelName, tell: Tell | None = None) -> ICLightPipeline:
        """The pipeline of a model, loaded once; models share the autoencoder and the text encoder.

        Args:
            model: the model.
            tell: told how far a conversion of its UNet is, where it needs one.

        Raises:
            WeightsError: the bundle has no such model, or its files are damaged.
            OutOfMemory: it does not fit.
        """
        # Who only asks something of it does not wait for who loads another.
        found = self._pipes.get(model)
        if found is not None:
            return found
        with self.lock:
            if model not in self._pipes:
                with device_errors(self.placement), quiet_loading():
                    first = next(iter(self._pipes.values()), None)
                    self._pipes[model] = load_pipe(self, model, first, tell)
            return self._pipes[model]

    def hashes(self, model: ModelName) -> dict[str, str]:
        """sha256 of the files that a model is loaded from, by their place in the bundle; taken once, when loaded."""
        with self.hashing:
            if model not in self._hashes:
                bundle = self.options.bundle
                found = file_hashes(bundle.files(model), self.options.home)
                named = {path.relative_to(bundle.path).as_posix(): digest for path, digest in found.items()}
                self._hashes[model] = named
            return self._hashes[model]

    def previewer(self, pipe: ICLightPipeline) -> tuple[Previews | None, tuple[str, ...]]:
        """What makes previews of a pipeline's latents, or None and why not."""
        if OwnPreviewer.serves(pipe.vae):
            return OwnPreviewer(pipe.vae), ()
        folder = place_of(load_manifest().entry(PREVIEWS), self.options.home)
        if self._previewer is None:
            if not (folder / "config.json").is_file():
                return None, (
                    f"There are no previews, because {PREVIEWS} is not on this machine (looked in {folder}): "
                    f"fetch it once with `iclight weights pull {PREVIEWS}`.",
                )
            try:
                self._previewer = Previewer(folder)
            except WeightsError as error:
                return None, (f"There are no previews: {error}",)
        channels = pipe.vae.config.latent_channels
        if channels != self._previewer.channels:
            return None, (
                f"There are no previews: {PREVIEWS} is for latents of {self._previewer.channels} channels, "
                f"and these weights have {channels}.",
            )
        return self._previewer, ()

    def tell_once(self, notices: Sequence[str]) -> tuple[str, ...]:
        """Of sentences that hold for every picture, those that no result has warned of yet."""
        with self._telling:
            new = tuple(notice for notice in notices if notice not in self._told)
            self._told.update(new)
        return new

    def warm_up(self, together: int, *, progress: ProgressCallback | None = None) -> None:
        """See :meth:`iclight_local.engines.base.Engine.warm_up`."""
        warm(self, together, progress)

    def close(self) -> None:
        """Forget the loaded models and give their memory back."""
        with self.stepper.alone(), self.lock, self.hashing:
            self._pipes.clear()
            self._hashes.clear()
            self._previewer = None
            self.memory.forget()
            free_memory(self.placement.device)

    def _make_room(self) -> None:
        if self.memory.is_small:
            drop_segmenters()


def _normals(run: Run, pipe: ICLightPipeline, subject: Subject) -> UNetSteps[NormalMap]:
    """The normal map of a subject."""
    knobs = {name: getattr(run.request, name) for name in Knobs.model_fields if name not in SET_BY_NORMALS}
    with run.sampling():
        return (
            yield from normals_steps(
                pipe,
                subject.picture.rgb,
                subject.matte,
                callback_on_step_end=run.after_step,
                callback_on_step_end_tensor_inputs=run.tensors,
                **{**knobs, "seed": run.plan.seed},
            )
        )
