"""Groups through Ray Data: a source that is fed as room comes free, and a pool of workers that lives on.

::

    driver ── put(groups) ──> _Feed ── ready(ticket) ──> _Tickets: 0, 1, 2, … ──> Ray Data's pool of _Relighter
       ^                        └───────────── take(ticket): the groups ────────────────┘     │
       └──────────────────────────────── (ticket, outcomes) <─────────────────────────────────┘

Only tickets go through Ray Data. So whatever Ray runs again after a death (the source, a worker's task, the task of a
block that was lost with its node) gives the same tickets in the same order. What a ticket stands for, whether it is
done and how often it was tried is known to the feed, an actor beside the driver.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import pickle
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, Protocol

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, DataContext, Datasource, ReadTask
from ray.data.block import BlockMetadata
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

import iclight_local
from iclight_local import errors
from iclight_local.batch.base import Group, Outcome

_TRIES = 2
"""How often a group is tried alone, after a worker died with it among others."""
_STARTS = 3
"""How often a worker is started that dies as it starts."""
_TICKETS_A_WORKER = 4
"""One is run, one waits in the worker, and two show Ray that there is work for one more."""
_TICKETS_A_STREAM = 10_000
"""Ray keeps notes of every block until its stream ends."""
_GIVEN_UP = (
    f"the worker's process died each of the {_TRIES} times that it relit this picture, alone or with those sampled "
    "with it: is the machine's memory enough for its size?"
)


class Worker(Protocol):
    """Relights in a process of its own."""

    def run(self, groups: Sequence[Group]) -> list[Outcome]:
        """Relight them and write their results; what is wrong with a row stands in its outcome."""


@dataclass(frozen=True)
class Pool:
    """The workers.

    Attributes:
        most: at once; None for as many as the cluster has room for.
        cpus: cores that each one is given.
        gpus: 1, or 0 for workers that compute on their cores.
        groups: that a worker is given at once.
    """

    most: int | None
    cpus: int
    gpus: int
    groups: int

    def room(self) -> int:
        """How many workers the cluster has room for now."""
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        room = sum(
            int(min(node.get("CPU", 0) // self.cpus, node.get("GPU", 0) // self.gpus if self.gpus else float("inf")))
            for node in nodes
        )
        return room if self.most is None else min(room, self.most)


@dataclass
class _Parcel:
    """What a ticket stands for.

    Attributes:
        groups: as the driver gave them.
        taken: how often a worker began with it.
        alone: how often each of its groups was begun alone, by place.
        kept: the outcomes of those that were then done.
    """

    groups: tuple[Group, ...]
    taken: int = 0
    alone: Counter[int] = field(default_factory=Counter)
    kept: dict[int, list[Outcome]] = field(default_factory=dict)


class _Feed:
    """An actor on the driver's node: what is under way, by ticket."""

    def __init__(self) -> None:
        self._parcels: dict[int, _Parcel] = {}
        self._tickets = 0
        self._ended = False
        self._starts: Counter[str] = Counter()
        self._news = asyncio.Condition()

    async def put(self, groups: tuple[Group, ...]) -> int:
        async with self._news:
            self._parcels[self._tickets] = _Parcel(groups)
            self._tickets += 1
            self._news.notify_all()
        return self._tickets - 1

    async def end(self) -> None:
        async with self._news:
            self._ended = True
            self._news.notify_all()

    async def starting(self, actor: str) -> int:
        """How often it began to start since it last could, this time too."""
        self._starts[actor] += 1
        return self._starts[actor]

    async def started(self, actor: str) -> None:
        del self._starts[actor]

    async def ready(self, ticket: int) -> bool:
        """Whether there is such a ticket; waits until that is known."""
        async with self._news:
            await self._news.wait_for(lambda: ticket < self._tickets or self._ended)
        return ticket < self._tickets

    async def take(self, ticket: int) -> _Parcel | None:
        """What it stands for; None where the driver has its outcomes."""
        parcel = self._parcels.get(ticket)
        if parcel is not None:
            parcel.taken += 1
        return parcel

    async def begin(self, ticket: int, place: int) -> int:
        """How often a ticket's group was begun alone, this time too."""
        self._parcels[ticket].alone[place] += 1
        return self._parcels[ticket].alone[place]

    async def keep(self, ticket: int, place: int, outcomes: list[Outcome]) -> None:
        self._parcels[ticket].kept[place] = outcomes

    async def done(self, ticket: int) -> None:
        del self._parcels[ticket]


class _Tickets(Datasource):  # type: ignore[misc]  # ray is not looked into
    """The source: a block for each ticket."""

    def __init__(self, feed: Any) -> None:
        self._feed = feed

    def estimate_inmemory_data_size(self) -> None:
        """Nobody knows."""

    def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[ReadTask]:
        """One task that yields them all."""

        def read(feed: Any = self._feed) -> Iterator[pa.Table]:
            ticket = 0
            while ray.get(feed.ready.remote(ticket)):
                yield pa.table({"ticket": [ticket]})
                ticket += 1

        return [ReadTask(read, BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None))]


