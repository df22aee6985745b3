"""A card's memory: how much there is, and the measures that make a pipeline fit into it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import psutil
import torch

from iclight_local.pipelines.memory import (
    GIB,
    SMALL_CARD,
    Measures,
    Needs,
    Work,
    choose_measures,
    needs_of,
    peak,
    work_of,
)
from iclight_local.pipelines.placement import Placement, free_memory, place
from iclight_local.plan import RelightPlan

if TYPE_CHECKING:
    from iclight_local.pipelines.iclight import ICLightPipeline

AUTO = "auto"


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
    """

    def __init__(self, placement: Placement, vram: str) -> None:
        self.placement, self.vram = placement, vram
        self._settled: dict[ICLightPipeline, Measures] = {}

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

    def settle(self, pipe: ICLightPipeline, work: Work) -> Measures:
        """Bring a pipeline to where the next run needs it, and other pipelines out of its way.

        Returns:
            The measures that are in force.
        """
        needs = needs_of(pipe)
        measures = measures_for(self.placement, self.vram, needs, work)
        others = [other for other in self._settled if other is not pipe]
        if others:
            taken = sum(needs_of(other).unet for other in others)
            alone = measures_for(self.placement, self.vram, replace(needs, unet=needs.unet + taken), work)
            if alone != measures or measures.offload != "none":
                self._park(others)
        before = self._settled.get(pipe)
        if before is None or before.offload != measures.offload:
            self._move(pipe, measures)
        _divide(pipe, measures)
        self._settled[pipe] = measures
        return measures

    def most_together(self, pipe: ICLightPipeline, plan: RelightPlan, wanted: int) -> int:
        """How many foregrounds, up to ``wanted``, may share a batch of ``plan``.

        On a card: as many as need no stronger measures than one alone, because a picture does not change with its
        company. On the CPU: as many as half of the free memory holds beside the first.
        """
        needs = needs_of(pipe)
        if self.placement.device.type == "cpu":
            one, two = (peak(Measures(vae_slicing=True), needs, work_of(plan, count)) for count in (1, 2))
            return max(1, min(wanted, 1 + int(psutil.virtual_memory().available / 2) // max(1, two - one)))
        alone = self._but_slicing(needs, work_of(plan, 1))
        counts = range(wanted, 1, -1)
        return next((count for count in counts if self._but_slicing(needs, work_of(plan, count)) == alone), 1)

    def _but_slicing(self, needs: Needs, work: Work) -> Measures:
        """The measures of a run, but for the autoencoder's slicing, which changes no picture."""
        return replace(measures_for(self.placement, self.vram, needs, work), vae_slicing=False)

    def forget(self) -> None:
        """Let go of all pipelines."""
        self._settled.clear()

    def _park(self, others: list[ICLightPipeline]) -> None:
        """Move the UNets of other pipelines to main memory; what the pipelines share is moved by the next one."""
        for other in others:
            # Their hooks on the shared models would move this pipeline's UNet nowhere.
            other.remove_all_hooks()
            torch.nn.Module.to(other.unet, "cpu")
            del self._settled[other]
        free_memory(self.placement.device)

    def _move(self, pipe: ICLightPipeline, measures: Measures) -> None:
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
