"""The protocol of quality, on pictures of which the truth is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scenery import SIDE, disc, matte, scenes

from iclight_local.bench.quality import Judge, asked_direction, shared_box
from iclight_local.errors import NoSubject
from iclight_local.request import RelightRequest


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    return Judge(scenes(tmp_path)[0], None)


def asked(**knobs: Any) -> RelightRequest:
    return RelightRequest(subject_image=b"x", **knobs)


def figures(judge: Judge, pixels: np.ndarray[Any, Any], **knobs: Any) -> dict[str, Any]:
    return judge.figures(Image.fromarray(pixels), asked(**{"light_source": "left", **knobs}))


def test_the_picture_itself(judge: Judge) -> None:
    found = figures(judge, disc("right"))
    assert found["delta_e_inside"] == found["delta_e_outside"] == 0
    assert found["detail"] == 1 and found["shift"] == [0, 0] and found["misalignment"] == 0
    assert found["light_error"] > 150 and found["truth_rmse"] > 30


def test_the_true_render(judge: Judge) -> None:
    found = figures(judge, disc("left"))
    assert found["light_error"] < 10 and found["light"][0] < 0
    assert found["truth_rmse"] == found["truth_rmse_exposed"] == 0 and found["truth_delta_e"] == 0
    assert found["delta_e_inside"] > 5 and found["delta_e_outside"] == 0


def test_another_exposure_is_told_from_another_light(judge: Judge) -> None:
    from iclight_local.imaging.linear import to_linear, to_srgb

    darker = figures(judge, to_srgb(to_linear(disc("left")) * np.float32(0.5)))
    assert darker["truth_rmse"] > 20 and darker["truth_rmse_exposed"] < 2
    other = figures(judge, disc("top"))
    assert other["truth_rmse_exposed"] > 20


def test_what_moved(judge: Judge) -> None:
    found = figures(judge, np.roll(disc("right"), (3, -2), (0, 1)))
    # To the left and down, in percent of the longer side.
    assert found["shift"] == pytest.approx([-200 / SIDE, 300 / SIDE], abs=0.35)


def test_lost_resolution_is_lost_detail(judge: Judge) -> None:
    small = Image.fromarray(disc("right")).resize((SIDE // 4, SIDE // 4), Image.Resampling.LANCZOS)
    large = Image.fromarray(disc("right")).resize((SIDE * 2, SIDE * 2), Image.Resampling.LANCZOS)
    request = asked()
    assert judge.figures(small, request)["detail"] < 0.8 < 0.97 < judge.figures(large, request)["detail"]


def test_a_crop_is_compared_with_what_it_shows(judge: Judge) -> None:
    middle = figures(judge, np.ascontiguousarray(disc("right")[:, 16:80]))
    assert middle["misalignment"] < 0.2 and middle["delta_e_inside"] < 1


@pytest.mark.parametrize(
    ("picture", "result", "box"),
    [
        ((100, 100), (768, 960), (10, 0, 90, 100)),
        ((100, 200), (512, 512), (0, 50, 100, 150)),
        ((100, 80), (640, 512), (0, 0, 100, 80)),
        # Rounded to multiples of 64, and still the whole picture.
        ((1000, 750), (832, 626), (0, 0, 1000, 750)),
    ],
)
def test_the_part_that_a_result_shows(
    picture: tuple[int, int], result: tuple[int, int], box: tuple[float, ...]
) -> None:
    assert shared_box(picture, result) == pytest.approx(box)


def test_a_cut_out_has_no_outside(judge: Judge) -> None:
    found = figures(judge, np.dstack([disc("left"), matte()]))
    assert found["delta_e_outside"] is None and found["truth_rmse"] == 0


def test_an_empty_matte_has_no_figures(tmp_path: Path) -> None:
    case = scenes(tmp_path)[0]
    Image.new("L", (SIDE, SIDE)).save(tmp_path / "matte.png")
    found = Judge(case, None).figures(Image.fromarray(disc("left")), asked(light_source="left"))
    assert found["light_error"] is None and found["detail"] is None and found["truth_rmse"] is None


@pytest.mark.usefixtures("mini")
def test_where_no_matte_is_given(tmp_path: Path) -> None:
    case = scenes(tmp_path)[0]
    Image.fromarray(np.dstack([disc("right"), matte()])).save(tmp_path / "cut.png")
    values, source = Judge(replace(case, picture=tmp_path / "cut.png", true_matte=None), None).matte
    assert source == "alpha" and values.max() == 1 and values[0, 0] == 0
    Image.new("RGB", (64, 64), (90, 90, 90)).save(tmp_path / "flat.png")
    with pytest.raises(NoSubject):
        _ = Judge(replace(case, picture=tmp_path / "flat.png", true_matte=None), "mini").matte


@pytest.mark.parametrize(
    ("knobs", "towards"),
    [
        ({}, None),
        ({"light_source": "top"}, (0.0, 1.0)),
        ({"light": "bottom-right"}, (2**-0.5, -(2**-0.5))),
        ({"light": "back"}, None),
        ({"light": "left + right"}, None),
        ({"light": "ambient"}, None),
        ({"light": "left 2 + top"}, (-2.0, 1.0)),
    ],
)
def test_the_side_that_was_asked_for(knobs: dict[str, str], towards: tuple[float, float] | None) -> None:
    found = asked_direction(asked(**knobs))
    assert found == (None if towards is None else pytest.approx(towards))
