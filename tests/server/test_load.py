"""Many callers at once, in the words of every API, at a server with a short queue."""

from __future__ import annotations

from pathlib import Path

from benchmarks.serving.calls import WAYS
from benchmarks.serving.process import serving
from benchmarks.serving.waves import Wave, run_wave


def test_each_gets_its_own_picture_and_who_is_too_many_is_told_when_to_come_back(tmp_path: Path) -> None:
    with serving(tmp_path, {"rate": 0, "most_waiting": 4}, 0.005) as server:
        found = run_wave(server.port, Wave(clients=16, calls=96, size=(64, 64)))
        assert server.stop() == 0
    assert found["faults"] == []
    assert found["unexplained"] == 0
    statuses = {int(name.split()[-1]) for name in found["statuses"]}
    assert statuses == {200, 202, 429}
    # Every answer was one of the engine's: none was made up, and none given twice.
    assert sorted(run.seed for run in server.runs() if run.seed <= 96) == [
        1 + index for index in range(96) if WAYS[index % len(WAYS)].told
    ]
