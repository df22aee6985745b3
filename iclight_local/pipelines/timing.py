"""Work on the clock, until the device is done with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import torch

Result = TypeVar("Result")


def timed(work: Callable[[], Result], device: torch.device | str) -> tuple[float, Result]:
    """Seconds of a call until the device is done with it and with nothing from before, and what it returned."""
    finish(device)
    began = time.perf_counter()
    result = work()
    finish(device)
    return time.perf_counter() - began, result


def finish(device: torch.device | str) -> None:
    """Wait until a device has done what it was given: a call only queues its work."""
    device = torch.device(device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
