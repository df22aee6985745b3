"""3 x 3 convolutions on the CPU with a quarter of the multiplications: Winograd's F(4x4, 3x3).

Each tile of 4 x 4 pixels takes 36 multiplications for every pair of channels, in place of 144; these are 36 matrix
products, which run at the speed of any matrix product. The result is that of the plain convolution but for rounding:
about 1e-5 of the largest value in float32, where the plain one has 3e-7.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from iclight_local.pipelines.placement import same_cpu_threads
from iclight_local.pipelines.replacing import replaceable

with same_cpu_threads():
    # Importing numba may set the number of threads that torch computes with.
    from iclight_local.pipelines.winograd_kernels import TILE, from_tiles, into_tiles

FLOATS_AT_ONCE = 6_000_000
"""Numbers of transformed tiles at once, 24 MB: they should still be in the cache when they are multiplied."""
FEWEST_TILES = 256
"""Tiles at once at least: with fewer, reading the weights would take longer than multiplying."""
FEWEST_CHANNELS = 64
"""With fewer channels the transforms would take longer than the products they save."""
_INPUTS_AT_ONCE = 128
_G = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24


class WinogradConv2d(torch.nn.Module):
    """What takes a convolution's place: 3 x 3, stride 1, padded by 1, float32, on the CPU, for inference alone.

    Args:
        conv: the convolution; its weights are not kept.
    """

    weight: torch.Tensor
    bias: torch.Tensor

    def __init__(self, conv: torch.nn.Conv2d) -> None:
        super().__init__()
        self.in_channels, self.out_channels = conv.in_channels, conv.out_channels
        self.register_buffer("weight", transformed(conv.weight), persistent=False)
        bias = torch.zeros(conv.out_channels) if conv.bias is None else conv.bias.detach().clone()
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Convolve ``n x C x H x W``; channels lie side by side in the result."""
        seen = picture.permute(0, 2, 3, 1).contiguous()
        count, height, width, _ = seen.shape
        result = torch.empty(count, height, width, self.out_channels)
        tiles = count * -(-height // TILE) * -(-width // TILE)
        at_once = min(tiles, max(FEWEST_TILES, FLOATS_AT_ONCE // (36 * self.in_channels)))
        with _SCRATCH.taken(36 * at_once * (self.in_channels + self.out_channels)) as scratch:
            for first in range(0, tiles, at_once):
                self._convolve(seen, result, scratch, first, min(first + at_once, tiles))
        return result.permute(0, 3, 1, 2)

    def _convolve(self, seen: torch.Tensor, result: torch.Tensor, scratch: torch.Tensor, first: int, last: int) -> None:
        """Convolve the tiles ``first`` to ``last - 1``."""
        count = last - first
        split = 36 * count * self.in_channels
        before = scratch[:split].view(36, count, self.in_channels)
        after = scratch[split : split + 36 * count * self.out_channels].view(36, count, self.out_channels)
        source, given, made = seen.numpy(), before.numpy(), after.numpy()
        target, bias = result.numpy(), self.bias.numpy()
        in_parts(first, last, lambda begin, end: into_tiles(source, given, begin, end, begin - first))
        torch.bmm(before, self.weight, out=after)
        in_parts(first, last, lambda begin, end: from_tiles(made, bias, target, begin, end, begin - first))


def transformed(weight: torch.Tensor) -> torch.Tensor:
    """A convolution's weights, ``out x in x 3 x 3``, as Winograd's, ``36 x in x out``: ``G g G^T``; 4 times as many."""
    outputs, inputs, _, _ = weight.shape
    both = torch.from_numpy(np.kron(_G, _G))
    found = torch.empty(36, inputs, outputs)
    # Not all at once: in double precision it is twice as large.
    for first in range(0, inputs, _INPUTS_AT_ONCE):
        part = weight[:, first : first + _INPUTS_AT_ONCE].detach().double().permute(2, 3, 1, 0)
        found[:, first : first + _INPUTS_AT_ONCE] = (both @ part.reshape(9, -1)).view(36, -1, outputs)
    return found


def fits(module: torch.nn.Module) -> bool:
    """Whether a module is a convolution that :class:`WinogradConv2d` can stand in for, and that gains by it."""
    return (
        type(module) is torch.nn.Conv2d
        and module.kernel_size == (3, 3)
        and module.stride == module.dilation == (1, 1)
        and module.padding == (1, 1)
        and module.padding_mode == "zeros"
        and module.groups == 1
        and min(module.in_channels, module.out_channels) >= FEWEST_CHANNELS
        and module.weight.dtype == torch.float32
    )


def in_parts(first: int, last: int, work: Callable[[int, int], None]) -> None:
    """Do ``work(begin, end)`` for a range, on as many cores as torch uses."""
    threads = torch.get_num_threads()
    bounds = [first + (last - first) * part // threads for part in range(threads + 1)]
    parts = list(pairwise(bounds))
    others: list[Future[None]] = []
    try:
        for part in parts[1:]:
            others.append(_pool(threads - 1).submit(work, *part))
        work(*parts[0])
    finally:
        # Whatever failed, the rest still writes into memory that would be given to somebody else.
        wait(others)
    for each in others:
        each.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="winograd")


class _Scratch:
    """Memory that is used again and again: to get new pages from the system each time takes a fifth of the whole."""

    def __init__(self) -> None:
        self._free: list[torch.Tensor] = []
        self._lock = threading.Lock()

    @contextmanager
    def taken(self, floats: int) -> Iterator[torch.Tensor]:
        """So many float32 numbers, of any value."""
        with self._lock:
            found = self._free.pop() if self._free else torch.empty(0)
        if found.numel() < floats:
            found = torch.empty(floats)
        try:
            yield found
        finally:
            with self._lock:
                self._free.append(found)


_SCRATCH = _Scratch()


def works() -> bool:
    """Whether it computes here what a plain convolution does; compiles it, too, which takes seconds the first time.

    Raises:
        Exception: whatever a compiler meets on a machine that it was not made for.
    """
    source = torch.Generator().manual_seed(0)
    conv = torch.nn.Conv2d(FEWEST_CHANNELS, FEWEST_CHANNELS, 3, padding=1)
    with torch.no_grad():
        for values in conv.parameters():
            values.copy_(torch.randn(values.shape, generator=source))
        picture = torch.randn(1, FEWEST_CHANNELS, 11, 13, generator=source)
        expected = conv(picture)
        return bool((WinogradConv2d(conv)(picture) - expected).abs().max() < 1e-4 * expected.abs().max())


def put_in(model: Any, budget: int) -> int:
    """Put :class:`WinogradConv2d` in the place of a model's convolutions.

    Those that see the most pixels go first: they gain most for the memory they take.

    Args:
        model: a UNet or an autoencoder of diffusers on the CPU; it is changed.
        budget: bytes that its weights may grow by.

    Returns:
        How many were put in.
    """
    found = [
        (_halvings(f"{path}.{name}", model), conv.weight.numel(), parent, name, conv)
        for path, parent, name, conv in replaceable(model)
        if fits(conv)
    ]
    found.sort(key=lambda each: each[:2])
    done = 0
    for _, _, parent, name, conv in found:
        budget -= 3 * conv.weight.numel() * 4
        if budget < 0:
            break
        setattr(parent, name, WinogradConv2d(conv))
        done += 1
    return done


def _halvings(path: str, model: Any) -> int:
    """How often the picture was halved before it comes to a layer; ``path``: its name in the model."""
    last = len(model.config.block_out_channels) - 1
    block = re.search(r"(down|up)_blocks\.(\d+)", path)
    if block is None:
        return last if "mid_block" in path else 0
    number = int(block.group(2))
    if block.group(1) == "down":
        return number
    return last - number - ("upsamplers" in path)