class _Relighter:
    """What lives in a worker's process.

    What goes wrong is an answer, too: an exception that Ray saw would come out as a traceback of Ray's.
    """

    def __init__(self, make_worker: Callable[[], Worker], feed: Any, version: str) -> None:
        # What Ray does at a process's end can wait for a lock for ever, and the card's memory with it.
        atexit.register(os._exit, 0)
        self._feed = feed
        self._worker: Worker | tuple[str, str]
        try:
            self._worker = self._started(make_worker, version)
        except Exception as error:  # noqa: BLE001  # told by the driver
            self._worker = _told(error)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        ticket = int(batch["ticket"][0])
        answer: list[Outcome] | tuple[str, str]
        try:
            answer = self._worker if isinstance(self._worker, tuple) else self._relit(ticket, self._worker)
        except Exception as error:  # noqa: BLE001  # told by the driver
            answer = _told(error)
        return {"ticket": [ticket], "answer": [pickle.dumps(answer)]}

    def _started(self, make_worker: Callable[[], Worker], version: str) -> Worker:
        context = ray.get_runtime_context()
        if version != iclight_local.__version__:
            raise errors.Unsupported(
                f"Node {context.get_node_id()[:8]} has iclight-local {iclight_local.__version__} and the driver "
                f"{version}: install the same one on every machine."
            )
        # Ray would start one that dies as it loads for ever.
        if ray.get(self._feed.starting.remote(context.get_actor_id())) > _STARTS:
            raise errors.EngineError(
                f"A worker's process died each of the {_STARTS} times that it started: is the machine's memory enough?"
            )
        worker = make_worker()
        ray.get(self._feed.started.remote(context.get_actor_id()))
        return worker

    def _relit(self, ticket: int, worker: Worker) -> list[Outcome]:
        parcel: _Parcel | None = ray.get(self._feed.take.remote(ticket))
        if parcel is None:
            return []
        if parcel.taken == 1:
            return worker.run(parcel.groups)
        for place, group in enumerate(parcel.groups):
            if place in parcel.kept:
                continue
            if ray.get(self._feed.begin.remote(ticket, place)) > _TRIES:
                outcomes = [Outcome.failure(row.name, "EngineError", _GIVEN_UP) for row in group.rows]
            else:
                outcomes = worker.run([group])
            parcel.kept[place] = outcomes
            ray.get(self._feed.keep.remote(ticket, place, outcomes))
        return [outcome for place in range(len(parcel.groups)) for outcome in parcel.kept[place]]


def _told(error: Exception) -> tuple[str, str]:
    if isinstance(error, errors.ICLightError):
        return type(error).__name__, str(error)
    return "EngineError", f"{type(error).__name__}: {error}"


def stream(groups: Iterable[Group], make_worker: Callable[[], Worker], pool: Pool) -> Iterator[list[Outcome]]:
    """Relight groups on the cluster that this process is connected to; drawn as room comes free, done in any order.

    Raises:
        ICLightError: a worker could not start, or failed at more than a row.
    """
    drawn = iter(groups)
    parcels = iter(lambda: tuple(islice(drawn, pool.groups)), ())
    for first in parcels:
        yield from _streamed(chain([first], islice(parcels, _TICKETS_A_STREAM - 1)), make_worker, pool)


def _streamed(
    parcels: Iterator[tuple[Group, ...]], make_worker: Callable[[], Worker], pool: Pool
) -> Iterator[list[Outcome]]:
    beside = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    feed = ray.remote(_Feed).options(num_cpus=0, scheduling_strategy=beside).remote()
    pending: set[int] = set()
    most = 0

    def fill() -> None:
        # The most there ever was: tickets that wait for a dead node's place do not take the others' places.
        nonlocal most
        most = max(most, pool.room() * _TICKETS_A_WORKER)
        for parcel in islice(parcels, most - len(pending)):
            pending.add(ray.get(feed.put.remote(parcel)))
        if len(pending) < most:
            ray.get(feed.end.remote())

    fill()
    with closing(iter(_dataset(feed, make_worker, pool).iter_batches(batch_size=None, prefetch_batches=0))) as answers:
        for batch in answers:
            ticket, answer = int(batch["ticket"][0]), pickle.loads(batch["answer"][0])
            if isinstance(answer, tuple):
                raise getattr(errors, answer[0], errors.EngineError)(answer[1])
            if ticket in pending:
                pending.remove(ticket)
                ray.get(feed.done.remote(ticket))
                yield answer
                fill()
            if not pending:
                return


def _dataset(feed: Any, make_worker: Callable[[], Worker], pool: Pool) -> ray.data.Dataset:
    context = DataContext.get_current()
    context.enable_progress_bars = False
    # A block leaves as soon as it has a row.
    context.target_max_block_size = 1
    # A cluster may wait for its next node as long as it likes.
    context.execution_no_progress_timeout_s = -1
    context.max_consecutive_actor_init_deaths = _STARTS
    tickets = ray.data.read_datasource(_Tickets(feed), override_num_blocks=1, num_cpus=0)
    return tickets.map_batches(
        _Relighter,
        batch_size=1,
        compute=ActorPoolStrategy(
            min_size=1, initial_size=pool.room(), max_size=pool.most, max_tasks_in_flight_per_actor=2
        ),
        fn_constructor_args=(make_worker, feed, iclight_local.__version__),
        num_cpus=pool.cpus,
        num_gpus=pool.gpus,
    )
