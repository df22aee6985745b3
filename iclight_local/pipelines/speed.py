"""What a machine computes in a second and what a UNet asks of it: operations are counted, times are measured."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from diffusers import UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode

from iclight_local.errors import OutOfMemory
from iclight_local.pipelines.placement import device_errors
from iclight_local.pipelines.text import chunks_of
from iclight_local.pipelines.timing import finish, timed
from iclight_local.pipelines.unet_calls import UNetInput, plainly
from iclight_local.plan import PassPlan, RelightPlan

if TYPE_CHECKING:
    from iclight_local.pipelines.iclight import ICLightPipeline
    from iclight_local.pipelines.placement import Placement

SIDES = (512, 1024, 2048, 4096, 8192)
"""Rows of the square matrices whose products measure a machine, from the smallest on."""
PRODUCTS = 5
ENOUGH_S = 0.4
"""A product that takes so long keeps the machine busy; larger ones are not tried."""
CALLS_S, MOST_CALLS = 5.0, 20
"""Seconds for which a short call is repeated beyond what was asked, and how often at most."""


@dataclass(frozen=True)
class CallShape:
    """The sizes of a UNet's call.

    Attributes:
        rows: pictures in the call, twice as many where guidance runs.
        channels: of the sample: latents and conditions.
        height, width: of the latents.
        tokens: of each text.
        features: of each token.
    """

    rows: int
    channels: int
    height: int
    width: int
    tokens: int
    features: int

    def drawn(self, device: torch.device | str, dtype: torch.dtype) -> UNetInput:
        """Something of these sizes for a UNet to see; the same on every machine."""
        noise = torch.Generator("cpu").manual_seed(0)
        sample = torch.randn(self.rows, self.channels, self.height, self.width, generator=noise)
        texts = torch.randn(self.rows, self.tokens, self.features, generator=noise)
        return UNetInput(sample.to(device, dtype), torch.tensor(500, device=device), texts.to(device, dtype))


def call_shape(pipe: ICLightPipeline, plan: RelightPlan, which: PassPlan) -> CallShape:
    """The sizes of the UNet's calls in a pass of a relight."""
    texts = [chunks_of(pipe.tokenizer, pipe.text_encoder, text) for text in (plan.prompt, plan.negative_prompt)]
    return CallShape(
        rows=plan.number_of_images * (2 if plan.guided else 1),
        channels=int(pipe.unet.config.in_channels),
        height=which.height // pipe.vae_scale_factor,
        width=which.width // pipe.vae_scale_factor,
        tokens=max(len(chunks) * len(chunks[0]) for chunks in texts),
        features=int(pipe.unet.config.cross_attention_dim),
    )


@torch.no_grad()
def unet_operations(config: Any, shape: CallShape) -> int:
    """Floating point operations of one call of a UNet: a multiplication and an addition are two.

    They are those of the plain algorithm, whichever one computes it. Nothing is computed here.

    Args:
        config: the UNet's.
        shape: the sizes of the call.
    """
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(config)
    with FlopCounterMode(display=False) as counter:
        plainly(unet)(shape.drawn("meta", torch.float32))
    return int(counter.get_total_flops())


def matrix_products(placement: Placement) -> dict[int, list[float]]:
    """Seconds of products of two square matrices in the UNet's precision, by the matrices' rows.

    Raises:
        OutOfMemory: not even small ones fit.
    """
    found: dict[int, list[float]] = {}
    for side in SIDES:
        try:
            with device_errors(placement):
                found[side] = _products(side, placement)
        except OutOfMemory:
            # The models are there, too; smaller ones will do.
            if not found:
                raise
            break
        if min(found[side]) > ENOUGH_S:
            break
    return found


def matrix_peak(products: dict[int, list[float]]) -> float:
    """The most floating point operations in a second of the products that :func:`matrix_products` timed."""
    return max(2 * side**3 / min(seconds) for side, seconds in products.items())


@torch.no_grad()
def call_seconds(pipe: ICLightPipeline, shape: CallShape, calls: int, placement: Placement) -> list[float]:
    """Seconds of calls of a pipeline's UNet, however it is computed, after one that is not counted.

    Args:
        pipe: settled where it runs.
        shape: the sizes of a call.
        calls: at least so many; short ones are repeated more often.
        placement: where it runs.

    Raises:
        OutOfMemory: a call does not fit.
    """
    given, predict = shape.drawn(placement.device, pipe.unet.dtype), pipe.predict
    seconds: list[float] = []
    with device_errors(placement):
        timed(lambda: predict(given), placement.device)
        while len(seconds) < calls or (sum(seconds) < CALLS_S and len(seconds) < MOST_CALLS):
            seconds.append(timed(lambda: predict(given), placement.device)[0])
    return seconds


class Ticks:
    """Moments in a device's work; to note one holds no CUDA device up.

    Args:
        device: whose work it is.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._noted: list[Any] = []

    def note(self) -> None:
        """The moment at which the device is done with what it was given so far."""
        if self._device.type == "cuda":
            event: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            event.record(torch.cuda.current_stream(self._device))
            self._noted.append(event)
        else:
            finish(self._device)
            self._noted.append(time.perf_counter())

    def seconds(self) -> list[float]:
        """From each noted moment to the next; the device is waited for."""
        finish(self._device)
        if self._device.type == "cuda":
            return [before.elapsed_time(after) / 1000 for before, after in pairwise(self._noted)]
        return [after - before for before, after in pairwise(self._noted)]


def _products(side: int, placement: Placement) -> list[float]:
    left, right = (torch.randn(side, side, device=placement.device).to(placement.dtype) for _ in range(2))
    multiply = partial(torch.mm, left, right, out=torch.empty_like(left))
    return [timed(multiply, placement.device)[0] for _ in range(PRODUCTS + 1)][1:]
