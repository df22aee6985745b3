"""Providers that fail in every way: each call ends in time with one sentence, and nothing is paid for twice."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from iclight_local.engines.remote import RemoteEngine
from iclight_local.errors import AnswerLost, Cancelled, EngineError, ICLightError, InvalidRequest, Unsupported
from iclight_local.request import RelightRequest
from iclight_local.result import Progress
from tests.providers.hostile_provider import PNG, Script, hostile
from tests.providers.hosting import remote

SHORT_S, LONG_S = 0.8, 8.0
"""Limits of a relight: where it has to run out, and where it must not, however busy this machine is."""
SLACK_S = 2.0
"""What a call may take beyond its limit: threads and sockets on a busy machine."""
IN_TIME = ("in time", "did not finish within")
"""What is said where time ran out."""


@pytest.fixture
def provider() -> Iterator[Script]:
    with hostile() as found:
        yield found


def engine(name: str, provider: Script, tmp_path: Path) -> RemoteEngine:
    return remote(name, provider.url, tmp_path, LONG_S)


def refused(name: str, url: str, home: Path, said: str) -> ICLightError:
    """What a relight comes to: one sentence, in time."""
    limit = SHORT_S if said in IN_TIME else LONG_S
    found = remote(name, url, home, limit)
    began = time.monotonic()
    with pytest.raises(ICLightError) as caught:
        found.relight(RelightRequest(subject_image=PNG, prompt="a cat" if name == "segmind-ic-light" else ""))
    assert time.monotonic() - began < (limit if limit == LONG_S else limit + SLACK_S)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence and len(sentence) < 400, sentence
    return caught.value


def paid_calls(provider: Script) -> int:
    """Calls that were paid for; the provider may read one only after its caller gave up."""
    until = time.monotonic() + SLACK_S
    while not provider.paid_calls and time.monotonic() < until:
        time.sleep(0.01)
    return provider.paid_calls


PAID = {
    "late": (AnswerLost, "in time"),
    "never": (AnswerLost, "in time"),
    "dripping": (AnswerLost, "in time"),
    "dripping_body": (AnswerLost, "in time"),
    "closed": (AnswerLost, "broke off"),
    "half": (AnswerLost, "broke off"),
    "no_http": (AnswerLost, "broke off"),
    "bomb": (AnswerLost, "compressed"),
    "vast": (AnswerLost, "more than 1 MiB"),
    "endless": (AnswerLost, "more than 1 MiB"),
    "half_picture": (AnswerLost, "breaks off or is damaged"),
    "pixel_bomb": (AnswerLost, "pixels"),
    "text": (EngineError, "a picture was needed"),
    "html": (EngineError, "text/html"),
    "redirect": (EngineError, "302"),
    "500": (EngineError, "it broke"),
    "429_long": (EngineError, "takes no more calls"),
    "402": (Unsupported, "no credits left"),
    "401": (Unsupported, "did not accept the key"),
    "400": (InvalidRequest, "refused the request"),
}


@pytest.mark.parametrize("trick", PAID)
def test_a_call_that_is_paid_for_is_made_once(
    trick: str, provider: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iclight_local.engines.transport.MAX_BYTES", 1 << 20)
    provider.paid = [trick, "picture"]
    kind, said = PAID[trick]
    error = refused("photoroom", provider.url, tmp_path, said)
    assert type(error) is kind and said in str(error)
    assert paid_calls(provider) == 1
    assert provider.elsewhere == [], "the redirect was followed"
    assert ("may have charged" in str(error)) is (kind is AnswerLost)


def test_segmind_without_credits(provider: Script, tmp_path: Path) -> None:
    provider.paid = ["406"]
    error = refused("segmind-ic-light", provider.url, tmp_path, "")
    assert isinstance(error, Unsupported) and "no credits left" in str(error)
    assert paid_calls(provider) == 1


def test_a_call_that_was_not_taken_is_made_again(provider: Script, tmp_path: Path) -> None:
    provider.paid = ["429", "429", "picture"]
    result = engine("photoroom", provider, tmp_path).relight(RelightRequest(subject_image=PNG))
    assert result.images[0].size == (48, 32) and provider.paid_calls == 3
    assert (tmp_path / "audit.jsonl").read_text().count('"sending"') == 3


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    error = refused("photoroom", url, tmp_path, "")
    assert type(error) is EngineError and str(error) == "Photoroom cannot be reached; it was sent nothing."


def test_it_listens_in_the_end(tmp_path: Path, provider: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that was refused has carried nothing, so that another may be tried."""
    import httpcore

    connect, refusals = httpcore.AsyncConnectionPool.handle_async_request, iter(range(2))

    async def late(self: httpcore.AsyncConnectionPool, request: httpcore.Request) -> httpcore.Response:
        if next(refusals, None) is not None:
            raise httpcore.ConnectError("refused")
        return await connect(self, request)

    monkeypatch.setattr(httpcore.AsyncConnectionPool, "handle_async_request", late)
    assert engine("photoroom", provider, tmp_path).relight(RelightRequest(subject_image=PNG)).images
    assert paid_calls(provider) == 1


