"""Several requests through the local engine: what fits together is sampled in one batch.

A picture does not depend on its company: each request keeps its own generator, texts of different lengths are not put
together, and a card's memory is not filled so far that stronger measures are needed. What is left is the rounding of
sums in another order, a grey level at most.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iclight_local.engines.finishing import framed
from iclight_local.engines.presets import with_preset
from iclight_local.engines.run import Run
from iclight_local.engines.subject import Subject
from iclight_local.errors import Cancelled, ICLightError
from iclight_local.imaging.fit import UInt8Array
from iclight_local.imaging.frame import Frame
from iclight_local.imaging.matte import composite_on_grey
from iclight_local.pipelines.iclight import ICLightPipeline
from iclight_local.pipelines.text import chunks_of
from iclight_local.plan import plan_of
from iclight_local.request import Knobs, RelightRequest
from iclight_local.result import ProgressCallback, RelightResult

if TYPE_CHECKING:
    from iclight_local.engines.local import LocalEngine

Outcome = RelightResult | ICLightError
"""What became of one of several requests."""


@dataclass
class _Part:
    """One request of several: all that is known of it before anything is sampled, and in the end what became of it."""

    run: Run
    subject: Subject
    frame: Frame
    light: UInt8Array | None
    outcome: Outcome | None = None


def relight_together(
    engine: LocalEngine, requests: Sequence[RelightRequest], progress: Sequence[ProgressCallback | None]
) -> list[Outcome]:
    """Relight several pictures; see :meth:`iclight_local.engines.base.Engine.relight_together`."""
    prepared = [_prepared(engine, request, told) for request, told in zip(requests, progress, strict=True)]
    waiting = [part for part in prepared if isinstance(part, _Part)]
    with engine.lock:
        for batch in _batches(engine, waiting):
            _relight(batch)
    return [_ended(part) for part in prepared]


def _ended(part: _Part | ICLightError) -> Outcome:
    found = part.outcome if isinstance(part, _Part) else part
    assert found is not None, "every part went through a batch"
    return found


def _prepared(engine: LocalEngine, request: RelightRequest, told: ProgressCallback | None) -> _Part | ICLightError:
    """What comes before sampling: pictures decoded, the subject cut out, its light drawn."""
    try:
        request = with_preset(request, engine.options.preset)
        run = Run(engine, request, plan_of(request), told)
        subject = run.subject()
        frame = run.frame(subject)
        return _Part(run, subject, frame, run.light(subject, frame))
    except ICLightError as error:
        return error


def _batches(engine: LocalEngine, parts: Sequence[_Part]) -> Iterator[list[_Part]]:
    """Parts that can share UNet calls, as many as memory holds, in the order of the first of each."""
    alike: dict[Hashable, list[_Part]] = {}
    for part in parts:
        alike.setdefault(tuple(part.run.plan.shared.values()), []).append(part)
    for group in alike.values():
        if len(group) == 1:
            yield group
            continue
        try:
            pipe = engine.load(group[0].run.plan.model)
        except ICLightError as error:
            for part in group:
                part.outcome = error
            continue
        most = engine.memory.most_together(pipe, group[0].run.plan, len(group))
        for equal in _of_equal_texts(pipe, group):
            yield from (equal[start : start + most] for start in range(0, len(equal), most))


def _of_equal_texts(pipe: ICLightPipeline, parts: Sequence[_Part]) -> list[list[_Part]]:
    """Parts whose texts take equally many chunks: one text would have to be repeated to another's length."""
    found: dict[int, list[_Part]] = {}
    for part in parts:
        plan = part.run.plan
        texts = (plan.prompt, plan.negative_prompt)
        chunks = max(len(chunks_of(pipe.tokenizer, pipe.text_encoder, text)) for text in texts)
        found.setdefault(chunks, []).append(part)
    return list(found.values())


def _relight(batch: list[_Part]) -> None:
    """Sample and finish a batch; where it fails, each part is tried alone, so that none pays for another."""
    try:
        images = _sampled(batch)
    except ICLightError as error:
        if len(batch) == 1:
            batch[0].outcome = error
            return
        for part in batch:
            if part.outcome is None:
                _relight([part])
        return
    each = batch[0].run.plan.number_of_images
    for index, part in enumerate(batch):
        if part.outcome is None:
            part.outcome = _finished(part, images[index * each : (index + 1) * each])


def _sampled(batch: list[_Part]) -> list[Any]:
    """The model's pictures of all parts, those of the first part first."""
    runs = [part.run for part in batch]
    pipe = [run.pipe(len(batch)) for run in runs][-1]
    lights = [part.light for part in batch]
    each = [_knobs(part) for part in batch]
    knobs: dict[str, Any] = {name: [values[name] for values in each] for name in each[0]}
    behind: list[Any] = [part.subject.background if part.run.request.has_background else None for part in batch]
    with ExitStack() as timed:
        for run in runs:
            timed.enter_context(run.sampling())
        call = pipe(
            [part.frame.for_model(composite_on_grey(part.subject.picture.rgb, part.subject.matte)) for part in batch],
            behind,
            light_map=lights,
            callback_on_step_end=_Watch(batch),
            callback_on_step_end_tensor_inputs=sorted({name for run in runs for name in run.tensors}),
            **knobs,
        )
    images: list[Any] = call.images
    return images


def _knobs(part: _Part) -> dict[str, Any]:
    """The knobs of a part; a light that is drawn here, round the subject's own matte, is not described once more."""
    plan = part.run.plan
    values = {name: getattr(part.run.request, name) for name in Knobs.model_fields}
    described = {} if part.light is None else {"light": None}
    return {**values, "model": plan.model, "seed": plan.seed, **described}


def _finished(part: _Part, images: list[Any]) -> Outcome:
    mirrored = part.run.request.background_flip
    try:
        finished = part.run.finish(images, framed(part.subject, part.frame, mirrored=mirrored))
        return part.run.result("relight", finished, part.subject)
    except ICLightError as error:
        return error


class _Watch:
    """Tells every run of a batch of each step; who cancels is told no more, and ends the batch only as the last one."""

    def __init__(self, batch: Sequence[_Part]) -> None:
        self._batch = batch

    def __call__(self, pipe: ICLightPipeline, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        """Pass a step on; ``tensors`` hold the pictures of the first part first."""
        each = self._batch[0].run.plan.number_of_images
        for index, part in enumerate(self._batch):
            if part.outcome is None:
                own = {name: values[index * each : (index + 1) * each] for name, values in tensors.items()}
                try:
                    part.run.after_step(pipe, step, timestep, own)
                except Cancelled as error:
                    part.outcome = error
        ended = [part.outcome for part in self._batch if isinstance(part.outcome, Cancelled)]
        if len(ended) == len(self._batch):
            raise ended[0]
        return tensors
