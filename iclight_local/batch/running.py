"""A whole batch: what is left to do goes to a worker, what becomes of it to the ledger, and all of it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Protocol

from iclight_local.batch.base import Group, Outcome, Row
from iclight_local.batch.ledger import Ledger
from iclight_local.batch.options import BatchOptions
from iclight_local.batch.output import Output, folders_of
from iclight_local.batch.planning import Found, Planner, Scout
from iclight_local.batch.sequence import measured_flicker
from iclight_local.batch.setup import TOGETHER, check_setup
from iclight_local.batch.work import Done
from iclight_local.engines.base import Engine
from iclight_local.errors import EngineError

ENGINE_FAILURES = 5
"""Rows in a row that an engine may fail at before it is taken to be broken."""
TOGETHER_ON_A_CARD, TOGETHER_ON_THE_CPU = 8, 1
_THE_ENGINES = ("EngineError", "AnswerLost")


class Teller(Protocol):
    """Whoever is told how a batch goes on; called from several threads."""

    def left(self, found: Found) -> None:
        """A row does not run: it is done, it failed before or cannot run, or its name is taken."""
        ...

    def ended(self, row: Row, outcome: Outcome) -> None:
        """A row ran."""
        ...


@dataclass
class Summary:
    """What a run came to.

    Attributes:
        made: rows that were relit.
        done: rows that were done before.
        failed: rows that failed, now or before.
        refused: rows whose names are taken.
        seconds: of the run.
        sampling: seconds in which the model was sampled; of several workers together.
        flicker: of a sequence, before and after its light was steadied, EV.
    """

    made: int = 0
    done: int = 0
    failed: int = 0
    refused: int = 0
    seconds: float = 0.0
    sampling: float = 0.0
    flicker: tuple[float, float] | None = None

    @property
    def whole(self) -> bool:
        """Whether every row that was looked at has its result."""
        return not self.failed and not self.refused

    def leave(self, found: Found) -> None:
        """Count a row that does not run."""
        setattr(self, found.verdict, getattr(self, found.verdict) + 1)

    def end(self, outcome: Outcome) -> None:
        """Count a row that ran."""
        if outcome.error is None:
            self.made += 1
        else:
            self.failed += 1


class Working(Protocol):
    """Whatever carries groups out."""

    def run(self, groups: Iterable[Group], stopping: threading.Event) -> Generator[Done]:
        """Each group and what became of its rows; raises what would happen to all others, too.

        Args:
            groups: whoever forms them stops when ``stopping`` is set.
            stopping: is set when no more of them are wanted.
        """
        ...


@dataclass(frozen=True)
class Batch:
    """A batch that is ready to run.

    Attributes:
        rows: of the source.
        options: how it runs.
        output: where results go.
        ledger: what is known of it.
        engine: tells what fits together.
        setup: what results depend on beside their rows.
    """

    rows: Iterable[Row]
    options: BatchOptions
    output: Output
    ledger: Ledger
    engine: Engine
    setup: dict[str, object] = field(default_factory=dict)

    @property
    def scout(self) -> Scout:
        """What looks at its rows."""
        return Scout(self.ledger, self.output, self.options, self.engine, self.setup)

    def together(self, *, on_card: bool) -> int:
        """Rows of a group at most: as asked, as in earlier runs, or as it is usual on this device."""
        if self.options.together is not None:
            return self.options.together
        before = self.ledger.fact(TOGETHER)
        return int(before) if before is not None else TOGETHER_ON_A_CARD if on_card else TOGETHER_ON_THE_CPU


def run_batch(batch: Batch, worker: Working, teller: Teller, summary: Summary, *, on_card: bool) -> None:
    """Run what is left of a batch.

    Args:
        batch: the batch.
        worker: carries groups out.
        teller: is told of every row.
        summary: is filled as the batch goes on, also where it is stopped.
        on_card: whether the worker has a graphics card.

    Raises:
        InvalidRequest: the results that are there were made with other weights or settings.
        EngineError: the disk is full, or the engine fails at one row after the other.
        WeightsError: weights or a segmenter are missing or damaged.
    """
    check_setup(batch.ledger, batch.setup, batch.options.out, overwrite=batch.options.overwrite)
    together = batch.together(on_card=on_card)
    batch.ledger.keep_fact(TOGETHER, together)
    folders = folders_of(name for names in batch.ledger.planned().values() for name in names)
    batch.output.sweep(folders)
    began, broken, counting, stopping = time.monotonic(), 0, threading.Lock(), threading.Event()

    def left(found: Found) -> None:
        with counting:
            summary.leave(found)
        teller.left(found)

    def noted(groups: Iterable[Group]) -> Iterator[Group]:
        for group in groups:
            folders.update(*(folders_of(row.names) for row in group.rows))
            yield group

    rows = _until(stopping, batch.rows)
    groups = Planner(batch.ledger, together, batch.options.limit, left).groups(batch.scout.all(rows))
    try:
        with closing(worker.run(noted(groups), stopping)) as done:
            for group, outcomes in done:
                batch.ledger.keep(outcomes)
                summary.sampling += max(map(_sampled_for, outcomes))
                for row, outcome in zip(group.rows, outcomes, strict=True):
                    with counting:
                        summary.end(outcome)
                    teller.ended(row, outcome)
                    broken = broken + 1 if _is_the_engines(outcome) else 0
                    if broken == ENGINE_FAILURES:
                        raise EngineError(_broken(outcome))
    finally:
        summary.seconds = time.monotonic() - began
        # One of several processes may have been killed, and its rows made by another.
        batch.output.sweep(folders)
    if batch.options.sequence:
        summary.flicker = measured_flicker(batch.ledger.frames)


class _Stopped(Exception):
    """No more rows are wanted; nothing that was begun with them is to be planned."""


def _until(stopping: threading.Event, rows: Iterable[Row]) -> Generator[Row]:
    for row in rows:
        if stopping.is_set():
            raise _Stopped
        yield row


def _sampled_for(outcome: Outcome) -> float:
    """Seconds of the group's passes, which each of its rows tells."""
    return sum(outcome.timings.get(name, 0.0) for name in ("lowres", "highres"))


def _is_the_engines(outcome: Outcome) -> bool:
    # What failed before it came to the engine has no key: a network, mostly, or the picture.
    return outcome.error is not None and outcome.key != "" and outcome.error[0] in _THE_ENGINES


def _broken(outcome: Outcome) -> str:
    sentence = "" if outcome.error is None else outcome.error[1]
    return (
        f"{ENGINE_FAILURES} pictures failed one after another, and the pictures are not at fault ({sentence}): "
        "mend that and run the same command with --retry."
    )
