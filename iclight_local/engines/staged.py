"""A relight in three stages, so that a batch can prepare and finish pictures while others are sampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from iclight_local.errors import ICLightError
from iclight_local.request import RelightRequest
from iclight_local.result import ProgressCallback, RelightResult

if TYPE_CHECKING:
    from iclight_local.engines.base import Engine

Outcome = RelightResult | ICLightError
"""What became of one of several requests."""
PartT = TypeVar("PartT")
"""One request between its stages; of use to the stages alone that prepared it."""


class Stages(Protocol[PartT]):
    """The stages of a relight: what comes before the model, the model, and what comes after it.

    A result is the same however the stages of several requests overlap.
    """

    def prepare(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> PartT:
        """Do all that comes before sampling; in any thread, several at once.

        Args:
            request: a PIL image in it must be loaded where several requests share it: Pillow loads it only once.
            progress: told how far it is, also while it is sampled, and from whichever thread does that.

        Raises:
            ICLightError: as :meth:`iclight_local.engines.base.Engine.relight` does.
        """
        ...

    def sample(self, parts: Sequence[PartT]) -> None:
        """Make the model's pictures, at the same time as whatever other threads have sampled; in any thread.

        A part whose picture could not be made keeps the reason; :meth:`finish` raises it. Parts that have their
        pictures already are left alone.
        """
        ...

    def finish(self, part: PartT) -> RelightResult:
        """Turn a sampled part into its result, and let go of all that it holds; in any thread, several at once.

        Raises:
            ICLightError: what became of it instead, as :meth:`iclight_local.engines.base.Engine.relight` does.
            ValueError: it was not sampled, or is finished.
        """
        ...


def relight_staged(
    stages: Stages[PartT], requests: Sequence[RelightRequest], progress: Sequence[ProgressCallback | None]
) -> list[Outcome]:
    """Relight several pictures stage by stage; as :meth:`iclight_local.engines.base.Engine.relight_together`."""
    prepared: list[PartT | ICLightError] = []
    for request, told in zip(requests, progress, strict=True):
        try:
            prepared.append(stages.prepare(request, progress=told))
        except ICLightError as error:
            prepared.append(error)
    stages.sample([part for part in prepared if not isinstance(part, ICLightError)])
    return [part if isinstance(part, ICLightError) else _finished(stages, part) for part in prepared]


def one_by_one(
    engine: Engine, requests: Sequence[RelightRequest], progress: Sequence[ProgressCallback | None]
) -> list[Outcome]:
    """The ``relight_together`` of an engine that gains nothing by it: one request after another."""
    outcomes: list[Outcome] = []
    for request, told in zip(requests, progress, strict=True):
        try:
            outcomes.append(engine.relight(request, progress=told))
        except ICLightError as error:
            outcomes.append(error)
    return outcomes


def _finished(stages: Stages[PartT], part: PartT) -> Outcome:
    try:
        return stages.finish(part)
    except ICLightError as error:
        return error


@dataclass
class WholePart:
    """A request to an engine that is not cut into stages.

    Attributes:
        request: what was asked.
        progress: told how far it is, or None.
        outcome: what became of it; None before it was sampled and after it was finished.
    """

    request: RelightRequest
    progress: ProgressCallback | None
    outcome: Outcome | None = None


class Whole:
    """The stages of an engine that cannot be cut: all the work is done where others sample.

    Args:
        engine: its ``relight_together`` does it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def prepare(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> WholePart:
        """Keep the request; see :meth:`Stages.prepare`."""
        return WholePart(request, progress)

    def sample(self, parts: Sequence[WholePart]) -> None:
        """Relight together; see :meth:`Stages.sample`."""
        waiting = [part for part in parts if part.outcome is None]
        if not waiting:
            return
        progress = [part.progress for part in waiting]
        outcomes = self._engine.relight_together([part.request for part in waiting], progress=progress)
        for part, outcome in zip(waiting, outcomes, strict=True):
            part.outcome = outcome

    def finish(self, part: WholePart) -> RelightResult:
        """Give the result; see :meth:`Stages.finish`."""
        found, part.outcome = part.outcome, None
        if found is None:
            raise ValueError("Only what was sampled can be finished, and only once.")
        if isinstance(found, ICLightError):
            raise found
        return found
