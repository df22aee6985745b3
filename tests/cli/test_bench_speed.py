"""``iclight bench speed``: what it measures, what it prints, what it writes."""

from __future__ import annotations

import json
import time
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch

from iclight_local.bench.speed import SpeedPlan, SpeedRun, spread
from iclight_local.bench.speed_table import circumstances
from iclight_local.engines.loading import load_pipe
from iclight_local.engines.local import LocalEngine
from iclight_local.errors import OutOfMemory
from iclight_local.pipelines.placement import choose_placement
from iclight_local.pipelines.speed import CallShape, call_shape, matrix_peak, matrix_products, unet_operations
from iclight_local.plan import make_plan
from iclight_local.request import Knobs
from iclight_local.settings import load_settings
from tests.cli.commands import SUBJECT, Command
from tests.fake_engine import FakeEngine

SIZES = ("--width", "64", "--height", "128", "--highres-scale", "1.5", "--steps", "3")


@pytest.fixture(autouse=True)
def small_matrices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iclight_local.pipelines.speed.SIDES", (128, 256))
    monkeypatch.setattr("iclight_local.pipelines.speed.CALLS_S", 0.0)


def test_every_value_is_written_and_the_table_printed(
    iclight: Command, folder: Path, mini: Path, one_thread: None
) -> None:
    # The drawn picture is cut out by the segmenter of the embedded bundle.
    answer = iclight("bench", "speed", *SIZES, "--runs", "2", "--out", "speed.json", "--weights", "mini")
    assert answer.status == 0
    found = json.loads(Path("speed.json").read_text())
    assert found["complete"] is True and len(found["runs"]) == 2
    assert found["experiment"]["knobs"] == {**{"width": 64, "height": 128, "steps": 3, "highres_scale": 1.5}}
    for run in found["runs"]:
        # One for each call of the UNet; together they are what their passes took.
        assert {name: len(steps) for name, steps in run["steps"].items()} == {"lowres": 3, "highres": 3}
        assert 0 < sum(sum(steps) for steps in run["steps"].values()) <= run["seconds"]
        assert set(run["timings"]) >= {"decode", "segment", "lowres", "highres", "finish"}
        assert run["seconds"] > run["timings"]["lowres"] + run["timings"]["highres"]
    cold, summary = found["cold"], found["summary"]
    parts = sum(cold[name] for name in ("import_s", "load_s", "hash_s", "picture_s"))
    assert 0 < parts <= cold["total_s"] * 1.01
    calls = found["unet"]
    assert [calls[name]["shape"]["height"] for name in ("lowres", "highres")] == [8 * 2, 8 * 3]
    assert calls["highres"]["operations"] > 2 * calls["lowres"]["operations"]
    for name in ("lowres", "highres"):
        rate = calls[name]["operations"] / summary["unet"][name]["median"]
        assert summary["unet"][name]["of_peak"] == pytest.approx(rate / found["peak"]["operations_per_second"])
    assert found["engine"]["device"] == "cpu" and summary["peak_memory"] > 10**8
    assert summary["pictures_an_hour"] == pytest.approx(3600 / summary["picture_s"]["median"])
    assert str(folder) not in json.dumps(found)
    table = answer.out.splitlines()
    assert [cell.strip() for cell in table[0].split("|")] == ["", "", "median", "p95", ""]
    assert len({len(line) for line in table if line.startswith("|")}) == 1
    for words in ("start: imports", "cutting the subject out", "a step of the highres pass", "measured fp32 peak"):
        assert any(words in line for line in table), words
    assert not any("once" in line or "compiling" in line for line in table)
    assert "64 x 128 and then 128 x 192, 3 + 3 steps, 2 runs after the first" in table[-1]


def test_what_changes_the_figures_is_told(
    iclight: Command, folder: Path, golden_weights: None, one_thread: None
) -> None:
    fewer = ("--cache-interval", "2", "--cfg", "3", "--cfg-until", "0.5")
    knobs = ("--steps", "5", *fewer, "--prompt", "a secret word", "--light", "left")
    answer = iclight("bench", "speed", "--picture", SUBJECT, *SIZES, *knobs, "--runs", "1", "--out", "speed.json")
    assert answer.status == 0
    table = answer.out.splitlines()
    for told in ("cache_interval 2", "cfg 3", "cfg_until 0.5", "prompt of 3 words", "light left"):
        assert f", {told}," in table[-1], told
    assert "secret" not in answer.out
    found = json.loads(Path("speed.json").read_text())
    (run,) = found["runs"]
    for name in ("lowres", "highres"):
        # The first is whole and goes with the shallow one that follows it; the median of two kinds is none of either.
        assert found["summary"]["steps"][name] == {"mean": pytest.approx(fmean(run["steps"][name][2:]))}
        assert any(line.startswith(f"| a step of the {name} pass: mean of unlike ones") for line in table)


