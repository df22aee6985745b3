"""Groups to files: the next ones are decoded and cut out, one is sampled, the last ones are finished, all at once."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, TypeVar

from iclight_local.batch.base import Group, Outcome, Row
from iclight_local.batch.keys import asked_of, contents_of, key_of, seed_of
from iclight_local.batch.output import Output, sidecar_of
from iclight_local.engines.base import Engine
from iclight_local.engines.staged import Stages
from iclight_local.engines.writing import encoded
from iclight_local.errors import EngineError, ICLightError, WeightsError
from iclight_local.imaging.encode import format_for
from iclight_local.request import RelightRequest
from iclight_local.result import RelightResult

_log = logging.getLogger(__name__)
PREPARING, FINISHING = 2, 2
"""Threads that decode and cut out, and that finish and write."""
ROWS_AHEAD = 3
"""Rows at least that are prepared while others are sampled."""
GROUPS_BEHIND = 2
"""Groups at most that were sampled and are not written yet."""
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS))
Thing = TypeVar("Thing")

Done = tuple[Group, list[Outcome]]
"""A group and what became of each of its rows, in order."""


@dataclass
class Prepared:
    """A row on its way.

    Attributes:
        row: the row.
        request: with its pictures' bytes and its seed.
        key: what makes it the same row another time.
        part: of the engine.
    """

    row: Row
    request: RelightRequest
    key: str
    part: Any


Ready = tuple[Group, list[Prepared | Outcome]]
"""A group whose rows are prepared, or have failed already."""


@dataclass
class _Going:
    """A group that was sampled; ``rows``: an outcome, or one that a thread is at."""

    group: Group
    rows: list[Outcome | Future[Outcome]] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        return all(isinstance(each, Outcome) or each.done() for each in self.rows)

    def done(self) -> Done:
        """The group and its outcomes, waited for."""
        return self.group, [each if isinstance(each, Outcome) else each.result() for each in self.rows]


class Worker:
    """Carries groups out on one engine.

    Args:
        engine: what relights.
        output: where results go.
    """

    def __init__(self, engine: Engine, output: Output) -> None:
        self.engine, self._output = engine, output
        self._stages: Stages[Any] = engine.staged()

    def run(self, groups: Iterable[Group], stopping: threading.Event) -> Generator[Done]:
        """Carry groups out, in their order; a row that fails does not touch the others.

        Args:
            groups: formed in a thread of their own.
            stopping: is set when no more of them are wanted.

        Raises:
            WeightsError: the weights or a segmenter are missing or damaged, which no row would survive.
            EngineError: the disk is full.
        """
        before = ThreadPoolExecutor(PREPARING, "prepare")
        after = ThreadPoolExecutor(FINISHING, "finish")
        behind: deque[_Going] = deque()
        try:
            for group, rows in self._ahead(groups, before, stopping):
                behind += [self._going(each, after) for each in self.sampled((group, self._sample(rows)))]
                while behind and (behind[0].ended or len(behind) > GROUPS_BEHIND):
                    yield behind.popleft().done()
            behind += [self._going(each, after) for each in self.rest()]
            while behind:
                yield behind.popleft().done()
        except GeneratorExit:
            raise
        except BaseException:
            # What was sampled is only a moment from being done.
            for going in behind:
                with contextlib.suppress(ICLightError):
                    yield going.done()
            raise
        finally:
            before.shutdown(cancel_futures=True)
            after.shutdown(cancel_futures=True)

    def _ahead(
        self, groups: Iterable[Group], threads: ThreadPoolExecutor, stopping: threading.Event
    ) -> Iterator[Ready]:
        """Groups whose rows are prepared; while one of them is sampled, the next ones are being prepared."""
        coming: deque[tuple[Group, list[Future[Prepared | Outcome]]]] = deque()
        with in_background(groups, stopping) as source:

            def fill(least: int) -> None:
                while sum(len(rows) for _, rows in coming) < least and (group := next(source, None)) is not None:
                    coming.append((group, [threads.submit(self._prepared, row) for row in group.rows]))

            fill(1)
            while coming:
                group, rows = coming.popleft()
                fill(ROWS_AHEAD)
                yield group, [each.result() for each in rows]

    def sampled(self, ready: Ready) -> list[Ready]:
        """What can be finished now that a group was sampled: that group."""
        return [ready]

    def rest(self) -> list[Ready]:
        """What is left to finish after the last group was sampled: nothing."""
        return []

    def seed(self, request: RelightRequest, contents: Mapping[str, bytes]) -> int:
        """The seed of a row that names none: one that follows from what it asks and what its pictures hold."""
        return seed_of(request, contents)

    def result(self, prepared: Prepared) -> RelightResult:
        """The result of a sampled row; called from several threads."""
        return self._stages.finish(prepared.part)

    def _sample(self, rows: Sequence[Prepared | Outcome]) -> list[Prepared | Outcome]:
        """Sample a group; where that itself fails, and not a row of it, all of its rows have failed."""
        parts = [each.part for each in rows if isinstance(each, Prepared)]
        failed = surviving(rows, lambda: self._stages.sample(parts)) if parts else None
        return list(rows) if failed is None else failed

    def _going(self, ready: Ready, threads: ThreadPoolExecutor) -> _Going:
        group, rows = ready
        return _Going(
            group, [each if isinstance(each, Outcome) else threads.submit(self._finished, each) for each in rows]
        )

    def _prepared(self, row: Row) -> Prepared | Outcome:
        """Fetch and decode a row's pictures, and cut its subject out."""

        def prepare() -> Prepared:
            contents = contents_of(row, offline=self.engine.offline)
            request = RelightRequest(**{**row.values, **contents})
            key = key_of(asked_of(request), contents)
            if request.seed is None:
                request = request.model_copy(update={"seed": self.seed(request, contents)})
            return Prepared(row, request, key, self._stages.prepare(request))

        return _surviving(row, prepare)

    def _finished(self, prepared: Prepared) -> Outcome:
        """Finish a sampled row, and write its results with what is to be said of them, all or none."""

        def finish() -> Outcome:
            row, result = prepared.row, self.result(prepared)
            output_format = format_for(PurePosixPath(row.name), None)
            data, told = encoded(result.images, result, prepared.request, output_format=output_format)
            # A provider may have made fewer than were asked for.
            files = dict(zip(row.names, data, strict=False))
            hashes = {name: hashlib.sha256(each).hexdigest() for name, each in files.items()}
            warnings = (*result.warnings, *told)
            self._output.write({**files, sidecar_of(row.name): _sidecar(result, hashes)})
            written = {name: self._output.stamp(name) for name in hashes}
            timings = dict(result.timings)
            return Outcome(row.name, prepared.key, result.seed, hashes, written, None, warnings, timings)

        return _surviving(prepared.row, finish, prepared.key)


