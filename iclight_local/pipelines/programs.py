"""What torch.compile makes: programs of functions, and which shapes are worth one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable

import torch

MOST_SHAPES = 8
"""Heights, widths and lengths of text that are compiled for a model; further ones are computed plainly."""
_PROGRAMS = 64
"""Programs that torch may keep for one function; it gives up at 8 otherwise."""

Compute = Callable[..., torch.Tensor]


def program_of(function: Compute) -> Compute:
    """A function compiled: one program for each set of shapes, in whichever threads it is called."""
    program: Compute = torch.compile(function, dynamic=False)

    def call(*inputs: torch.Tensor) -> torch.Tensor:
        # A setting of torch's compiler holds in the thread alone that made it, and loops are led by several.
        most = max(_PROGRAMS, torch._dynamo.config.recompile_limit)
        with torch._dynamo.config.patch(recompile_limit=most):
            return program(*inputs)

    return call


def program_of_rows(function: Compute) -> Compute:
    """The same with one program for all numbers of rows (the first dimension of all inputs), and one for a lone row."""
    program = program_of(function)

    def call(*inputs: torch.Tensor) -> torch.Tensor:
        if len(inputs[0]) > 1:
            # Here, and no earlier: a copy of a tensor does not have its marks.
            for each in inputs:
                torch._dynamo.maybe_mark_dynamic(each, 0)
        return program(*inputs)

    return call


class Shapes:
    """Which shapes are worth compiling: those that were seen often, and not too many of them.

    Args:
        patience: calls of a shape that come before.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._seen: Counter[Hashable] = Counter()
        self._chosen: set[Hashable] = set()

    def ripe(self, shape: Hashable, *, hurried: bool) -> bool:
        """Whether a call of a shape is to be compiled; it is counted. In a hurry it is chosen at once."""
        if shape not in self._chosen and len(self._chosen) < MOST_SHAPES:
            self._seen[shape] += 1
            if hurried:
                self._chosen.add(shape)
        return shape in self._chosen

    def choose(self) -> None:
        """Choose those that were seen often enough by now, the most frequent first."""
        for shape, count in self._seen.most_common():
            if count >= self._patience and len(self._chosen) < MOST_SHAPES:
                self._chosen.add(shape)
