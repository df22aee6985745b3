"""Recorded answers, played back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scenery import Logged, live, no_one, scenes

from iclight_local.bench.contestants import Price
from iclight_local.bench.recording import Recorder, fingerprint, recorded
from iclight_local.bench.running import Bench, Plan
from iclight_local.errors import EngineError, InvalidRequest, Unsupported
from iclight_local.request import RelightRequest


def failing(call: int) -> None:
    if call == 2:
        raise EngineError("It broke once.")


def bench(tmp_path: Path, out: str, entrants: list[Any], **knobs: Any) -> dict[str, Any]:
    plan = Plan(scenes(tmp_path / "scenes", 2, prompt="sea"), entrants, knobs, 2, 1, tmp_path / out)
    return Bench(plan, no_one).run()


def record(tmp_path: Path, **knobs: Any) -> dict[str, Any]:
    # Not in the order of the alphabet, nor of their folders: the first is whom the others are compared with.
    engines = [live(Logged("c", [], failing)), live(Logged("a/b", []), Price(0.1, words="dear"))]
    return bench(tmp_path, "first", [Recorder(each, tmp_path / "kept") for each in engines], **knobs)


def test_a_replay_equals_its_recording(tmp_path: Path) -> None:
    first = record(tmp_path)
    played = recorded(tmp_path / "kept")
    assert list(played) == ["c", "a/b"]
    again = bench(tmp_path, "again", list(played.values()))
    for name in ("pictures", "summary", "experiment"):
        assert again[name] == first[name]
    assert all(contestant.pop("replayed") for contestant in again["contestants"].values())
    assert not any(contestant.pop("replayed") for contestant in first["contestants"].values())
    assert again["contestants"] == first["contestants"]
    assert again["summary"]["c"]["failures"][0]["message"] == "It broke once."
    for picture in sorted((tmp_path / "first" / "pictures").iterdir()):
        assert picture.read_bytes() == (tmp_path / "again" / "pictures" / picture.name).read_bytes()


def test_what_was_not_recorded_is_a_failure_of_that_contestant(tmp_path: Path) -> None:
    record(tmp_path)
    again = bench(tmp_path, "again", [recorded(tmp_path / "kept")["c"], live(Logged("d", []))], steps=7)
    told = again["summary"]["c"]["failures"]
    assert {each["message"] for each in told} == {
        "Nothing was recorded of c for this picture and these values (cold).",
        "Nothing was recorded of c for this picture and these values (warm).",
    }
    assert again["summary"]["d"]["answered"] == 4


def test_more_runs_than_were_recorded_begin_again(tmp_path: Path) -> None:
    record(tmp_path)
    entrant = recorded(tmp_path / "kept")["a/b"]
    request = scenes(tmp_path / "scenes", 2, prompt="sea")[0].request({})
    seeds = [answer.result.seed for answer in (entrant.warm(request) for _ in range(5)) if answer.result is not None]
    # Two scenes of one picture are one request: four answers.
    assert seeds == [*dict.fromkeys(seeds), seeds[0]] and len(set(seeds)) == 4


def test_damaged_answers(tmp_path: Path) -> None:
    record(tmp_path)
    for path in (tmp_path / "kept" / "c").glob("*-warm-*.json"):
        path.write_text("{")
    entrant = recorded(tmp_path / "kept")["c"]
    answer = entrant.warm(scenes(tmp_path / "scenes", 2, prompt="sea")[0].request({}))
    assert isinstance(answer.error, EngineError) and "cannot be read" in str(answer.error)
    (tmp_path / "kept" / "c" / "contestant.json").write_text("[]")
    with pytest.raises(InvalidRequest, match="cannot be read as a recording"):
        recorded(tmp_path / "kept")


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="holds no recorded answers"):
        recorded(tmp_path / "none")
    record(tmp_path)
    with pytest.raises(InvalidRequest, match="has recorded answers of c already"):
        Recorder(live(Logged("c", [])), tmp_path / "kept")


def test_a_request_is_known_by_its_values_and_its_pictures_bytes(tmp_path: Path) -> None:
    for name, data in (("a.png", b"1"), ("b.png", b"1"), ("c.png", b"2")):
        (tmp_path / name).write_bytes(data)
    one, same, other = (RelightRequest(subject_image=str(tmp_path / name)) for name in ("a.png", "b.png", "c.png"))
    assert fingerprint(one) == fingerprint(same) != fingerprint(other)
    assert fingerprint(one) != fingerprint(one.model_copy(update={"steps": 7}))
    # A prompt is a text, however long, and whether or not a file is called so.
    prompts = ["x" * 3000, str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    assert len({fingerprint(one.model_copy(update={"prompt": prompt})) for prompt in prompts}) == 3


def test_no_answer_is_final_but_a_refusal(tmp_path: Path) -> None:
    def refusing(call: int) -> None:
        raise Unsupported("It cannot.")

    entrant = Recorder(live(Logged("e", [], refusing)), tmp_path / "kept")
    request = scenes(tmp_path / "scenes")[0].request({})
    assert entrant.warm(request).final
    assert recorded(tmp_path / "kept")["e"].warm(request).final
