"""A batch on Ray: on this machine alone, or on a cluster that it is part of."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from iclight_local.batch.base import Group, Outcome
from iclight_local.errors import EngineError, InvalidRequest, Unsupported

if TYPE_CHECKING:
    from iclight_local.batch.ray_stream import Worker

_OBJECT_STORE_BYTES = 80 * 2**20
"""Ray's smallest is 75 MB; only tickets and outcomes go through it."""
_QUIET = {
    # Its own words about a worker that died go to standard output, where `--json` writes.
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",
    "RAY_DATA_LOG_LEVEL": "CRITICAL",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    # A note of each call is kept for the dashboard: 17 KB for a ticket.
    "RAY_task_events_report_interval_ms": "0",
}


@dataclass(frozen=True)
class Cluster:
    """Where the workers run.

    Attributes:
        address: ``auto``, or the ``host:port`` of a cluster that this machine is part of; None for this machine alone.
        workers: at most; None for as many as there is room for.
        threads: of each worker that computes on processors, and the cores that it is given. Their number decides how
            float sums are rounded: results are a local run's byte for byte where it has as many.
        device: ``cpu``, ``cuda`` or ``auto``: graphics cards where the cluster has some, one for each worker.
        groups: that a worker is given at once.
    """

    address: str | None
    workers: int | None
    threads: int
    device: str
    groups: int


def run_on_ray(groups: Iterable[Group], make_worker: Callable[[], Worker], cluster: Cluster) -> Iterator[list[Outcome]]:
    """Relight groups in processes of Ray's; each group's outcomes come once, whatever dies underneath.

    Args:
        groups: drawn as room comes free, a few for each worker ahead.
        make_worker: called in each process; it and what it makes have to be picklable.
        cluster: where.

    Raises:
        Unsupported: Ray is not installed, or the cluster has no machine that would do.
        InvalidRequest: there is no cluster at the address.
        ICLightError: what a worker could not start for, or stopped at.
        EngineError: Ray failed.
    """
    with _connected(cluster):
        import ray

        from iclight_local.batch.ray_stream import Pool, stream

        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        # A card's worker segments on its share of the cores.
        shares = [node.get("CPU", 0) // node["GPU"] for node in nodes if node.get("GPU", 0) >= 1]
        if cluster.device == "cuda" and not shares:
            raise Unsupported("The cluster has no graphics card: leave --device out, or give --device cpu.")
        if cluster.device != "cpu" and shares:
            pool = Pool(cluster.workers, max(1, int(min(shares))), 1, cluster.groups)
        else:
            pool = Pool(cluster.workers, cluster.threads, 0, cluster.groups)
        if pool.room() == 0:
            raise Unsupported(f"No machine of the cluster has {pool.cpus} cores free for a worker: ask for fewer.")
        try:
            yield from stream(groups, make_worker, pool)
        except ray.exceptions.RayError as error:
            raise EngineError(
                f"Ray failed ({type(error).__name__}; its logs tell more): start the batch again, and it goes on."
            ) from error


@contextmanager
def _connected(cluster: Cluster) -> Iterator[None]:
    """This process as a driver, of a cluster of its own or of one that runs."""
    if cluster.address is not None and cluster.address.startswith("ray://"):
        raise InvalidRequest(
            f"{cluster.address} is for Ray's client, which Ray Data does not stream through: run the batch on a "
            "machine of the cluster, with the address auto."
        )
    # Nothing leaves this machine, whatever the owner's shell says.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    if cluster.address is None:
        # Ports on loopback alone, and a secret without which nobody is let in.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    try:
        import ray
    except ImportError:
        raise Unsupported("Ray is not installed: pip install 'iclight-local[ray]'") from None
    if ray.is_initialized():
        yield
        return
    # Ray lets everybody read its folder, so it gets one within a private one; its sockets' paths have to be short.
    folder = tempfile.mkdtemp(prefix="iclight-ray-", dir="/tmp" if Path("/tmp").is_dir() else None)
    try:
        with _no_standard_error():
            if cluster.address is None:
                _start(cluster, f"{folder}/ray")
            else:
                _join(cluster.address)
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _start(cluster: Cluster, folder: str) -> None:
    """Start an instance that ends with this process."""
    import ray

    cores = None if cluster.workers is None else cluster.workers * cluster.threads
    quiet = {"include_dashboard": False, "log_to_driver": False}
    try:
        ray.init("local", num_cpus=cores, object_store_memory=_OBJECT_STORE_BYTES, _temp_dir=folder, **quiet)
    except (OSError, RuntimeError, ray.exceptions.RayError) as error:
        raise EngineError(f"Ray did not start: {_first_line(error)}.") from error


def _join(address: str) -> None:
    """Connect to a cluster that runs."""
    import ray

    try:
        host, _, port = address.rpartition(":")
        if host:
            # Ray itself would wait for minutes.
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address, log_to_driver=False)
    except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        if "InvalidAuthToken" in f"{error} {error.__cause__}":
            raise InvalidRequest(
                f"The cluster at {address} wants another token: set RAY_AUTH_MODE=token, and copy ~/.ray/auth_token "
                "from its first machine."
            ) from error
        raise InvalidRequest(
            f"No cluster to join at {address}: {_first_line(error)}. Start one with `ray start --head`, join it from "
            "this machine with `ray start --address=HOST:6379`, and give the address auto."
        ) from error


@contextmanager
def _no_standard_error() -> Iterator[None]:
    """Ray's libraries write there before they read how much they may."""
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
