"""Configurations that the goldens do not have: the pipeline against the plain implementation of the benchmarks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.plain import Knobs, PlainICLight
from iclight_local.pipelines.iclight import ICLightPipeline

pytestmark = pytest.mark.usefixtures("one_thread")
GOLDENS = Path(__file__).parents[1] / "goldens"
USUAL = {"prompt": "toy on a table, sunset over sea", "width": 128, "height": 192, "steps": 3, "seed": 7, "cfg": 2.0}
LONG = "very long " * 40
ODD: dict[str, dict[str, Any]] = {
    "landscape": {"width": 320, "height": 128, "light_source": "right"},
    "portrait": {"width": 64, "height": 448},
    "smallest": {"width": 64, "height": 64, "light_source": "top"},
    "lowres_denoise 0.1": {"lowres_denoise": 0.1, "light_source": "left"},
    "lowres_denoise 1.0": {"lowres_denoise": 1.0, "light_source": "left"},
    "highres_denoise 0.1": {"highres_denoise": 0.1},
    "highres_denoise 1.0": {"highres_denoise": 1.0},
    "scale 1.0": {"highres_scale": 1.0},
    "scale 1.37": {"highres_scale": 1.37},
    "scale 3.0": {"highres_scale": 3.0, "width": 64, "height": 64},
    "one step": {"steps": 1},
    "two steps": {"steps": 2, "light_source": "bottom"},
    "cfg 1": {"cfg": 1.0, "light_source": "left"},
    "cfg 32": {"cfg": 32.0},
    "twelve images": {"number_of_images": 12, "width": 64, "height": 64, "light_source": "left"},
    "no prompts": {"prompt": "", "appended_prompt": "", "negative_prompt": ""},
    "two chunks against three": {"prompt": LONG[:180], "negative_prompt": LONG},
    "largest seed": {"seed": 2**63 - 1},
    "fcon": {"model": "fcon", "light_source": "bottom"},
    "fbc ramp": {"model": "fbc", "light_source": "top", "number_of_images": 2, "cfg": 7.0},
    "fbc picture": {"model": "fbc", "width": 192, "height": 128},
}


def load(bundle: Path, model: str) -> tuple[ICLightPipeline, PlainICLight]:
    """The pipeline and the plain implementation of a model."""
    pipe = ICLightPipeline.from_pretrained(bundle / "base", iclight=bundle / f"iclight_sd15_{model}.safetensors")
    pipe.set_progress_bar_config(disable=True)
    return pipe, PlainICLight(bundle, model)


@pytest.fixture(scope="module")
def sides() -> Callable[[str], tuple[ICLightPipeline, PlainICLight]]:
    """The pipeline and the plain implementation of a model, loaded once."""
    return cache(lambda model: load(GOLDENS / "bundle", model))


@pytest.fixture(scope="module")
def by_noise(sides: Callable[[str], tuple[ICLightPipeline, PlainICLight]]) -> Callable[[str], Any]:
    """The pixels of a configuration, which both make alike with weights that predict the noise; made once."""

    @cache
    def of(name: str) -> Any:
        knobs = {**USUAL, **ODD[name]}
        return compare(*sides(knobs.pop("model", "fc")), knobs)

    return of


@pytest.fixture(scope="module")
def by_velocity(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[ICLightPipeline, PlainICLight]]:
    """The pipeline and the plain implementation of weights whose scheduler says that they predict the velocity."""
    bundle = shutil.copytree(GOLDENS / "bundle", tmp_path_factory.mktemp("velocity") / "bundle")
    config = bundle / "base" / "scheduler" / "scheduler_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "prediction_type": "v_prediction"}))
    return cache(lambda model: load(bundle, model))


@pytest.mark.parametrize("name", ODD)
def test_both_make_the_same_picture(name: str, by_noise: Callable[[str], Any]) -> None:
    by_noise(name)


@pytest.mark.parametrize("name", ["portrait", "lowres_denoise 0.1", "two steps", "cfg 1", "fbc ramp"])
def test_both_make_the_same_picture_with_weights_that_predict_the_velocity(
    name: str, by_noise: Callable[[str], Any], by_velocity: Callable[[str], tuple[ICLightPipeline, PlainICLight]]
) -> None:
    knobs = {**USUAL, **ODD[name]}
    made = compare(*by_velocity(knobs.pop("model", "fc")), knobs)
    assert np.abs(made.astype(int) - by_noise(name)).mean() > 1


def compare(ours: ICLightPipeline, plain: PlainICLight, knobs: dict[str, Any]) -> Any:
    """Check that both make the same pictures; the pixels of the first are returned."""
    model = ours.config.model
    foreground = Image.open(GOLDENS / "expected" / "composite.png").convert("RGB")
    takes_picture = model == "fbc" and "light_source" not in knobs
    background = Image.open(GOLDENS / "inputs" / "background.png").convert("RGB") if takes_picture else None
    made = ours(foreground, background, **knobs).images
    expected = plain.relight(foreground, Knobs(**knobs), background)
    assert len(made) == len(expected) == knobs.get("number_of_images", 1)
    for mine, theirs in zip(made, expected, strict=True):
        assert mine.size == theirs.size
        off = np.abs(np.asarray(mine).astype(int) - np.asarray(theirs))
        assert off.max() <= 2
        assert off.mean() <= 0.02
    return np.asarray(made[0])
