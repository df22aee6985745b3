"""What a contestant answers to one request, on the clock."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

from iclight_local.bench.cold import cold_start
from iclight_local.bench.contestants import Contestant, Price
from iclight_local.engines.base import Engine
from iclight_local.errors import Cancelled, EngineError, ICLightError, InvalidRequest, Unsupported
from iclight_local.request import RelightRequest
from iclight_local.result import RelightResult


@dataclass(frozen=True)
class Answer:
    """A result or an error, and how long it took.

    Attributes:
        seconds: on the clock, from the request to the decoded pictures.
        result: None where there is an error.
        error: None where there is a result.
    """

    seconds: float
    result: RelightResult | None = None
    error: ICLightError | None = None

    @property
    def final(self) -> bool:
        """Whether the same request would be refused again."""
        return isinstance(self.error, InvalidRequest | Unsupported)


class Entrant(Protocol):
    """A contestant at work, live or played back."""

    name: str
    price: Price
    replayed: bool
    """Whether its answers are recorded ones."""
    apart: bool
    """Whether its cold start runs in a process of its own, and so leaves the engine cold."""

    def cold(self, request: RelightRequest) -> Answer:
        """The first answer of a fresh start, opening included."""
        ...

    def warm(self, request: RelightRequest) -> Answer:
        """An answer of an engine that is open; opening is not on the clock."""
        ...

    def close(self) -> None:
        """Free what is held."""
        ...


class Live:
    """A contestant whose engine is asked."""

    replayed = False

    def __init__(self, contestant: Contestant) -> None:
        self.name, self.price = contestant.name, contestant.price
        self.apart = contestant.fresh is not None
        self._contestant = contestant
        self._engine: Engine | None = None

    def cold(self, request: RelightRequest) -> Answer:
        """As in :class:`Entrant`."""
        if self._contestant.fresh is None:
            return self._asked(request, opening=True)
        began = perf_counter()
        try:
            found = cold_start(self._contestant.fresh, request)
        except ICLightError as error:
            return Answer(perf_counter() - began, error=error)
        return Answer(found.seconds, result=found.result)

    def warm(self, request: RelightRequest) -> Answer:
        """As in :class:`Entrant`."""
        return self._asked(request, opening=False)

    def close(self) -> None:
        """As in :class:`Entrant`."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _asked(self, request: RelightRequest, *, opening: bool) -> Answer:
        began = perf_counter()
        try:
            if self._engine is None:
                self._engine = self._contestant.open()
            began = began if opening else perf_counter()
            result = self._engine.relight(request)
            return Answer(perf_counter() - began, result=result)
        except Cancelled:
            raise
        except ICLightError as error:
            return Answer(perf_counter() - began, error=error)
        except Exception as error:  # noqa: BLE001  # whatever a contestant fails at, the others go on
            return Answer(perf_counter() - began, error=EngineError(f"It failed unexpectedly ({_brief(error)})."))


def _brief(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
