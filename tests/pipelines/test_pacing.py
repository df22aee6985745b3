"""The loop of a pass reads nothing from a card and copies nothing to it that would have to be waited for."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from golden_pictures import SMALL, load_pipe
from torch.utils._python_dispatch import TorchDispatchMode

from iclight_local.imaging.fit import UInt8Array
from iclight_local.pipelines.iclight import ICLightPipeline
from iclight_local.pipelines.loading import default_scheduler
from iclight_local.pipelines.pacing import StepNoise, clock_device
from iclight_local.pipelines.sampling import Batch, Sampler, StepEnd
from iclight_local.plan import make_plan
from iclight_local.request import Knobs

CARD = torch.device("meta")
"""Stands for a card: it has no values, so that whoever reads one fails, and it is another device than the processor."""
SILENT = ("DPMSolverMultistepScheduler", "EulerDiscreteScheduler", "DDIMScheduler", "HeunDiscreteScheduler")


class Waits(TorchDispatchMode):
    """Notes what a card would have to be waited for: numbers read from it, and copies between it and the processor."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        name = func.overloadpacket.__name__
        source = args[0] if args and isinstance(args[0], torch.Tensor) else None
        if name in ("_local_scalar_dense", "nonzero", "is_nonzero") and source is not None and source.device == CARD:
            self.found.append(name)
        if name in ("_to_copy", "copy_") and isinstance(result, torch.Tensor) and not kwargs.get("non_blocking"):
            came_from = args[1] if name == "copy_" else source
            if isinstance(came_from, torch.Tensor) and came_from.device != result.device:
                self.found.append(name)
        return result


class Loop(Sampler):
    """A pass whose condition is there already."""

    def _conditions(self, which: Any) -> torch.Tensor:
        return torch.zeros(1, 4, 16, 8, device=CARD)


def stepped(scheduler: Any, generator: Any) -> tuple[list[str], list[torch.device]]:
    """What both passes had to wait for between their first and their last step, and where the UNet's timesteps lay."""
    plan = make_plan(Knobs(prompt="toy", width=64, height=128, steps=4, highres_scale=1.0), has_background=False)
    vae = SimpleNamespace(config=SimpleNamespace(latent_channels=4))
    unet = SimpleNamespace(dtype=torch.float16, config=SimpleNamespace(out_channels=4))
    pipe: Any = SimpleNamespace(_execution_device=CARD, unet=unet, vae=vae, vae_scale_factor=8, interrupt=False)
    items: Any = [SimpleNamespace(plan=plan)]
    texts, cfg = torch.zeros(2, 77, 8, device=CARD), torch.zeros(1, 1, 1, 1, device=CARD)
    sampler = Loop(
        pipe, scheduler, Batch(items, texts, cfg, generator), StepEnd(None, ()), SimpleNamespace(update=list)
    )
    waits, seen = Waits(), []
    for which, initial in ((plan.lowres, None), (plan.highres, torch.zeros(1, 4, 16, 8, device=CARD))):
        steps = sampler.run(which, initial)
        given = next(steps)
        try:
            while True:
                seen.append(given.timestep.device)
                with waits:
                    given = steps.send(torch.zeros(2, 4, 16, 8, device=CARD))
        except StopIteration:
            pass
    return waits.found, seen


@pytest.mark.parametrize("name", SILENT)
@pytest.mark.parametrize("several", [False, True])
def test_no_step_waits_for_the_card(name: str, several: bool) -> None:
    scheduler = getattr(diffusers, name).from_config(default_scheduler().config)
    generator = torch.Generator().manual_seed(1)
    found, seen = stepped(scheduler, [generator] if several else generator)
    assert found == []
    assert seen and set(seen) == {CARD}


def test_a_wait_is_seen() -> None:
    waits = Waits()
    with waits:
        torch.zeros(3).to(CARD)
    assert waits.found == ["_to_copy"]


@pytest.mark.parametrize("count", [1, 2])
def test_noise_from_the_processor_is_what_diffusers_draws(count: int) -> None:
    def generators() -> Any:
        made = [torch.Generator().manual_seed(5 + index) for index in range(count)]
        return made if count > 1 else made[0]

    shape = torch.Size((2, 4, 8, 8))
    expected = diffusers.utils.torch_utils.randn_tensor(shape, generator=generators(), dtype=torch.float32)
    # A card that is none: the noise is drawn as for a card, and stays where it can be looked at.
    noise = StepNoise(default_scheduler(), generators(), CARD)
    noise._device = torch.device("cpu")
    assert torch.equal(noise.arguments(shape)["variance_noise"], expected)


def test_a_scheduler_that_draws_nothing_is_given_no_noise() -> None:
    plain = diffusers.DPMSolverMultistepScheduler(algorithm_type="dpmsolver++")
    generator = torch.Generator().manual_seed(1)
    before = generator.get_state()
    assert "variance_noise" not in StepNoise(plain, generator, CARD).arguments(torch.Size((1, 4, 8, 8)))
    assert torch.equal(generator.get_state(), before)


def test_apples_devices_keep_their_timesteps() -> None:
    assert clock_device(torch.device("mps")) == torch.device("mps")
    assert clock_device(torch.device("cuda:1")) == torch.device("cpu")


@pytest.mark.gpu
def test_no_step_waits_for_a_real_card(foreground: UInt8Array) -> None:
    pipe = load_pipe("fc").to("cuda")
    checked: list[int] = []

    def strict(pipe: ICLightPipeline, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        # Between the first step of a pass and its last nothing may wait; before and behind it pictures are copied.
        last = step + 1 in (plan.lowres.steps, plan.steps)
        torch.cuda.set_sync_debug_mode("default" if last else "error")
        checked.append(step)
        return tensors

    knobs = {**SMALL, "steps": 6}
    asked = Knobs(**{name: value for name, value in knobs.items() if name != "output_type"})
    plan = make_plan(asked, has_background=False)
    relight: Callable[..., Any] = pipe
    try:
        picture = relight(foreground, **knobs, callback_on_step_end=strict).images[0]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(checked) == plan.steps
    assert np.isfinite(picture).all()
