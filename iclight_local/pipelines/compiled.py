"""The UNet and the autoencoder compiled by torch, and on CUDA recorded as graphs; what fails is computed plainly.

torch.compile makes one program for each height, width and length of text, in which the number of rows is left open. A
graph holds one number of rows, so rows are padded up to one of :data:`ROWS`. Programs are kept on the disk.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from iclight_local.pipelines.graphs import Recordings
from iclight_local.pipelines.memory import Measures
from iclight_local.pipelines.placement import free_memory, is_out_of_memory
from iclight_local.pipelines.programs import Compute, Shapes, program_of, program_of_rows
from iclight_local.pipelines.unet_calls import UNetInput, plainly

if TYPE_CHECKING:
    from iclight_local.pipelines.iclight import ICLightPipeline

COMPILED = "compiled"
"""What records of results call this way."""
ROWS = (1, 2, 4, 8, 16, 32)
"""Numbers of rows that are recorded; more are computed plainly."""
UNET_CALLS, VAE_CALLS = 40, 6
"""Calls of a shape that are computed plainly before it is compiled, about two relights: compiling takes as long as many
of them."""


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
        self.hurried = hurried
        self.failure: str | None = None
        self._unets: weakref.WeakSet[CompiledUNet] = weakref.WeakSet()

    def settle(self, pipe: ICLightPipeline, measures: Measures) -> None:
        """Before a run: use compiled forms, or plain ones where models or layers come and go.

        A pipeline that has another fast form of its UNet keeps that. What was seen often is compiled from here on, so
        that a run alone is computed in one way from its beginning to its end.
        """
        resting = measures.offload == "none" and not measures.attention_slicing and self.failure is None
        if resting and pipe.quick is None:
            pipe.quick = CompiledUNet(pipe.unet, self)
            self._unets.add(pipe.quick)
        elif resting and isinstance(pipe.quick, CompiledUNet):
            pipe.quick.settle()
        elif isinstance(pipe.quick, CompiledUNet):
            pipe.quick = None
        for part in (pipe.vae.encoder, pipe.vae.decoder):
            forward = part.forward
            # Tiles come in the odd sizes of a picture's edges.
            wanted = resting and not measures.vae_tiling
            if isinstance(forward, _CompiledForward):
                forward.shapes.choose()
                part.forward = forward if wanted else forward.plain
            elif wanted:
                part.forward = _CompiledForward(forward, self)

    def failed(self, error: Exception) -> bool:
        """Let go of all recordings, and compile no more unless memory is all that a call lacked.

        Returns:
            Whether that is all.
        """
        lacking = is_out_of_memory(error)
        if not lacking:
            first = next(iter(str(error).strip().splitlines()), "no reason given")
            self.failure = (
                f"The models could not be compiled and were computed plainly ({type(error).__name__}: {first[:200]}): "
                "set compile to off, or mend the compiler."
            )
        for unet in self._unets:
            unet.forget()
        return lacking


def way_of_last_call(pipe: ICLightPipeline) -> str | None:
    """What records call the way in which the last call of a pipeline's UNet was computed; None for the plain one."""
    return pipe.quick.last_way if isinstance(pipe.quick, CompiledUNet) else pipe.computed_by


def forget_recordings(pipes: Iterable[ICLightPipeline]) -> None:
    """Let go of what was recorded of the UNets of pipelines, before their weights move."""
    for pipe in pipes:
        if isinstance(pipe.quick, CompiledUNet):
            pipe.quick.forget()


