"""The command line gives the same pictures as the original demos, on the random bundle."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from iclight_local.result import SIDES
from tests.cli.commands import BACKGROUND, BUNDLE, GOLDENS, MATTE, PLAIN, SUBJECT, Command, spawn

CASES: dict[str, dict[str, Any]] = {
    case["name"]: case for case in json.loads((GOLDENS / "cases.json").read_text()) if "params" in case
}
RELIT = [name for name in CASES if name != "normal"]
GIVEN_MATTE = ("fcon_left", "fbc_image", "fc_unguided")
"""Cases whose subject is a plain picture with ``--matte``; the others bring their own alpha channel."""
Record = Callable[[str, object], None]

pytestmark = pytest.mark.usefixtures("two_threads")


def subject_of(name: str) -> list[str]:
    return [str(PLAIN), "--matte", str(MATTE)] if name in GIVEN_MATTE else [str(SUBJECT)]


def options_of(case: dict[str, Any]) -> list[str]:
    """The options that mean what a case of the original's demo asks."""
    knobs = dict(case["params"])
    behind = knobs.pop("background", None)
    options = ["--weights", str(BUNDLE), "--model", case["model"], "--light-source", knobs.pop("light", "none")]
    if behind in ("image", "flipped"):
        options += ["--background", str(BACKGROUND), *(["--background-flip"] if behind == "flipped" else [])]
    elif behind is not None:
        options[-1] = behind
    for knob, value in knobs.items():
        options += [f"--{knob.replace('_', '-')}={value}"]
    return options


def compare(paths: list[Path], case: dict[str, Any], record: Record, limits: tuple[int, float], how: str = "") -> None:
    assert len(paths) == len(case["files"])
    for path, file in zip(paths, case["files"], strict=True):
        expected = np.asarray(Image.open(GOLDENS / "expected" / file).convert("RGB")).astype(int)
        found = np.asarray(Image.open(path))
        assert found.dtype == np.uint8
        assert found.shape == expected.shape
        off = np.abs(found - expected)
        record("golden_cli", (f"{Path(file).stem}{how}", int(off.max()), float(off.mean())))
        assert off.max() <= limits[0]
        assert off.mean() <= limits[1]


def written(folder: Path, count: int) -> list[Path]:
    names = ["out.png"] if count == 1 else [f"out_{index}.png" for index in range(count)]
    assert sorted(path.name for path in folder.iterdir()) == names
    return [folder / name for name in names]


@pytest.mark.parametrize("name", RELIT)
def test_a_picture_equals_the_originals(name: str, iclight: Command, folder: Path, record_property: Record) -> None:
    case = CASES[name]
    answer = iclight("relight", *subject_of(name), "-o", "out.png", *options_of(case))
    assert answer.status == 0, answer.err
    compare(written(folder, len(case["files"])), case, record_property, (2, 0.02))


def test_a_process_of_its_own_gives_it_too_and_draws_no_bar_in_a_pipe(folder: Path, record_property: Record) -> None:
    case = CASES["fc_left"]
    answer = spawn("relight", *subject_of("fc_left"), "-o", "out.png", *options_of(case), threads=2, cwd=folder)
    assert answer.status == 0, answer.err
    assert answer.out == "out.png\n"
    assert len(answer.err.splitlines()) == 1, answer.err
    assert answer.err.startswith(f"seed {case['params']['seed']}; ")
    assert "\r" not in answer.err
    compare(written(folder, 1), case, record_property, (2, 0.02), " (own process)")


def test_normals_equal_the_originals(iclight: Command, folder: Path, record_property: Record) -> None:
    case = CASES["normal"]
    set_by_the_runs = ("background", "number_of_images")
    options = [f"--{k.replace('_', '-')}={v}" for k, v in case["params"].items() if k not in set_by_the_runs]
    answer = iclight("normals", SUBJECT, "-o", "n.png", "--parts", "--weights", BUNDLE, *options)
    assert answer.status == 0, answer.err
    names = ["n.png", *(f"n_{kind}_{side}.png" for kind in ("ratio", "relit") for side in SIDES)]
    assert answer.out.split() == names
    assert {path.name for path in folder.iterdir()} == set(names)
    compare([folder / name for name in names], case, record_property, (8, 0.05))


def test_no_case_is_left_out() -> None:
    assert len(RELIT) == 10
    assert set(GIVEN_MATTE) < set(RELIT)
