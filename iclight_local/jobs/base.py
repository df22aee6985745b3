"""What a job is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from iclight_local.dialects.base import Asked, Delivered, State

FINAL: tuple[State, ...] = ("done", "failed", "cancelled")
"""States that a job stays in."""


@dataclass(frozen=True)
class Job:
    """An accepted call and what became of it; times are seconds since the epoch.

    Attributes:
        id: what its owner asks for it by; 192 random bits.
        secret: what its results are downloaded by; 192 other random bits.
        owner: who may see it.
        dialect: the spelling of the call.
        asked: the call; its uploaded pictures lie in the job's folder and are empty here.
        attempts: how often a run began.
        outputs: media types of the results, in order.
        headers: of the results, in order; empty for a job of a version that kept none.
        seeds: of the results, in order.
    """

    id: str
    secret: str
    owner: str
    dialect: str
    asked: Asked
    state: State
    created: float
    expires: float
    started: float | None = None
    ended: float | None = None
    attempts: int = 0
    outputs: tuple[str, ...] = ()
    headers: tuple[Mapping[str, str], ...] = ()
    seeds: tuple[int, ...] = ()
    error: str | None = None
    at_fault: bool = False

    @property
    def final(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in FINAL


@dataclass(frozen=True)
class Outcome:
    """What a run gave.

    Attributes:
        pictures: the results.
        seeds: of the results, in order.
    """

    pictures: tuple[Delivered, ...]
    seeds: tuple[int, ...]
