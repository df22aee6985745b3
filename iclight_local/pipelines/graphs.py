"""A card's work recorded once and played again, so that the processor gives it out in one call."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import torch

_TRIES = 2
"""Calls before a recording: in them kernels are compiled and chosen, and libraries take their workspaces."""


class Recordings:
    """A call on CUDA as graphs, one for inputs of the same shapes and types.

    Not torch.compile's own graphs (``reduce-overhead``): those belong to the thread that recorded them, and an engine
    is called from several, one after another.

    All use the same memory and are recorded on one stream, as torch asks of such: what one gives is copied before
    another is played.

    Args:
        call: takes tensors and gives one; it may wait for nothing and depend on nothing else that moves, because a
            graph holds addresses.
        device: the card.
    """

    def __init__(self, call: Callable[..., torch.Tensor], device: torch.device) -> None:
        self._call, self._device = call, device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()
        self._made: dict[Hashable, _Recorded] = {}

    def __len__(self) -> int:
        return len(self._made)

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        """The call's result; the caller's own."""
        key = tuple((given.shape, given.dtype) for given in inputs)
        if key not in self._made:
            self._made[key] = self._recorded(inputs)
        return self._made[key].played(inputs)

    def clear(self) -> None:
        """Let go of all; their memory is free as soon as the allocator gives it back."""
        self._made.clear()
        # torch refuses to record into memory that the last of others has left.
        self._pool = torch.cuda.graph_pool_handle()

    def _recorded(self, inputs: tuple[torch.Tensor, ...]) -> _Recorded:
        held = tuple(given.clone() for given in inputs)
        graph, now = torch.cuda.CUDAGraph(), torch.cuda.current_stream(self._device)
        self._stream.wait_stream(now)
        # torch records on the first card unless told otherwise, and a failed recording leaves its stream in force.
        with torch.cuda.device(self._device), torch.cuda.stream(self._stream):
            for _ in range(_TRIES):
                self._call(*held)
            # Other threads may use the card meanwhile: a segmenter, or previews.
            with torch.cuda.graph(graph, self._pool, self._stream, capture_error_mode="thread_local"):
                output = self._call(*held)
        now.wait_stream(self._stream)
        return _Recorded(graph, held, output)


@dataclass(frozen=True)
class _Recorded:
    """One recording, what it reads, and what it writes."""

    graph: Any
    inputs: tuple[torch.Tensor, ...]
    output: torch.Tensor

    def played(self, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """The result for other values."""
        for held, given in zip(self.inputs, inputs, strict=True):
            held.copy_(given)
        self.graph.replay()
        return self.output.clone()
