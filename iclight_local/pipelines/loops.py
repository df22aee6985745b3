"""A loop among others: what it wants next, and with whom it can share a call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, cast

import torch

from iclight_local.pipelines.memory import Measures, Work
from iclight_local.pipelines.unet_calls import Result, UNetInput, UNetSteps

if TYPE_CHECKING:
    from iclight_local.pipelines.iclight import ICLightPipeline

Settle = Callable[[], Measures]
"""Brings a pipeline to where its run needs it, and gives the measures that are in force then."""


@dataclass(eq=False)
class Loop(Generic[Result]):
    """A loop that is to be carried among others.

    Attributes:
        pipe: whose UNet it calls.
        work: what it computes by itself.
        begin: gives its steps when it joins. It has to settle the pipeline before it asks anything of it.
        ended: whether it has returned or failed.
        result: what it returned; None where it failed.
        error: why it failed.
    """

    pipe: ICLightPipeline
    work: Work
    begin: Callable[[Settle], UNetSteps[Result]]
    ended: bool = field(default=False, init=False)
    result: Result | None = field(default=None, init=False)
    error: Exception | None = field(default=None, init=False)

    def fail(self, error: Exception) -> None:
        """End it without a result."""
        self.error, self.ended = error, True

    def outcome(self) -> Result:
        """What it returned; raises why it failed."""
        if self.error is not None:
            raise self.error
        return cast("Result", self.result)


@dataclass(eq=False)
class Going:
    """A loop that has joined.

    Attributes:
        loop: the loop.
        turn: when it was served last, counted over all calls.
        coroutine: what it gave when it began.
        given: what it wants to have predicted next; None before it began and after it ended.
    """

    loop: Loop[Any]
    turn: int
    coroutine: UNetSteps[Any] | None = None
    given: UNetInput | None = None

    @property
    def wanted(self) -> UNetInput:
        """What it wants to have predicted next."""
        if self.given is None:
            raise ValueError("A loop that has ended wants no more calls.")
        return self.given

    @property
    def rows(self) -> int:
        """How many rows that has."""
        return len(self.wanted.sample)

    def fits(self, other: Going) -> bool:
        """Whether both can share a call: one UNet, one kind of call, one size, texts of one length, one precision."""
        one, two = self.wanted, other.wanted
        return (
            self.loop.pipe is other.loop.pipe
            and one.kind == two.kind
            and one.sample.shape[1:] == two.sample.shape[1:]
            and one.sample.dtype == two.sample.dtype
            and one.embeddings.shape[1:] == two.embeddings.shape[1:]
            and one.attention == two.attention
        )

    def go_on(self, noise: torch.Tensor | None) -> None:
        """On to the next call it wants, or to its end; None where it only begins."""
        self.given = None
        if self.coroutine is None:
            raise ValueError("It has not begun.")
        try:
            self.given = next(self.coroutine) if noise is None else self.coroutine.send(noise)
        except StopIteration as end:
            self.loop.result, self.loop.ended = end.value, True

    def close(self) -> None:
        """Let go of all that its steps hold."""
        self.given = None
        if self.coroutine is not None:
            self.coroutine.close()


def sharing(first: Going, others: Sequence[Going], most: int) -> list[Going]:
    """The first, and those of the others, the foremost if they can, with whom there are the most rows.

    Those are a power of two up to ``most``: a UNet that is compiled for each number sees few of them.
    """
    found = {first.rows: [first]}
    for other in others:
        for rows, chosen in list(found.items()):
            if rows + other.rows <= most:
                found.setdefault(rows + other.rows, [*chosen, other])
    return found[max((rows for rows in found if rows.bit_count() == 1), default=first.rows)]


def joined(chosen: Sequence[Going]) -> UNetInput:
    """One input from those of several loops, each row with its own timestep; a lone loop's as it is."""
    wanted = [each.wanted for each in chosen]
    if len(wanted) == 1:
        return wanted[0]
    times = [one.timestep.reshape(-1).expand(len(one.sample)) for one in wanted]
    deep = [one.deep for one in wanted if one.deep is not None]
    return UNetInput(
        torch.cat([one.sample for one in wanted]),
        torch.cat(times),
        torch.cat([one.embeddings for one in wanted]),
        wanted[0].attention,
        with_deep=wanted[0].with_deep,
        deep=torch.cat(deep) if deep else None,
    )
