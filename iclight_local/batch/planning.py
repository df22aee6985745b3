"""From rows to groups that are sampled together: what is done already is left out, what was begun is formed again.

Which rows share a group depends on their order alone, so that a batch that was stopped and resumed samples the same
groups as one that was not: the ledger remembers those that were formed, and the rest form as they would have.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from iclight_local.batch.base import Group, Outcome, Row
from iclight_local.batch.keys import asked_of, contents_of, digest, key_of, pictures_of
from iclight_local.batch.ledger import Entry, Ledger, Planned
from iclight_local.batch.options import BatchOptions
from iclight_local.batch.output import Output, sidecar_of
from iclight_local.batch.places import fetch, is_near, stamp
from iclight_local.batch.setup import plan_in
from iclight_local.engines.base import Engine
from iclight_local.errors import ICLightError, InvalidRequest
from iclight_local.request import RelightRequest

AT_ONCE = 16
"""Rows with pictures elsewhere that are looked at together, because each waits for a network."""
MAYBE_PAID = (
    "AnswerLost",
    "It was begun when the last run stopped, so that a provider may have it already, and be paid: --retry asks again.",
)
"""What becomes of rows that were under way to a provider, and of no others."""
Verdict = Literal["run", "done", "failed", "refused"]


@dataclass(frozen=True)
class Found:
    """What is to become of a row.

    Attributes:
        row: the row.
        verdict: ``run``; ``done`` before; ``failed`` before, or cannot be run; ``refused``, because its name is taken.
        asked: digests of the setup and of what is asked, as the ledger keeps them.
        stamps: of its pictures, by parameter.
        shape: what rows of a group have in common.
        group: of the ledger, in which a stopped run had begun it; None for a new one.
        error: kind and sentence, where it failed or is refused.
        known: whether the ledger knows of the failure.
        kept: whether the ledger is to know of it; not where it has a result of the row, which is no worse for it.
        work: of its two passes, as :attr:`iclight_local.plan.RelightPlan.work`; comparable among rows.
    """

    row: Row
    verdict: Verdict
    asked: str = ""
    stamps: dict[str, str] = field(default_factory=dict)
    shape: Hashable = None
    group: int | None = None
    error: tuple[str, str] | None = None
    known: bool = False
    kept: bool = True
    work: float = 0.0


class Scout:
    """Looks at a row before it runs; no more is read of a picture than its size, where that is needed.

    Args:
        ledger: what is known.
        output: where results go.
        options: of the batch.
        engine: tells what fits together.
        setup: what results depend on beside their rows.
    """

    def __init__(
        self, ledger: Ledger, output: Output, options: BatchOptions, engine: Engine, setup: Mapping[str, Any]
    ) -> None:
        self._ledger, self._output, self._options, self._engine = ledger, output, options, engine
        self._setup, self._pays = setup, bool(setup.get("providers"))
        self._digest = digest(setup)

    def found(self, row: Row) -> Found:
        """What is to become of a row."""
        asked, entry, stamps = "", self._ledger.entry(row.name), {}
        try:
            request = RelightRequest(**row.values)
            if self._options.sequence and request.number_of_images > 1:
                raise InvalidRequest("A sequence has one image for each frame: leave number_of_images out.")
            asked = f"{self._digest} {asked_of(request)}"
            stamps = {name: stamp(place, offline=self._engine.offline) for name, place in pictures_of(row).items()}
            found = self._judged(Found(row, "run", asked, stamps), entry)
            return found if found.verdict != "run" else self._shaped(found, request)
        except ICLightError as error:
            done = entry is not None and entry.state == "done"
            if done and entry is not None and self._is_same(row, asked, entry) and self._has_all(entry):
                # Whoever clears the pictures away keeps their results.
                return Found(row, "done")
            told = (type(error).__name__, str(error))
            before = entry is not None and entry.state == "failed"
            known = before and entry is not None and entry.error == told and not self._options.retry
            return Found(row, "failed", asked, stamps, error=told, known=known, kept=entry is None or before)

    def _is_same(self, row: Row, asked: str, entry: Entry) -> bool:
        # A frame's light depends on those beside it.
        return entry.asked == asked and (not self._options.sequence or entry.number == row.number)

    def _judged(self, found: Found, entry: Entry | None) -> Found:
        """What the ledger, and what lies at the row's names, make of it."""
        row, own = found.row, {} if entry is None else entry.files
        for place in pictures_of(row).values():
            if self._output.is_result(place, row.names):
                sentence = f"Its result would take the place of {place}: choose another --name or --out."
                return Found(row, "refused", error=("InvalidRequest", sentence))
        # What lies at the names of a row that was begun, or done, is its own.
        claimed = entry is not None and entry.state != "failed"
        names = row.names if own else (*row.names, sidecar_of(row.name))
        foreign = [] if claimed else [name for name in names if name not in own and self._output.has(name)]
        if foreign and not self._options.overwrite:
            return _refused(row, f"{self._output.place(foreign[0])} exists already, and this batch did not make it")
        return found if entry is None else self._again(found, entry)

    def _again(self, found: Found, entry: Entry) -> Found:
        """What is to become of a row that the ledger knows, and whose names are free or its own."""
        same = self._is_same(found.row, found.asked, entry) and (
            entry.stamps == found.stamps or self._same_contents(found, entry)
        )
        if entry.state == "planned":
            if self._pays and not self._options.retry:
                return replace(found, verdict="failed", error=MAYBE_PAID)
            return replace(found, group=entry.group if same else None)
        if entry.state == "failed":
            again = self._options.retry or not same
            return found if again else Found(found.row, "failed", error=entry.error, known=True)
        return self._after_done(found, entry, same=same)

    def _after_done(self, found: Found, entry: Entry, *, same: bool) -> Found:
        there = [name for name in entry.files if self._output.has(name)]
        if not there or (same and len(there) < len(entry.files)):
            return found
        changed = next((name for name in there if same and not self._is_as_made(name, entry)), None)
        if same and changed is None:
            if entry.stamps != found.stamps:
                self._ledger.restamp(found.row.name, found.stamps)
            return Found(found.row, "done")
        if self._options.overwrite:
            return found
        if changed is not None:
            return _refused(found.row, f"{self._output.place(changed)} is not as this batch made it")
        return _refused(found.row, f"{self._output.place(found.row.name)} was {self._otherwise(found, entry)}")

    def _has_all(self, entry: Entry) -> bool:
        return all(self._output.has(name) for name in entry.files)

    def _is_as_made(self, name: str, entry: Entry) -> bool:
        """Whether a result is what was written; one whose size and time are the same is not read."""
        written = entry.written.get(name)
        return written == self._output.stamp(name) or self._output.sha256(name) == entry.files[name]

    def _same_contents(self, found: Found, entry: Entry) -> bool:
        """Whether the pictures are the ones of the ledger, though their stamps are not."""
        asked, offline = found.asked.split()[1], self._engine.offline
        return entry.key != "" and entry.key == key_of(asked, contents_of(found.row, offline=offline))

    def _otherwise(self, found: Found, entry: Entry) -> str:
        if entry.asked != found.asked:
            return "asked for otherwise when this batch made it"
        if self._options.sequence and entry.number != found.row.number:
            return f"frame {entry.number} and not {found.row.number} when this batch made it"
        return "made from another picture when this batch made it"

    def _shaped(self, found: Found, request: RelightRequest) -> Found:
        """Add what rows of a group have in common; of a picture that is elsewhere the whole is fetched for its size."""
        found = replace(found, work=plan_in(self._setup, request).work)
        if self._options.sequence:
            # Frames stay in their order, whatever their shapes.
            return found
        place = str(request.subject_image)
        if request.fit != "crop" and not is_near(place):
            request = request.model_copy(update={"subject_image": fetch(place, offline=self._engine.offline)})
        return replace(found, shape=self._engine.batch_key(request))

    def all(self, rows: Iterable[Row]) -> Iterator[Found]:
        """What is to become of each row, in order; several are looked at at once where that waits for a network."""
        waiting: deque[Found | Future[Found]] = deque()
        threads = ThreadPoolExecutor(AT_ONCE, "scout")
        try:
            for row in rows:
                here = self._output.is_here and all(is_near(place) for place in pictures_of(row).values())
                waiting.append(self.found(row) if here else threads.submit(self.found, row))
                if len(waiting) > AT_ONCE or not isinstance(waiting[0], Future):
                    yield _got(waiting.popleft())
            while waiting:
                yield _got(waiting.popleft())
        finally:
            # Who stops does not wait for a network.
            threads.shutdown(wait=False, cancel_futures=True)


