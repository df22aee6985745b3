"""The fastest way to the same picture on the CPU: it is chosen by itself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from iclight_local.pipelines.own_memory import own_memory
from iclight_local.pipelines.placement import Placement
from iclight_local.pipelines.replacing import kept_layers

_log = logging.getLogger(__name__)
SHARE = 6
"""Which part of the memory the weights of all UNets may grow by, and those of the autoencoder: SD1.5's UNet by 3.9 GiB
where there are 24."""
_MOST = 2, 3
"""Which part of the memory all weights may take then: the rest is for what is computed, and for others."""
WINOGRAD, PACKED = "winograd", "packed"
"""What records of results call the ways."""


@dataclass(frozen=True)
class Room:
    """Bytes that weights may grow by.

    Attributes:
        unet: of each UNet.
        vae: of the autoencoder, which all models share.
    """

    unet: int
    vae: int


def room_for(unet: Any, vae: Any, models: int) -> Room:
    """What weights may grow by, by the memory and by what the bundle holds: all its models may be loaded in the end.

    It does not depend on what is free or loaded, so that the same machine makes the same picture.

    Args:
        unet: one of the bundle's, in float32, as it was loaded.
        vae: the autoencoder, as it was loaded.
        models: how many the bundle has.
    """
    memory = own_memory()
    share, most = memory // SHARE, memory * _MOST[0] // _MOST[1]
    # Models differ in their first layer alone, and each is to find the same.
    free = most - models * (_bytes(unet) - _bytes(unet.conv_in)) - _bytes(vae)
    unets = max(0, min(share, free))
    return Room(unets // models, max(0, min(share, free - unets)))


def quicken(model: torch.nn.Module, placement: Placement, room: int) -> None:
    """Compute a model's convolutions and matrix products by faster ways, where it runs in float32 on the CPU.

    Pictures are the same but for rounding.

    Args:
        model: a UNet or an autoencoder of diffusers; it is changed.
        placement: where it runs.
        room: bytes that its weights may grow by.
    """
    if placement.device.type != "cpu" or placement.dtype != torch.float32:
        return
    for name, way in _WAYS.items():
        if _can(name):
            way(model, room)


def ways_of(models: Iterable[torch.nn.Module]) -> str | None:
    """The names of the faster ways that models are computed by; None where there are none."""
    modules = {type(module).__name__ for model in models for module in model.modules()}
    used = [name for name, stand_in in _STAND_INS.items() if stand_in in modules]
    return ", ".join(used) if used else None


def _winograd(model: torch.nn.Module, room: int) -> None:
    from iclight_local.pipelines.winograd import put_in

    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for layer in kept_layers(model):
        layer.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    put_in(model, room)


def _packed(model: torch.nn.Module, room: int) -> None:
    from iclight_local.pipelines.packed import pack

    pack(model)


_WAYS: dict[str, Callable[[torch.nn.Module, int], None]] = {WINOGRAD: _winograd, PACKED: _packed}
_STAND_INS = {WINOGRAD: "WinogradConv2d", PACKED: "PackedLinear"}
"""Names of the classes, because importing one imports a compiler."""


def _bytes(model: Any) -> int:
    """Bytes of a model's weights."""
    return sum(values.nbytes for values in model.parameters())


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
