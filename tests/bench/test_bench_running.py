"""The bench itself: turns, failures, interrupts, and what is on the disk meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scenery import Logged, live, no_one, scenes

from iclight_local.bench.answers import Live
from iclight_local.bench.contestants import Contestant, Price
from iclight_local.bench.running import Bench, Plan, check_folder
from iclight_local.engines.base import Engine
from iclight_local.errors import EngineError, InvalidRequest, Unsupported, WeightsError


def plan(tmp_path: Path, entrants: list[Any], pictures: int = 2, runs: int = 2, warmup: int = 1, **knobs: Any) -> Plan:
    return Plan(scenes(tmp_path / "scenes", pictures), entrants, knobs, runs, warmup, tmp_path / "out")


def read(tmp_path: Path) -> dict[str, Any]:
    return dict(json.loads((tmp_path / "out" / "bench.json").read_text()))


def failing(error: BaseException, calls: range = range(1000)) -> Callable[[int], None]:
    def at(call: int) -> None:
        if call in calls:
            raise error

    return at


def test_turns_are_taken_after_the_cold_starts(tmp_path: Path) -> None:
    log: list[str] = []
    told: list[tuple[int, int, str]] = []
    engines = [Logged("a", log), Logged("b", log)]
    order = plan(tmp_path, [live(each) for each in engines], warmup=2)
    result = Bench(order, lambda *words: told.append(words)).run()
    # The cold start is the first of two warm-ups where it leaves the engine warm; then A, B, A, B for each picture.
    assert log == ["a", "a", "b", "b", *["a", "b"] * 4]
    assert [each[:2] for each in told] == [(done, 12) for done in range(12)]
    assert told[0][2] == "a: cold start" and told[-1][2] == "b: disc-1"
    assert result["complete"] and all(engine.closed for engine in engines)


def test_the_raw_values(tmp_path: Path) -> None:
    engine = Logged("a", [])
    Bench(plan(tmp_path, [live(engine, Price(0.5, words="half"))], seed=3), no_one).run()
    found = read(tmp_path)
    assert set(found) == {"schema", "complete", "experiment", "environment", "contestants", "pictures", "summary"}
    named = ["disc-0", "disc-1"]
    assert found["experiment"] == {"runs": 2, "warmup": 1, "knobs": {"seed": 3}, "pictures": named}
    assert {"time", "platform", "processor", "cores", "load_average", "python", "packages"} <= set(found["environment"])
    contestant = found["contestants"]["a"]
    assert contestant["price"] == {"per_picture": 0.5, "per_hour": None, "words": "half"}
    assert contestant["cold"]["fresh_process"] is False and contestant["engine"] == {"name": "a"}
    first = found["pictures"][0]
    assert (first["name"], first["size"], first["truth"], first["matte"]) == ("disc-0", [96, 96], True, "given")
    assert first["asked"] == {"light_source": "left"} and first["towards"] == [-1.0, 0.0]
    runs = first["answers"]["a"]["runs"]
    assert len(runs) == 2 and runs[0]["pixels"] == runs[1]["pixels"] and runs[0]["peak_memory"] == 123_000_000
    assert runs[0]["timings"] == {"load": 0.25, "lowres": 1.0, "highres": 2.0} and runs[0]["seconds"] >= 0
    assert (tmp_path / "out" / first["answers"]["a"]["file"]).is_file()
    assert (tmp_path / "out" / first["shown"]["truth"]).is_file()
    # The truth against itself, and the picture against itself.
    assert first["references"]["truth"]["truth_rmse"] == 0 and first["references"]["input"]["detail"] == 1
    assert str(tmp_path) not in (tmp_path / "out" / "bench.json").read_text()


def test_the_json_is_whole_after_each_picture(tmp_path: Path) -> None:
    seen: list[int] = []

    def at(call: int) -> None:
        if call > 0:
            seen.append(len(read(tmp_path)["pictures"]))

    Bench(plan(tmp_path, [live(Logged("a", [], at))], pictures=3, runs=1), no_one).run()
    assert seen == [0, 1, 2]
    assert not list((tmp_path / "out").rglob("*.tmp"))


@pytest.mark.parametrize(
    ("error", "calls", "message"),
    [
        # Tried again at every turn: it may have been a moment's trouble.
        (EngineError("It broke."), 1 + 4, "It broke."),
        # Not asked again for the same picture.
        (Unsupported("It cannot."), 1 + 2, "It cannot."),
        (ValueError("odd\nlines"), 1 + 4, "It failed unexpectedly (ValueError: odd)."),
    ],
)
def test_who_fails_stops_nobody(error: Exception, calls: int, message: str, tmp_path: Path) -> None:
    log: list[str] = []
    bad, good = Logged("bad", log, failing(error)), Logged("good", log)
    result = Bench(plan(tmp_path, [live(bad), live(good)]), no_one).run()
    assert result["complete"] and log.count("bad") == calls and log.count("good") == 5
    told = result["summary"]["bad"]
    assert [(each["message"], each["times"]) for each in told["failures"]] == [(message, calls)]
    assert told["answered"] == 0 and told["p50_s"] is None and told["detail"] is None
    assert result["summary"]["good"]["answered"] == 4


def test_who_cannot_be_opened(tmp_path: Path) -> None:
    def missing() -> Engine:
        raise WeightsError("There are no weights.")

    entrants = [Live(Contestant("gone", missing)), live(Logged("good", []))]
    result = Bench(plan(tmp_path, entrants), no_one).run()
    assert result["summary"]["gone"]["failures"][0]["message"] == "There are no weights."
    assert result["summary"]["good"]["answered"] == 4
    # Nothing to compare with: no ratio, instead of one to nothing.
    assert set(result["summary"]["good"]["ratios"].values()) == {None}


def test_an_interrupt_keeps_the_rest(tmp_path: Path) -> None:
    engines = [Logged("a", []), Logged("b", [], failing(KeyboardInterrupt(), range(3, 4)))]
    result = Bench(plan(tmp_path, [live(each) for each in engines], pictures=4), no_one).run()
    assert result == read(tmp_path) and not result["complete"]
    # The first picture whole; of the second the one answer that there was.
    counts = [[len(picture["answers"][name]["runs"]) for name in ("a", "b")] for picture in result["pictures"]]
    assert counts == [[2, 2], [1, 0]]
    assert result["pictures"][1]["answers"]["a"]["figures"] is not None
    assert result["summary"]["a"]["answered"] == 3 and all(engine.closed for engine in engines)


def test_a_bad_picture_is_told_before_anybody_is_asked(tmp_path: Path) -> None:
    log: list[str] = []
    order = plan(tmp_path, [live(Logged("a", log))])
    order.cases[1].picture.write_bytes(b"no picture")
    with pytest.raises(InvalidRequest):
        Bench(order, no_one).run()
    assert log == [] and not (tmp_path / "out").exists()


def test_a_folder_with_a_bench_is_left_alone(tmp_path: Path) -> None:
    check_folder(tmp_path / "new", overwrite=False)
    (tmp_path / "bench.json").write_text("{}")
    with pytest.raises(InvalidRequest, match="add --overwrite"):
        check_folder(tmp_path, overwrite=False)
    check_folder(tmp_path, overwrite=True)
    with pytest.raises(InvalidRequest, match="is a file"):
        check_folder(tmp_path / "bench.json", overwrite=True)
