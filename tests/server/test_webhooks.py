"""Whoever wants to be told of a job's end is told, whatever happens in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from iclight_local.dialects.base import Asked
from iclight_local.errors import InvalidRequest
from iclight_local.jobs.base import Job
from iclight_local.jobs.store import JobStore
from iclight_local.server import webhooks
from iclight_local.server.webhooks import TRIES, Webhooks


class Hosts:
    """What is called: tells of the calls, and answers as it is told to."""

    def __init__(self, answer: Callable[[str], int] = lambda url: 200) -> None:
        self.answer = answer
        self.heard: list[tuple[str, bytes]] = []

    def post(self, url: str, body: bytes) -> int:
        self.heard.append((url, body))
        return self.answer(url)


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    return JobStore(tmp_path)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "PAUSE_S", 0.01)


def ended(store: JobStore, url: str = "https://host/hook", dialect: str = "pixeldojo") -> Job:
    job = store.add("ann", dialect, Asked({"webhook_url": url}, {}))
    store.cancel(job.id)
    found = store.get(job.id)
    assert found is not None
    return found


def calling(store: JobStore, hosts: Hosts) -> Webhooks:
    return Webhooks(store, hosts.post, "pixeldojo", lambda job: job.id.encode())


def until(found: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not found():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_each_job_is_told_of_once(store: JobStore) -> None:
    hosts = Hosts()
    told = calling(store, hosts)
    jobs = [ended(store) for _ in range(5)]
    for job in (*jobs, ended(store, ""), ended(store, dialect="house")):
        told.ended(job)
    until(lambda: not [job for job in store.untold("pixeldojo") if job.asked.values["webhook_url"]])
    assert [body for _, body in hosts.heard] == [job.id.encode() for job in jobs]


def test_what_the_last_process_did_not_tell_is_told(store: JobStore) -> None:
    job = ended(store)
    hosts = Hosts()
    calling(store, hosts)
    until(lambda: store.untold("pixeldojo") == [])
    calling(store, hosts)
    assert hosts.heard == [("https://host/hook", job.id.encode())]


def test_a_host_that_fails_is_called_again_and_given_up(store: JobStore) -> None:
    answers = iter([500, 404, 204])
    hosts = Hosts(lambda url: next(answers))
    calling(store, hosts).ended(ended(store))
    until(lambda: store.untold("pixeldojo") == [])
    assert len(hosts.heard) == 3

    def refuse(url: str) -> int:
        raise InvalidRequest(f"{url} is not reached.")

    hosts = Hosts(refuse)
    calling(store, hosts).ended(ended(store))
    until(lambda: store.untold("pixeldojo") == [])
    assert len(hosts.heard) == TRIES


def test_a_host_that_lets_wait_delays_its_own_alone(store: JobStore) -> None:
    free = threading.Event()

    def answer(url: str) -> int:
        if "slow" in url:
            free.wait(10)
        return 200

    hosts = Hosts(answer)
    told = calling(store, hosts)
    for number in range(6):
        told.ended(ended(store, f"https://slow/{number}"))
    told.ended(ended(store, "https://quick/"))
    until(lambda: "https://quick/" in [url for url, _ in hosts.heard])
    assert [url for url, _ in hosts.heard if "slow" in url] == ["https://slow/0"]
    free.set()
    until(lambda: store.untold("pixeldojo") == [])


def test_a_server_that_goes_down_leaves_the_rest_to_the_next(store: JobStore, tmp_path: Path) -> None:
    called, free = threading.Event(), threading.Event()

    def answer(url: str) -> int:
        called.set()
        free.wait(10)
        return 200

    told = calling(store, Hosts(answer))
    job = ended(store)
    told.ended(job)
    assert called.wait(10)
    told.stop()
    store.close()
    free.set()
    hosts = Hosts()
    again = JobStore(tmp_path)
    calling(again, hosts)
    until(lambda: again.untold("pixeldojo") == [])
    assert hosts.heard == [("https://host/hook", job.id.encode())]
