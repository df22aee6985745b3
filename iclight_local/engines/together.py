"""A relight on this machine in stages; what is sampled at the same time shares calls of the UNet."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from iclight_local.engines.parts import LocalPart, Scene, prepared
from iclight_local.engines.run import Run
from iclight_local.errors import ICLightError
from iclight_local.pipelines.iclight import ICLightPipeline
from iclight_local.pipelines.loops import Loop, Settle
from iclight_local.pipelines.memory import work_of
from iclight_local.pipelines.unet_calls import UNetSteps
from iclight_local.plan import plan_of
from iclight_local.request import Knobs, RelightRequest
from iclight_local.result import ProgressCallback, RelightResult

if TYPE_CHECKING:
    from iclight_local.engines.local import LocalEngine

AT_ONCE = 2
"""Pictures that are prepared at one moment, and that are finished: one of 24 megapixels takes 0.9 GB meanwhile."""


class LocalStages:
    """The stages of a relight on this machine; see :class:`iclight_local.engines.staged.Stages`.

    On a small card :meth:`prepare` waits for whoever samples before it cuts a subject out: the segmenter's model must
    not be in memory then.

    Args:
        engine: whose models sample.
    """

    def __init__(self, engine: LocalEngine) -> None:
        self._engine = engine
        # Two bounds: on a small card who prepares waits for who samples, and who was sampled shall not wait for that.
        self._preparing, self._finishing = threading.Semaphore(AT_ONCE), threading.Semaphore(AT_ONCE)

    def prepare(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> LocalPart:
        """Decode the pictures, cut the subject out, draw its light; as :meth:`staged.Stages.prepare`."""
        request, warnings = self._engine.settled(request)
        run = Run(self._engine, request, plan_of(request), progress)
        with self._preparing:
            part = prepared(run, run.subject())
        part.told = replace(part.told, warnings=(*part.told.warnings, *warnings))
        return part

    def sample(self, parts: Sequence[LocalPart]) -> None:
        """Make the model's pictures; as :meth:`staged.Stages.sample`."""
        waiting: list[tuple[LocalPart, Loop[None]]] = []
        for part in parts:
            if part.scene is not None:
                try:
                    waiting.append((part, self._loop(part, part.scene)))
                except ICLightError as error:
                    part.fail(error)
        self._engine.stepper.run([loop for _, loop in waiting])
        for part, loop in waiting:
            if loop.error is not None:
                part.fail(loop.error)

    def finish(self, part: LocalPart) -> RelightResult:
        """From the model's picture to the result; as :meth:`staged.Stages.finish`."""
        with self._finishing:
            return part.finish()

    def _loop(self, part: LocalPart, scene: Scene) -> Loop[None]:
        pipe = part.run.pipe()

        def begin(settle: Settle) -> UNetSteps[None]:
            part.run.settle(pipe, settle)
            return _sampled(part, pipe, scene)

        return Loop(pipe, work_of(part.run.plan, 1), begin)


def _sampled(part: LocalPart, pipe: ICLightPipeline, scene: Scene) -> UNetSteps[None]:
    """The model's pictures of a part, which has them in the end."""
    run = part.run
    with run.sampling():
        output = yield from pipe.steps(
            scene.foreground,
            scene.background,
            light_map=scene.light,
            callback_on_step_end=run.after_step,
            callback_on_step_end_tensor_inputs=run.tensors,
            **_knobs(part, scene),
        )
    part.take(output.images)


def _knobs(part: LocalPart, scene: Scene) -> dict[str, Any]:
    """The knobs of a part; a light that is drawn here, round the subject's own matte, is not described once more."""
    plan = part.run.plan
    values = {name: getattr(part.run.request, name) for name in Knobs.model_fields}
    described = {} if scene.light is None else {"light": None}
    return {**values, "model": plan.model, "seed": plan.seed, **described}
