"""A worker: stages that overlap, rows that fail alone, what stops all, and files that are whole."""

import errno
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rows import picture, rows_of

from iclight_local.batch.base import Group, Outcome, Row
from iclight_local.batch.output import Output
from iclight_local.batch.work import Worker, in_background
from iclight_local.errors import EngineError, NoSubject, WeightsError
from iclight_local.imaging.metadata import read_record
from iclight_local.request import RelightRequest
from iclight_local.result import RelightResult
from tests.engines.relights import local
from tests.fake_engine import FakeEngine


def groups(rows: list[Row], together: int = 1) -> Iterator[Group]:
    for number, start in enumerate(range(0, len(rows), together)):
        yield Group(number, tuple(rows[start : start + together]))


def outcomes(worker: Worker, rows: list[Row], together: int = 1) -> list[Outcome]:
    return [outcome for _, done in worker.run(groups(rows, together), threading.Event()) for outcome in done]


SMALL: dict[str, Any] = {"width": 64, "height": 64, "steps": 2, "highres_scale": 1}


def test_the_results_are_those_of_single_relights(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, 3, light_source="left", **SMALL)
    engine = local()
    found = outcomes(Worker(engine, Output(str(tmp_path / "out"))), rows)
    for row, outcome in zip(rows, found, strict=True):
        assert outcome.error is None and list(outcome.files) == [row.name]
        path = tmp_path / "out" / row.name
        alone = engine.relight(RelightRequest(**row.values, seed=outcome.seed)).images[0]
        assert np.array_equal(np.asarray(Image.open(path)), np.asarray(alone))
        assert read_record(path)["subject"]["name"] == row.where
    assert len({outcome.seed for outcome in found}) == 3, "each picture has its own seed"


def test_a_second_run_gives_the_same_bytes_and_a_seed_that_follows_from_the_picture(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, 2, **SMALL)
    moved = [replace(row, values={**row.values, "subject_image": _moved(row, tmp_path / "else")}) for row in rows]
    one = outcomes(Worker(local(), Output(str(tmp_path / "one"))), rows, together=2)
    two = outcomes(Worker(local(), Output(str(tmp_path / "two"))), moved, together=2)
    assert [each.seed for each in one] == [each.seed for each in two]
    assert [each.key for each in one] == [each.key for each in two]
    pixels = [np.asarray(Image.open(tmp_path / folder / "p1-relit.png")) for folder in ("one", "two")]
    assert np.array_equal(*pixels)


def _moved(row: Row, folder: Path) -> str:
    path = Path(str(row.values["subject_image"]))
    folder.mkdir(exist_ok=True)
    (folder / path.name).write_bytes(path.read_bytes())
    return str(folder / path.name)


def test_what_is_said_of_a_result_lies_beside_it(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, 1, number_of_images=2)
    rows = [replace(rows[0], names=("a/p_0.png", "a/p_1.png"))]
    (outcome,) = outcomes(Worker(FakeEngine(warnings=("It is dark.",)), Output(str(tmp_path / "out"))), rows)
    told = json.loads((tmp_path / "out" / "a" / "p_0.png.json").read_text())
    assert told["images"] == {"p_0.png": outcome.files["a/p_0.png"], "p_1.png": outcome.files["a/p_1.png"]}
    assert told["seed"] == outcome.seed and outcome.warnings == ("It is dark.",)
    assert "warnings" not in told, "they are told once, to whichever picture comes first"
    assert told["record"]["request"]["number_of_images"] == 2
    assert str(tmp_path) not in json.dumps(told), "no path of the machine goes into a result"


def test_one_bad_row_does_not_touch_the_others_of_its_group(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, 4)
    Path(str(rows[1].values["subject_image"])).unlink()
    found = outcomes(Worker(FakeEngine(), Output(str(tmp_path / "out"))), rows, together=4)
    assert [outcome.error is None for outcome in found] == [True, False, True, True]
    assert found[1].error is not None and found[1].error[0] == "InvalidRequest" and found[1].files == {}
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == [
        "p1-relit.png",
        "p3-relit.png",
        "p4-relit.png",
    ]


def test_an_error_of_the_engine_is_each_rows_own(tmp_path: Path) -> None:
    found = outcomes(
        Worker(FakeEngine(error=NoSubject("Nothing stands out.")), Output(str(tmp_path))), rows_of(tmp_path, 2)
    )
    assert [outcome.error for outcome in found] == [("NoSubject", "Nothing stands out.")] * 2


