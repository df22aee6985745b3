"""APIs that take web addresses alone: a file is put on the owner's shelf for a while, and taken away again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from iclight_local.accounts import find_shelf
from iclight_local.engines.remote import RemoteEngine
from iclight_local.errors import EngineError, InvalidRequest, Unsupported
from iclight_local.imaging.guarded import Guard, fetch
from iclight_local.providers.base import Secret, Shelf
from iclight_local.request import RelightRequest
from tests.providers.hostile_provider import PNG, hostile
from tests.providers.hosting import listening, remote
from tests.server.live import serving

PASS = "Basic amFuZTpzZWNyZXQ="


class Store(BaseHTTPRequestHandler):
    """A place that takes files from whoever knows the pass, and shows them to everybody."""

    files: dict[str, bytes]
    asked: list[str]
    refuses: dict[str, int]

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self._may("PUT"):
            self.files[self.path] = data
            self._answer(201)

    def do_GET(self) -> None:
        found = self.files.get(self.path)
        self._answer(404 if found is None else 200, b"" if found is None else found)

    def do_DELETE(self) -> None:
        if self._may("DELETE"):
            del self.files[self.path]
            self._answer(204)

    def log_message(self, *words: object) -> None:
        """Say nothing."""

    def _may(self, method: str) -> bool:
        self.asked.append(method)
        status = self.refuses.get(method, 200 if self.headers["Authorization"] == PASS else 401)
        if status != 200:
            self._answer(status, PASS.encode())
        return status == 200

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[type[Store], Shelf]]:
    class Mine(Store):
        files: dict[str, bytes] = {}  # noqa: RUF012
        asked: list[str] = []  # noqa: RUF012
        refuses: dict[str, int] = {}  # noqa: RUF012

    monkeypatch.setattr("iclight_local.engines.uploading.PAUSE_S", 0.01)
    with listening(Mine) as url:
        yield Mine, Shelf(f"{url}/in/{{name}}.png", Secret(PASS))


def engine(name: str, url: str, home: Path, shelf: Shelf) -> RemoteEngine:
    found = remote(name, url, home)
    return RemoteEngine(found.account, replace(found.options, shelf=shelf))


def events(home: Path) -> list[tuple[str, str, str]]:
    found = [json.loads(line) for line in (home / "audit.jsonl").read_text().splitlines()]
    return [(line["event"], line["provider"].partition(":")[0], line.get("as", "")) for line in found]


def test_a_file_has_an_address_for_a_while(store: tuple[type[Store], Shelf], tmp_path: Path) -> None:
    place, shelf = store
    with serving(tmp_path / "jobs", fetch=partial(fetch, guard=Guard(allow_private=True))) as live:
        result = engine("pixeldojo", live.url, tmp_path, shelf).relight(RelightRequest(subject_image=PNG, prompt="cat"))
        (heard,) = live.engine.requests
    assert len(result.images) == 1 and place.asked == ["PUT", "DELETE"] and place.files == {}
    assert isinstance(heard.subject_image, bytes) and heard.prompt == "cat"
    assert events(tmp_path) == [
        ("sending", "127.0.0.1", "file"),
        ("sending", "pixeldojo", "address"),
        ("done", "pixeldojo", ""),
    ]


def test_it_is_taken_away_whatever_happens(store: tuple[type[Store], Shelf], tmp_path: Path) -> None:
    place, shelf = store
    with hostile() as provider:
        provider.paid = ["402"]
        with pytest.raises(Unsupported, match="no credits"):
            engine("pixeldojo", provider.url, tmp_path, shelf).relight(RelightRequest(subject_image=PNG))
        assert place.asked == ["PUT", "DELETE"] and place.files == {}
        place.refuses["DELETE"] = 500
        with pytest.raises(Unsupported):
            engine("pixeldojo", provider.url, tmp_path, shelf).relight(RelightRequest(subject_image=PNG))
    assert events(tmp_path)[-2:] == [("left", "127.0.0.1", "file"), ("failed", "pixeldojo", "")]


def test_it_cannot_be_put_there(store: tuple[type[Store], Shelf], tmp_path: Path) -> None:
    place, shelf = store
    place.refuses["PUT"] = 403
    with hostile() as provider:
        with pytest.raises(EngineError, match="answered 403") as caught:
            engine("pixeldojo", provider.url, tmp_path, shelf).relight(RelightRequest(subject_image=PNG))
        assert provider.paid_calls == 0 and place.asked == ["PUT"] * 3
    assert PASS not in str(caught.value) + repr(shelf) and "/in/" not in str(caught.value)


def test_nothing_is_put_there_in_vain(store: tuple[type[Store], Shelf], tmp_path: Path) -> None:
    place, shelf = store
    with hostile() as provider:
        with pytest.raises(Unsupported, match="cannot honour"):
            request = RelightRequest(subject_image=PNG, contact_shadow=True)
            engine("pixeldojo", provider.url, tmp_path, shelf).relight(request)
        engine("photoroom", provider.url, tmp_path, shelf).relight(RelightRequest(subject_image=PNG))
    assert place.asked == []


@pytest.mark.parametrize(
    ("template", "environ", "says"),
    [
        ("https://a.example/in", {}, "holds no {name}"),
        ("http://a.example/{name}", {}, "begins with http://"),
        ("a.example/{name}", {}, "is no address"),
        ("https://a.example/{name}", {"ICLIGHT_UPLOAD_AUTHORIZATION": "Basic ü12345"}, "is no header"),
    ],
)
def test_places_that_are_none(template: str, environ: dict[str, str], says: str) -> None:
    with pytest.raises(InvalidRequest, match=says) as caught:
        find_shelf(template, environ)
    assert "ü12345" not in str(caught.value)


def test_a_place_that_is_one() -> None:
    found = find_shelf("https://a.example/{name}.png", {"ICLIGHT_UPLOAD_AUTHORIZATION": PASS})
    assert found is not None and found.address("x") == "https://a.example/x.png"
    assert found.authorization is not None and found.authorization.reveal() == PASS
    assert find_shelf(None, {"ICLIGHT_UPLOAD_AUTHORIZATION": PASS}) is None
