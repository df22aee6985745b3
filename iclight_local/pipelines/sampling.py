"""One pass of sampling: the loop of any diffusers pipeline, with IC-Light's condition."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from diffusers.utils.torch_utils import randn_tensor

from iclight_local.errors import InvalidRequest
from iclight_local.pipelines.caching import check_levels
from iclight_local.pipelines.items import Item
from iclight_local.pipelines.latents import encode_pictures
from iclight_local.pipelines.pacing import StepNoise, clock_device
from iclight_local.pipelines.unet_calls import UNetInput, UNetSteps
from iclight_local.plan import PassPlan

if TYPE_CHECKING:
    from iclight_local.pipelines.iclight import ICLightPipeline


StepCallback = Callable[["ICLightPipeline", int, Any, dict[str, Any]], dict[str, Any]]
"""``callback_on_step_end(pipe, step, timestep, {"latents": ...})``; what it returns is taken over."""


@dataclass(frozen=True)
class StepEnd:
    """What happens after a step.

    Attributes:
        callback: called after each step, or None.
        tensors: what it is given: ``latents``, ``predicted``.
    """

    callback: StepCallback | None
    tensors: Collection[str]


@dataclass(frozen=True)
class Batch:
    """What both passes share, for ``b`` = foregrounds times images of each.

    Attributes:
        items: the foregrounds.
        embeddings: ``b x length x width``, or ``2b`` with the negative ones first where guidance runs.
        cfg: guidance scales, ``b x 1 x 1 x 1``.
        generator: one generator, or one for each of the ``b`` images.
        attention: ``cross_attention_kwargs`` of the UNet, or None.
    """

    items: list[Item]
    embeddings: torch.Tensor
    cfg: torch.Tensor
    generator: torch.Generator | list[torch.Generator]
    attention: dict[str, Any] | None = None


class Sampler:
    """Runs passes: the loop of any diffusers pipeline, with the condition concatenated behind the latents.

    The UNet's calls are left to whoever drives the loop.

    Args:
        pipe: the pipeline whose models run.
        scheduler: keeps the state of the steps.
        batch: what both passes share.
        after: what happens after each step.
        bar: progress bar, moved on by each step.
    """

    def __init__(
        self,
        pipe: ICLightPipeline,
        scheduler: Any,
        batch: Batch,
        after: StepEnd,
        bar: Any,
    ) -> None:
        self.pipe, self.scheduler, self.batch, self.after, self.bar = pipe, scheduler, batch, after, bar
        # diffusers walks through all modules to answer these two, so they are asked once a call.
        self.device, self.dtype = pipe._execution_device, pipe.unet.dtype
        self.embeddings = batch.embeddings.to(self.dtype)
        self.steps_done = 0
        if batch.items[0].plan.cache_interval > 1:
            check_levels(pipe.unet)
        if not hasattr(scheduler, "add_noise"):
            raise InvalidRequest(f"{type(scheduler).__name__} cannot start from an image, as the highres pass does.")
        self.noise = StepNoise(scheduler, batch.generator, self.device)

    def run(self, which: PassPlan, initial: torch.Tensor | None) -> UNetSteps[torch.Tensor]:
        """Sample one pass from ``initial`` (None: from noise alone); latents stay float32 throughout."""
        scheduler = self.scheduler
        caller = _Caller(self.batch, self.embeddings, which, self.pipe.unet.config.out_channels)
        conditions = self._conditions(which)
        latents, timesteps = self._start(which, initial, len(conditions))
        # The UNet's own lie where it runs; by the others the processor steps, which then waits for no card.
        for index, (timestep, seen) in enumerate(zip(timesteps, timesteps.to(self.device), strict=True)):
            if self.pipe.interrupt:
                break
            scaled = scheduler.scale_model_input(latents, timestep)
            wide = torch.cat([scaled, conditions], dim=1).to(self.dtype)
            # A second-order scheduler calls the UNet twice for one step.
            noise = yield from caller.predicted(wide, seen, index // scheduler.order)
            drawn = self.noise.arguments(latents.shape)
            stepped = scheduler.step(noise, timestep, latents, **drawn, return_dict=False)
            latents = stepped[0]
            if (index + 1) % scheduler.order == 0 or index + 1 == len(timesteps):
                latents = self._after_step(timestep, stepped)
        return latents

    def _after_step(self, timestep: Any, stepped: Sequence[torch.Tensor]) -> torch.Tensor:
        latents = stepped[0]
        self.bar.update()
        step, self.steps_done = self.steps_done, self.steps_done + 1
        if self.after.callback is None:
            return latents
        given = {"latents": latents}
        if "predicted" in self.after.tensors:
            given["predicted"] = predicted_latents(self.scheduler, stepped)
        changed = self.after.callback(self.pipe, step, timestep, given)
        taken: torch.Tensor = changed.get("latents", latents) if changed is not None else latents
        return taken

    def _conditions(self, which: PassPlan) -> torch.Tensor:
        items = self.batch.items
        each = [encode_pictures(self.pipe.vae, item.conditions(which), self.device) for item in items]
        joined = torch.stack([latents.flatten(0, 1) for latents in each])
        return joined.repeat_interleave(items[0].plan.number_of_images, 0)

    def _start(self, which: PassPlan, initial: torch.Tensor | None, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        pipe, scheduler = self.pipe, self.scheduler
        try:
            scheduler.set_timesteps(which.scheduler_steps, device=clock_device(self.device))
        except ValueError as error:
            raise InvalidRequest(
                f"{type(scheduler).__name__} cannot be set to {which.scheduler_steps} steps: use fewer steps, "
                "or a higher denoise strength."
            ) from error
        factor = pipe.vae_scale_factor
        shape = (count, pipe.vae.config.latent_channels, which.height // factor, which.width // factor)
        noise = randn_tensor(shape, generator=self.batch.generator, device=self.device, dtype=torch.float32)
        if initial is None:
            return noise * scheduler.init_noise_sigma, scheduler.timesteps
        skipped = which.first_step * scheduler.order
        timesteps = scheduler.timesteps[skipped:]
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(skipped)
        return scheduler.add_noise(initial, noise, timesteps[:1].repeat(count)), timesteps


class _Caller:
    """The UNet's calls of one pass: which rows are computed, and how much of the UNet.

    Args:
        batch: what both passes share.
        embeddings: those of the batch in the UNet's precision.
        which: the pass.
        channels: of the noise.
    """

    def __init__(self, batch: Batch, embeddings: torch.Tensor, which: PassPlan, channels: int) -> None:
        plan = batch.items[0].plan
        self.batch, self.interval, self.channels = batch, plan.cache_interval, channels
        self.guided_steps = plan.guided_steps(which)
        self.both, self.positive = embeddings, embeddings[-len(batch.cfg) :]
        self.deep: torch.Tensor | None = None

    def predicted(self, wide: torch.Tensor, timestep: Any, step: int) -> UNetSteps[torch.Tensor]:
        """The noise of ``wide``, the latents with the condition behind them, at a step counted from 0."""
        if step >= self.guided_steps:
            return (yield from self._called(wide, timestep, self.positive, step))
        noise = yield from self._called(torch.cat([wide, wide]), timestep, self.both, step)
        negative, positive = noise.chunk(2)
        return negative + self.batch.cfg * (positive - negative)

    def _called(
        self, sample: torch.Tensor, timestep: Any, embeddings: torch.Tensor, step: int
    ) -> UNetSteps[torch.Tensor]:
        given = UNetInput(sample, timestep, embeddings, self.batch.attention)
        if self.interval == 1:
            noise = yield given
        elif self.deep is None or step % self.interval == 0:
            found = yield replace(given, with_deep=True)
            # Copies: what was sent is part of what all loops of the call were sent, and would keep all of it.
            noise = found[:, : self.channels].clone()
            self.deep = found[:, self.channels :].to(sample.dtype, copy=True)
        else:
            # The positive rows come last; they alone are left where guidance has ended since.
            noise = yield replace(given, deep=self.deep[-len(sample) :])
        return noise


def predicted_latents(scheduler: Any, stepped: Sequence[torch.Tensor]) -> torch.Tensor:
    """The finished latents as a scheduler sees them after a step; the noisy ones where it does not say.

    Args:
        scheduler: the scheduler.
        stepped: what its ``step`` gave with ``return_dict=False``: most give the prediction behind the latents.
    """
    if len(stepped) > 1:
        return stepped[1]
    # The solvers of the DPM++ family keep their last predictions; plain DPM keeps predictions of the noise.
    kept = getattr(scheduler, "model_outputs", None)
    if kept and str(scheduler.config.get("algorithm_type")).endswith("dpmsolver++") and kept[-1] is not None:
        last: torch.Tensor = kept[-1]
        return last
    return stepped[0]
