"""``iclight bench``: options, what is printed, what lies in its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from iclight_local.bench.cold import ColdStart, cold_start
from iclight_local.errors import EngineError, InvalidRequest, WeightsError
from iclight_local.request import RelightRequest
from tests.cli.commands import BUNDLE, SUBJECT, Command
from tests.fake_engine import FakeEngine

COSTS = ("--power-watts", "100", "--kwh-price", "0.3", "--hardware-price", "900", "--hardware-years", "4")


@pytest.fixture(autouse=True)
def quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cold starts in this process where the engine is the fake one."""
    if "fake" in request.fixturenames:
        engine: FakeEngine = request.getfixturevalue("fake")

        def fresh(settings: Mapping[str, Any], asked: RelightRequest) -> ColdStart:
            return ColdStart(1.25, engine.relight(asked))

        monkeypatch.setattr("iclight_local.bench.answers.cold_start", fresh)


def test_the_report_the_raw_values_and_a_table(iclight: Command, folder: Path, fake: FakeEngine) -> None:
    answer = iclight("bench", SUBJECT, "--out", "out", "--runs", "2", "--light", "left", *COSTS)
    assert answer.status == 0 and answer.err == "report: out/report.html\n"
    lines = answer.out.splitlines()
    assert lines[0] == "| | local |" and "| cold start | 1.25 s |" in lines and "| answered | 2 of 2 |" in lines
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["bench.json", "pictures", "report.html"]
    found = json.loads((folder / "out" / "bench.json").read_text())
    # Cold, one warm-up, two runs; the seed stays open unless it is asked for.
    assert len(fake.requests) == 4 and {request.light for request in fake.requests} == {"left"}
    assert found["experiment"]["knobs"] == {"light": "left"}
    assert found["contestants"]["local"]["price"]["per_hour"] == pytest.approx(0.03 + 900 / (4 * 8766))


def test_as_json(iclight: Command, folder: Path, fake: FakeEngine) -> None:
    answer = iclight("bench", SUBJECT, "--out", "out", "--json", "--price", "local=0.05", "--number-of-images", "2")
    told = answer.json
    # Cold, one warm-up and three runs, of two pictures each: told before it is paid.
    assert answer.err == "local will be asked 5 times, which costs about $0.50\n"
    assert told["report"] == "out/report.html" and told["summary"]["local"]["cost_1000"] == pytest.approx(50)


def test_a_provider_without_a_stated_price_is_announced_as_well(
    iclight: Command, folder: Path, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHOTOROOM_API_KEY", "key-of-nobody")
    answer = iclight("bench", SUBJECT, "--out", "out", "--engines", "photoroom", "--runs", "1", "--json")
    # Its first answer is its cold start and its warm-up in one.
    assert answer.err == "photoroom will be asked 2 times, what that costs is not stated\n"
    assert len(fake.requests) == 2


def test_recorded_and_played_back(iclight: Command, folder: Path, fake: FakeEngine) -> None:
    first = iclight("bench", SUBJECT, "--out", "first", "--record", "kept", "--price", "local=0.05", "--json").json
    asked = len(fake.requests)
    again = iclight("bench", SUBJECT, "--out", "again", "--replay", "kept", "--json").json
    assert again["summary"] == first["summary"] and len(fake.requests) == asked
    dearer = iclight("bench", SUBJECT, "--out", "dear", "--replay", "kept", "--price", "local=0.5", "--json").json
    assert dearer["summary"]["local"]["cost_1000"] == pytest.approx(500)


def test_an_interrupt_leaves_a_report(
    iclight: Command, folder: Path, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    relight = fake.relight

    def interrupted(*values: Any, **more: Any) -> Any:
        if len(fake.requests) == 4:
            raise KeyboardInterrupt
        return relight(*values, **more)

    monkeypatch.setattr(fake, "relight", interrupted)
    answer = iclight("bench", SUBJECT, SUBJECT, SUBJECT, "--out", "out", "--runs", "1")
    assert answer.status == 130
    assert answer.sentence == "Stopped; what was measured so far (2 of 3 pictures) lies in out."
    assert "Stopped early: this report has 2 of 3 pictures." in Path("out/report.html").read_text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--runs", "0"), "--runs is '0', but must be a whole number from 1"),
        (("--warmup", "-1"), "--warmup is '-1'"),
        (("--engines", "local,local"), "each once"),
        (("--engines", ""), "must name engines"),
        (("--engines", "other"), "There is no engine 'other' to bench"),
        (("--price", "other=1"), "--price is 'other=1'"),
        (("--price", "local"), "--price is '', but must be a number"),
        (("--price", "local=nan"), "--price is 'nan'"),
        (("--power-watts", "60"), "needs --power-watts with --kwh-price"),
        (("--hardware-price", "60", "--hardware-years", "0"), "--hardware-years is '0'"),
        (("--replay", "nowhere"), "holds no recorded answers"),
        (("--steps", "0"), "steps"),
        (("gone.png",), "'gone.png' is no file"),
        (("https://host/a.png",), "takes pictures on this disk"),
        (("bad.json",), "bad.json cannot be read as a manifest"),
        (("other.json",), "other.json is no manifest"),
        (("far.json",), "only files beside the manifest"),
    ],
)
def test_refusals(options: tuple[str, ...], words: str, iclight: Command, folder: Path, fake: FakeEngine) -> None:
    Path("bad.json").write_text("{")
    Path("other.json").write_text("[1]")
    Path("far.json").write_text('{"schema": 1, "scenes": [{"picture": "../../etc/passwd"}]}')
    answer = iclight("bench", SUBJECT, *options, "--out", "out")
    assert answer.status == 2 and words in answer.sentence
    assert fake.requests == [] and not Path("out").exists()


def test_a_bench_that_is_there_stays(iclight: Command, folder: Path, fake: FakeEngine) -> None:
    assert iclight("bench", SUBJECT, "--out", "out", "--runs", "1").status == 0
    assert "holds a bench already" in iclight("bench", SUBJECT, "--out", "out").sentence
    assert iclight("bench", SUBJECT, "--out", "out", "--runs", "1", "--overwrite").status == 0


def test_a_fresh_process(tmp_path: Path) -> None:
    request = RelightRequest(subject_image=str(SUBJECT), width=64, height=64, steps=1, highres_scale=1, seed=5)
    found = cold_start({"weights": str(BUNDLE)}, request)
    assert found.result.images[0].size == (64, 64) and found.result.seed == 5
    assert found.seconds > sum(found.result.timings.values()) and found.result.peak_memory > 10**8


def test_a_fresh_process_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsError, match="nowhere"):
        cold_start({"weights": "/nowhere"}, RelightRequest(subject_image=str(SUBJECT)))
    with pytest.raises(InvalidRequest, match="colour"):
        cold_start({"colour": "red"}, RelightRequest(subject_image=str(SUBJECT)))
    monkeypatch.setattr("sys.executable", "/bin/true")
    with pytest.raises(EngineError, match="ended with status 0"):
        cold_start({}, RelightRequest(subject_image=str(SUBJECT)))
