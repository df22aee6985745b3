"""A card's work recorded once and played again, so that the processor gives it out in one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

_TRIES = 2
"""Calls before a recording: in them kernels are compiled and chosen, and libraries take their workspaces."""


class Recorded:
    """A call on CUDA as a graph, for inputs of the same shapes.

    Not torch.compile's own graphs (``reduce-overhead``): those belong to the thread that recorded them, and an engine
    is called from several, one after another.

    Args:
        call: takes tensors and gives one; it may wait for nothing and depend on nothing else.
        inputs: of the right shapes, on the card; they are copied.
        pool: memory that several recordings share, from ``torch.cuda.graph_pool_handle()``. What one gives is copied
            before another is played, so that they may use the same.
    """

    def __init__(self, call: Callable[..., torch.Tensor], inputs: tuple[torch.Tensor, ...], pool: Any) -> None:
        self._inputs = tuple(given.clone() for given in inputs)
        device = inputs[0].device
        beside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(beside):
            for _ in range(_TRIES):
                call(*self._inputs)
        torch.cuda.current_stream(device).wait_stream(beside)
        self._graph = torch.cuda.CUDAGraph()
        # Other threads may use the card meanwhile: a segmenter, or previews.
        with torch.cuda.graph(self._graph, pool=pool, capture_error_mode="thread_local"):
            self._output = call(*self._inputs)

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        """The call's result for other values; the caller's own."""
        for held, given in zip(self._inputs, inputs, strict=True):
            held.copy_(given)
        self._graph.replay()
        return self._output.clone()
