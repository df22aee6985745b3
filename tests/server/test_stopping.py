"""A server that is told to stop: calls and jobs get their time, and what they did not come to is done later."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.serving.calls import HOUSE, HOUSE_JOB, Client, Reply, fault, fetched
from benchmarks.serving.marks import draw
from benchmarks.serving.process import Server, serving
from iclight_local.jobs.store import JobStore
from iclight_local.server.stopping import leaving_on_sigterm

SIZE = (64, 64)


@contextmanager
def calling(server: Server, number: int) -> Iterator[list[Reply]]:
    """A call that waits for its picture, made by another thread; its answer is there in the end."""
    found: list[Reply] = []
    outgoing = HOUSE.outgoing(number, draw(number, SIZE))
    thread = threading.Thread(target=lambda: found.append(Client(server.port).send(outgoing)))
    thread.start()
    client = Client(server.port)
    while not any(job["state"] == "running" for job in client.get("/relight/jobs").json["jobs"]):
        time.sleep(0.02)
    client.close()
    yield found
    thread.join()


def states(home: Path) -> list[tuple[str, int]]:
    """What a server left: states and attempts of its jobs that have not ended."""
    store = JobStore(home / "jobs")
    found = [(job.state, job.attempts) for state in ("queued", "running") for job in store.of_state(state)]
    store.close()
    return found


def submitted(server: Server, number: int) -> str:
    reply = Client(server.port).send(HOUSE_JOB.outgoing(number, draw(number, SIZE)))
    assert reply.status == 202 and HOUSE_JOB.job is not None
    return HOUSE_JOB.job(reply.json)


def test_a_call_gets_its_picture_and_waiting_jobs_stay(tmp_path: Path) -> None:
    with serving(tmp_path, {"stop_seconds": 20}, 0.8) as server:
        with calling(server, 1) as answers:
            later = {number: submitted(server, number) for number in (2, 3, 4)}
            assert server.stop() == 0
        assert fault(HOUSE, 1, answers[0], answers[0].headers["x-seed-value"]) is None
        # Those behind may have begun while the first answer went out, and ended in its grace; none is cut off.
        assert set(states(tmp_path)) <= {("queued", 0)}
    with serving(tmp_path, {}, 0.0) as server:
        client = Client(server.port)
        assert [fetched(client, HOUSE_JOB, number, url) for number, url in later.items()] == [None] * 3


@pytest.mark.parametrize(("grace", "signals"), [(0.3, 1), (30, 2)], ids=["a short grace", "a second signal"])
def test_a_job_that_does_not_end_in_time_is_put_back(grace: float, signals: int, tmp_path: Path) -> None:
    with serving(tmp_path, {"stop_seconds": grace}, 10) as server:
        with calling(server, 1) as answers:
            for _ in range(signals - 1):
                server.process.terminate()
                time.sleep(0.3)
            assert server.stop() == 0
        assert answers[0].status == 504 and "The job goes on" in answers[0].json["error"]["message"]
    assert states(tmp_path) == [("queued", 0)]


def test_neither_a_slow_upload_nor_an_idle_caller_holds_it_up(tmp_path: Path) -> None:
    with serving(tmp_path, {"stop_seconds": 0.5}, 0.0) as server:
        idle = Client(server.port)
        assert idle.get("/healthz").status == 200
        with socket.create_connection(("127.0.0.1", server.port)) as wire:
            wire.sendall(b"POST /relight HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
            wire.sendall(b"Content-Length: 1000\r\n\r\n{")
            time.sleep(0.2)
            began = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - began < 20
    assert states(tmp_path) == []


def test_told_to_stop_before_it_serves() -> None:
    with pytest.raises(SystemExit) as ended, leaving_on_sigterm():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    assert ended.value.code == 0
