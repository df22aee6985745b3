"""The command line with hosted providers: who is asked, what is told, and that nobody is asked unnamed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from iclight_local.errors import (
    AnswerLost,
    Cancelled,
    EngineError,
    ICLightError,
    InvalidRequest,
    OutOfMemory,
    Unsupported,
    WeightsError,
)
from tests.cli.commands import SUBJECT, Command
from tests.fake_engine import FakeEngine
from tests.providers.hostile_provider import Script, hostile
from tests.providers.hosting import KEY

NOWHERE = ("--weights", "nowhere")


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    """Photoroom, played by a server on this machine, with a key for it in the environment."""
    with hostile() as found:
        monkeypatch.setenv("PHOTOROOM_BASE_URL", found.url)
        monkeypatch.setenv("PHOTOROOM_API_KEY", KEY)
        monkeypatch.setenv("SEGMIND_BASE_URL", found.url)
        monkeypatch.setenv("SEGMIND_API_KEY", KEY)
        yield found


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ICLIGHT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_whoever_is_named_is_asked(provider: Script, home: Path, folder: Path, iclight: Command) -> None:
    answer = iclight("relight", SUBJECT, "-o", "out.png", "--provider", "photoroom")
    assert answer.status == 0, answer.err
    assert answer.out == "out.png\n" and "\nmade by photoroom; no seed is known" in answer.err
    assert "peak memory" not in answer.err
    assert Image.open("out.png").size == (48, 32) and provider.paid_calls == 1
    assert (home / "audit.jsonl").read_text().count('"sending"') == 1
    told = iclight("inspect", "out.png").out
    assert "again: iclight relight subject_rgba.png --provider photoroom" in told
    assert KEY not in told + answer.err + answer.out and KEY.encode() not in Path("out.png").read_bytes()
    assert iclight("replay", "out.png", SUBJECT).sentence.startswith("The record is that of hosted relight")


def test_the_settings_name_who_comes_second(
    provider: Script, home: Path, folder: Path, iclight: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ICLIGHT_PROVIDERS", "photoroom")
    answer = iclight("relight", SUBJECT, "-o", "out.png", *NOWHERE, "--json")
    assert answer.status == 0 and answer.json["engine"] == "remote:photoroom"
    assert answer.json["record"]["instead_of"] == [{"engine": "local", "error": "WeightsError"}]
    assert "warning: local did not relight this: There is no bundle of weights nowhere" in answer.err
    assert iclight("relight", SUBJECT, "-o", "b.png", *NOWHERE, "--offline").sentence.startswith("There is no bundle")
    assert provider.paid_calls == 1


def test_several_are_asked_in_order(provider: Script, home: Path, folder: Path, iclight: Command) -> None:
    named = ("--provider", "photoroom", "--provider", "local,segmind-ic-light")
    answer = iclight("relight", SUBJECT, "-o", "out.png", *NOWHERE, "--prompt", "cat", *named)
    assert answer.status == 0, answer.err
    assert 'Photoroom cannot honour prompt "cat"' in answer.err and provider.paid_calls == 1
    assert [line.partition(" did not")[0] for line in answer.err.splitlines()[:2]] == [
        "iclight: warning: photoroom",
        "iclight: warning: local",
    ]
    assert "made by segmind-ic-light" in answer.err


def test_fewer_pictures_than_asked_for(provider: Script, home: Path, folder: Path, iclight: Command) -> None:
    words = ("--provider", "segmind-ic-light", "--prompt", "cat", "--number-of-images", "3")
    answer = iclight("relight", SUBJECT, "-o", "out.png", *words)
    assert answer.out == "out_0.png\n" and "made 1 pictures, and 3 were asked for" in answer.err
    assert [path.name for path in folder.iterdir()] == ["out_0.png"]


def test_offline_beats_everything(provider: Script, home: Path, folder: Path, iclight: Command) -> None:
    answer = iclight("relight", SUBJECT, "-o", "out.png", "--provider", "photoroom", "--offline")
    assert answer.status == 2 and "offline mode is on, in which nothing is sent" in answer.sentence
    assert provider.seen == [] and not home.exists()


def test_time_is_up(provider: Script, home: Path, folder: Path, iclight: Command) -> None:
    provider.paid = ["never"]
    answer = iclight("relight", SUBJECT, "-o", "out.png", "--provider", "photoroom", "--remote-seconds", "1")
    assert answer.status == 1 and "did not answer in time, and may have charged" in answer.sentence


@pytest.mark.parametrize("words", [("--provider", "me"), ("--provider", "photoroom,"), ("--provider", "photoroom me")])
def test_names(words: tuple[str, str], folder: Path, home: Path, iclight: Command) -> None:
    answer = iclight("relight", SUBJECT, *words)
    needed = "must be names of providers" if "me" in words[1] else "Photoroom needs a key"
    assert answer.status == 2 and needed in answer.sentence


ERRORS = (AnswerLost, Cancelled, EngineError, InvalidRequest, OutOfMemory, Unsupported, WeightsError)


@pytest.mark.parametrize("error", ERRORS)
def test_unnamed_nobody_is_called_whatever_fails(
    error: type[ICLightError],
    provider: Script,
    home: Path,
    folder: Path,
    iclight: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forbidden(*arguments: Any) -> None:
        raise AssertionError("a socket was used")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    monkeypatch.setattr("iclight_local.assemble._local", lambda *how: FakeEngine(error=error("It is so.")))
    answer = iclight("relight", SUBJECT, "-o", "out.png")
    assert (answer.status, answer.sentence) == (error.exit_status, "It is so.")
    assert provider.seen == [] and not home.exists()
