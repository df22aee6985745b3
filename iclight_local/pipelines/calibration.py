"""What a UNet sees in runs of IC-Light: the inputs that the ranges of int8 are taken from.

The runs are those of drawn subjects under several lights and prompts, from the first timestep to the last, in both
passes; small ones, because ranges depend little on a picture's size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from iclight_local.imaging.drawn import drawn_subject
from iclight_local.pipelines.unet_calls import UNetInput, driven, plainly

if TYPE_CHECKING:
    from iclight_local.pipelines.iclight import ICLightPipeline

VERSION = 1
"""Changes whenever the inputs or the way of quantizing do, so that no older conversion is taken for a new one."""
SIZE = 192
"""Pixels of a side in the lowres pass; the highres pass has 256."""
RUNS: tuple[tuple[str, str], ...] = (
    ("left", "warm sunset over the sea"),
    ("right", ""),
    ("top", "neon lights, city at night"),
    ("bottom", "soft studio light, detailed face"),
    ("none", "sunshine in a forest"),
    ("none", "cold blue light from a window"),
)
"""Light source and prompt of each run."""
_STEPS = 4

Tell = Callable[[int, int], None]
"""Told how many of how many pieces of work are done."""


@torch.no_grad()
def calibration_inputs(pipe: ICLightPipeline, tell: Tell) -> list[UNetInput]:
    """Inputs of a pipeline's UNet, each of one or two rows.

    Args:
        pipe: any pipeline of IC-Light, on the CPU; its UNet is computed as diffusers does.
        tell: told of the runs.
    """
    seen: list[UNetInput] = []
    plain = plainly(pipe.unet)

    def watched(given: UNetInput) -> Any:
        seen.append(given)
        return plain(given)

    for number, (side, prompt) in enumerate(RUNS):
        tell(number, len(RUNS))
        # fbc is always lit by a background: a ramp, or a picture.
        pictured = pipe.config.model == "fbc" and side == "none"
        steps = pipe.steps(
            drawn_subject(number, SIZE),
            drawn_subject(100 + number, SIZE) if pictured else None,
            output_type="latent",
            light_source=side,
            prompt=prompt,
            seed=number,
            width=SIZE,
            height=SIZE,
            steps=_STEPS,
        )
        driven(steps, watched)
    return seen
