"""Frames: one noise for all, a light that their neighbours share, and a stop that changes nothing."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rows import rows_of

from iclight_local.batch.base import Outcome, Row
from iclight_local.batch.ledger import Ledger
from iclight_local.batch.options import BatchOptions
from iclight_local.batch.output import Output
from iclight_local.batch.planning import Found
from iclight_local.batch.running import Batch, Summary, run_batch
from iclight_local.batch.sequence import FRAME_SEED, WINDOW, FrameWorker
from iclight_local.batch.work import Prepared, Ready
from iclight_local.engines.local import LocalEngine
from iclight_local.engines.record import recorded_run
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.metadata import read_record
from tests.engines.relights import local

pytestmark = pytest.mark.usefixtures("one_thread")
SMALL: dict[str, Any] = {"width": 64, "height": 64, "steps": 1, "highres_scale": 1, "light_source": "left"}
FLICKER = (1.0, 0.6, 1.0, 1.5, 0.8, 1.0, 1.3, 0.7)


class Flickering(FrameWorker):
    """The model's light goes up and down from frame to frame, as the miniature's does by itself, only more."""

    def sampled(self, ready: Ready) -> list[Ready]:
        for each in ready[1]:
            if isinstance(each, Prepared) and each.part.made is not None:
                factor = FLICKER[each.row.number % len(FLICKER)]
                made = np.asarray(each.part.made[0], np.float32) * factor
                each.part.made = [Image.fromarray(made.clip(0, 255).astype(np.uint8))]
        return super().sampled(ready)


class Told:
    """Whoever is told; calls ``then`` with each row that ended."""

    def __init__(self, then: Callable[[Row], None] = lambda row: None) -> None:
        self.rows: list[Row] = []
        self.found: list[Found] = []
        self._then = then

    def left(self, found: Found) -> None:
        self.found.append(found)

    def ended(self, row: Row, outcome: Outcome) -> None:
        assert outcome.error is None
        self.rows.append(row)
        self._then(row)


@pytest.fixture(scope="module")
def engine() -> LocalEngine:
    return local()


def frames(folder: Path, count: int) -> list[Row]:
    """One picture many times: all that changes is the light."""
    (first,) = rows_of(folder, 1, **SMALL)
    found = []
    for number in range(1, count + 1):
        path = folder / f"frame{number}.png"
        path.write_bytes(Path(str(first.values["subject_image"])).read_bytes())
        found.append(Row(number, path.name, {**first.values, "subject_image": str(path)}, (f"f{number}.png",)))
    return found


def run(rows: Iterable[Row], out: Path, engine: LocalEngine, told: Told | None = None) -> Summary:
    output = Output(str(out))
    ledger = Ledger(output.ledger(out))
    summary = Summary()
    options = BatchOptions(out=str(out), sequence=True)
    try:
        worker = Flickering(engine, output, ledger)
        run_batch(
            Batch(rows, options, output, ledger, engine), worker, told if told is not None else Told(), summary,
            on_card=False,
        )  # fmt: skip
    finally:
        ledger.close()
    return summary


def bytes_of(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("*.png*")}


def test_frames_share_their_noise_and_their_light(tmp_path: Path, engine: LocalEngine) -> None:
    told = Told()
    summary = run(frames(tmp_path, 12), tmp_path / "out", engine, told)
    assert [row.number for row in told.rows] == list(range(1, 13)), "in the order of the film"
    assert summary.flicker is not None and summary.made == 12
    before, after = summary.flicker
    assert before > 0.2 and after < 0.35 * before
    record = read_record(tmp_path / "out" / "f6.png")
    assert record["seed"] == FRAME_SEED and record["kind"] == "frame"
    assert record["sequence"]["neighbours"] == [-4, -3, -2, -1, 1, 2, 3, 4]
    assert read_record(tmp_path / "out" / "f1.png")["sequence"]["neighbours"] == [1, 2, 3, 4]


def test_a_stopped_sequence_goes_on_as_if_it_had_not_been(tmp_path: Path, engine: LocalEngine) -> None:
    rows = frames(tmp_path, 12)
    run(rows, tmp_path / "whole", engine)
    for stop in (1, 4, 5, 9):

        def stopped(row: Row, stop: int = stop) -> None:
            if row.number == stop:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run(rows, tmp_path / "stopped", engine, Told(stopped))
    summary = run(rows, tmp_path / "stopped", engine)
    assert summary.done >= 9
    assert bytes_of(tmp_path / "stopped") == bytes_of(tmp_path / "whole")


def test_a_frame_that_failed_is_a_gap(tmp_path: Path, engine: LocalEngine) -> None:
    rows = frames(tmp_path, 7)
    Path(str(rows[3].values["subject_image"])).write_text("torn")

    class Tolerant(Told):
        def ended(self, row: Row, outcome: Outcome) -> None:
            assert (outcome.error is None) == (row.number != 4)

    summary = run(rows, tmp_path / "out", engine, Tolerant())
    assert (summary.made, summary.failed) == (6, 1)
    assert read_record(tmp_path / "out" / "f5.png")["sequence"]["neighbours"] == [-4, -3, -2, 1, 2]


def test_a_frame_whose_number_has_changed_is_not_taken_for_done(tmp_path: Path, engine: LocalEngine) -> None:
    rows = frames(tmp_path, 3)
    run(rows, tmp_path / "out", engine)
    moved = [Row(row.number + 1, row.where, row.values, row.names) for row in rows]
    told = Told()
    summary = run(moved, tmp_path / "out", engine, told)
    assert (summary.refused, summary.made) == (3, 0)
    assert told.found[0].error is not None
    assert "was frame 1 and not 2 when this batch made it" in told.found[0].error[1]


def test_several_images_of_a_frame_are_refused(tmp_path: Path, engine: LocalEngine) -> None:
    (row,) = frames(tmp_path, 1)
    row = Row(1, row.where, {**row.values, "number_of_images": 2}, ("a_0.png", "a_1.png"))
    told = Told()
    assert run([row], tmp_path / "out", engine, told).failed == 1
    assert told.found[0].error == (
        "InvalidRequest",
        "A sequence has one image for each frame: leave number_of_images out.",
    )


def test_frames_wait_for_their_neighbours_and_no_longer(tmp_path: Path, engine: LocalEngine) -> None:
    held: list[int] = []

    class Counting(Flickering):
        def sampled(self, ready: Ready) -> list[Ready]:
            found = super().sampled(ready)
            held.append(len(self._held))
            return found

    output = Output(str(tmp_path / "out"))
    ledger = Ledger(output.ledger(tmp_path))
    options = BatchOptions(out=str(tmp_path), sequence=True)
    batch = Batch(frames(tmp_path, 9), options, output, ledger, engine)
    run_batch(batch, Counting(engine, output, ledger), Told(), Summary(), on_card=False)
    ledger.close()
    assert max(held) == WINDOW.radius and held[-1] == WINDOW.radius


def test_a_frames_record_is_not_taken_for_a_relights(tmp_path: Path, engine: LocalEngine) -> None:
    run(frames(tmp_path, 1), tmp_path / "out", engine)
    with pytest.raises(InvalidRequest, match="The record is that of a sequence's frame"):
        recorded_run(read_record(tmp_path / "out" / "f1.png"))
