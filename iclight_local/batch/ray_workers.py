"""A batch's groups to processes of Ray's, each with an engine of its own."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

from iclight_local.batch.base import Group, Outcome
from iclight_local.batch.on_ray import Cluster, run_on_ray
from iclight_local.batch.options import BatchOptions
from iclight_local.batch.output import Output
from iclight_local.batch.work import Done, Worker
from iclight_local.errors import Unsupported
from iclight_local.settings import Settings

GROUPS_AT_ONCE = 4
"""Groups that a worker is given, so that its stages overlap; so many are run again where it dies."""


class RayWorkers:
    """Carries groups out on Ray; a ledger is nothing that they see.

    Args:
        settings: the owner's; each worker opens its engine from them.
        output: where results go, which every worker can reach.
        options: the cluster, and how many workers.
    """

    def __init__(self, settings: Settings, output: Output, options: BatchOptions) -> None:
        self._settings, self._options = settings, options
        # The shelf is for providers, which have no part in this; it may hold a password, and every node would see it.
        self.opening = Opening(settings.model_copy(update={"upload_url": None}), output)

    def run(self, groups: Iterable[Group], stopping: threading.Event) -> Generator[Done]:
        """Groups as they end; raises as :meth:`iclight_local.batch.work.Worker.run` and ``run_on_ray`` do."""
        from iclight_local.pipelines.placement import cpu_threads

        cluster = Cluster(
            address=self._options.ray_address,
            workers=self._options.workers,
            threads=cpu_threads(),
            device=self._settings.device.partition(":")[0],
            groups=GROUPS_AT_ONCE,
        )
        under_way: dict[str, Group] = {}

        def noted() -> Iterator[Group]:
            for group in groups:
                under_way[group.rows[0].name] = group
                yield group

        try:
            for outcomes in run_on_ray(noted(), self.opening, cluster):
                rest = list(outcomes)
                while rest:
                    group = under_way.pop(rest[0].name)
                    yield group, rest[: len(group.rows)]
                    del rest[: len(group.rows)]
        finally:
            stopping.set()


@dataclass(frozen=True)
class Opening:
    """Opens a worker in a process of its own.

    Attributes:
        settings: of its engine.
        output: where results go.
    """

    settings: Settings
    output: Output

    def __call__(self) -> EngineWorker:
        """The worker, with its engine."""
        return EngineWorker(self.settings, self.output)


class EngineWorker:
    """A worker with an engine of its own."""

    def __init__(self, settings: Settings, output: Output) -> None:
        from iclight_local.assemble import engine_from

        if not output.is_shared:
            raise Unsupported(
                f"{output.folder} is not the same folder on every machine of the cluster: "
                "give --out a folder that they share, or an address like s3://bucket/folder."
            )
        self._worker = Worker(engine_from(settings), output)

    def run(self, groups: Sequence[Group]) -> list[Outcome]:
        """Relight groups, and give the outcomes of all their rows in order."""
        done = self._worker.run(groups, threading.Event())
        return [outcome for _, outcomes in done for outcome in outcomes]
