"""Schedulers other than the original's, swapped in with ``from_config`` as in any diffusers pipeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import diffusers
import numpy as np
import pytest
from golden_pictures import SMALL, load_pipe, unet_calls

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.pipelines.iclight import ICLightPipeline

NAMES = (
    "LCMScheduler", "EulerAncestralDiscreteScheduler", "DDIMScheduler", "UniPCMultistepScheduler",
    "EulerDiscreteScheduler", "HeunDiscreteScheduler", "PNDMScheduler", "LMSDiscreteScheduler",
    "DPMSolverSinglestepScheduler", "DDPMScheduler",
)  # fmt: skip
KNOBS = {**SMALL, "steps": 4, "highres_scale": 1.0, "light_source": "left"}


@pytest.fixture(scope="module")
def swapped(pipes: Callable[[str], ICLightPipeline]) -> Callable[..., ICLightPipeline]:
    """The shared models under another scheduler."""

    def swap(name: str, **options: Any) -> ICLightPipeline:
        fc = pipes("fc")
        scheduler = getattr(diffusers, name).from_config(fc.scheduler.config, **options)
        pipe = ICLightPipeline(**{**fc.components, "scheduler": scheduler})
        pipe.set_progress_bar_config(disable=True)
        return pipe

    return swap


@pytest.fixture(scope="module")
def reference(fc: ICLightPipeline, foreground: UInt8Array) -> FloatArray:
    return fc(foreground, **KNOBS).images[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_scheduler_can_be_swapped(
    name: str, swapped: Callable[..., ICLightPipeline], reference: FloatArray, foreground: UInt8Array
) -> None:
    pipe = swapped(name)
    steps: list[int] = []

    def note(pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        steps.append(step)
        return tensors

    picture = pipe(foreground, **KNOBS, callback_on_step_end=note).images[0]
    assert np.isfinite(picture).all()
    assert picture.std() > 0.01
    assert not np.allclose(picture, reference, atol=0.01)
    assert steps == sorted(set(steps))
    assert np.array_equal(picture, pipe(foreground, **KNOBS).images[0])


def test_solvers_of_one_equation_agree(swapped: Callable[..., ICLightPipeline], foreground: UInt8Array) -> None:
    """DDIM, Euler, Heun, UniPC and DPM++ 2M solve one differential equation: with enough steps, one picture."""
    knobs = {**KNOBS, "steps": 8}
    reference = swapped("DPMSolverMultistepScheduler", algorithm_type="dpmsolver++")(foreground, **knobs).images[0]
    assert reference.std() > 0.05
    for name in ("DDIMScheduler", "EulerDiscreteScheduler", "HeunDiscreteScheduler", "UniPCMultistepScheduler"):
        picture = swapped(name)(foreground, **knobs).images[0]
        assert np.abs(picture - reference).mean() < 0.03, name


def test_a_scheduler_of_second_order_reports_whole_steps(
    swapped: Callable[..., ICLightPipeline], foreground: UInt8Array
) -> None:
    steps: list[int] = []
    pipe = swapped("HeunDiscreteScheduler")

    def note(pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> None:
        steps.append(step)

    with unet_calls(pipe) as calls:
        pipe(foreground, **KNOBS, callback_on_step_end=note)
    assert steps == list(range(pipe.num_timesteps))
    assert len(calls) == 2 * pipe.num_timesteps - 2  # the last step of each pass is one of first order


def test_a_base_gets_the_originals_scheduler(fc: ICLightPipeline) -> None:
    config = fc.scheduler.config
    assert isinstance(fc.scheduler, diffusers.DPMSolverMultistepScheduler)
    assert config.algorithm_type == "sde-dpmsolver++"
    assert config.use_karras_sigmas is True
    assert config.beta_schedule == "linear"
    assert (config.beta_start, config.beta_end) == (0.00085, 0.012)
    assert config.steps_offset == 1
    assert config.solver_order == 2
    assert config.num_train_timesteps == 1000


def test_the_users_scheduler_is_kept(foreground: UInt8Array, tmp_path: Any) -> None:
    mine = diffusers.EulerDiscreteScheduler(beta_start=0.001, timestep_spacing="trailing")
    pipe = load_pipe("fc", scheduler=mine)
    assert pipe.scheduler is mine
    pipe.save_pretrained(tmp_path)
    saved = ICLightPipeline.from_pretrained(tmp_path)
    assert isinstance(saved.scheduler, diffusers.EulerDiscreteScheduler)
    assert saved.scheduler.config.beta_start == 0.001


def test_more_steps_than_a_scheduler_has_are_refused(
    swapped: Callable[..., ICLightPipeline], foreground: UInt8Array
) -> None:
    pipe = swapped("LCMScheduler")
    with pytest.raises(InvalidRequest, match="LCMScheduler cannot be set to 60 steps: use fewer steps"):
        pipe(foreground, **{**KNOBS, "steps": 30, "light_source": "none"})
