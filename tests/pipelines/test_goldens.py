"""The same pictures as the original demos, on the random bundle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from golden_pictures import CASES, GOLDENS, alpha, composite, read
from PIL import Image

from iclight_local.imaging.fit import UInt8Array
from iclight_local.pipelines.iclight import ICLightPipeline
from iclight_local.pipelines.normals import SIDES, estimate_normals

CASE = {case["name"]: case for case in CASES}
RELIT = [name for name in CASE if name not in ("composite", "composite_sigma16", "normal")]
Record = Callable[[str, object], None]
Pipes = Callable[[str], ICLightPipeline]


@pytest.fixture(autouse=True)
def threads_of_the_goldens(two_threads: None) -> None:
    """The goldens were made with two threads, and their number decides the order of float sums.

    Pixels are truncated to 8 bits between the passes, so that a last bit can become a whole grey level there:
    the original itself differs by more than 2 levels between one thread and two.
    """


def compare(pictures: list[Any], files: list[str], record: Record, largest: int, mean: float) -> None:
    assert len(pictures) == len(files)
    for picture, file in zip(pictures, files, strict=True):
        expected = read(f"expected/{file}").astype(int)
        assert np.asarray(picture).shape == expected.shape
        off = np.abs(np.asarray(picture) - expected)
        record("golden", (file.removesuffix(".png"), int(off.max()), float(off.mean())))
        assert off.max() <= largest
        assert off.mean() <= mean


def knobs_of(case: dict[str, Any]) -> tuple[UInt8Array | None, dict[str, Any]]:
    """The background and the knobs that mean what a case of the original's demo asks."""
    knobs = dict(case["params"])
    light, behind = knobs.pop("light", None), knobs.pop("background", None)
    if light is not None:
        knobs["light_source"] = light
    if behind in ("image", "flipped"):
        return read("inputs/background.png"), {**knobs, "background_flip": behind == "flipped"}
    if behind is not None:
        knobs["light_source"] = behind
    return None, knobs


def test_every_case_is_tested() -> None:
    assert {*RELIT, "composite", "composite_sigma16", "normal"} == set(CASE)
    assert len(RELIT) == 10


@pytest.mark.parametrize("name", RELIT)
def test_picture_equals_the_originals(name: str, pipes: Pipes, record_property: Record) -> None:
    case = CASE[name]
    background, knobs = knobs_of(case)
    images = pipes(case["model"])(composite(), background, **knobs).images
    compare(images, case["files"], record_property, largest=2, mean=0.02)


def test_normals_equal_the_originals(fbc: ICLightPipeline, record_property: Record) -> None:
    case = CASE["normal"]
    knobs = {key: value for key, value in case["params"].items() if key not in ("background", "number_of_images")}
    made = estimate_normals(fbc, read("inputs/subject.png"), alpha(), **knobs)
    pictures = [made.normal, *(made.ratios[side] for side in SIDES), *(made.relit[side] for side in SIDES)]
    compare(pictures, case["files"], record_property, largest=8, mean=0.05)


@pytest.mark.parametrize("name", ["composite", "composite_sigma16"])
def test_composite_equals_the_originals(name: str, record_property: Record) -> None:
    case = CASE[name]
    compare([composite(case["sigma"])], case["files"], record_property, largest=0, mean=0)


def test_a_picture_with_alpha_equals_its_composite(fc: ICLightPipeline) -> None:
    _, knobs = knobs_of(CASE["fc_left"])
    with_alpha = fc(Image.open(GOLDENS / "inputs" / "subject_rgba.png"), **knobs).images[0]
    assert np.array_equal(with_alpha, fc(composite(), **knobs).images[0])
