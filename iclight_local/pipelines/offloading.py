"""A card's memory: how much there is, and the measures that make a pipeline fit into it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from iclight_local.pipelines.compiled import forget_recordings
from iclight_local.pipelines.memory import (
    GIB,
    SMALL_CARD,
    Measures,
    Needs,
    Work,
    choose_measures,
    in_vae,
    kept,
    needs_of,
    peak_of_call,
    usable,
)
from iclight_local.pipelines.placement import Placement, free_memory, place

if TYPE_CHECKING:
    from iclight_local.pipelines.iclight import ICLightPipeline

AUTO = "auto"
MOST_ROWS = 32
"""Rows of a UNet call that several runs share, at most: 16 pictures with guidance."""
MOST_ROWS_ON_THE_CPU = 16
"""The same on the CPU, where more gained nothing."""
SHARED_ON_THE_CPU = 24_000_000
"""Bytes of a row's activations up to which calls are shared on the CPU: larger ones take as long together as alone.

Measured with the miniature on 2 cores, two rows a call against 4, 8 and 16: x1.3 at 13 MB (latent 32x40), x1.1 at 23 MB
(48x48), x1.0 at 41 MB (64x64) and 51 MB (64x80). At SD1.5's size x1.0 at 43 MB (32x40), and x0.8 at 170 MB (64x80).
"""

Going = Sequence[tuple["ICLightPipeline", Work]]
"""Runs that are under way: the pipeline of each and what it computes."""


def card_memory(device: torch.device, vram: str) -> int | None:
    """Bytes that a profile may count on; None on the CPU, where there is nothing to save.

    Args:
        device: where the models run.
        vram: ``auto``, or the size in GB (GiB) of the card to behave like.
    """
    if device.type == "cpu":
        return None
    if vram != AUTO:
        return int(vram) * GIB
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory())
    return int(torch.cuda.get_device_properties(device).total_memory)


def measures_for(placement: Placement, vram: str, needs: Needs, work: Work) -> Measures:
    """The measures that a run takes; none on the CPU."""
    total = card_memory(placement.device, vram)
    if total is None:
        return Measures()
    return choose_measures(total, needs, work, shared=placement.device.type == "mps")


class CardMemory:
    """Keeps an engine's pipelines within the memory of their card.

    Args:
        placement: where the models run.
        vram: ``auto``, or the size in GB of the card to behave like.
        recorded: whether calls of UNets are recorded, on CUDA.
    """

    def __init__(self, placement: Placement, vram: str, *, recorded: bool = False) -> None:
        self.placement, self.vram, self.recorded = placement, vram, recorded
        self._settled: dict[ICLightPipeline, Measures] = {}
        self._needs: dict[ICLightPipeline, Needs] = {}

    @property
    def is_small(self) -> bool:
        """Whether the segmenter's model has to go before a pipeline is loaded or runs."""
        total = card_memory(self.placement.device, self.vram)
        return total is not None and total <= SMALL_CARD

    @property
    def idle_notice(self) -> str | None:
        """The sentence where a profile was asked for that has nothing to do."""
        if self.vram == AUTO or self.placement.device.type != "cpu":
            return None
        return f"vram {self.vram} has no effect on the CPU, which has no memory of its own: leave it at auto."

    def goes_beside(self, pipe: ICLightPipeline, work: Work, going: Going) -> bool:
        """Whether a run can be under way beside others: on a card, if none of them takes other measures for it."""
        if not going or self.placement.device.type == "cpu":
            return True
        everybody = [*going, (pipe, work)]
        pipes = list(dict.fromkeys(each for each, _ in everybody))
        beside = [self._but_slicing(self._needs_with(one, pipes), work) for one, work in everybody]
        alone = [self._but_slicing(self._needs_of(one), work) for one, work in everybody]
        # What is offloaded leaves its place to others of its own pipeline alone.
        offloads = len(pipes) > 1 and any(each.offload != "none" for each in alone)
        return not offloads and beside == alone and len(set(alone)) == 1

    def settle(self, pipe: ICLightPipeline, work: Work, going: Going = ()) -> Measures:
        """Bring a pipeline to where the next run needs it, and others that nobody needs out of its way.

        Args:
            pipe: the pipeline.
            work: of the next run.
            going: pipelines and works of runs that are under way, which :meth:`goes_beside` allows.

        Returns:
            The measures that are in force.
        """
        measures = measures_for(self.placement, self.vram, self._needs_of(pipe), work)
        needed = {pipe, *(each for each, _ in going)}
        idle = [other for other in self._settled if other not in needed]
        if idle:
            crowded = self._needs_with(pipe, [*needed, *idle])
            if measures_for(self.placement, self.vram, crowded, work) != measures or measures.offload != "none":
                self._park(idle)
        if any(self._settled[each].vae_slicing for each, _ in going if each in self._settled):
            measures = replace(measures, vae_slicing=True)
        before = self._settled.get(pipe)
        if before is None or before.offload != measures.offload:
            self._settled.pop(pipe, None)
            self._move(pipe, measures)
        _divide(pipe, measures)
        self._settled[pipe] = measures
        return measures

    def most_rows(self, pipe: ICLightPipeline, latents: int, going: Going) -> int:
        """Rows that several runs may have in one UNet call; one that has more by itself is not held up.

        On a card: what fits beside the weights under the measures in force. On the CPU: what is faster together, which
        large calls are not.

        Args:
            pipe: a settled pipeline.
            latents: of each row.
            going: all runs that are under way.
        """
        needs = self._needs_with(pipe, dict.fromkeys(each for each, _ in going))
        total = card_memory(self.placement.device, self.vram)
        if total is None:
            return MOST_ROWS_ON_THE_CPU if latents * needs.per_latent <= SHARED_ON_THE_CPU else 1
        measures, shared = self._settled[pipe], self.placement.device.type == "mps"
        beside = sum(kept(self._needs_of(each), work) for each, work in going)
        if needs.recorded and measures.offload == "none":
            # The autoencoder works beside what recordings hold, on as many pictures as it takes at once.
            beside += in_vae(measures, needs, latents * needs.factor**2, MOST_ROWS)
        rows = MOST_ROWS
        while rows > 1 and peak_of_call(measures, needs, latents, rows, shared=shared) + beside > usable(total):
            rows //= 2
        return rows

    def rest(self) -> None:
        """Give back what is on the card for running calls alone, when the last of them has ended."""
        for pipe in list(self._settled):
            # Known again once it worked: what is in between is brought to its place anew.
            measures = self._settled.pop(pipe)
            pipe.maybe_free_model_hooks()
            self._settled[pipe] = measures

    def _needs_of(self, pipe: ICLightPipeline) -> Needs:
        if pipe not in self._needs:
            recorded = self.recorded and self.placement.device.type == "cuda"
            self._needs[pipe] = replace(needs_of(pipe), recorded=recorded)
        return self._needs[pipe]

    def _needs_with(self, pipe: ICLightPipeline, pipes: Collection[ICLightPipeline]) -> Needs:
        """What a pipeline takes beside the UNets of others; they share all else."""
        needs = self._needs_of(pipe)
        return replace(needs, unet=needs.unet + sum(self._needs_of(each).unet for each in pipes if each is not pipe))

    def _but_slicing(self, needs: Needs, work: Work) -> Measures:
        """The measures of a run, but for the autoencoder's slicing, which changes no picture."""
        return replace(measures_for(self.placement, self.vram, needs, work), vae_slicing=False)

    def forget(self) -> None:
        """Let go of all pipelines."""
        self._settled.clear()
        self._needs.clear()

    def _park(self, others: list[ICLightPipeline]) -> None:
        """Move the UNets of other pipelines to main memory; what the pipelines share is moved by the next one."""
        forget_recordings(others)
        for other in others:
            del self._settled[other]
            # Their hooks on the shared models would move this pipeline's UNet nowhere.
            other.remove_all_hooks()
            torch.nn.Module.to(other.unet, "cpu")
        free_memory(self.placement.device)

    def _move(self, pipe: ICLightPipeline, measures: Measures) -> None:
        forget_recordings([pipe])
        pipe.remove_all_hooks()
        if measures.offload == "model":
            pipe.enable_model_cpu_offload(device=self.placement.device)
        elif measures.offload == "sequential":
            pipe.enable_sequential_cpu_offload(device=self.placement.device)
        else:
            place(pipe, self.placement)
        free_memory(self.placement.device)


def _divide(pipe: ICLightPipeline, measures: Measures) -> None:
    """Switch slicing and tiling on or off; pipelines share the autoencoder, so this goes before every run."""
    for switch, on in (("slicing", measures.vae_slicing), ("tiling", measures.vae_tiling)):
        getattr(pipe.vae, f"{'enable' if on else 'disable'}_{switch}")()
    sliced = any(type(each).__name__.startswith("Sliced") for each in pipe.unet.attn_processors.values())
    if measures.attention_slicing:
        pipe.enable_attention_slicing("max")
    elif sliced:
        pipe.disable_attention_slicing()