def _refused(row: Row, why: str) -> Found:
    sentence = f"{why}: add --overwrite, or choose another --name or --out."
    return Found(row, "refused", error=("InvalidRequest", sentence))


def _got(found: Found | Future[Found]) -> Found:
    return found.result() if isinstance(found, Future) else found


class Planner:
    """Forms groups.

    Args:
        ledger: groups are written there before they are given out.
        together: rows of a group at most.
        limit: rows to give out at most; None for all.
        tell: told of each row that is not given out.
    """

    def __init__(self, ledger: Ledger, together: int, limit: int | None, tell: Callable[[Found], None]) -> None:
        self._ledger, self._together, self._limit, self._tell = ledger, together, limit, tell
        self._open: dict[Hashable, list[Found]] = {}
        self._missing = ledger.planned()
        self._begun: dict[int, list[Found]] = {}

    def groups(self, found: Iterable[Found]) -> Iterator[Group]:
        """Groups of the rows that are to run, in the order of their last rows."""
        count, limit = 0, math.inf if self._limit is None else self._limit
        for each in found:
            if each.verdict != "run":
                self._leave(each)
                continue
            # A group that was begun is run whole, also where that is more than the limit.
            if count >= limit and not self._is_begun(each):
                continue
            yield from self._take(each)
            count += 1
            if count >= limit and not self._begun:
                break
        for number, members in self._begun.items():
            yield self._planned(members, number)
        for waiting in self._open.values():
            yield self._planned(waiting, None)

    def _is_begun(self, found: Found) -> bool:
        return found.group in self._begun and found.row.name in self._missing.get(found.group, ())

    def _take(self, found: Found) -> Iterator[Group]:
        number = found.group
        if number is not None and found.row.name in self._missing.get(number, ()):
            members = self._begun.setdefault(number, [])
            members.append(found)
            self._missing[number].discard(found.row.name)
            if not self._missing[number]:
                yield self._planned(self._begun.pop(number), number)
            return
        members = self._open.setdefault(found.shape, [])
        members.append(found)
        if len(members) >= self._together:
            yield self._planned(self._open.pop(found.shape), None)
        elif sum(map(len, self._open.values())) >= WAITING * self._together:
            # Rows of a rare shape are not held back for ever; a dictionary keeps the order of coming.
            yield self._planned(self._open.pop(next(iter(self._open))), None)

    def _leave(self, found: Found) -> None:
        if found.verdict == "failed" and found.kept and not found.known and found.error is not None:
            self._ledger.plan([Planned(found.row, found.asked, found.stamps)])
            self._ledger.keep([Outcome.failure(found.row.name, *found.error)])
        self._tell(found)

    def _planned(self, members: list[Found], number: int | None) -> Group:
        planned = [Planned(each.row, each.asked, each.stamps) for each in members]
        return Group(self._ledger.plan(planned, number), tuple(each.row for each in members))


WAITING = 4
"""Groups' worth of rows that wait for company before the oldest of them go without."""
