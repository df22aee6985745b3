"""What a batch would come to: the work of a plan is that of the UNet's calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from rows import rows_of

from iclight_local.batch.ledger import Ledger
from iclight_local.batch.options import BatchOptions
from iclight_local.batch.output import Output
from iclight_local.batch.planning import Scout
from iclight_local.pipelines.iclight import ICLightPipeline
from iclight_local.pipelines.unet_calls import UNetInput, driven
from iclight_local.plan import SHALLOW, plan_of
from iclight_local.request import RelightRequest
from tests.engines.relights import PLAIN, local
from tests.fake_engine import FakeEngine

KNOBS: dict[str, Any] = {"width": 64, "height": 128, "steps": 7, "highres_scale": 1.5, "light_source": "left"}


@pytest.fixture(scope="module")
def pipe() -> ICLightPipeline:
    return local().load("fc")


@pytest.mark.parametrize(
    "knobs",
    [
        {},
        {"cfg": 1},
        {"cache_interval": 3, "number_of_images": 2},
        {"cfg_until": 0.5},
        {"cache_interval": 2, "cfg_until": 0.3, "highres_denoise": 0.35},
        {"cfg": 1, "cache_interval": 10, "cfg_until": 0.5},
    ],
)
def test_a_plans_work_is_that_of_its_unet_calls(pipe: ICLightPipeline, knobs: dict[str, Any]) -> None:
    work, predict = 0.0, pipe.predict

    def counting(given: UNetInput) -> torch.Tensor:
        nonlocal work
        rows, _, high, wide = given.sample.shape
        share = SHALLOW if given.kind == "shallow" else 1
        work += rows * high * wide * pipe.vae_scale_factor**2 * share
        return predict(given)

    driven(pipe.steps(Image.open(PLAIN), **KNOBS, **knobs, seed=1), counting)
    assert plan_of(RelightRequest(subject_image=PLAIN, **KNOBS, **knobs)).work == pytest.approx(work)


def test_rows_are_weighed_with_what_a_preset_fills_in(tmp_path: Path) -> None:
    ledger, output = Ledger(tmp_path / "out" / ".iclight" / "batch.sqlite"), Output(str(tmp_path / "out"))
    scout = Scout(ledger, output, BatchOptions(out="out"), FakeEngine(), {"preset": "fast"})
    (filled,), (said,), (more,) = (
        scout.all(rows_of(tmp_path, 1, **knobs)) for knobs in ({}, {"steps": 6, "cfg": 1.5}, {"steps": 24})
    )
    assert filled.work == said.work == more.work / 4
    ledger.close()