def test_a_conversion_stands_by_itself(
    iclight: Command, folder: Path, golden_weights: None, one_thread: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def converting(engine: Any, model: Any, first: Any, tell: Any) -> Any:
        pipe = load_pipe(engine, model, first, tell)
        tell(0, 2)
        time.sleep(0.4)
        tell(1, 2)
        time.sleep(0.4)
        return pipe

    monkeypatch.setattr("iclight_local.engines.local.load_pipe", converting)
    options = ("--picture", SUBJECT, *SIZES, "--runs", "1", "--out", "speed.json")
    answer = iclight("bench", "speed", *options)
    cold = json.loads(Path("speed.json").read_text())["cold"]
    assert 0.8 <= cold["convert_s"] < cold["run"]["seconds"]
    assert 0 < cold["load_s"] == cold["run"]["timings"]["load"]
    parts = sum(cold[name] for name in ("load_s", "convert_s", "hash_s", "picture_s"))
    assert parts == pytest.approx(cold["run"]["seconds"])
    assert any(line.startswith("| start: converting the UNet, once") for line in answer.out.splitlines())


@pytest.mark.parametrize("works", [True, False], ids=["compiled", "not compiled"])
def test_the_compiled_form_is_measured(
    works: bool, iclight: Command, folder: Path, golden_weights: None, one_thread: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*values: Any) -> Any:
        raise RuntimeError("no compiler here")

    monkeypatch.setattr(torch, "compile", lambda function, **options: function if works else broken)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "unused")
    answer = iclight(
        *("bench", "speed", "--picture", SUBJECT, *SIZES, "--runs", "1", "--compile", "on", "--out", "speed.json")
    )
    found = json.loads(Path("speed.json").read_text())
    assert answer.status == 0 and found["experiment"]["settings"]["compile"] == "on"
    assert "| start: the first picture itself, compiling included" in answer.out
    assert found["engine"].get("computed_by") == ("compiled" if works else None)
    assert ("no compiler here" in answer.err) is not works


def test_help_says_how_to_measure_what_a_server_does(iclight: Command) -> None:
    text = " ".join(iclight("bench", "speed", "--help").out.split())
    assert "--compile on measures what they do" in text


def test_where_a_picture_lies_is_not_written() -> None:
    run = SpeedRun(SpeedPlan(load_settings({}), {"background_image": "/home/me/beach.png"}, 1), lambda *told: None)
    assert run.result["experiment"]["knobs"] == {"background_image": "a picture"}


def test_what_is_laid_on_the_weights_is_told() -> None:
    result: dict[str, Any] = {
        "experiment": {"knobs": {}},
        "environment": {
            **{"processor": "A chip", "cores": 2, "memory_gib": None, "load_average": (), "time": "2026-01-02T03:04:05"}
        },
        "engine": {"name": "local", "device": "cpu"},
        "weights": {"bundle": "sd15"},
        "model": "fc",
        "images": 1,
        "passes": {"lowres": {"width": 512, "height": 640, "steps": 6}},
        "runs": [{}],
        "preset": "fast",
        "loras": [
            {"name": "lcm.safetensors", "sha256": "00", "scale": 1.0, "preset": "fast"},
            {"name": "glow.safetensors", "sha256": "01", "scale": 0.5},
        ],
    }
    told = "sd15 (fc), preset fast, LoRA glow.safetensors at 0.5, 512 x 640, 6 steps, "
    assert circumstances(result).startswith(told)


def test_a_percentile_of_few_is_none() -> None:
    assert spread([3.0, 1.0, 2.0]) == {"median": 2.0}
    assert spread([float(value) for value in range(21)]) == {"median": 10.0, "p95": 19.0}


