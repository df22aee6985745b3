"""A relight on this machine in stages; what fits together is sampled in one batch.

A picture does not depend on its company: each request keeps its own generator, texts of different lengths are not put
together, and a card's memory is not filled so far that stronger measures are needed. What is left is the rounding of
sums in another order, a grey level at most.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from PIL import Image

from iclight_local.engines.parts import LocalPart, Scene, prepared
from iclight_local.engines.presets import with_preset
from iclight_local.engines.run import Run
from iclight_local.errors import Cancelled, ICLightError, OutOfMemory
from iclight_local.pipelines.iclight import ICLightPipeline
from iclight_local.pipelines.placement import free_memory, let_go
from iclight_local.pipelines.text import chunks_of
from iclight_local.plan import RelightPlan, plan_of
from iclight_local.request import Knobs, RelightRequest
from iclight_local.result import ProgressCallback, RelightResult

if TYPE_CHECKING:
    from iclight_local.engines.local import LocalEngine

_Waiting = tuple[LocalPart, Scene]
"""A part that has no pictures yet, and what the model is to see for them."""


class LocalStages:
    """The stages of a relight on this machine; see :class:`iclight_local.engines.staged.Stages`.

    On a small card :meth:`prepare` waits for whoever samples before it cuts a subject out: the segmenter's model must
    not be in memory then.

    Args:
        engine: whose models sample.
    """

    def __init__(self, engine: LocalEngine) -> None:
        self._engine = engine
        self._limits: dict[Hashable, int] = {}

    def prepare(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> LocalPart:
        """Decode the pictures, cut the subject out, draw its light; as :meth:`staged.Stages.prepare`."""
        request = with_preset(request, self._engine.options.preset)
        run = Run(self._engine, request, plan_of(request), progress)
        return prepared(run, run.subject())

    def sample(self, parts: Sequence[LocalPart]) -> None:
        """Make the model's pictures; as :meth:`staged.Stages.sample`.

        What is too much for the memory together is tried in halves, and the engine keeps to that size from then on.
        """
        with self._engine.lock:
            waiting = [(part, part.scene) for part in parts if part.scene is not None]
            for group in self._alike(waiting):
                self._sample(group)

    def finish(self, part: LocalPart) -> RelightResult:
        """From the model's picture to the result; as :meth:`staged.Stages.finish`."""
        return part.finish()

    def _most(self, pipe: ICLightPipeline, plan: RelightPlan, wanted: int) -> int:
        """How many requests of such a plan, up to ``wanted`` and at least 1, are best sampled at once."""
        return min(self._engine.memory.most_together(pipe, plan, wanted), self._limits.get(_key(plan), wanted))

    def _alike(self, waiting: Sequence[_Waiting]) -> Iterator[list[_Waiting]]:
        """Parts that can share UNet calls, in the order of the first of each."""
        alike: dict[Hashable, list[_Waiting]] = {}
        for part, scene in waiting:
            alike.setdefault(_key(part.run.plan), []).append((part, scene))
        for group in alike.values():
            if len(group) == 1:
                yield group
                continue
            try:
                pipe = self._engine.load(group[0][0].run.plan.model)
            except ICLightError as error:
                for part, _ in group:
                    part.fail(error)
                continue
            yield from _of_equal_texts(pipe, group)

    def _sample(self, group: list[_Waiting]) -> None:
        """Sample parts that can share UNet calls, as many at once as memory holds."""
        plan = group[0][0].run.plan
        most = 1 if len(group) == 1 else self._most(self._engine.load(plan.model), plan, len(group))
        while group:
            batch = group[:most]
            error = self._tried(batch)
            # Whoever was cancelled meanwhile is not tried again.
            left = [(part, scene) for part, scene in batch if part.scene is not None]
            group = group[len(batch) :]
            if error is None or not left:
                continue
            if len(batch) == 1:
                left[0][0].fail(error)
            elif isinstance(error, OutOfMemory):
                free_memory(self._engine.placement.device)
                most = self._limits[_key(plan)] = (len(batch) + 1) // 2
                group = [*left, *group]
            else:
                # Each alone, so that none pays for another.
                for one in left:
                    self._sample([one])

    def _tried(self, batch: list[_Waiting]) -> ICLightError | None:
        """Sample a batch; gives what went wrong, if anything did."""
        try:
            images = _sampled(batch)
        except ICLightError as error:
            let_go(error)
            return error
        each = len(images) // len(batch)
        for index, (part, _) in enumerate(batch):
            if part.failure is None:
                part.take(images[index * each : (index + 1) * each])
        return None


def _key(plan: RelightPlan) -> Hashable:
    return tuple(plan.shared.values())


def _of_equal_texts(pipe: ICLightPipeline, parts: Sequence[_Waiting]) -> list[list[_Waiting]]:
    """Parts whose texts take equally many chunks: one text would have to be repeated to another's length."""
    found: dict[int, list[_Waiting]] = {}
    for part, scene in parts:
        plan = part.run.plan
        texts = (plan.prompt, plan.negative_prompt)
        chunks = max(len(chunks_of(pipe.tokenizer, pipe.text_encoder, text)) for text in texts)
        found.setdefault(chunks, []).append((part, scene))
    return list(found.values())


def _sampled(batch: list[_Waiting]) -> list[Image.Image]:
    """The model's pictures of all parts, those of the first part first."""
    parts, scenes = zip(*batch, strict=True)
    runs = [part.run for part in parts]
    pipe = [run.pipe(len(batch)) for run in runs][-1]
    each = [_knobs(part, scene) for part, scene in batch]
    knobs: dict[str, Any] = {name: [values[name] for values in each] for name in each[0]}
    with ExitStack() as timed:
        for run in runs:
            timed.enter_context(run.sampling())
        call = pipe(
            [scene.foreground for scene in scenes],
            [scene.background for scene in scenes],
            light_map=[scene.light for scene in scenes],
            callback_on_step_end=_Watch(parts),
            callback_on_step_end_tensor_inputs=sorted({name for run in runs for name in run.tensors}),
            **knobs,
        )
    images: list[Image.Image] = call.images
    return images


def _knobs(part: LocalPart, scene: Scene) -> dict[str, Any]:
    """The knobs of a part; a light that is drawn here, round the subject's own matte, is not described once more."""
    plan = part.run.plan
    values = {name: getattr(part.run.request, name) for name in Knobs.model_fields}
    described = {} if scene.light is None else {"light": None}
    return {**values, "model": plan.model, "seed": plan.seed, **described}


class _Watch:
    """Tells every run of a batch of each step; who cancels is told no more, and ends the batch only as the last one."""

    def __init__(self, parts: Sequence[LocalPart]) -> None:
        self._parts = parts

    def __call__(self, pipe: ICLightPipeline, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        """Pass a step on; ``tensors`` hold the pictures of the first part first."""
        each = self._parts[0].run.plan.number_of_images
        for index, part in enumerate(self._parts):
            if part.scene is not None:
                own = {name: values[index * each : (index + 1) * each] for name, values in tensors.items()}
                try:
                    part.run.after_step(pipe, step, timestep, own)
                except Cancelled as error:
                    part.fail(error)
        failures = [part.failure for part in self._parts if part.failure is not None]
        if len(failures) == len(self._parts):
            raise failures[0]
        return tensors