class CompiledUNet:
    """Calls of a UNet, compiled; a :data:`~iclight_local.pipelines.unet_calls.Predict`.

    Args:
        unet: stays as it is. Whoever moves it has this settled before the next call.
        compiler: says when to compile, and is told what fails.
        rows: numbers of rows that calls are padded up to; by default :data:`ROWS` on CUDA, where each is recorded, and
            none elsewhere.

    Attributes:
        last_way: :data:`COMPILED` if the last call was; None if it was computed plainly.
    """

    def __init__(self, unet: Any, compiler: Compiler, rows: tuple[int, ...] | None = None) -> None:
        self._unet, self._plain, self._compiler = unet, plainly(unet), compiler
        on_card = unet.device.type == "cuda"
        self._rows = (ROWS if on_card else ()) if rows is None else rows
        self._compute = _compiled_unet(unet)
        self._recordings = Recordings(self._compute, unet.device) if on_card else None
        self._addresses = _addresses(unet)
        self._shapes = Shapes(UNET_CALLS)
        self._too_large: set[Hashable] = set()
        self.last_way: str | None = None

    def settle(self) -> None:
        """Before a run: choose what is compiled from now on, and let go of recordings of weights that have moved."""
        self._shapes.choose()
        found = _addresses(self._unet)
        if found != self._addresses:
            self._addresses = found
            self.forget()

    def forget(self) -> None:
        """Let go of what was recorded."""
        if self._recordings is not None:
            self._recordings.clear()

    @torch.no_grad()
    def __call__(self, given: UNetInput) -> torch.Tensor:
        """Predicted noise, float32; computed plainly where nothing is compiled for it.

        Raises:
            torch.OutOfMemoryError: it did not fit, not even without what recordings hold.
        """
        rows = len(given.sample)
        wanted = next((count for count in self._rows if count >= rows), rows)
        shape = (*given.sample.shape[1:], *given.embeddings.shape[1:])
        quickly = self._takes(given, wanted, shape)
        try:
            predicted = self._quickly(given, wanted) if quickly else self._plain(given)
            self.last_way = COMPILED if quickly else None
            return predicted
        except Exception as error:  # a foreign edge, where compilers raise nearly anything
            if not quickly and not is_out_of_memory(error):
                raise
            if self._compiler.failed(error) and quickly:
                self._too_large.add((wanted, shape))
        # Not before: the error's frames hold tensors.
        free_memory(given.sample.device)
        self.last_way = None
        return self._plain(given)

    def _takes(self, given: UNetInput, wanted: int, shape: Hashable) -> bool:
        """Whether a call is to be compiled; it is counted."""
        return (
            given.kind == "plain"
            # A LoRA's strength comes with each call, and a program holds it fast.
            and not given.attention
            and self._compiler.failure is None
            and (not self._rows or wanted <= self._rows[-1])
            and (wanted, shape) not in self._too_large
            and self._shapes.ripe(shape, hurried=self._compiler.hurried)
        )

    def _quickly(self, given: UNetInput, wanted: int) -> torch.Tensor:
        compute = self._compute if self._recordings is None else self._recordings
        return compute(*padded(given, wanted))[: len(given.sample)].float()


def padded(given: UNetInput, rows: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Sample, timesteps (one for each row) and texts of a call, its last row repeated up to so many rows."""
    timesteps = given.timestep.reshape(-1).expand(len(given.sample)) if given.timestep.numel() == 1 else given.timestep

    def filled(values: torch.Tensor) -> torch.Tensor:
        missing = rows - len(values)
        whole = torch.cat([values, values[-1:].expand(missing, *values.shape[1:])]) if missing else values
        # A program holds for one order in memory, and latents come in several.
        return whole.contiguous()

    return filled(given.sample), filled(timesteps), filled(given.embeddings)


def _compiled_unet(unet: Any) -> Compute:
    def forward(sample: torch.Tensor, timestep: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor:
        predicted: torch.Tensor = unet(sample, timestep, encoder_hidden_states=embeddings, return_dict=False)[0]
        return predicted

    return program_of_rows(forward)


def _addresses(unet: Any) -> tuple[int, ...]:
    """Where the weights are: another tuple once they were moved, or replaced."""
    return tuple(each.data_ptr() for each in (*unet.parameters(), *unet.buffers()))


class _CompiledForward:
    """The ``forward`` of the autoencoder's encoder or decoder, compiled."""

    def __init__(self, plain: Compute, compiler: Compiler) -> None:
        self.plain, self._compiler = plain, compiler
        self._compiled = program_of(plain)
        self.shapes = Shapes(VAE_CALLS)

    def __call__(self, values: torch.Tensor, *others: Any) -> torch.Tensor:
        compiler = self._compiler
        # Whatever else may be given is for other autoencoders.
        taken = compiler.failure is None and all(other is None for other in others)
        quickly = taken and self.shapes.ripe(values.shape, hurried=compiler.hurried)
        try:
            return self._compiled(values.contiguous()) if quickly else self.plain(values, *others)
        except Exception as error:  # a foreign edge, as above
            if not quickly and not is_out_of_memory(error):
                raise
            compiler.failed(error)
        free_memory(values.device)
        return self.plain(values, *others)
