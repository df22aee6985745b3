"""Normals from four lights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from golden_pictures import SMALL, alpha, read, unet_calls

from iclight_local.errors import InvalidRequest, WeightsError
from iclight_local.imaging.fit import FloatArray
from iclight_local.pipelines.iclight import ICLightPipeline
from iclight_local.pipelines.normals import SIDES, estimate_normals, normals_of

KNOBS: dict[str, Any] = {key: value for key, value in SMALL.items() if key != "output_type"}


def ratios(**levels: float) -> dict[str, FloatArray]:
    return {side: np.full((2, 3, 3), levels.get(side, 0.0), np.float32) for side in SIDES}


def test_even_light_faces_the_viewer() -> None:
    normal = normals_of(ratios(), np.ones((2, 3), np.float32))
    assert normal.shape == (2, 3, 3)
    assert np.array_equal(normal, np.broadcast_to([0.0, 0.0, 1.0], (2, 3, 3)))


@pytest.mark.parametrize(("side", "axis", "sign"), [("right", 0, 1), ("left", 0, -1), ("top", 1, 1), ("bottom", 1, -1)])
def test_a_lit_side_faces_its_light(side: str, axis: int, sign: int) -> None:
    normal = normals_of(ratios(**{side: 0.6}), np.ones((2, 3), np.float32))
    height = (1 - 0.3**2) ** 5
    assert normal[0, 0, axis] == pytest.approx(sign * 0.3 / np.hypot(0.3, height), rel=1e-4)
    assert normal[0, 0, 2] == pytest.approx(height / np.hypot(0.3, height), rel=1e-4)
    assert normal[0, 0, 1 - axis] == 0
    assert np.allclose(np.linalg.norm(normal, axis=2), 1)


def test_outside_of_the_matte_normals_face_the_viewer() -> None:
    matte = np.array([[0, 0.5, 1]] * 2, np.float32)
    normal = normals_of(ratios(right=0.6), matte)
    assert normal[0, 0].tolist() == [0, 0, 1]
    assert np.allclose(normal[0, 1], (normal[0, 0] + normal[0, 2]) / 2)


def test_four_lights_are_one_batch(fbc: ICLightPipeline) -> None:
    with unet_calls(fbc) as calls:
        made = estimate_normals(fbc, read("inputs/subject.png"), alpha(), **KNOBS, number_of_images=2)
    assert calls == [8] * 4
    assert set(made.relit) == set(made.ratios) == set(SIDES)
    assert all(picture.shape == (192, 128, 3) for picture in (made.normal, *made.relit.values()))
    assert made.normal.dtype == np.uint8
    assert made.seed == 3


def test_a_random_seed_is_shared_and_reported(fbc: ICLightPipeline) -> None:
    knobs = {**KNOBS, "steps": 1, "seed": None}
    made = estimate_normals(fbc, read("inputs/subject.png"), alpha(), **knobs)
    again = estimate_normals(fbc, read("inputs/subject.png"), alpha(), **{**knobs, "seed": made.seed})
    assert np.array_equal(made.normal, again.normal)


def test_normals_need_fbc(fc: ICLightPipeline) -> None:
    with pytest.raises(WeightsError, match="Normals need model fbc, and these weights are fc"):
        estimate_normals(fc, read("inputs/subject.png"), alpha(), **KNOBS)


def test_wrong_knobs_of_normals(fbc: ICLightPipeline) -> None:
    with pytest.raises(InvalidRequest, match="steps is 0, but must be a whole number"):
        estimate_normals(fbc, read("inputs/subject.png"), alpha(), **{**KNOBS, "steps": 0})
