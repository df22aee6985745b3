"""A whole batch, whoever carries it out: what it was made with stays, and nothing half-written does."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import pytest

from iclight_local.batch.base import Group, Outcome, Row
from iclight_local.batch.ledger import Ledger, Planned
from iclight_local.batch.options import BatchOptions
from iclight_local.batch.output import Output
from iclight_local.batch.planning import Found
from iclight_local.batch.ray_workers import EngineWorker
from iclight_local.batch.running import Batch, Summary, run_batch
from iclight_local.batch.setup import check_setup, setup_of
from iclight_local.batch.work import Done
from iclight_local.errors import InvalidRequest
from iclight_local.settings import Settings
from tests.engines.relights import BUNDLE
from tests.fake_engine import FakeEngine

TORN, OTHERS = ".iclight-batch-0123456789abcdef.tmp", ".iclight-0123456789abcdef.tmp"


def half_written(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*.tmp"))


def output_at(folder: Path) -> Output:
    output = Output(str(folder))
    Ledger(output.ledger(folder)).close()
    return output


class Several:
    """Processes, one of which is killed at each row; another one makes it."""

    def __init__(self, out: Path) -> None:
        self._out = out

    def run(self, groups: Iterable[Group], stopping: threading.Event) -> Generator[Done]:
        for group in groups:
            for row in group.rows:
                place = self._out / row.name
                place.parent.mkdir(exist_ok=True)
                for name in (TORN, OTHERS):
                    (place.parent / name).write_bytes(b"half")
            yield group, [Outcome(row.name, "key", 1) for row in group.rows]


class Told:
    def __init__(self, stop: bool) -> None:
        self._stop = stop

    def left(self, found: Found) -> None:
        raise AssertionError(found.error)

    def ended(self, row: Row, outcome: Outcome) -> None:
        if self._stop and row.number == 2:
            raise KeyboardInterrupt


@pytest.mark.parametrize("stop", [False, True])
def test_what_a_killed_worker_left_is_swept_away_in_the_end(tmp_path: Path, stop: bool) -> None:
    picture, out = tmp_path / "p.png", tmp_path / "out"
    picture.touch()
    names = ("a.png", "sub/b.png")
    rows = [Row(number, name, {"subject_image": str(picture)}, (name,)) for number, name in enumerate(names, 1)]
    ledger, summary = Ledger(out / ".iclight" / "batch.sqlite"), Summary()
    batch = Batch(rows, BatchOptions(out=str(out)), Output(str(out)), ledger, FakeEngine())
    try:
        run_batch(batch, Several(out), Told(stop), summary, on_card=False)
    except KeyboardInterrupt:
        assert stop
    assert summary.made == 2 and ledger.planned() == {}, "so that no later run would look there"
    assert half_written(out) == [Path(OTHERS), Path("sub", OTHERS)]
    ledger.close()


def test_folders_that_another_batch_may_be_writing_in_are_not_swept(tmp_path: Path) -> None:
    outer, inner = output_at(tmp_path), output_at(tmp_path / "sub" / "inner")
    folders = ("", "sub", "sub/inner", "sub/inner/deep")
    for folder in folders:
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / TORN).touch()
    inner.sweep(["", "deep"])
    assert len(half_written(tmp_path)) == 4
    outer.sweep(folders)
    assert half_written(tmp_path) == [Path("sub/inner", TORN), Path("sub/inner/deep", TORN)]


def setup_with(precision: Any) -> dict[str, Any]:
    return setup_of(Settings(weights=str(BUNDLE), precision=precision), sequence=False)


def made_with(ledger: Ledger, setup: dict[str, Any]) -> None:
    check_setup(ledger, setup, "out", overwrite=True)
    ledger.plan([Planned(Row(1, "a.png", {}, ("a.png",)), "asked", {})])
    ledger.keep([Outcome("a.png", "key", 1)])


@pytest.mark.parametrize(
    ("first", "then", "said"),
    [
        ("auto", "int8", "with precision floating point, and now it is int8: give --precision as before"),
        ("int8", "auto", "with precision int8, and now it is floating point: give --precision as before"),
        ("int8", "fp32", "with precision int8, and now it is floating point: give --precision as before"),
    ],
)
def test_int8_and_another_precision_do_not_share_a_folder(tmp_path: Path, first: str, then: str, said: str) -> None:
    ledger = Ledger(tmp_path / "batch.sqlite")
    made_with(ledger, setup_with(first))
    check_setup(ledger, setup_with(first), "out", overwrite=False)
    with pytest.raises(InvalidRequest, match=said):
        check_setup(ledger, setup_with(then), "out", overwrite=False)
    check_setup(ledger, setup_with(then), "out", overwrite=True)


def test_a_ledger_that_knows_no_precision_goes_on_without_int8(tmp_path: Path) -> None:
    """Rows hold a digest of the setup, so it has to be the very same."""
    names = ("weights", "segmenter", "lora", "preset", "providers", "sequence")
    assert [tuple(setup_with(precision)) for precision in ("auto", "fp32", "bf16")] == [names] * 3


def test_a_worker_of_rays_compiles_nothing_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[dict[str, Any]] = []

    def open_fake(settings: Settings, **how: Any) -> FakeEngine:
        opened.append(how)
        return FakeEngine()

    monkeypatch.setattr("iclight_local.assemble.engine_from", open_fake)
    EngineWorker(Settings(home=tmp_path), output_at(tmp_path / "out"))
    assert [how.get("lasting", False) for how in opened] == [False]
