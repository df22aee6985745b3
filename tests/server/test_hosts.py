"""A server without keys answers to its own names alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from iclight_local.server.keys import KeyFile
from tests.server.live import PICTURE, Live, serving

OWN = ["127.0.0.1", "127.0.0.1:80", "[::1]:8188", "192.168.3.4", "localhost", "LOCALHOST:8188", "localhost.", "studio"]
STRANGE = ["evil.test", "evil.test:8188", "127.0.0.1.evil.test", "localhost.evil.test", "evil.test.", "a:b@evil.test"]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> object:
    with serving(tmp_path_factory.mktemp("jobs")) as found:
        yield found


@pytest.mark.parametrize(
    "path", ["/relight/jobs", "/v2/edit?imageUrl=x", "/api/v1/models", "/relight/docs", "/metrics"]
)
@pytest.mark.parametrize("host", STRANGE)
def test_a_strangers_name_is_refused(live: Live, host: str, path: str) -> None:
    reply = live.get(path, {"host": host})
    assert reply.status in (401, 403)
    assert "evil.test" not in reply.headers.values()


@pytest.mark.parametrize("host", OWN)
def test_its_own_names_are_taken(live: Live, host: str) -> None:
    assert live.get("/relight/jobs", {"host": host}).status == 200


def test_the_sentence_says_what_to_do(live: Live) -> None:
    told = live.get("/relight/jobs", {"host": "evil.test"}).json["error"]
    assert told["type"] == "unauthorized"
    assert told["message"].startswith("'evil.test' is no name of this server")
    assert "--public-url" in told["message"]


@pytest.mark.parametrize(
    ("origin", "status"),
    [("https://evil.test", 401), ("null", 401), ("http://localhost:3000", 202), ("http://127.0.0.1", 202), (None, 202)],
)
def test_no_strangers_page_posts(live: Live, origin: str | None, status: int) -> None:
    headers = {} if origin is None else {"origin": origin}
    assert live.form("/relight/jobs", {"subject_image": PICTURE}, headers).status == status


def test_the_owners_name_is_its_own(tmp_path: Path) -> None:
    with serving(tmp_path / "jobs", public_url="https://light.example.org/") as live:
        assert live.get("/relight/jobs", {"host": "light.example.org"}).status == 200
        assert live.get("/relight/jobs", {"host": "example.org"}).status == 401


def test_a_key_opens_by_any_name(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    key = keys.add("ann")
    with serving(tmp_path / "jobs", keys=keys) as live:
        headers = {"host": "light.example.org", "origin": "https://other.example"}
        assert live.get("/relight/jobs", {**headers, "x-api-key": key}).status == 200
        assert live.get("/relight/jobs", headers).status == 401
