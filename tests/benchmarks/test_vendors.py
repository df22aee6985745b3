"""The bench against servers that play two vendors, over real sockets; and scenes as files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.truths import write_scenes
from benchmarks.vendors import PLAYED, CalledEngine
from iclight_local.bench.answers import Live
from iclight_local.bench.cases import read_cases
from iclight_local.bench.contestants import Contestant
from iclight_local.bench.quality import Judge
from iclight_local.bench.running import Bench, Plan
from iclight_local.dialects import find_senders
from tests.fake_engine import FakeEngine, picture
from tests.server.live import serving


def test_two_vendors_give_the_engines_own_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for dialect in ("pixeldojo", "segmind"):
        monkeypatch.setattr(f"iclight_local.dialects.{dialect}_sending.INTERVAL_S", 0.02)
    with serving(tmp_path / "one") as one, serving(tmp_path / "two", engine=FakeEngine()) as two:
        entrants = []
        for server, (name, (dialect, model, price)) in zip((one, two), PLAYED.items(), strict=True):
            engine = CalledEngine(name, find_senders(dialect)[model], server.url)
            entrants.append(Live(Contestant(name, lambda engine=engine: engine, price)))
        cases = read_cases([str(write_scenes(tmp_path / "scenes", 2, 0, 64, "warm light"))])
        knobs = {"seed": 7, "width": 256, "height": 256}
        result = Bench(Plan(cases, entrants, knobs, 2, 1, tmp_path / "out"), lambda *told: None).run()
        asked = [(request.light_source, request.prompt, request.seed) for request in one.engine.requests]
    assert asked == [(each.light_source, each.prompt, each.seed) for each in two.engine.requests]
    assert asked[1:] == [("left", "warm light", 7)] * 2 + [("right", "warm light", 7)] * 2
    same = hashlib.sha256(picture(7, 0).tobytes()).hexdigest()[:16]
    for summary in result["summary"].values():
        assert (summary["answered"], summary["failures"], summary["same"]) == (4, [], True)
    pixels = [
        {run["pixels"] for each in result["pictures"] for run in each["answers"][name]["runs"]} for name in PLAYED
    ]
    # Segmind is asked for a PNG; PixelDojo's own default may lose a little.
    assert pixels[0] == {same} and len(pixels[1]) == 1
    assert [summary["cost_1000"] for summary in result["summary"].values()] == [10, 20]


def test_scenes_as_files(tmp_path: Path) -> None:
    cases = read_cases([str(write_scenes(tmp_path, 4, 3, 96, "a photograph"))])
    sides = ("left", "right", "top", "bottom")
    assert [case.name for case in cases] == [f"scene-{3 + place}-{side}" for place, side in enumerate(sides)]
    for case in cases:
        assert case.truth is not None
        with Image.open(case.truth) as truth:
            found = Judge(case, None).figures(truth, case.request({}))
        # The render of the very light that is asked for: from that side, and no error at all.
        assert found["truth_rmse"] == 0 and found["light_error"] < 45
