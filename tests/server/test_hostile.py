"""More than 200 hostile calls against one server: each is refused in a sentence, and the server is none the worse.

The server is a process of its own that serves as ``iclight serve`` does, in front of the fake engine, which decodes its
pictures here. Its fetching is the real one. What is not real lies below: `hostile_process` asks a name server on
loopback, over DNS, in place of the system's, and leads connections to the one public address to an internet on
loopback. A name of ``rebinding-*.test`` is public at its first look-up and this machine ever after, so that whoever
looks up once more before connecting, or connects by name, visits the canary, which is what must not be reached; a
mutation of `guarded.py` that does so was tried, and fails here.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from iclight_local.server.keys import KeyFile
from tests.imaging.hostile_server import PUBLIC
from tests.server import hostile_bodies, hostile_fields, hostile_paths, hostile_urls
from tests.server.hostile import HOUSE, HOUSE_JOBS, IC_LIGHT_JOBS, PHOTOROOM, PIXELDOJO, PROPER, Hostile, sent_json
from tests.server.hostile_calls import Answered, Server, faults_of, sentence_of, served, stray_words, with_a_job
from tests.server.hostile_wire import WIRES, Heard, Wire, heard
from tests.server.hostile_world import REBINDING, World, world

CALLS = [
    *hostile_urls.everywhere(),
    *hostile_urls.each_field(),
    *hostile_urls.webhooks(),
    *hostile_fields.wrong_types(),
    *hostile_fields.wrong_texts(),
    *hostile_bodies.bombs(),
    *hostile_bodies.json_bodies(),
    *hostile_bodies.forms(),
    *hostile_bodies.kinds(),
    *hostile_paths.paths(),
    *hostile_paths.methods(),
    *hostile_paths.headers(),
]
FAMILIES = list(dict.fromkeys(call.name.partition(":")[0] for call in CALLS))
"""What calls have in common: the API and the field, or what is tried with all."""
SOON = 6.0
"""Seconds within which every call is answered, while eight callers and all slow ones are at it."""
LISTENING = 7.0
"""Seconds for the calls that are bytes; the server gives up on slow ones after two or three."""
GROWTH = 200 << 20
"""Bytes that the memory may have grown at most; one picture of 12000 x 12000 in colour is twice as much."""


@dataclass
class Attack:
    """A server that everything was thrown at, and what it answered."""

    world: World
    server: Server
    answers: dict[str, Answered]
    heard: dict[str, Heard]
    memory: int

    @property
    def peak(self) -> int:
        """The most memory that the server ever had, in bytes; what it has now where that is not told."""
        status = Path(f"/proc/{self.server.pid}/status")
        if not status.exists():
            return psutil.Process(self.server.pid).memory_info().rss
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) << 10


@pytest.fixture(scope="module")
def attack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attack]:
    for call in CALLS:
        if call.made is not None:
            call.made()
    with world() as around, served(tmp_path_factory.mktemp("attacked"), around, rate=0) as server:
        with_a_job(server)
        memory = psutil.Process(server.pid).memory_info().rss
        with ThreadPoolExecutor(len(WIRES)) as slow, ThreadPoolExecutor(8) as quick:
            wires = slow.map(lambda wire: heard(wire, server.port, LISTENING), WIRES)
            answers = quick.map(server.sent, CALLS)
            named = {call.name: answer for call, answer in zip(CALLS, answers, strict=True)}
            bytes_named = {wire.name: found for wire, found in zip(WIRES, wires, strict=True)}
        yield Attack(around, server, named, bytes_named, memory)


def test_the_list_is_long_and_each_call_has_a_name() -> None:
    names = Counter([call.name for call in CALLS] + [wire.name for wire in WIRES])
    assert len(names) >= 200 and names.most_common(1)[0][1] == 1
    assert len({(call.method, call.path, call.body, str(call.headers), call.made) for call in CALLS}) == len(CALLS)


@pytest.mark.parametrize("family", FAMILIES)
def test_calls_are_refused_in_a_sentence(family: str, attack: Attack) -> None:
    calls = [call for call in CALLS if call.name.partition(":")[0] == family]
    faults = {call.name: faults_of(call, attack.answers[call.name], attack.server) for call in calls}
    assert {name: found for name, found in faults.items() if found} == {}
    assert [call.name for call in calls if attack.answers[call.name].seconds > SOON] == []


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
def test_bytes_are_answered_once(wire: Wire, attack: Attack) -> None:
    found = attack.heard[wire.name]
    if wire.leaves:
        # What becomes of these is told by the tests of the server below.
        return
    assert found.statuses[:1] == (wire.expected,) and len(found.statuses) <= wire.answers, found.said[:300]
    assert stray_words(found.said.decode("latin-1"), attack.server) == []
    assert found.closed != wire.keeps


def test_a_pause_between_calls_is_no_fault(attack: Attack) -> None:
    """Longer than a call may take to be sent; it is the limit of a connection that is kept, which is another."""
    asked = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
    patient = Wire("patient", (asked + b"\r\n", 2.5, asked + b"Connection: close\r\n\r\n"))
    assert heard(patient, attack.server.port, LISTENING).statuses == (200, 200)


def test_the_server_lives(attack: Attack) -> None:
    server = attack.server
    assert server.page("/healthz") == (200, "ok\n") and server.page("/readyz") == (200, "ready\n")
    for path, body in PROPER.items():
        answer = server.sent(sent_json("proper", path, body))
        assert answer.status == (202 if path == PIXELDOJO else 200), answer.body[:300]


def test_nothing_inside_was_reached(attack: Attack) -> None:
    reached = set((attack.server.folder / "reached.txt").read_text().split())
    assert attack.world.visits == [] and reached == {PUBLIC}
    # What was fetched came from where it should: the attack did get that far.
    hosts = {fetched.partition("/")[0].partition(":")[0] for fetched in attack.world.fetched}
    assert "public.test" in hosts
    assert all(host == "public.test" or host.startswith(REBINDING) for host in hosts)


def test_no_job_is_left(attack: Attack) -> None:
    deadline = time.monotonic() + SOON
    while any(attack.server.left().values()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert attack.server.left() == {"iclight_jobs_waiting": 0, "iclight_jobs_running": 0}
    states = {job["state"] for job in attack.server.json("GET", HOUSE_JOBS)["jobs"]}
    assert states <= {"done", "failed", "cancelled"}


def test_nothing_is_written_beside_the_jobs(attack: Attack) -> None:
    folder = attack.server.folder
    files = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    beside = {name for name in files if not name.startswith("home/jobs/")} - {"log.txt", "reached.txt"}
    assert beside == set()
    own = {Path(name).name for name in files if name.startswith("home/jobs/")}
    assert {name for name in own if not name.startswith(("jobs.sqlite", "in-", "out-"))} == set()


def test_memory_does_not_balloon(attack: Attack) -> None:
    assert attack.peak - attack.memory < GROWTH


def test_the_log_knows_of_no_failure(attack: Attack) -> None:
    lines = [json.loads(line) for line in (attack.server.folder / "log.txt").read_text().splitlines()]
    assert [line for line in lines if "exception" in line or line["level"] in ("error", "critical")] == []
    calls = [line for line in lines if line["message"] == "call"]
    assert len(calls) > len(CALLS) and [line for line in calls if line["status"] >= 500] == []


class TestRebinding:
    def test_a_picture_comes_from_the_address_that_was_checked(self, attack: Attack) -> None:
        server, host = attack.server, f"{REBINDING}-first.test"
        asked = sent_json("first", HOUSE, {"subject_image": f"http://{host}:INSIDE/ok.png"})
        before = len((server.folder / "reached.txt").read_text().split())
        assert server.sent(asked).status == 200
        assert attack.world.names.asked[host] == 1
        assert (server.folder / "reached.txt").read_text().split()[before:] == [PUBLIC]
        assert attack.world.fetched[-1] == f"{host}:{attack.world.inside}/ok.png"
        refused = server.sent(asked)
        assert refused.status == 400 and "no public address" in sentence_of(HOUSE, refused)
        assert attack.world.names.asked[host] == 2 and attack.world.visits == []

    def test_a_webhook_is_looked_up_for_each_call(self, attack: Attack) -> None:
        host, deadline = f"{REBINDING}-webhook.test", time.monotonic() + 8
        while attack.world.names.asked[host] < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert attack.world.names.asked[host] >= 2
        assert attack.world.fetched.count(f"{host}:{attack.world.inside}/hook/500") == 1
        assert attack.world.visits == []


def test_links_name_the_host_that_was_called(attack: Attack) -> None:
    """Whoever reads them sent the name; what is no host is not repeated. A server may have a name of its own, too."""
    own = f"http://127.0.0.1:{attack.server.port}"
    for host, base in {"studio": "http://studio", 'a"><b>': own, "u@h": own, "a/b": own}.items():
        job = attack.server.json("POST", IC_LIGHT_JOBS, PROPER["/v1/ic-light"], {"host": host})
        assert job["status_url"].startswith(f"{base}/v2/requests/")


class TestOffline:
    def test_nothing_is_fetched(self, tmp_path: Path) -> None:
        with world() as around, served(tmp_path, around, offline=True) as server:
            for call in hostile_urls.offline():
                answer = server.sent(call)
                assert answer.status == call.expected, call.name
                said = sentence_of(call.path, answer) if answer.status >= 400 else answer.error
                assert said is None or "offline" in said, call.name
            time.sleep(0.3)
            assert (around.names.asked, around.fetched, around.visits) == (Counter(), [], [])


class TestKeys:
    RATE = 6

    def test_a_key_is_not_guessed(self, tmp_path: Path) -> None:
        (tmp_path / "home").mkdir()
        keys = KeyFile(tmp_path / "home" / "keys.json")
        ann, bob = keys.add("ann"), keys.add("bob")
        options = {"rate": self.RATE, "allow_private_urls": True, "public_url": "https://relight.test/"}
        with world() as around, served(tmp_path, around, **options) as server:
            self.mine_alone(server, ann, bob)
            guesses = [self.guess(server, number) for number in range(self.RATE + 3)]
            assert [each.status for each in guesses] == [401] * self.RATE + [429] * 3
            assert 1 <= int(guesses[-1].headers["retry-after"]) <= 60
            hosted = [
                server.sent(Hostile("a", "GET", path), "b") for path in (PHOTOROOM, "/v2/requests/a", "/v1/account")
            ]
            assert [each.status for each in hosted] == [429] * 3
            # Whoever has a key is not kept out by those who guess.
            url = f"http://127.0.0.1:{around.inside}/a.png"
            assert server.sent(sent_json("own", HOUSE, {"subject_image": url}), ann).status == 200
            # And where its owner lets it, a server does reach what was not reached above.
            assert around.visits == [f"a connection to port {around.inside}", "GET /a.png"]
            log = (tmp_path / "log.txt").read_text()
            assert ann not in log and bob not in log and "icl_guess" not in log

    @staticmethod
    def guess(server: Server, number: int) -> Answered:
        lies = {
            "x-forwarded-for": f"10.0.0.{number}",
            "forwarded": f"for=10.0.0.{number}",
            "x-real-ip": f"10.0.0.{number}",
        }
        return server.sent(Hostile("guess", "GET", HOUSE_JOBS, headers=lies), f"icl_guess{number}")

    @staticmethod
    def mine_alone(server: Server, ann: str, bob: str) -> None:
        """Jobs of one key are not there for the other, and links begin with the server's own name."""
        made = server.json("POST", IC_LIGHT_JOBS, PROPER["/v1/ic-light"], {"x-api-key": ann, "host": "evil.test"})
        job = made["request_id"]
        assert made["status_url"] == f"https://relight.test/v2/requests/{job}/status"
        for path in (f"/v2/requests/{job}", f"/relight/jobs/{job}", f"/v1/requests/{job}"):
            assert server.sent(Hostile("another's", "GET", path), bob).status == 404
        assert server.sent(Hostile("another's", "DELETE", f"/relight/jobs/{job}"), bob).status == 404
