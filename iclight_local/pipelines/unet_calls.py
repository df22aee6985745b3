"""Calls of the UNet, apart from the loops that want them: one loop drives it alone, or several share its calls."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch

from iclight_local.pipelines.caching import keeping_call, shallow_call

Result = TypeVar("Result")


CallKind = Literal["plain", "keeping", "shallow"]
"""The whole UNet, the whole UNet with its deep features, or its outermost level alone."""


@dataclass(frozen=True)
class UNetInput:
    """What a call of the UNet is to see, for ``n`` rows.

    Attributes:
        sample: ``n x channels x h x w``, in the UNet's precision; the condition lies behind the noisy latents.
        timestep: a tensor of one value, or of one for each row.
        embeddings: ``n x length x width``, the texts.
        attention: ``cross_attention_kwargs``, or None.
        with_deep: whether the deep features are wanted, too: they lie behind the noise in what is sent back.
        deep: ``n x deep channels x h x w``, of an earlier call that kept them: this one is then shallow, and takes them
            in place of all levels of the UNet but the outermost. In the sample's precision nothing of them is lost.
    """

    sample: torch.Tensor
    timestep: torch.Tensor
    embeddings: torch.Tensor
    attention: dict[str, Any] | None = None
    with_deep: bool = False
    deep: torch.Tensor | None = None

    @property
    def kind(self) -> CallKind:
        """How it is computed: rows of one kind alone can share a call."""
        if self.deep is not None:
            return "shallow"
        return "keeping" if self.with_deep else "plain"


UNetSteps = Generator[UNetInput, torch.Tensor, Result]
"""A loop that gives what the UNet is to see next, is sent what the UNet made of it, and returns its result."""


Predict = Callable[[UNetInput], torch.Tensor]
"""One call of a UNet, however it is computed: predicted noise, float32, ``n x channels x h x w``.

Of a call that keeps the deep features: ``n x (channels + deep channels) x h x w``.
"""


def plainly(unet: Any) -> Predict:
    """The calls of a UNet as diffusers computes it."""

    def predict(given: UNetInput) -> torch.Tensor:
        if given.kind == "keeping":
            return keeping_call(unet, given)
        if given.kind == "shallow":
            return shallow_call(unet, given)
        predicted: torch.Tensor = unet(
            given.sample,
            given.timestep,
            encoder_hidden_states=given.embeddings,
            cross_attention_kwargs=given.attention,
            return_dict=False,
        )[0]
        return predicted.float()

    return predict


def driven(steps: UNetSteps[Result], predict: Predict) -> Result:
    """Carry one loop through by itself."""
    try:
        given = next(steps)
        while True:
            given = steps.send(predict(given))
    except StopIteration as end:
        result: Result = end.value
        return result
    finally:
        steps.close()
