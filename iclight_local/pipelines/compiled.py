"""The UNet and the autoencoder compiled by torch, and on CUDA recorded as graphs; what fails is computed plainly.

torch.compile makes one program for each height, width and length of text, in which the number of rows is left open. A
graph holds one number of rows, so rows are padded up to one of :data:`ROWS`. Programs are kept on the disk.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from iclight_local.pipelines.graphs import Recorded
from iclight_local.pipelines.memory import Measures
from iclight_local.pipelines.placement import free_memory
from iclight_local.pipelines.unet_calls import UNetInput, plainly

if TYPE_CHECKING:
    from iclight_local.pipelines.iclight import ICLightPipeline

COMPILED = "compiled"
"""What records of results call this way."""
ROWS = (1, 2, 4, 8, 16, 32)
"""Numbers of rows that are recorded; more are computed plainly."""
MOST_SHAPES = 8
"""Heights, widths and lengths of text that are compiled for a model; further ones are computed plainly."""
UNET_CALLS, VAE_CALLS = 60, 6
"""Calls of a shape that are computed plainly before it is compiled, about two relights: compiling takes as long as many
of them."""
_PROGRAMS = 64
"""Programs that torch may keep for one function; it gives up at 8 otherwise."""

Compute = Callable[..., torch.Tensor]


class Compiler:
    """Gives pipelines compiled forms of their models.

    Args:
        cache: folder of compiled programs, which outlive the process; the environment's ``TORCHINDUCTOR_CACHE_DIR``
            wins over it.

    Attributes:
        hurried: whether a shape is compiled when it is first seen.
        failure: the sentence of what could not be compiled; nothing is compiled from then on.
    """

    def __init__(self, cache: Path, *, hurried: bool) -> None:
        # torch asks the environment, and keeps what it finds there apart by versions and by processors.
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache))
        torch._dynamo.config.recompile_limit = max(_PROGRAMS, torch._dynamo.config.recompile_limit)
        self.hurried = hurried
        self.failure: str | None = None

    def settle(self, pipe: ICLightPipeline, measures: Measures) -> None:
        """Before a run: use compiled forms, or plain ones where models or layers come and go.

        A pipeline that has another fast form of its UNet keeps that.
        """
        resting = measures.offload == "none" and not measures.attention_slicing and self.failure is None
        if resting and pipe.quick is None:
            pipe.quick, pipe.computed_by = CompiledUNet(pipe.unet, self), COMPILED
        elif not resting and isinstance(pipe.quick, CompiledUNet):
            pipe.quick = pipe.computed_by = None
        for part in (pipe.vae.encoder, pipe.vae.decoder):
            wrapped = isinstance(part.forward, _CompiledForward)
            # Tiles come in the odd sizes of a picture's edges.
            wanted = resting and not measures.vae_tiling
            if wanted and not wrapped:
                part.forward = _CompiledForward(part.forward, self)
            elif wrapped and not wanted:
                part.forward = part.forward.plain

    def give_up(self, error: Exception) -> None:
        """Compile no more, and say why."""
        first = next(iter(str(error).strip().splitlines()), "no reason given")
        self.failure = (
            f"The models could not be compiled and were computed plainly ({type(error).__name__}: {first[:200]}): "
            "set compile to off, or mend the compiler."
        )


class CompiledUNet:
    """Calls of a UNet, compiled; a :data:`~iclight_local.pipelines.unet_calls.Predict`.

    Args:
        unet: stays where it is, and as it is.
        compiler: says when to compile, and is told what fails.
        rows: numbers of rows that calls are padded up to; by default :data:`ROWS` on CUDA, where each is recorded, and
            none elsewhere.
    """

    def __init__(self, unet: Any, compiler: Compiler, rows: tuple[int, ...] | None = None) -> None:
        self._plain, self._compiler = plainly(unet), compiler
        self._on_card = unet.device.type == "cuda"
        self._rows = (ROWS if self._on_card else ()) if rows is None else rows
        self._pool = torch.cuda.graph_pool_handle() if self._on_card else None
        self._recorded: dict[Hashable, Recorded] = {}
        self._shapes = Shapes(UNET_CALLS)

        def forward(sample: torch.Tensor, timestep: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor:
            predicted: torch.Tensor = unet(sample, timestep, encoder_hidden_states=embeddings, return_dict=False)[0]
            return predicted

        self._forward: Compute = torch.compile(forward, dynamic=False)

    @torch.no_grad()
    def __call__(self, given: UNetInput) -> torch.Tensor:
        """Predicted noise, float32; computed plainly where nothing is compiled for it."""
        rows, compiler = len(given.sample), self._compiler
        # A LoRA's strength comes with each call, and a program holds it fast.
        if (
            given.kind != "plain"
            or given.attention
            or compiler.failure is not None
            or (self._rows and rows > self._rows[-1])
        ):
            return self._plain(given)
        shape = (*given.sample.shape[1:], *given.embeddings.shape[1:])
        if not self._shapes.ripe(shape, hurried=compiler.hurried):
            return self._plain(given)
        wanted = next((count for count in self._rows if count >= rows), rows)
        try:
            return self._compute(padded(given, wanted))[:rows].float()
        except Exception as error:  # noqa: BLE001  # a foreign edge: compilers raise nearly anything
            compiler.give_up(error)
        self._recorded.clear()
        free_memory(given.sample.device)
        return self._plain(given)

    def _compute(self, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
        if len(inputs[0]) > 1:
            for each in inputs:
                torch._dynamo.maybe_mark_dynamic(each, 0)
        if not self._on_card:
            return self._forward(*inputs)
        key = tuple(each.shape for each in inputs)
        if key not in self._recorded:
            self._recorded[key] = Recorded(self._forward, inputs, self._pool)
        return self._recorded[key](*inputs)


def padded(given: UNetInput, rows: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Sample, timesteps (one for each row) and texts of a call, its last row repeated up to so many rows."""
    timesteps = given.timestep.reshape(-1).expand(len(given.sample)) if given.timestep.numel() == 1 else given.timestep

    def filled(values: torch.Tensor) -> torch.Tensor:
        missing = rows - len(values)
        whole = torch.cat([values, values[-1:].expand(missing, *values.shape[1:])]) if missing else values
        # A program holds for one order in memory, and latents come in several.
        return whole.contiguous()

    return filled(given.sample), filled(timesteps), filled(given.embeddings)


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
        """Whether a call of a shape is to be compiled; it is counted."""
        if shape in self._chosen:
            return True
        if len(self._chosen) >= MOST_SHAPES:
            return False
        self._seen[shape] += 1
        if hurried or self._seen[shape] > self._patience:
            self._chosen.add(shape)
            return True
        return False


class _CompiledForward:
    """The ``forward`` of the autoencoder's encoder or decoder, compiled."""

    def __init__(self, plain: Compute, compiler: Compiler) -> None:
        self.plain, self._compiler = plain, compiler
        self._compiled: Compute = torch.compile(plain, dynamic=False)
        self._shapes = Shapes(VAE_CALLS)

    def __call__(self, values: torch.Tensor, *others: Any) -> torch.Tensor:
        compiler = self._compiler
        # Whatever else may be given is for other autoencoders.
        taken = compiler.failure is None and all(other is None for other in others)
        if not taken or not self._shapes.ripe(values.shape, hurried=compiler.hurried):
            return self.plain(values, *others)
        try:
            return self._compiled(values.contiguous())
        except Exception as error:  # noqa: BLE001  # a foreign edge, as above
            compiler.give_up(error)
        free_memory(values.device)
        return self.plain(values, *others)
