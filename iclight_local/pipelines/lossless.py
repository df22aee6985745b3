"""The fastest way to the same picture on the CPU: it is chosen by itself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cache

import psutil
import torch

from iclight_local.pipelines.placement import Placement

_log = logging.getLogger(__name__)
SHARE = 6
"""Which part of the machine's memory a model's weights may grow by: SD1.5's UNet by 3.9 GiB where there are 24."""
WINOGRAD, PACKED = "winograd", "packed"
"""What records of results call the ways."""


def quicken(models: Sequence[torch.nn.Module], placement: Placement) -> str | None:
    """Compute models' convolutions and matrix products by faster ways, where they run in float32 on the CPU.

    Pictures are the same but for rounding. The weights grow; by how much depends on the memory that the machine has,
    not on what is free of it, so that the same machine makes the same picture.

    Args:
        models: a UNet, an autoencoder of diffusers; they are changed.
        placement: where they run.

    Returns:
        The ways' names; None where nothing was done.
    """
    if placement.device.type != "cpu" or placement.dtype != torch.float32:
        return None
    changed = {name: sum([way(model) for model in models]) for name, way in _WAYS.items() if _can(name)}
    used = [name for name, count in changed.items() if count]
    return ", ".join(used) if used else None


def _winograd(model: torch.nn.Module) -> int:
    from iclight_local.pipelines.winograd import put_in

    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return put_in(model, psutil.virtual_memory().total // SHARE)


def _packed(model: torch.nn.Module) -> int:
    from iclight_local.pipelines.packed import pack

    return pack(model)


_WAYS: dict[str, Callable[[torch.nn.Module], int]] = {WINOGRAD: _winograd, PACKED: _packed}


@cache
def _can(way: str) -> bool:
    """Whether a way works on this machine."""
    try:
        if way == WINOGRAD:
            from iclight_local.pipelines.winograd import works
        else:
            from iclight_local.pipelines.packed import works
        if works():
            return True
        _log.warning("The way %s computes something else on this machine, so that the plain one is used.", way)
    except Exception:  # noqa: BLE001  # compilers' and processors' edge: without it pictures take longer, that is all
        _log.warning("The way %s does not run on this machine, so that the plain one is used.", way, exc_info=True)
    return False