def test_a_mistake_of_this_program_costs_one_row(tmp_path: Path) -> None:
    class Odd(FakeEngine):
        def staged(self) -> Any:
            stages = super().staged()
            finish = stages.finish

            def odd(part: Any) -> RelightResult:
                if part.request.prompt == "odd":
                    raise KeyError("a table")
                return finish(part)

            stages.finish = odd
            return stages

    rows = rows_of(tmp_path, 2)
    rows[0] = replace(rows[0], values={**rows[0].values, "prompt": "odd"})
    found = outcomes(Worker(Odd(), Output(str(tmp_path / "out"))), rows)
    assert found[0].error == ("EngineError", "Something unexpected failed (KeyError('a table')): please report it.")
    assert found[1].error is None


def test_missing_weights_stop_everything(tmp_path: Path) -> None:
    class Bare(FakeEngine):
        def staged(self) -> Any:
            stages = super().staged()

            def prepare(request: RelightRequest, *, progress: Any = None) -> Any:
                raise WeightsError("There are no weights.")

            stages.prepare = prepare
            return stages

    with pytest.raises(WeightsError, match=r"There are no weights\."):
        outcomes(Worker(Bare(), Output(str(tmp_path / "out"))), rows_of(tmp_path, 3))


def test_a_full_disk_stops_everything_and_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import iclight_local.imaging.write as writing

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writing.os, "fsync", full)
    with pytest.raises(EngineError, match="No space left on device"):
        outcomes(Worker(FakeEngine(), Output(str(tmp_path / "out"))), rows_of(tmp_path, 3))
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


class Slow(FakeEngine):
    """Sampling waits until the next row's pictures have been read; finishing until the next row is sampled."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[str] = []
        self.changed = threading.Condition()

    def note(self, event: str) -> None:
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()

    def wait(self, event: str) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: event in self.events, timeout=10), f"{event} never came"

    def staged(self) -> Any:
        stages = super().staged()
        prepare, sample, finish = stages.prepare, stages.sample, stages.finish

        def prepared(request: RelightRequest, *, progress: Any = None) -> Any:
            self.note(f"prepare {request.prompt}")
            return prepare(request)

        def sampled(parts: Any) -> None:
            number = int(parts[0].request.prompt)
            if number < 3:
                self.wait(f"prepare {number + 1}")
            self.note(f"sample {number}")
            sample(parts)

        def finished(part: Any) -> RelightResult:
            number = int(part.request.prompt)
            if number < 3:
                self.wait(f"sample {number + 1}")
            return finish(part)

        stages.prepare, stages.sample, stages.finish = prepared, sampled, finished
        return stages


def test_preparing_sampling_and_finishing_overlap(tmp_path: Path) -> None:
    rows = [
        replace(row, values={**row.values, "prompt": str(number)}) for number, row in enumerate(rows_of(tmp_path, 3), 1)
    ]
    found = outcomes(Worker(Slow(), Output(str(tmp_path / "out"))), rows)
    assert [outcome.error for outcome in found] == [None] * 3


def test_no_more_is_planned_than_is_needed(tmp_path: Path) -> None:
    planned: list[int] = []

    def endless() -> Iterator[Group]:
        path = picture(tmp_path / "p.png", 1)
        for number in range(10**9):
            planned.append(number)
            yield Group(number, (Row(number, "p.png", {"subject_image": str(path)}, (f"{number}.png",)),))

    running = Worker(FakeEngine(), Output(str(tmp_path / "out"))).run(endless(), threading.Event())
    for _ in range(5):
        next(running)
    running.close()
    assert len(planned) < 30


def test_what_was_sampled_is_kept_when_the_user_stops(tmp_path: Path) -> None:
    class Stopped(FakeEngine):
        def relight_together(self, requests: Any, *, progress: Any) -> Any:
            if len(self.batches) == 2:
                raise KeyboardInterrupt
            return super().relight_together(requests, progress=progress)

    done = []
    with pytest.raises(KeyboardInterrupt):
        for group, _ in Worker(Stopped(), Output(str(tmp_path / "out"))).run(
            groups(rows_of(tmp_path, 5)), threading.Event()
        ):
            done.append(group.id)
    assert done == [0, 1]


def test_a_thread_hands_things_on_with_their_errors_and_ends_when_nobody_wants_more() -> None:
    def things() -> Iterator[int]:
        yield 1
        raise ValueError("two")

    with in_background(things(), threading.Event()) as ready:
        assert next(ready) == 1
        with pytest.raises(ValueError, match="two"):
            next(ready)
    before = threading.active_count()
    with in_background(iter(int, 1), threading.Event()) as endless:
        next(endless)
    time.sleep(0.01)
    assert threading.active_count() == before
