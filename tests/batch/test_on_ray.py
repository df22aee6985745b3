"""Groups that Ray's workers relight: all of them, each once, whatever dies."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import iclight_local
from iclight_local.batch.base import Group, Outcome
from iclight_local.batch.on_ray import Cluster, run_on_ray
from iclight_local.errors import InvalidRequest, Unsupported, WeightsError
from tests.batch.napping import Napping, group, without_weights

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="ray[data] is not installed")
ROOT = Path(__file__).parents[2]
STORE_BYTES = 80 * 2**20


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A cluster of one node with one core, on loopback."""
    folder = tempfile.mkdtemp(prefix="ray-")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
        patch.setenv("RAY_TMPDIR", folder)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # A node that answers no more is dead after 3 seconds, not 15.
        patch.setenv("RAY_health_check_period_ms", "1000")
        patch.setenv("RAY_health_check_failure_threshold", "3")
        patch.setattr("ray._private.ray_constants.ENABLE_RAY_CLUSTER", False)
        from ray.cluster_utils import Cluster as Nodes

        head = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": STORE_BYTES}
        cluster = Nodes(initialize_head=True, head_node_args=head)
        yield cluster
        cluster.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


def at(nodes: Any) -> Cluster:
    return Cluster(nodes.address, None, 1, "cpu", 2)


class Batch:
    """A batch that goes on until it is told to end; its third group kills whoever relights it."""

    def __init__(self, nodes: Any, log: Path) -> None:
        self.drawn, self.log, self.end = 0, log, time.monotonic() + 60
        self.done: Counter[str] = Counter()
        self.failed: dict[str, str] = {}
        self._outcomes = run_on_ray(self._groups(), partial(Napping, log), at(nodes))

    def _groups(self) -> Iterator[Group]:
        while time.monotonic() < self.end:
            self.drawn += 1
            yield group(self.drawn, deadly=self.drawn == 3)

    def until(self, seen: Callable[[], bool]) -> None:
        for outcomes in self._outcomes:
            self.done.update(outcome.name for outcome in outcomes)
            self.failed |= {outcome.name: outcome.error[1] for outcome in outcomes if outcome.error is not None}
            if seen():
                return

    def workers(self) -> list[tuple[int, str]]:
        """Process and node of each row that was begun, in order."""
        lines = [line.split() for line in self.log.read_text().splitlines()] if self.log.exists() else []
        return [(int(process), node) for _, process, node in lines]


def test_workers_die_and_a_node_joins_and_dies_and_every_group_comes_once(nodes: Any, tmp_path: Path) -> None:
    batch = Batch(nodes, tmp_path / "log")
    batch.until(lambda: len(batch.done) >= 6 and bool(batch.failed))
    assert batch.drawn <= len(batch.done) + 4 * 2, "groups are drawn as room comes free"
    assert list(batch.failed) == ["3.png"], "and not those that were given with it"
    assert "died each of the 2 times" in batch.failed["3.png"]

    head = batch.workers()[-1][1]
    joined = nodes.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
    batch.until(lambda: _counted_anew() and batch.workers()[-1][1] != head)
    assert {node for _, node in batch.workers()} == {head, joined.node_id}

    nodes.remove_node(joined, allow_graceful=False)
    after = len(batch.workers())
    batch.until(lambda: len(batch.workers()) > after + 10)
    batch.end = 0
    batch.until(lambda: False)
    assert batch.done == Counter(f"{number}.png" for number in range(1, batch.drawn + 1))
    assert len(batch.failed) == 1


def _counted_anew() -> bool:
    """Have Ray Data count the nodes now; by itself it does so every 20 seconds."""
    import ray
    from ray.data._internal.cluster_autoscaler import get_or_create_autoscaling_coordinator

    ray.get(get_or_create_autoscaling_coordinator().get_reserved_resources.remote("", recompute=True))
    return True


def test_what_a_worker_cannot_start_for_is_told_in_its_own_words(nodes: Any) -> None:
    with pytest.raises(WeightsError, match=r"^sd15 is not there: `iclight weights pull` fetches it.$"):
        _all(run_on_ray([group(1)], without_weights, at(nodes)))


def test_a_worker_that_dies_as_it_starts_is_not_started_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Ray, in whose processes each start takes seconds."""
    from iclight_local.batch import ray_stream

    class Died(BaseException):
        pass

    def dying() -> Napping:
        raise Died

    def remote(method: Callable[[str], Any]) -> SimpleNamespace:
        return SimpleNamespace(remote=lambda actor: asyncio.run(method(actor)))

    counting = ray_stream._Feed()
    feed = SimpleNamespace(starting=remote(counting.starting), started=remote(counting.started))
    context = SimpleNamespace(get_actor_id=lambda: "01")
    monkeypatch.setattr(ray_stream.atexit, "register", lambda *_: None)
    monkeypatch.setattr(ray_stream.ray, "get", lambda answer: answer)
    monkeypatch.setattr(ray_stream.ray, "get_runtime_context", lambda: context)

    def start(make: Callable[[], Napping]) -> Any:
        return ray_stream._Relighter(make, feed, iclight_local.__version__)({"ticket": [0]})["answer"][0]

    for _ in range(2):
        with pytest.raises(Died):
            start(dying)
    assert pickle.loads(start(without_weights))[0] == "WeightsError", "the third time it could tell"
    kind, sentence = pickle.loads(start(dying))
    assert kind == "EngineError" and "died each of the 3 times that it started" in sentence


def test_an_instance_of_its_own_is_quiet_and_closed_and_leaves_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    asked = [sys.executable, "-m", "tests.batch.napping", str(tmp_path / "log")]
    run = subprocess.run(asked, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stderr) == (0, "")
    seen = json.loads(run.stdout)
    assert seen["done"] == {f"{number}.png": "1" for number in range(6)}, "each with one thread"
    assert all(address.endswith("127.0.0.1") for address in seen["ports"])
    assert (seen["workers"], seen["left"], (tmp_path / ".ray").exists()) == (2, [], False)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:{closed}", "No cluster to join"),
        ("here", "No cluster to join"),
        ("ray://head:10001", "Ray's client"),
    ],
)
def test_an_address_without_a_cluster_gets_one_sentence(address: str, said: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = free.getsockname()[1]
    with pytest.raises(InvalidRequest, match=said) as raised:
        _all(run_on_ray([], without_weights, Cluster(address.format(closed=closed), None, 1, "cpu", 1)))
    assert "\n" not in str(raised.value)


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(Unsupported, match=r"pip install 'iclight-local\[ray\]'"):
        _all(run_on_ray([], without_weights, Cluster(None, None, 1, "cpu", 1)))


def _all(outcomes: Iterator[list[Outcome]]) -> list[list[Outcome]]:
    return list(outcomes)