JOBS = {
    "a job that never ends": (["queued", "processing"], AnswerLost, "did not finish within"),
    "a job that nobody tells of": (["never"], AnswerLost, "did not finish within"),
    "a job of which only nonsense is told": (["closed"], AnswerLost, "when asked for its job"),
    "a job that is gone": (["404"], EngineError, "does not know"),
    "a job that failed": (["failed"], EngineError, "no face found"),
    "always too many questions": (["429_long"], EngineError, "takes no more calls"),
    "always nonsense": (["html"], EngineError, "text/html"),
}


@pytest.mark.parametrize(("polls", "kind", "said"), JOBS.values(), ids=JOBS)
def test_a_job_without_pictures(
    polls: list[str], kind: type[ICLightError], said: str, provider: Script, tmp_path: Path
) -> None:
    provider.paid, provider.polls = ["queued"], polls
    error = refused("segmind-ic-light", provider.url, tmp_path, said)
    assert type(error) is kind and said in str(error)
    assert paid_calls(provider) == 1


def test_asking_for_a_job_is_free_and_tried_again(provider: Script, tmp_path: Path) -> None:
    provider.paid, provider.polls = ["queued"], ["500", "429", "closed", "html", "done"]
    found = engine("segmind-ic-light", provider, tmp_path).relight(RelightRequest(subject_image=PNG, prompt="cat"))
    assert found.images[0].size == (48, 32)
    assert found.record["bill"] == {"cost": 0.5, "request_id": "job-1"}
    assert (provider.paid_calls, provider.poll_calls) == (1, 5)
    (warning,) = found.warnings
    assert "48 x 32 pixels, and 768 x 960 was asked for" in warning


RESULTS = {
    "/redirect_home": "no public address",
    "/redirect_metadata": "no public address",
    "http://127.0.0.1:8009/inside": "no public address",
    "http://localhost:8009/inside": "no public address",
    "http://169.254.169.254/latest/meta-data": "no public address",
    "/html": "a web page (HTML)",
    "/404": "status 404",
    "/bomb": "comes compressed",
    "/dripping_body": "in time",
    "/pixel_bomb": "pixels",
}


@pytest.mark.parametrize("result", RESULTS)
def test_a_result_that_is_none(result: str, provider: Script, tmp_path: Path) -> None:
    provider.paid, provider.polls, provider.result = ["queued"], ["done"], result
    error = refused("segmind-ic-light", provider.url, tmp_path, RESULTS[result])
    assert type(error) is AnswerLost and RESULTS[result] in str(error), str(error)
    assert paid_calls(provider) == 1
    assert all("x-api-key" not in headers for call, headers, _ in provider.seen if "/v2/" not in call)


def test_it_stops_when_it_is_told_to(provider: Script, tmp_path: Path) -> None:
    provider.paid = ["never"]

    def told(progress: Progress) -> None:
        if progress.stage == "remote" and provider.paid_calls:
            raise Cancelled("Stopped.")

    began = time.monotonic()
    with pytest.raises(Cancelled):
        remote("photoroom", provider.url, tmp_path, 30).relight(RelightRequest(subject_image=PNG), progress=told)
    assert time.monotonic() - began < 2
    assert '"failed"' in (tmp_path / "audit.jsonl").read_text()
