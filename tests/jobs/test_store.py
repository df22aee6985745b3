"""Jobs on disk."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from iclight_local.dialects.base import Asked, Delivered, Link
from iclight_local.errors import EngineError
from iclight_local.jobs.base import Outcome
from iclight_local.jobs.disk import SCHEMA
from iclight_local.jobs.store import ATTEMPTS, JobStore, Lifetimes

ASKED = Asked({"steps": 3}, {"subject_image": b"picture", "matte": Link("https://host/m.png")}, ("more",))
DONE = Outcome((Delivered(b"one", "image/png", {"x-a": "0.5"}), Delivered(b"two", "image/webp")), (5, 6))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> JobStore:
    return JobStore(tmp_path / "jobs", Lifetimes(waiting=50, ended=20), clock)


def test_a_job_is_what_was_asked(store: JobStore) -> None:
    job = store.add("ann", "house", ASKED)
    assert (job.owner, job.dialect, job.state, job.created, job.expires) == ("ann", "house", "queued", 1000, 1050)
    assert (job.asked.values, job.asked.ignored) == ({"steps": 3}, ("more",))
    assert store.lacking(job) == {"matte": "https://host/m.png"}
    store.keep_fetched(job, "matte", b"fetched")
    assert store.lacking(job) == {}
    assert store.pictures(job) == {"subject_image": b"picture", "matte": b"fetched"}
    assert store.get(job.id) == job == store.by_secret(job.secret)
    assert len({job.id, job.secret, store.add("ann", "house", ASKED).id}) == 3
    assert min(len(job.id), len(job.secret)) >= 32


def test_its_way_to_the_results(store: JobStore, clock: Clock) -> None:
    job = store.add("ann", "house", ASKED)
    assert store.begin(job.id) and not store.begin(job.id)
    assert store.output(job, 0) is None
    clock.now = 1010
    assert store.finish(job.id, DONE) and not store.finish(job.id, DONE)
    found = store.get(job.id)
    assert found is not None
    assert (found.state, found.started, found.ended, found.expires) == ("done", 1000, 1010, 1030)
    assert (found.outputs, found.seeds) == (("image/png", "image/webp"), (5, 6))
    assert found.headers == ({"x-a": "0.5"}, {})
    files = [store.output(found, index) for index in (-1, 0, 1, 2)]
    assert [None if file is None else file.read_bytes() for file in files] == [None, b"one", b"two", None]


def test_cancelled_jobs_stay_cancelled(store: JobStore) -> None:
    job = store.add("ann", "house", ASKED)
    store.begin(job.id)
    assert store.cancel(job.id)
    assert not store.cancel(job.id)
    assert not store.finish(job.id, DONE) and not store.fail(job.id, "no", at_fault=True)
    assert not store.requeue(job.id)
    found = store.get(job.id)
    assert found is not None and found.state == "cancelled" and found.final


def test_failures_say_why(store: JobStore) -> None:
    job = store.add("ann", "house", ASKED)
    assert not store.fail(job.id, "too early", at_fault=False)
    store.begin(job.id)
    store.fail(job.id, "It broke.", at_fault=False)
    found = store.get(job.id)
    assert found is not None and (found.state, found.error, found.at_fault) == ("failed", "It broke.", False)


def test_what_ran_is_queued_again_and_orphans_go(tmp_path: Path, store: JobStore) -> None:
    running, waiting = store.add("ann", "house", ASKED), store.add("bob", "house", ASKED)
    store.begin(running.id)
    store.close()
    (tmp_path / "jobs" / "pictures" / "orphan").mkdir()
    again = JobStore(tmp_path / "jobs")
    assert again.recover() == 1
    assert [job.id for job in again.of_state("queued")] == [running.id, waiting.id]
    assert sorted(each.name for each in (tmp_path / "jobs" / "pictures").iterdir()) == sorted([running.id, waiting.id])
    again.keep_fetched(running, "matte", b"fetched")
    assert again.pictures(running) == {"subject_image": b"picture", "matte": b"fetched"}


def test_a_job_that_brings_the_server_down_is_given_up(store: JobStore) -> None:
    job = store.add("ann", "house", ASKED)
    for _ in range(ATTEMPTS - 1):
        assert store.begin(job.id)
        assert store.recover() == 1
    assert store.begin(job.id)
    assert store.recover() == 0
    found = store.get(job.id)
    assert found is not None and found.state == "failed" and "went down each time" in str(found.error)


def test_an_orderly_end_is_no_attempt(store: JobStore) -> None:
    job = store.add("ann", "house", ASKED)
    for _ in range(2 * ATTEMPTS):
        assert store.begin(job.id) and store.requeue(job.id)
    found = store.get(job.id)
    assert found is not None and (found.state, found.attempts) == ("queued", 0)


def test_old_things_go(tmp_path: Path, store: JobStore, clock: Clock) -> None:
    waiting, running, done = (store.add("ann", "house", ASKED) for _ in range(3))
    for job in (running, done):
        store.begin(job.id)
    store.finish(done.id, DONE)
    clock.now = 1021
    assert store.expire() == 1
    clock.now = 2000
    assert store.expire() == 1
    assert store.get(done.id) is store.get(waiting.id) is None
    assert [each.name for each in (tmp_path / "jobs" / "pictures").iterdir()] == [running.id]


def test_who_was_told(store: JobStore) -> None:
    first, second, other, running = (store.add("ann", name, ASKED) for name in ("a", "a", "b", "a"))
    for job in (first, second, other):
        store.cancel(job.id)
    store.begin(running.id)
    assert [job.id for job in store.untold("a")] == [first.id, second.id]
    store.told(first.id)
    assert [job.id for job in store.untold("a")] == [second.id]


def test_owners_see_their_newest(store: JobStore) -> None:
    jobs = [store.add(owner, "house", ASKED) for owner in ("ann", "bob", "ann")]
    assert [job.id for job in store.of_owner("ann", 10)] == [jobs[2].id, jobs[0].id]
    assert len(store.of_owner("ann", 1)) == 1


class TestOpening:
    def test_one_process_at_a_time(self, tmp_path: Path, store: JobStore) -> None:
        with pytest.raises(EngineError, match="Another server has the jobs in"):
            JobStore(tmp_path / "jobs")
        store.close()
        JobStore(tmp_path / "jobs").close()

    def test_another_version(self, tmp_path: Path, store: JobStore) -> None:
        store.close()
        with sqlite3.connect(tmp_path / "jobs" / "jobs.sqlite") as base:
            base.execute("PRAGMA user_version = 99")
        base.close()
        with pytest.raises(EngineError, match=f"are of version 99, and {SCHEMA} is needed"):
            JobStore(tmp_path / "jobs")

    @pytest.mark.parametrize("version", [1, 2])
    def test_results_of_the_versions_before(self, tmp_path: Path, store: JobStore, version: int) -> None:
        job = store.add("ann", "house", ASKED)
        store.begin(job.id)
        store.finish(job.id, DONE)
        store.close()
        path = tmp_path / "jobs" / "jobs.sqlite"
        told = "ALTER TABLE jobs DROP COLUMN told;" if version == 1 else ""
        base = sqlite3.connect(path)
        base.executescript(f"ALTER TABLE jobs DROP COLUMN headers; {told} PRAGMA user_version = {version};")
        base.close()
        again = JobStore(tmp_path / "jobs")
        (found,) = again.of_state("done")
        assert (found.outputs, found.headers) == (("image/png", "image/webp"), ())
        output = again.output(found, 1)
        assert output is not None and output.read_bytes() == b"two"
        again.close()
        base = sqlite3.connect(path)
        assert base.execute("PRAGMA user_version").fetchone() == (SCHEMA,)
        base.close()

    def test_the_version_before_the_last(self, tmp_path: Path, store: JobStore) -> None:
        ended, waiting = (store.add("ann", "house", ASKED) for _ in range(2))
        store.cancel(ended.id)
        store.close()
        base = sqlite3.connect(tmp_path / "jobs" / "jobs.sqlite")
        columns = "ALTER TABLE jobs DROP COLUMN told; ALTER TABLE jobs DROP COLUMN headers;"
        base.executescript(f"{columns} PRAGMA user_version = 1;")
        base.close()
        again = JobStore(tmp_path / "jobs")
        assert again.of_state("queued") == [waiting]
        assert again.untold("house") == []
        again.cancel(waiting.id)
        assert [job.id for job in again.untold("house")] == [waiting.id]
        again.close()
        JobStore(tmp_path / "jobs").close()

    def test_what_is_no_database(self, tmp_path: Path) -> None:
        (tmp_path / "jobs.sqlite").write_bytes(b"text" * 1000)
        with pytest.raises(EngineError, match="no database of jobs, or is damaged"):
            JobStore(tmp_path)

    def test_a_place_that_cannot_be_written_is_not_called_taken(self, tmp_path: Path) -> None:
        (tmp_path / "jobs.sqlite").mkdir()
        with pytest.raises(EngineError, match=r"jobs\.sqlite cannot be opened"):
            JobStore(tmp_path)

    def test_integrity(self, store: JobStore) -> None:
        assert store.is_whole()


class TestWhoWaits:
    """Who waits for a result was promised nothing before it, and does not wait for the disk."""

    @pytest.fixture
    def synced(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        found: list[int] = []
        fsync = os.fsync

        def counted(handle: int) -> None:
            found.append(handle)
            fsync(handle)

        monkeypatch.setattr(os, "fsync", counted)
        return found

    def test_the_disk_is_waited_for_where_a_job_was_promised(self, store: JobStore, synced: list[int]) -> None:
        job = store.add("ann", "house", ASKED)
        # The picture, its folder and the folder of all jobs.
        assert len(synced) == 3
        store.begin(job.id)
        assert store.finish(job.id, DONE)
        assert len(synced) == 3 + 4

    def test_and_not_where_its_caller_waits(self, store: JobStore, tmp_path: Path, synced: list[int]) -> None:
        job = store.add("ann", "house", ASKED, awaited=True)
        store.begin(job.id)
        assert store.finish(job.id, DONE)
        assert synced == []
        store.close()
        found = JobStore(tmp_path / "jobs").get(job.id)
        assert found is not None and (found.state, found.outputs) == ("done", ("image/png", "image/webp"))

    def test_who_is_sent_away_is_promised_the_job(self, store: JobStore, synced: list[int]) -> None:
        job = store.add("ann", "house", ASKED, awaited=True)
        store.promise(job.id)
        store.begin(job.id)
        store.finish(job.id, DONE)
        assert len(synced) == 4
