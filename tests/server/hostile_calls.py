"""Sending hostile calls to a server as it is served, and what is asked of every answer."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.server.hostile import HOUSE_JOBS, PROPER, Hostile
from tests.server.hostile_world import World

ROOT = Path(__file__).parents[2]
PATIENCE = 10.0
"""Seconds after which a call counts as unanswered."""
GIVEN_UP = 8
"""Calls without an answer after which no more are sent: each of them waits."""
LONGEST = 2000
"""Letters that a sentence may have: that of an unknown parameter lists all known ones."""
_JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Answered:
    """What came of a call; ``error`` is what a job said that was accepted and failed."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
    error: str | None = None


@dataclass
class Server:
    """A server process; ``words`` are put in where a call has their names."""

    port: int
    pid: int
    folder: Path
    words: dict[str, str]
    unanswered: int = 0

    def sent(self, call: Hostile, key: str | None = None) -> Answered:
        """Send one call, and wait for the end of its job where it is to fail; the status 0: there was no answer."""
        body = self._filled(call.body if call.made is None else call.made())
        began = time.monotonic()
        if self.unanswered > GIVEN_UP:
            return Answered(0, {}, b"not sent: the server answers no more", 0.0)
        headers = {**({} if key is None else {"x-api-key": key}), **(call.headers or {})}
        path = self._filled(call.path.encode()).decode()
        try:
            status, told, data = self._exchanged(call.method, path, headers, body)
        except (OSError, http.client.HTTPException) as error:
            self.unanswered += 1
            return Answered(0, {}, repr(error).encode(), time.monotonic() - began)
        failed = self._ended(json.loads(data)) if call.fails and status < 300 else None
        return Answered(status, told, data, time.monotonic() - began, failed)

    def json(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        """A call that is proper."""
        data = b"" if body is None else json.dumps(body).encode()
        return json.loads(self._exchanged(method, path, {**_JSON, **(headers or {})}, data)[2])

    def page(self, path: str) -> tuple[int, str]:
        status, _, data = self._exchanged("GET", path, {}, b"")
        return status, data.decode()

    def left(self) -> dict[str, float]:
        """How many jobs wait and run."""
        lines = [line.split() for line in self.page("/metrics")[1].splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in lines if name in ("iclight_jobs_waiting", "iclight_jobs_running")}

    def _filled(self, data: bytes) -> bytes:
        for name, word in self.words.items():
            data = data.replace(name.encode(), word.encode()) if len(data) < 1 << 16 else data
        return data

    def _exchanged(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            # It may be answered and closed before all of a body was sent.
            with suppress(OSError):
                connection.request(method, path, body or None, dict(headers))
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def _ended(self, job: Mapping[str, Any]) -> str:
        path = f"/api/v1/jobs/{job['jobId']}" if "jobId" in job else f"/v2/requests/{job['request_id']}"
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = self.json("GET", path)
            if found["status"].lower() == "failed":
                return str(found["error"])
            if found["status"].lower() == "completed":
                return ""
            time.sleep(0.05)
        return ""


@contextmanager
def served(folder: Path, world: World, *, offline: bool = False, **options: Any) -> Iterator[Server]:
    """A server in a world of its own, with nothing around it but empty folders."""
    for name in ("home", "here", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    told = {
        "names": world.names.port,
        "internet": world.internet,
        "home": str(folder / "home"),
        "offline": offline,
        "reached": str(folder / "reached.txt"),
        "log": str(folder / "log.txt"),
        "options": {"body_seconds": 2, **options},
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.server.hostile_process", json.dumps(told)],
        cwd=folder / "here",
        env={
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(folder / "tmp"),
            "HOME": str(folder / "here"),
            "PATH": "/bin:/usr/bin",
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url, pid = process.stdout.readline().split()
    ports = {"INSIDE": str(world.inside), "SIX": str(world.inside_six)}
    try:
        yield Server(int(url.rpartition(":")[2]), int(pid), folder, ports)
    finally:
        process.kill()
        process.wait()


def with_a_job(server: Server) -> None:
    """Make a proper job whose id and secret calls may name."""
    job = server.json("POST", HOUSE_JOBS, PROPER["/relight"])["id"]
    for _ in range(200):
        found = server.json("GET", f"{HOUSE_JOBS}/{job}")
        if found["images"]:
            break
        time.sleep(0.02)
    server.words |= {"JOBID": job, "SECRET": found["images"][0]["url"].split("/")[-2]}


def sentence_of(path: str, answer: Answered) -> str:
    """The sentence of an answer, which has the body of the API that the path belongs to."""
    found = json.loads(answer.body)
    if path.startswith("/v1/segment"):
        assert set(found) == {"detail", "status_code", "type"} and found["status_code"] == answer.status
        return str(found["detail"])
    photoroom = path.startswith(("/v2/edit", "/v1/account", "/v2/account", "/v1/render"))
    if path.startswith(("/v1/", "/v2/")) and not photoroom:
        assert set(found) == {"error"}
        return str(found["error"])
    error = found["error"]
    if photoroom:
        assert set(error) in ({"message"}, {"message", "code"})
    elif path.startswith("/api/"):
        assert set(error) == {"code", "message", "status"} and error["status"] == answer.status
    else:
        assert set(error) == {"type", "message"}
    return str(error["message"])


def faults_of(call: Hostile, answer: Answered, server: Server) -> list[str]:
    """What is wrong with the answer to a call."""
    if answer.status != call.expected:
        return [f"status {answer.status}, not {call.expected}: {answer.body[:300]!r}"]
    if call.fails and not answer.error:
        return ["its job did not fail"]
    if call.plain or (answer.status < 400 and not call.fails):
        return []
    sentence = str(answer.error) if call.fails else sentence_of(call.path, answer)
    found = stray_words(sentence, server)
    if not sentence.strip() or len(sentence) > LONGEST or "\n" in sentence:
        found.append(f"{len(sentence)} letters: {sentence[:300]!r}")
    if call.says not in sentence:
        found.append(f"{call.says} is not in {sentence[:300]!r}")
    return found


def stray_words(text: str, server: Server) -> list[str]:
    """Words that no stranger should be told."""
    bad = ["Traceback", 'File "', "site-packages", "object at 0x", "Errno", str(server.folder), str(ROOT), ".py"]
    return [word for word in bad if word in text]
