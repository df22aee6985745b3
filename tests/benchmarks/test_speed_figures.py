"""``python -m benchmarks speed``: both sides on the goldens' bundle, its figures and its tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.__main__ import main
from benchmarks.speed import cpu
from benchmarks.speed.cpu import Cpu, Side, compared
from benchmarks.speed.side import Orders
from benchmarks.speed.tables import cpu_table, profile_table

BUNDLE = Path(__file__).parents[1] / "goldens" / "bundle"


class Near:
    """A side in this process, so that nothing is imported twice."""

    def __init__(self, name: str, experiment: Cpu, folder: Path) -> None:
        self._orders = Orders(name, experiment, folder)
        self.opened = self._orders.opened

    @torch.no_grad()
    def ask(self, do: str, **values: Any) -> Any:
        return json.loads(json.dumps(getattr(self._orders, do)(**values)))

    def close(self) -> None:
        pass


def test_on_the_goldens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], one_thread: None
) -> None:
    monkeypatch.setattr(cpu, "Side", Near)
    monkeypatch.setattr("iclight_local.pipelines.speed.SIDES", (128, 256))
    out = tmp_path / "speed.json"
    options = "--latents 8x16 --pairs 2 --size 64x64 --steps 2 --runs 1 --sides lossless --threads 1"
    assert main(["speed", "--bundle", str(BUNDLE), "--out", str(out), *options.split()]) == 0
    found = json.loads(out.read_text())
    assert found["experiment"]["bundle"] == "bundle"
    side = found["sides"]["lossless"]
    calls, whole = side["calls"]["8x16"], side["whole"]
    assert len(calls["speedups"]) == 2 and min(calls["speedups"]) > 0
    assert calls["difference"] < 1e-3
    assert whole["difference"][0]["levels_max"] <= 2
    for run in (whole["plain"][0], whole["ours"][0]):
        # Both sides make the same calls; the parts are the whole.
        assert {size: len(seconds) for size, seconds in run["unet_calls_s"].items()} == {"8x8": 2, "16x16": 2}
        stages = run["stages"]
        assert sum(stages.values()) == pytest.approx(run["wall_s"]) and min(stages.values()) > 0
    assert found["operations"]["8x16"] > 10**7 and found["peak"]["per_second"] > 10**8
    for profile in (found["plain"]["profile"], side["profile"]):
        assert 0.5 < sum(row["share"] for row in profile) <= 1 + 1e-9
    assert side["engine"]["device"] == "cpu"
    printed = capsys.readouterr().out
    assert cpu_table(found) in printed and profile_table(found) in printed


def test_a_side_in_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    side = Side("lossless", Cpu(bundle=str(BUNDLE)), tmp_path)
    assert side.opened["engine"]["name"] == "local"
    taken = side.ask("call", latents=[8, 8], keep=True)
    assert taken["wall_s"] > 0 and np.load(tmp_path / "lossless-call.npy").shape == (2, 4, 8, 8)
    side.close()
    monkeypatch.setattr("sys.executable", "/bin/true")
    with pytest.raises(RuntimeError, match="failed in its own process"):
        Side("lossless", Cpu(bundle=str(BUNDLE)), tmp_path)


def test_disturbed_pairs_do_not_count() -> None:
    def run(wall: float, others: float) -> dict[str, float]:
        return {"wall_s": wall, "cpu_s": wall, "others_cpu_s": others}

    plain = [run(2.0, 0.0), run(9.0, 5.0), run(3.0, 0.1)]
    ours = [run(1.0, 0.0), run(1.0, 0.0), run(2.0, 0.0)]
    found = compared(plain, ours)
    assert found["speedups"] == [2.0, 9.0, 1.5] and found["quiet_pairs"] == 2
    assert (found["speedup"], found["speedup_all"]) == (1.75, 2.0)
    assert compared(plain[1:2], ours[1:2])["speedup"] is None


def test_the_table_says_what_is_not_known() -> None:
    run = {"wall_s": 1.0, "cpu_s": 1.0, "others_cpu_s": 9.0}
    calls = {**compared([run], [{**run, "wall_s": 0.5}]), "difference": 1e-6}
    result: dict[str, Any] = {
        "experiment": {
            **{"bundle": "full", "model": "fc", "pairs": 1, "width": 512, "height": 640, "steps": 4, "runs": 0}
        },
        "environment": {
            **{"processor": "A chip", "cores": 2, "memory_gib": 8, "load_average": [3.0], "time": "2026-01-02T03:04:05"}
        },
        "operations": {"64x80": 10**12},
        "peak": {"per_second": 4e12},
        "sides": {
            "lossless": {
                "engine": {"name": "local", "device": "cpu", "dtype": "fp32"},
                "calls": {"64x80": calls},
                "whole": None,
                "peak_mib": {"plain": 2048.0, "lossless": 1024.0},
            },
            "int8": {"left_out": "It is not installed."},
        },
    }
    table = cpu_table(result)
    assert (
        "| lossless: a call, 64x80 | 1 s (25 % of the fp32 peak) | 0.5 s (50 % of the fp32 peak) | "
        "unknown (other work disturbed it; 2.00 with it) | >= 1.5 | 1.0e-06 of the largest value |"
    ) in table
    assert "| int8 | not measured: It is not installed. |" in table
    assert "| 2.0 GiB | 1.0 GiB |" in table and "lossless: dtype fp32. On A chip" in table


class Stopped(Exception):
    """Nothing is to be measured."""


def test_options_say_what_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Cpu] = []

    def measure(experiment: Cpu) -> None:
        asked.append(experiment)
        raise Stopped

    monkeypatch.setattr(cpu, "measure", measure)
    plain = ["speed", "--bundle", "b", "--out", str(tmp_path / "speed.json")]
    options = "--model fbc --latents 64x80,8x16 --pairs 2 --size 128x192 --steps 3 --runs 0 --sides int8 --threads 1"
    for given in (plain, [*plain, *options.split()]):
        with pytest.raises(Stopped):
            main(given)
    sizes = {"latents": [[64, 80], [8, 16]], "width": 128, "height": 192}
    own = Cpu("b", model="fbc", pairs=2, steps=3, runs=0, sides=["int8"], threads=1, **sizes)  # type: ignore[arg-type]
    assert asked == [Cpu("b"), own]
    wrongs = {"--out": plain[:3], "--size": [*plain, "--size", "128"], "'x'": [*plain, "--pairs", "x"]}
    for words, wrong in wrongs.items():
        with pytest.raises(SystemExit):
            main(wrong)
        assert words in capsys.readouterr().err
