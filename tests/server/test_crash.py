"""A server that is killed at random moments loses nothing; ``python -m benchmarks crashes`` kills it oftener."""

from __future__ import annotations

from pathlib import Path

from benchmarks.serving.crashes import Crashes, measure


def test_nothing_accepted_is_lost(tmp_path: Path) -> None:
    found = measure(Crashes(kills=4, callers=3, longest=0.5, old=8, seed=5), tmp_path)
    assert found["accepted"] > 4
    assert found["lost"] == []
    assert found["changed"] == 0
    left = found["left"]
    assert left["states"].keys() == {"done"} and left["states"]["done"] >= found["accepted"]
    assert (left["integrity"], left["over"], left["strays"], left["damaged"]) == ("ok", 0, 0, 0)
    assert found["last_exit_status"] == 0
