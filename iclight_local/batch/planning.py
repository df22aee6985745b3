"""From rows to groups that are sampled together: what is done already is left out, what was begun is formed again.

Which rows share a group depends on their order alone, so that a batch that was stopped and resumed samples the same
groups as one that was not: the ledger remembers those that were formed, and the rest form as they would have.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from iclight_local.batch.base import Group, Outcome, Row
from iclight_local.batch.keys import asked_of, contents_of, digest, key_of, pictures_of
from iclight_local.batch.ledger import Entry, Ledger, Planned
from iclight_local.batch.options import BatchOptions
from iclight_local.batch.output import Output
from iclight_local.batch.places import fetch, is_near, stamp
from iclight_local.engines.base import Engine
from iclight_local.errors import ICLightError, InvalidRequest
from iclight_local.request import RelightRequest

AT_ONCE = 16
"""Rows with pictures elsewhere that are looked at together, because each waits for a network."""
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
    """

    row: Row
    verdict: Verdict
    asked: str = ""
    stamps: dict[str, str] = field(default_factory=dict)
    shape: Hashable = None
    group: int | None = None
    error: tuple[str, str] | None = None
    known: bool = False


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
        self._setup = digest(setup)

    def found(self, row: Row) -> Found:
        """What is to become of a row."""
        asked, entry, stamps = "", self._ledger.entry(row.name), {}
        try:
            request = RelightRequest(**row.values)
            if self._options.sequence and request.number_of_images > 1:
                raise InvalidRequest("A sequence has one image for each frame: leave number_of_images out.")
            asked = f"{self._setup} {asked_of(request)}"
            stamps = {name: stamp(place, offline=self._engine.offline) for name, place in pictures_of(row).items()}
            found = self._judged(Found(row, "run", asked, stamps), entry)
            return found if found.verdict != "run" else self._shaped(found, request)
        except ICLightError as error:
            if entry is not None and entry.state == "done" and entry.asked == asked and self._has_all(entry):
                # Whoever clears the pictures away keeps their results.
                return Found(row, "done")
            told = (type(error).__name__, str(error))
            known = entry is not None and entry.state == "failed" and entry.error == told and not self._options.retry
            return Found(row, "failed", asked, stamps, error=told, known=known)

    def _judged(self, found: Found, entry: Entry | None) -> Found:
        """What the ledger, and what lies at the row's names, make of it."""
        row = found.row
        taken = [name for name in row.names if self._output.has(name)]
        if entry is None:
            return found if not taken or self._options.overwrite else self._refused(found, taken[0])
        same = entry.asked == found.asked and (entry.stamps == found.stamps or self._same_contents(found, entry))
        # A frame's light depends on those beside it.
        same = same and (not self._options.sequence or entry.number == row.number)
        if entry.state == "planned":
            return Found(row, "run", found.asked, found.stamps, group=entry.group if same else None)
        if entry.state == "failed":
            again = self._options.retry or not same
            return found if again else Found(row, "failed", error=entry.error, known=True)
        if same and self._has_all(entry):
            if entry.stamps != found.stamps:
                self._ledger.restamp(row.name, found.stamps)
            return Found(row, "done")
        if same or not taken or self._options.overwrite:
            return found
        return self._changed(found, entry)

    def _has_all(self, entry: Entry) -> bool:
        return all(self._output.has(name) for name in entry.files)

    def _same_contents(self, found: Found, entry: Entry) -> bool:
        """Whether the pictures are the ones of the ledger, though their stamps are not."""
        asked, offline = found.asked.split()[1], self._engine.offline
        return entry.key != "" and entry.key == key_of(asked, contents_of(found.row, offline=offline))

    def _refused(self, found: Found, name: str) -> Found:
        sentence = (
            f"{self._output.place(name)} exists already, and this batch did not make it: "
            "add --overwrite, or choose another --name or --out."
        )
        return Found(found.row, "refused", error=("InvalidRequest", sentence))

    def _changed(self, found: Found, entry: Entry) -> Found:
        what = "made from another picture"
        if entry.asked != found.asked:
            what = "asked for otherwise"
        elif self._options.sequence and entry.number != found.row.number:
            what = f"frame {entry.number} and not {found.row.number}"
        sentence = (
            f"{self._output.place(found.row.name)} was {what} when this batch made it: "
            "add --overwrite to make it anew, or choose another --name or --out."
        )
        return Found(found.row, "refused", error=("InvalidRequest", sentence))

    def _shaped(self, found: Found, request: RelightRequest) -> Found:
        """Add what rows of a group have in common; of a picture that is elsewhere the whole is fetched for its size."""
        place = str(request.subject_image)
        if request.fit != "crop" and not is_near(place):
            request = request.model_copy(update={"subject_image": fetch(place, offline=self._engine.offline)})
        return replace(found, shape=self._engine.batch_key(request))

    def all(self, rows: Iterable[Row]) -> Iterator[Found]:
        """What is to become of each row, in order; those with pictures elsewhere are looked at several at once."""
        waiting: deque[Found | Future[Found]] = deque()
        with ThreadPoolExecutor(AT_ONCE, "scout") as threads:
            for row in rows:
                here = all(is_near(place) for place in pictures_of(row).values())
                waiting.append(self.found(row) if here else threads.submit(self.found, row))
                if len(waiting) > AT_ONCE or not isinstance(waiting[0], Future):
                    yield _got(waiting.popleft())
            while waiting:
                yield _got(waiting.popleft())


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
        count = 0
        for each in found:
            if each.verdict != "run":
                self._leave(each)
                continue
            yield from self._take(each)
            count += 1
            if count == self._limit:
                break
        for number, members in self._begun.items():
            yield self._planned(members, number)
        for waiting in self._open.values():
            yield self._planned(waiting, None)

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
        if found.verdict == "failed" and not found.known and found.error is not None:
            self._ledger.plan([Planned(found.row, found.asked, found.stamps)])
            self._ledger.keep([Outcome.failure(found.row.name, *found.error)])
        self._tell(found)

    def _planned(self, members: list[Found], number: int | None) -> Group:
        planned = [Planned(each.row, each.asked, each.stamps) for each in members]
        return Group(self._ledger.plan(planned, number), tuple(each.row for each in members))


WAITING = 4
"""Groups' worth of rows that wait for company before the oldest of them go without."""
