"""What a ledger keeps, and that it keeps it."""

from pathlib import Path

import pytest

from iclight_local.batch.base import Outcome, Row
from iclight_local.batch.ledger import Ledger, Planned
from iclight_local.errors import EngineError


def planned(*names: str) -> list[Planned]:
    return [
        Planned(Row(number, name, {"prompt": "warm"}, (name,)), "asked", {"subject_image": "1-2"})
        for number, name in enumerate(names, 1)
    ]


def test_a_row_is_planned_then_done_and_its_facts_are_kept(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "a" / "batch.sqlite")
    group = ledger.plan(planned("a.png"))
    before = ledger.entry("a.png")
    ledger.keep([Outcome("a.png", "key", 7, {"a.png": "sha"})])
    after = ledger.entry("a.png")
    assert before is not None and (before.state, before.group, before.stamps) == (
        "planned",
        group,
        {"subject_image": "1-2"},
    )
    assert after is not None and (after.state, after.key, after.files) == ("done", "key", {"a.png": "sha"})
    assert ledger.entry("b.png") is None


def test_what_was_kept_is_there_in_the_next_process(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "batch.sqlite")
    first = ledger.plan(planned("a.png", "b.png"))
    ledger.keep([Outcome.failure("a.png", "NoSubject", "Nothing stands out.")])
    ledger.keep_fact("setup", {"weights": "mini"})
    ledger.close()
    again = Ledger(tmp_path / "batch.sqlite")
    entry = again.entry("a.png")
    assert entry is not None and entry.state == "failed" and entry.error == ("NoSubject", "Nothing stands out.")
    assert again.planned() == {first: {"b.png"}}
    assert again.fact("setup") == {"weights": "mini"}
    assert again.plan(planned("c.png")) > first


def test_a_group_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "batch.sqlite")
    ledger.plan(planned("a.png", "b.png"))
    with pytest.raises(TypeError):
        ledger.keep([Outcome("a.png", "key", 1), Outcome("b.png", "key", 1, {"b.png": object()})])  # type: ignore[dict-item]
    with pytest.raises(RuntimeError), ledger._change() as base:
        base.execute("UPDATE rows SET state = 'done'")
        raise RuntimeError
    assert ledger.count("planned") == 2
    assert ledger.count("done") == 0


def test_one_batch_at_a_time_writes_into_a_folder(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "batch.sqlite")
    with pytest.raises(
        EngineError, match=r"Another iclight batch has the batch's ledger in .* open: stop it, or choose another"
    ):
        Ledger(tmp_path / "batch.sqlite")
    ledger.close()
    Ledger(tmp_path / "batch.sqlite").close()


def test_something_else_under_its_name_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "batch.sqlite"
    path.write_bytes(b"holiday pictures" * 100)
    with pytest.raises(EngineError, match="is no database of batch's ledger"):
        Ledger(path)
    assert path.read_bytes() == b"holiday pictures" * 100


def test_the_lights_of_frames_come_back_in_order(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "batch.sqlite")
    for number in (2, 1, 3):
        ledger.keep_frame(number, b"made %d" % number)
    for number in (1, 2):
        ledger.keep_steadied(number, b"steadied %d" % number)
    assert ledger.frame(3) == b"made 3" and ledger.frame(4) is None
    assert list(ledger.frames()) == [(1, b"made 1", b"steadied 1"), (2, b"made 2", b"steadied 2")]
    ledger.plan(planned("a.png", "b.png"))
    assert ledger.frame(1) is None and ledger.frame(3) == b"made 3", "what is made anew has no light yet"


def test_a_row_that_failed_later_keeps_its_files(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "batch.sqlite")
    ledger.plan(planned("a.png"))
    ledger.keep([Outcome("a.png", "key", 7, {"a.png": "sha"}, {"a.png": "1-2"})])
    ledger.plan(planned("a.png"))
    ledger.keep([Outcome.failure("a.png", "NoSubject", "Nothing stands out.")])
    entry = ledger.entry("a.png")
    assert entry is not None and entry.state == "failed" and entry.files == {"a.png": "sha"}


def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "batch.sqlite")
    ledger._base.execute(f"PRAGMA max_page_count = {ledger._base.execute('PRAGMA page_count').fetchone()[0]}")
    with pytest.raises(EngineError, match=r"batch\.sqlite could not be written \(database or disk is full\)"):
        ledger.keep_fact("setup", "x" * 1_000_000)
    assert ledger.fact("setup") is None
