"""What keeps the processor ahead of a card: steps of a loop do not wait for the card to finish what it was given.

A card works through a queue, and whoever reads a number from it, or copies ordinary memory to it, waits until the
queue is empty. diffusers' schedulers do both where their timesteps lie on the card, or the noise comes from a generator
on the processor.

Schedulers that draw noise themselves and cannot be given any, as LCM's (of the fast preset) and the ancestral ones,
still wait once a step where it comes from a generator on the processor. With ``noise_device`` ``device`` they do not,
and make other pictures.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch

Generators = torch.Generator | list[torch.Generator]
"""One noise source, or one for each image of a batch."""


def clock_device(device: torch.device) -> torch.device:
    """Where a scheduler keeps its timesteps: with the processor, which compares them and looks things up by them.

    Apple's devices, which have no float64, keep theirs: schedulers choose the precision by the device that they are
    told.
    """
    return device if device.type == "mps" else torch.device("cpu")


class StepNoise:
    """The arguments by which a scheduler's ``step`` comes to its noise.

    Args:
        scheduler: the scheduler.
        generator: one generator, or one for each image.
        device: where the latents are.
    """

    def __init__(self, scheduler: Any, generator: Generators, device: torch.device) -> None:
        accepted = inspect.signature(scheduler.step).parameters
        self._generator, self._device = generator, device
        self._same = {"generator": generator} if "generator" in accepted else {}
        first = generator[0] if isinstance(generator, list) else generator
        draws = str(scheduler.config.get("algorithm_type")).startswith("sde-")
        self._brings = draws and "variance_noise" in accepted and first.device.type != device.type

    def arguments(self, shape: torch.Size) -> dict[str, Any]:
        """For the next step, whose latents have a ``shape``; noise from elsewhere is on its way and not waited for."""
        if not self._brings:
            return self._same
        generators = self._generator if isinstance(self._generator, list) else [self._generator]
        # As diffusers' randn_tensor draws it, so that a seed gives the same noise.
        each = torch.Size((shape[0] // len(generators), *shape[1:]))
        noise = torch.cat([torch.randn(each, generator=one, dtype=torch.float32) for one in generators])
        # From ordinary memory a copy is waited for, whatever is asked.
        held = noise.pin_memory() if self._device.type == "cuda" else noise
        return {"variance_noise": held.to(self._device, non_blocking=True)}
