"""Several engines in one: each takes what those before it could not do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from iclight_local.engines.base import Engine
from iclight_local.engines.staged import Outcome, Whole
from iclight_local.errors import AnswerLost, Cancelled, EngineError, ICLightError, OutOfMemory, Unsupported
from iclight_local.request import RelightRequest
from iclight_local.result import NormalsResult, Progress, ProgressCallback, RelightResult

Done = TypeVar("Done")
_LOOK_S = 0.2


@dataclass
class Candidate:
    """An engine that is opened when it is first needed.

    Attributes:
        name: in sentences and records.
        open: opens it; raises as :func:`iclight_local.assemble.open_engine` does.
        hosted: whether pictures leave the machine for it, and are paid for.
        turn: held by who asks a hosted one: providers refuse several calls at once sooner than one after another.
    """

    name: str
    open: Callable[[], Engine]
    hosted: bool
    engine: Engine | None = None
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    turn: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def opened(self) -> Engine:
        """The engine, opened once."""
        with self.lock:
            if self.engine is None:
                self.engine = self.open()
            return self.engine

    def leaves(self, error: ICLightError) -> bool:
        """Whether an error of this engine leaves something that another one may do better."""
        if isinstance(error, Unsupported | OutOfMemory):
            return True
        # This machine's own failures are mended, not paid for elsewhere; a provider's are its own.
        return self.hosted and isinstance(error, EngineError)


@dataclass
class _Task:
    """One request on its way from engine to engine: who failed at it, and what became of it."""

    request: RelightRequest
    told: ProgressCallback | None
    failed: list[tuple[Candidate, ICLightError]] = field(default_factory=list)
    outcome: Outcome | None = None

    def waits_for(self, candidate: Candidate) -> bool:
        """Whether an engine shall try it: not where it may be paid for already, and would be paid for again."""
        lost = any(isinstance(error, AnswerLost) for _, error in self.failed)
        return self.outcome is None and not (lost and candidate.hosted)

    def take(self, candidate: Candidate, outcome: Outcome) -> None:
        """Keep what an engine gave."""
        if isinstance(outcome, RelightResult):
            self.outcome = self._explained(outcome)
        elif candidate.leaves(outcome):
            self.failed.append((candidate, outcome))
        else:
            self.outcome = outcome

    def ended(self) -> Outcome:
        """What became of it; where nobody could do it, the first one's error, and the others' reasons behind it."""
        if self.outcome is not None:
            return self.outcome
        (_, first), *rest = self.failed
        if not rest:
            return first
        # Nobody is to take a call that may be charged for one that only failed.
        kind = next((type(error) for _, error in self.failed if isinstance(error, AnswerLost)), type(first))
        return kind(" ".join(_sentence(candidate, error) for candidate, error in self.failed))

    def _explained(self, result: RelightResult) -> RelightResult:
        if not self.failed:
            return result
        reasons = tuple(_sentence(candidate, error) for candidate, error in self.failed)
        # Sentences may name folders of this machine, which no result tells.
        record = [{"engine": candidate.name, "error": type(error).__name__} for candidate, error in self.failed]
        return replace(
            result,
            warnings=(*reasons, *result.warnings),
            record={**result.record, "instead_of": record},
        )


def _sentence(candidate: Candidate, error: ICLightError) -> str:
    return f"{candidate.name} did not relight this: {error}"


class FallbackEngine:
    """Tries engines in order.

    An engine's place is taken by the next one where it lacks memory or weights or cannot do what is asked, and a
    provider's also where it fails; never where the request is wrong or was stopped.
    """

    name = "fallback"

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self._candidates = list(candidates)

    def relight(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> RelightResult:
        """Relight one picture; see :meth:`iclight_local.engines.base.Engine.relight`."""
        (outcome,) = self.relight_together([request], progress=[progress])
        if isinstance(outcome, ICLightError):
            raise outcome
        return outcome

    def relight_together(
        self, requests: Sequence[RelightRequest], *, progress: Sequence[ProgressCallback | None]
    ) -> list[RelightResult | ICLightError]:
        """Relight several; see :meth:`iclight_local.engines.base.Engine.relight_together`."""
        tasks = [_Task(request, told) for request, told in zip(requests, progress, strict=True)]
        for candidate in self._candidates:
            waiting = [task for task in tasks if task.waits_for(candidate)]
            if waiting:
                for task, outcome in zip(waiting, _outcomes(candidate, waiting), strict=True):
                    task.take(candidate, outcome)
        return [task.ended() for task in tasks]

    def staged(self) -> Whole:
        """In one piece: who makes it is not known before. See :meth:`iclight_local.engines.base.Engine.staged`."""
        return Whole(self)

    @property
    def offline(self) -> bool:
        """It may ask a network: with offline mode no such engine is opened."""
        return False

    def batch_key(self, request: RelightRequest) -> Hashable:
        """As the first engine has it; None, so that nothing is batched, where that one cannot be opened."""
        try:
            engine = self._candidates[0].opened()
        except Unsupported:
            return None
        return engine.batch_key(request)

    def normals(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> NormalsResult:
        """Estimate a normal map; see :meth:`iclight_local.engines.base.Engine.normals`."""
        return self._first(lambda engine: engine.normals(request, progress=progress))

    def cut_out(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> RelightResult:
        """Cut a subject out; see :meth:`iclight_local.engines.base.Engine.cut_out`."""
        return self._first(lambda engine: engine.cut_out(request, progress=progress))

    def warm_up(self, together: int, *, progress: ProgressCallback | None = None) -> None:
        """Warm this machine's own engine up; see :meth:`iclight_local.engines.base.Engine.warm_up`."""
        for each in self._candidates:
            if not each.hosted:
                each.opened().warm_up(together, progress=progress)

    @property
    def hosted(self) -> tuple[str, ...]:
        """The providers among the engines, by name."""
        return tuple(each.name for each in self._candidates if each.hosted)

    def alone(self, name: str) -> FallbackEngine:
        """One of the engines by itself, for what no other one has."""
        return FallbackEngine([each for each in self._candidates if each.name == name])

    def unpaid(self) -> FallbackEngine:
        """The same engines for a request that a provider may have been paid for already: none is asked once more."""
        return FallbackEngine([_barred(each) if each.hosted else each for each in self._candidates])

    def _first(self, work: Callable[[Engine], Done]) -> Done:
        """What the first engine gives that can do it; where none can, the first one's error."""
        failed: list[ICLightError] = []
        for candidate in self._candidates:
            try:
                return work(candidate.opened())
            except ICLightError as error:
                if not candidate.leaves(error):
                    raise
                failed.append(error)
        raise failed[0]

    def close(self) -> None:
        """Close whatever was opened."""
        for candidate in self._candidates:
            if candidate.engine is not None:
                candidate.engine.close()


def _barred(candidate: Candidate) -> Candidate:
    def refuse() -> Engine:
        raise AnswerLost(
            "this was interrupted once and may have been sent and charged for then, so it is not sent again."
        )

    return Candidate(candidate.name, refuse, hosted=True)


def _outcomes(candidate: Candidate, tasks: Sequence[_Task]) -> list[Outcome]:
    try:
        engine = candidate.opened()
    except ICLightError as error:
        return [error for _ in tasks]
    if candidate.hosted:
        return [_in_turn(candidate, engine, task) for task in tasks]
    return engine.relight_together([task.request for task in tasks], progress=[task.told for task in tasks])


def _in_turn(candidate: Candidate, engine: Engine, task: _Task) -> Outcome:
    """What becomes of a request at a provider; who waits for others there can be cancelled."""
    try:
        while not candidate.turn.acquire(timeout=_LOOK_S):
            if task.told is not None:
                task.told(Progress("queue", 0, 1))
    except Cancelled as error:
        return error
    try:
        (outcome,) = engine.relight_together([task.request], progress=[task.told])
        return outcome
    finally:
        candidate.turn.release()
