"""The server's benchmarks notice what they are there to notice."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.serving.aftermath import left_in, under_way
from benchmarks.serving.calls import HOUSE, Reply, fault
from benchmarks.serving.marks import draw, read
from benchmarks.serving.overhead import compared
from iclight_local.dialects.base import Asked, Delivered
from iclight_local.jobs.base import Outcome
from iclight_local.jobs.store import JobStore, Lifetimes


def changed(data: bytes, scale: float, file_format: str, quality: int = 75) -> bytes:
    buffer, image = io.BytesIO(), Image.open(io.BytesIO(data))
    size = round(image.width * scale), round(image.height * scale)
    image.resize(size, Image.Resampling.LANCZOS).save(buffer, file_format, quality=quality)
    return buffer.getvalue()


@pytest.mark.parametrize("number", [0, 1, 12345, 2**32 - 1])
def test_a_mark_survives_what_the_apis_do_to_a_picture(number: int) -> None:
    mark = draw(number, (128, 160))
    assert read(mark) == number
    for scale, file_format in ((8, "jpeg"), (0.5, "jpeg"), (1, "webp"), (2.3, "png")):
        assert read(changed(mark, scale, file_format)) == number


def test_what_is_no_mark() -> None:
    assert read(draw(5, (64, 64))[:3000]) is None
    assert read(b"") is None
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 200, 200)).save(buffer, "png")
    assert read(buffer.getvalue()) is None


def test_another_answer_is_a_fault() -> None:
    right = Reply(200, {}, draw(7, (64, 64)))
    assert fault(HOUSE, 7, right, "7") is None
    assert "bears 7" in str(fault(HOUSE, 8, right, "8"))
    assert "is told as 9" in str(fault(HOUSE, 7, right, "9"))
    assert "500" in str(fault(HOUSE, 7, Reply(500, {}, b"no"), "7"))


def test_pairs() -> None:
    found = compared([0.110, 0.120, 0.145], [0.100, 0.115, 0.100])
    assert found["overhead_ms"]["values"] == [10, 5, 45]
    assert found["overhead_ms"]["median"] == 10 and 10 < found["overhead_ms"]["p95"] <= 45


def test_what_is_left_is_told(tmp_path: Path) -> None:
    store = JobStore(tmp_path, Lifetimes(ended=-60))
    jobs = [store.add("ann", "house", Asked({}, {"subject_image": draw(number, (64, 64))})) for number in range(4)]
    for job, result in zip(jobs[:3], (draw(0, (64, 64)), draw(7, (64, 64)), draw(2, (64, 64))[:3000]), strict=True):
        store.begin(job.id)
        store.finish(job.id, Outcome((Delivered(result, "image/png"),), (1,)))
    store.begin(jobs[3].id)
    (tmp_path / "pictures" / jobs[3].id / "out-0").write_bytes(b"half")
    (tmp_path / "pictures" / "stray").mkdir()
    # As a killed process leaves it: not closed.
    assert under_way(tmp_path) == {"jobs running", "a result being written", "a job being accepted"}
    found = left_in(tmp_path)
    assert json.loads(json.dumps(found)) == {
        "integrity": "ok",
        "states": {"done": 3, "running": 1},
        "over": 3,
        "strays": 1,
        "damaged": 2,
    }
    store.close()