def test_an_interrupt_keeps_what_was_measured(
    iclight: Command, folder: Path, golden_weights: None, one_thread: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    relight, asked = LocalEngine.relight, []

    def interrupted(engine: LocalEngine, *values: Any, **more: Any) -> Any:
        asked.append(values)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return relight(engine, *values, **more)

    monkeypatch.setattr(LocalEngine, "relight", interrupted)
    answer = iclight("bench", "speed", "--picture", SUBJECT, *SIZES, "--out", "speed.json")
    assert answer.status == 130
    assert answer.sentence == "Stopped; 1 of 3 pictures (what was measured so far lies in speed.json)."
    found = json.loads(Path("speed.json").read_text())
    assert found["complete"] is False and len(found["runs"]) == 1 and "picture_s" in found["summary"]
    assert "unet" not in found and [path.name for path in folder.iterdir()] == ["speed.json"]


def test_an_interrupt_before_the_first_picture_leaves_nothing(
    iclight: Command, folder: Path, golden_weights: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*values: Any, **more: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(LocalEngine, "relight", interrupted)
    answer = iclight("bench", "speed", "--picture", SUBJECT, "--out", "speed.json")
    assert (answer.status, answer.sentence) == (130, "Stopped; nothing was measured yet.")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--runs", "0"), "--runs is '0', but must be a whole number from 1"),
        (("--runs", "two"), "--runs is 'two'"),
        (("--steps", "0"), "steps is 0"),
        (("--out", "there.json"), "there.json exists already"),
        (("--out", "nowhere/a.json"), "nowhere"),
        (("--picture", "gone.png"), "'gone.png' does not exist"),
        (("--weights", "nowhere"), "There is no bundle of weights nowhere"),
        (("--device", "cuda:77"), "Device cuda:77 was asked for"),
        (("a.png",), "There is one argument too many, 'a.png'"),
        (("--wamup", "3"), "There is no option --wamup"),
    ],
)
def test_refusals(options: tuple[str, ...], words: str, iclight: Command, folder: Path, golden_weights: None) -> None:
    Path("there.json").write_text("{}")
    answer = iclight("bench", "speed", *options)
    assert answer.status == 2 and words in answer.sentence
    assert [path.name for path in folder.iterdir()] == ["there.json"] and Path("there.json").read_text() == "{}"


def test_a_picture_without_a_subject(iclight: Command, folder: Path, mini: Path) -> None:
    from PIL import Image

    Image.new("RGB", (64, 64)).save("dark.png")
    answer = iclight("bench", "speed", "--picture", "dark.png", "--weights", "mini", *SIZES)
    assert answer.status == 2
    assert answer.sentence == (
        "The segmenter found no subject in the picture: give a photograph of yours with --picture."
    )


def test_a_picture_named_speed_is_benched_by_its_path(iclight: Command, folder: Path, fake: FakeEngine) -> None:
    assert "'speed' is no file" in iclight("bench", "./speed", "--out", "out").sentence
    assert "'speed' is no file" in iclight("bench", "--out", "out", "speed").sentence


def test_the_operations_of_sd15() -> None:
    # Layer by layer from the sizes of its weights, and two products for each attention.
    config = {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8, "in_channels": 8}
    shape = CallShape(2, 8, 32, 40, 77, 768)
    assert unet_operations(config, shape) == pytest.approx(0.4536e12, rel=1e-3)


def test_the_peak_is_that_of_the_best_product() -> None:
    assert matrix_peak({10: [1.0, 0.5], 100: [4.0, 5.0]}) == pytest.approx(2 * 100**3 / 4)


def test_products_that_do_not_fit_are_left_out(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    multiply = torch.mm

    def small(left: torch.Tensor, *values: Any, **more: Any) -> torch.Tensor:
        if len(left) > 128:
            raise torch.OutOfMemoryError("allocate memory")
        return multiply(left, *values, **more)

    monkeypatch.setattr(torch, "mm", small)
    assert {side: len(each) for side, each in matrix_products(choose_placement("cpu")).items()} == {128: 5}
    monkeypatch.setattr("iclight_local.pipelines.speed.SIDES", (256,))
    with pytest.raises(OutOfMemory, match="cpu"):
        matrix_products(choose_placement("cpu"))


def test_the_sizes_of_a_call_follow_the_plan(golden_weights: None) -> None:
    from iclight_local import open_engine

    engine: Any = open_engine()
    knobs = Knobs(width=64, height=128, cfg=1, number_of_images=3, prompt="word " * 80)
    plan = make_plan(knobs, has_background=False)
    shape = call_shape(engine.load("fc"), plan, plan.lowres)
    assert (shape.rows, shape.height, shape.width, shape.tokens % 77) == (3, 16, 8, 0) and shape.tokens > 77
