"""Which device runs the models, and in which precision."""

from __future__ import annotations

import contextlib
import gc
import re
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from iclight_local.errors import EngineError, OutOfMemory, Unsupported
from iclight_local.pipelines.openvino_unet import check_installed

try:
    import resource
except ImportError:  # Windows has no such module.
    resource = None  # type: ignore[assignment]

Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]
_DTYPES: dict[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_NO_MEMORY = ("allocate memory", "out of memory")
"""What errors of devices say that have no kind of their own."""


@dataclass(frozen=True)
class Placement:
    """Where and how the models run.

    Attributes:
        device: the device.
        dtype: precision of the UNet and the text encoder.
        vae_dtype: precision of the autoencoder; never float16, in which SD1.5's overflows to black.
        int8: whether the UNet is computed in 8 bits in place of ``dtype``.
    """

    device: torch.device
    dtype: torch.dtype
    vae_dtype: torch.dtype
    int8: bool = False

    def describe(self) -> dict[str, str]:
        """Device and precisions as words, for records and ``iclight doctor``."""
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else self.device.type
        short = {value: key for key, value in _DTYPES.items()}
        return {"device": name, "dtype": short[self.dtype], "vae_dtype": short[self.vae_dtype]}


def choose_placement(device: str = "auto", precision: Precision = "auto") -> Placement:
    """Choose device and precision: CUDA float16, MPS float16, CPU float32, unless told otherwise.

    Args:
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        precision: ``auto``, or what the UNet and the text encoder shall run in; ``int8`` is for the UNet alone.

    Raises:
        Unsupported: the device is not there, or cannot run the precision.
    """
    chosen = _device(device)
    if precision == "int8":
        return _int8(chosen)
    own = torch.float32 if chosen.type == "cpu" else torch.float16
    dtype = own if precision == "auto" else _DTYPES[precision]
    if chosen.type == "cpu" and dtype == torch.float16:
        raise Unsupported("Precision fp16 was asked for on the CPU, which computes in fp32 (or bf16).")
    if chosen.type == "cpu" and dtype == torch.bfloat16 and not cpu_has_bf16():
        raise Unsupported("Precision bf16 was asked for, and this CPU has no bf16 instructions: use fp32.")
    return Placement(chosen, dtype, vae_dtype(dtype, chosen))


def _int8(device: torch.device) -> Placement:
    if device.type != "cpu":
        raise Unsupported(
            f"Precision int8 was asked for on {device.type}, and it is for the CPU: add --device cpu, or use fp16."
        )
    check_installed()
    return Placement(device, torch.float32, torch.float32, int8=True)


def vae_dtype(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """The autoencoder's precision beside a UNet in ``dtype``: bfloat16 for float16 where the device has it."""
    if dtype != torch.float16:
        return dtype
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    return torch.float32


def cpu_has_bf16() -> bool:
    """Whether the CPU has instructions for bfloat16 that torch uses."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def place(pipe: Any, placement: Placement) -> None:
    """Move a pipeline's models to where ``placement`` wants them, one at a time.

    On CUDA the convolutions' weights lie in the order that its half precision kernels compute in (``channels_last``);
    a CPU's UNet gains nothing by it.
    """
    order = torch.channels_last if placement.device.type == "cuda" else torch.preserve_format
    for module, dtype in (
        (pipe.text_encoder, placement.dtype),
        (pipe.unet, placement.dtype),
        (pipe.vae, placement.vae_dtype),
    ):
        # torch takes the order together with the rest, and does not say so in its types.
        torch.nn.Module.to(module, device=placement.device, dtype=dtype, memory_format=order)  # type: ignore[call-overload]


def cpu_threads() -> int:
    """Threads that torch computes with on the CPU; by their number sums are rounded."""
    return torch.get_num_threads()


@contextlib.contextmanager
def same_cpu_threads() -> Iterator[None]:
    """Leave the number of threads that torch computes with on the CPU as it was before the block."""
    count = torch.get_num_threads()
    try:
        yield
    finally:
        if torch.get_num_threads() != count:
            torch.set_num_threads(count)


def reset_peak_memory(device: torch.device) -> None:
    """Begin to measure :func:`peak_memory` anew, where the device can."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> int:
    """Largest memory in bytes: of the device since the reset on CUDA, else of this process since its start."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage on Linux: its peak is inherited from the process that started this one.
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        return int(found.group(1)) * 1024 if found is not None else 0
    # Bytes on macOS, kilobytes elsewhere.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit if resource is not None else 0


@contextlib.contextmanager
def device_errors(placement: Placement) -> Iterator[None]:
    """Turn a failing device's errors into the house's.

    Raises:
        OutOfMemory: the device's memory did not suffice.
        EngineError: the device failed.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise OutOfMemory(_out_of_memory(placement)) from error
        raise EngineError(f"The device {placement.device} failed: {str(error).splitlines()[0]}") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a lack of memory is behind an error, on a card or in the machine; a compiler wraps what it meets."""
    return any(
        isinstance(each, torch.OutOfMemoryError | MemoryError)
        or (isinstance(each, RuntimeError) and any(words in str(each) for words in _NO_MEMORY))
        for each in _chain(error)
    )


def _out_of_memory(placement: Placement) -> str:
    thrift = "" if placement.device.type == "cpu" else "a smaller --vram, "
    return (
        f"The memory of {placement.device} did not suffice: use a smaller --width, --height or --highres-scale, "
        f"fewer images at once, {thrift}or --device cpu."
    )


def let_go(error: BaseException) -> None:
    """Empty the frames that an error and its causes came through, whose tensors it would keep as long as it lives."""
    for each in _chain(error):
        traceback.clear_frames(each.__traceback__)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and its causes."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ if cause.__cause__ is not None else cause.__context__


def free_memory(device: torch.device) -> None:
    """Give back what dropped models held."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def _device(name: str) -> torch.device:
    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if has_cuda else "mps" if has_mps else "cpu")
    there = ["cpu", *(["mps"] if has_mps else []), *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in there:
        raise Unsupported(f"Device {name} was asked for, and this machine has {', '.join(there)}: use --device auto.")
    return torch.device(wanted)
