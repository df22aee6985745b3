"""A worker that takes its time, and dies or refuses where it is told to; a batch of it on Ray of its own."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from iclight_local.batch.base import Group, Outcome, Row
from iclight_local.errors import WeightsError

NAP_S = 0.1


class Napping:
    """Writes a line for each row: its name, the process, the node."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def run(self, groups: Sequence[Group]) -> list[Outcome]:
        return [self._done(row) for group in groups for row in group.rows]

    def _done(self, row: Row) -> Outcome:
        import ray

        time.sleep(NAP_S)
        with self.log.open("a") as log:
            log.write(f"{row.name} {os.getpid()} {ray.get_runtime_context().get_node_id()}\n")
        if row.values.get("deadly"):
            os.kill(os.getpid(), signal.SIGKILL)
        return Outcome(row.name, os.environ["OMP_NUM_THREADS"], {row.name: "ab" * 32}, 7, timings={"lowres": 0.5})


def without_weights() -> Napping:
    raise WeightsError("sd15 is not there: `iclight weights pull` fetches it.")


def group(number: int, **values: object) -> Group:
    return Group(number, (Row(number, f"row {number}", values, (f"{number}.png",)),))


def main(log: Path) -> Iterator[tuple[str, object]]:
    """Six groups on two workers, one of which is killed; what can be seen of Ray from outside."""
    import psutil

    from iclight_local.batch.on_ray import Cluster, run_on_ray

    done, ports = {}, set()
    for outcomes in run_on_ray(map(group, range(6)), partial(Napping, log), Cluster(None, 2, 1, "auto", 1)):
        if not done:
            os.kill(int(log.read_text().split()[1]), signal.SIGKILL)
        done |= {outcome.name: outcome.key for outcome in outcomes}
        family = [psutil.Process(), *psutil.Process().children(recursive=True)]
        ports |= {port.laddr.ip for each in family for port in _listening(each)}
    yield "done", done
    yield "workers", min(2, len({line.split()[1] for line in log.read_text().splitlines()}))
    yield "ports", sorted(ports)
    yield "left", [each.name() for each in psutil.Process().children(recursive=True) if each.status() != "zombie"]


def _listening(process: Any) -> list[Any]:
    import psutil

    try:
        return [port for port in process.net_connections() if port.status == psutil.CONN_LISTEN]
    except psutil.NoSuchProcess:
        return []


if __name__ == "__main__":
    print(json.dumps(dict(main(Path(sys.argv[1])))))
