"""The fastest way to the same picture on the CPU: it is chosen by itself."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING

import psutil
import torch

from iclight_local.pipelines.placement import Placement

if TYPE_CHECKING:
    from iclight_local.pipelines.iclight import ICLightPipeline

_log = logging.getLogger(__name__)
SHARE = 8
"""Which part of the machine's memory a model's weights may grow by: SD1.5's UNet grows by 2.9 GB where there are 24."""
WINOGRAD = "winograd"
"""What records of results call it."""


def quicken(pipe: ICLightPipeline, placement: Placement) -> str | None:
    """Compute a pipeline's 3 x 3 convolutions by Winograd's algorithm, where it runs in float32 on the CPU.

    Pictures are the same but for rounding. The weights grow; by how much depends on the memory that the machine has,
    not on what is free of it, so that the same machine makes the same picture.

    Returns:
        The way's name; None where nothing was done.
    """
    if placement.device.type != "cpu" or placement.dtype != torch.float32 or not _can():
        return None
    from iclight_local.pipelines.winograd import WinogradConv2d, put_in

    budget = psutil.virtual_memory().total // SHARE
    for model in (pipe.vae, pipe.unet):
        model.to(memory_format=torch.channels_last)
        put_in(model, budget)
    return WINOGRAD if any(isinstance(module, WinogradConv2d) for module in pipe.unet.modules()) else None


@cache
def _can() -> bool:
    try:
        from iclight_local.pipelines.winograd import works

        if works():
            return True
        _log.warning("Winograd's convolution is wrong on this machine, so that the plain one is used.")
    except Exception:  # noqa: BLE001  # a compiler's edge: without it pictures take longer, and are the same
        _log.warning("Winograd's convolution cannot be compiled here, so that the plain one is used.", exc_info=True)
    return False
