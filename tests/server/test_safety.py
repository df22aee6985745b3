"""Keys, limits, and what a stranger may not do."""

from __future__ import annotations

import base64
import json
import socket
import stat
import time
from pathlib import Path

import pytest

from iclight_local.errors import InvalidRequest
from iclight_local.server.keys import PREFIX, KeyFile
from iclight_local.server.limits import RateLimit
from iclight_local.server.serving import check_address, listening_socket
from iclight_local.settings import ServeSettings
from tests.server.live import PICTURE, serving

HEAD = b"POST /relight HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


class TestKeys:
    def test_a_key_is_kept_as_its_hash(self, tmp_path: Path) -> None:
        file = KeyFile(tmp_path / "keys.json")
        key = file.add("ann")
        assert key.startswith(PREFIX) and len(key) > 40
        assert key not in (tmp_path / "keys.json").read_text()
        assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600
        again = KeyFile(tmp_path / "keys.json")
        assert (again.owner(key), again.owner(key + "x"), again.owner("")) == ("ann", None, None)
        again.remove("ann")
        assert KeyFile(tmp_path / "keys.json").owner(key) is None

    @pytest.mark.parametrize("name", ["", "a b", "../x", "a" * 65])
    def test_names(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(InvalidRequest, match="is none for a key"):
            KeyFile(tmp_path / "keys.json").add(name)

    def test_taken_and_missing_names(self, tmp_path: Path) -> None:
        file = KeyFile(tmp_path / "keys.json")
        file.add("ann")
        with pytest.raises(InvalidRequest, match="There is a key ann already"):
            file.add("ann")
        with pytest.raises(InvalidRequest, match="There is no key bob"):
            file.remove("bob")

    @pytest.mark.parametrize("text", ["", "[]", '{"keys": 5}', '{"keys": {"a": {}}}'])
    def test_what_is_no_file_of_keys(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "keys.json").write_text(text)
        with pytest.raises(InvalidRequest, match="is no file of keys"):
            KeyFile(tmp_path / "keys.json")

    def test_each_api_finds_its_own(self, tmp_path: Path) -> None:
        keys = KeyFile(tmp_path / "keys.json")
        key = keys.add("ann")
        with serving(tmp_path / "jobs", keys=keys) as live:
            mine, bearer = {"x-api-key": key}, {"authorization": f"Bearer {key}"}
            assert live.get("/relight/jobs", mine).status == live.get("/relight/jobs", bearer).status == 200
            assert live.get("/v2/requests/x", mine).status == live.get("/api/v1/jobs/x", bearer).status == 404
            assert live.get("/v1/account", mine).status == 200
            assert live.get("/v2/account", {"x-api-key": f"sandbox_{key}"}).status == 200
            assert live.get("/v2/requests/x", bearer).json["error"].startswith("Missing")
            assert live.get("/v2/requests/x", {"x-api-key": "no"}).json["error"].startswith("Unauthorized")
            assert live.get("/api/v1/jobs/x", mine).json["error"]["code"] == "unauthorized"
            assert live.get("/v2/account").json == {"error": {"message": "apiKey: Required"}}
            assert live.get("/v2/account", {"x-api-key": "no"}).status == 403
            assert live.get("/v2/edit", {"x-api-key": "no"}).status == 403
            assert live.get("/relight/jobs").status == 401
            assert live.get("/healthz").status == 200

    def test_jobs_of_others_are_not_there(self, tmp_path: Path) -> None:
        keys = KeyFile(tmp_path / "keys.json")
        ann, bob = ({"x-api-key": keys.add(name)} for name in ("ann", "bob"))
        with serving(tmp_path / "jobs", keys=keys) as live:
            body = {"subject_image": PICTURE}
            job = live.form("/relight/jobs", body, ann).json["id"]
            assert live.get(f"/relight/jobs/{job}", ann).status == 200
            assert live.get(f"/relight/jobs/{job}", bob).status == 404
            assert live.call("DELETE", f"/relight/jobs/{job}", None, bob).status == 404
            assert live.get("/relight/jobs", bob).json == {"jobs": []}


class TestAddress:
    @pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.3.4.5"])
    def test_loopback_needs_no_key(self, host: str, tmp_path: Path) -> None:
        check_address(host, KeyFile(tmp_path / "keys.json"))

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org"])
    def test_others_do(self, host: str, tmp_path: Path) -> None:
        keys = KeyFile(tmp_path / "keys.json")
        with pytest.raises(InvalidRequest, match="no key was made: run iclight keys add NAME first"):
            check_address(host, keys)
        keys.add("ann")
        check_address(host, keys)

    def test_a_taken_port(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            settings = ServeSettings(port=taken.getsockname()[1])
            with (
                pytest.raises(InvalidRequest, match="cannot be listened at"),
                listening_socket(settings) as second,
            ):
                second.listen()


class TestLimits:
    def test_a_body_that_says_it_is_too_large(self, tmp_path: Path) -> None:
        with serving(tmp_path / "jobs", body=1000) as live:
            reply = live.call("POST", "/relight", b"x" * 2000, {"content-type": "application/json"})
            assert reply.status == 413 and "larger than this server takes" in reply.json["error"]["message"]
            assert live.json("/v1/ic-light", {"prompt": "x" * 2000}).status == 400

    def test_a_body_that_does_not_say(self, tmp_path: Path) -> None:
        with serving(tmp_path / "jobs", body=1000) as live, socket.create_connection(("127.0.0.1", live.port)) as wire:
            wire.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n400\r\n" + b"x" * 1024 + b"\r\n")
            assert wire.recv(4096).startswith(b"HTTP/1.1 413")

    def test_a_body_that_does_not_come(self, tmp_path: Path) -> None:
        with serving(tmp_path / "jobs", seconds=0.3) as live:
            with socket.create_connection(("127.0.0.1", live.port)) as wire:
                wire.sendall(HEAD + b"Content-Length: 9\r\n\r\n{")
                began, answer = time.monotonic(), b""
                while part := wire.recv(4096):
                    answer += part
                assert answer.startswith(b"HTTP/1.1 400") and b"The body did not come in time" in answer
                assert time.monotonic() - began < 5
            assert live.get("/healthz").status == 200

    def test_headers_without_end(self, tmp_path: Path) -> None:
        with serving(tmp_path / "jobs") as live:
            with socket.create_connection(("127.0.0.1", live.port)) as wire:
                wire.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"a: " + b"x" * 200_000 + b"\r\n")
                assert wire.recv(100).startswith(b"HTTP/1.1 4")
            assert live.get("/healthz").status == 200

    def test_calls_a_minute(self, tmp_path: Path) -> None:
        with serving(tmp_path / "jobs", rate=3) as live:
            replies = [live.get("/relight/jobs") for _ in range(4)]
            assert [reply.status for reply in replies] == [200, 200, 200, 429]
            assert 1 <= int(replies[-1].headers["retry-after"]) <= 20
            assert "x-rate-limit-reset-at-utc" in live.get("/v2/requests/x").headers

    def test_jobs_that_wait(self, tmp_path: Path) -> None:
        with serving(tmp_path / "jobs", start=False, most_waiting=2) as live:
            statuses = [live.form("/relight/jobs", {"subject_image": PICTURE}).status for _ in range(3)]
            assert statuses == [202, 202, 429]

    def test_a_call_that_waits_too_long_leaves_its_job(self, tmp_path: Path) -> None:
        with serving(tmp_path / "jobs", start=False, waiting=0.1) as live:
            reply = live.form("/relight", {"subject_image": PICTURE})
            job = live.get("/relight/jobs").json["jobs"][0]
            assert reply.status == 504 and f"/relight/jobs/{job['id']} tells" in reply.json["error"]["message"]
            assert job["state"] == "queued"

    def test_whoever_goes_away_cancels(self, tmp_path: Path) -> None:
        with serving(tmp_path / "jobs", start=False) as live:
            body = json.dumps({"subject_image": base64.b64encode(PICTURE).decode()}).encode()
            with socket.create_connection(("127.0.0.1", live.port)) as wire:
                wire.sendall(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
                time.sleep(0.2)
            time.sleep(1.0)
            assert live.get("/relight/jobs").json["jobs"][0]["state"] == "cancelled"


def test_a_bucket_fills_evenly() -> None:
    now = [0.0]
    limit = RateLimit(60, lambda: now[0])
    assert [limit.wait("a") for _ in range(61)][-1] == 1
    assert limit.wait("b") == 0
    now[0] = 1.0
    assert (limit.wait("a"), limit.wait("a")) == (0, 1)
    assert [RateLimit(0).wait("a") for _ in range(1000)] == [0] * 1000