def _sidecar(result: RelightResult, hashes: Mapping[str, str]) -> bytes:
    # No warnings: some of them are told once for all pictures, and would be another one's in another run.
    told = {
        "images": {PurePosixPath(name).name: digest for name, digest in hashes.items()},
        "seed": result.seed,
        "measures": [dict(each) for each in result.measures],
        "record": dict(result.record),
    }
    return (json.dumps(told, indent=1) + "\n").encode()


def surviving(rows: Sequence[Prepared | Outcome], work: Callable[[], None]) -> list[Prepared | Outcome] | None:
    """The rows of a group with the failure of what was done with all of them; None where it went well."""
    failed = next((each for each in rows if isinstance(each, Prepared)), None)
    if failed is None:
        return None
    told = _surviving(failed.row, work, failed.key)
    if not isinstance(told, Outcome) or told.error is None:
        return None
    kind, sentence = told.error
    return [
        Outcome.failure(each.row.name, kind, sentence, each.key) if isinstance(each, Prepared) else each
        for each in rows
    ]


def _surviving(row: Row, work: Callable[[], Thing], key: str = "") -> Thing | Outcome:
    """What ``work`` gives, or the outcome of a row at which it failed; ``key``: where that is known already.

    Raises:
        ICLightError: what would happen to all other rows, too.
    """
    try:
        return work()
    except WeightsError:
        raise
    except ICLightError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in _FULL:
            raise
        return Outcome.failure(row.name, type(error).__name__, str(error), key)
    except Exception as error:  # noqa: BLE001  # thousands of others are to outlive whatever it was
        _log.debug("%s", row.where, exc_info=True)
        sentence = f"Something unexpected failed ({error!r}): please report it."
        return Outcome.failure(row.name, EngineError.__name__, sentence, key)


_END = object()


@contextlib.contextmanager
def in_background(things: Iterable[Thing], stopped: threading.Event) -> Iterator[Iterator[Thing]]:
    """The same things, of which a thread has the next one ready; what it meets is raised here.

    Args:
        things: whoever makes them should look at ``stopped`` now and then.
        stopped: is set when no more of them are wanted.
    """
    ready: queue.Queue[Any] = queue.Queue(1)

    def put(thing: Any) -> bool:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                ready.put(thing, timeout=0.1)
                return True
        return False

    def work() -> None:
        try:
            for thing in things:
                if not put(thing):
                    return
            put(_END)
        except BaseException as error:  # noqa: BLE001  # raised where the things are wanted
            put(error)

    def wanted() -> Iterator[Thing]:
        while (thing := ready.get()) is not _END:
            if isinstance(thing, BaseException):
                raise thing
            yield thing

    thread = threading.Thread(target=work, name="planning", daemon=True)
    thread.start()
    try:
        yield wanted()
    finally:
        stopped.set()
        thread.join()
