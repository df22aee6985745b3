"""Reading tensors from files one at a time, and filling models with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from accelerate import init_empty_weights
from accelerate.utils import set_module_tensor_to_device
from safetensors import safe_open

from iclight_local.errors import WeightsError
from iclight_local.headers import read_header
from iclight_local.layouts.tables import Part, component_table

KEPT_MAPPED = 64_000_000
"""Bytes read from a mapped file before it is opened anew: pages that were read count as used until then."""


@dataclass(frozen=True)
class Stored:
    """Where a tensor lies.

    Attributes:
        path: a safetensors file, or a PyTorch file (``.bin``).
        key: its name there.
        shape: the shape it gets; its values stay in their order.
    """

    path: Path
    key: str
    shape: tuple[int, ...]


class Reader:
    """Reads tensors from any number of files; to be used in a ``with`` block."""

    def __init__(self) -> None:
        self._open: dict[Path, Any] = {}
        self._read: dict[Path, int] = {}
        self._pickled: dict[Path, dict[str, torch.Tensor]] = {}

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for path in list(self._open):
            self._close(path)

    def read(self, stored: Stored) -> torch.Tensor:
        """A tensor as it is stored; it may be a view of the mapped file, so copy what is kept."""
        path = stored.path
        if path.suffix == ".bin":
            if path not in self._pickled:
                self._pickled[path] = pickled(path)
            return self._pickled[path][stored.key].reshape(stored.shape)
        if path not in self._open:
            handle: Any = safe_open(path, framework="pt")
            self._open[path], self._read[path] = handle.__enter__(), 0
        value: torch.Tensor = self._open[path].get_tensor(stored.key)
        self._read[path] += value.nbytes
        if self._read[path] > KEPT_MAPPED:
            self._close(path)
        return value.reshape(stored.shape)

    def _close(self, path: Path) -> None:
        self._open.pop(path).__exit__(None, None, None)


def pickled(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a PyTorch file, mapped; nothing but tensors is ever unpickled.

    Raises:
        pickle.UnpicklingError: it holds something else.
    """
    state: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    return state


def stored_part(path: Path, part: Part, wrapper: str = "") -> dict[str, Stored]:
    """Where the tensors of a component lie in a safetensors file of any layout, by their names in diffusers.

    Raises:
        WeightsError: the file holds no such component.
    """
    table = component_table(read_header(path), part, wrapper)
    return {name: Stored(path, source.key, source.shape) for name, source in table.items()}


def stored_files(paths: list[Path]) -> dict[str, Stored]:
    """Where the tensors of a component's files (one, or several shards) lie."""
    found: dict[str, Stored] = {}
    for path in paths:
        if path.suffix == ".bin":
            found |= {key: Stored(path, key, tuple(value.shape)) for key, value in pickled(path).items()}
        else:
            found |= {key: Stored(path, key, info.shape) for key, info in read_header(path).tensors.items()}
    return found


def skeleton(build: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    """Build a model without memory for its weights."""
    with init_empty_weights(include_buffers=False):
        return build()


def weight_shapes(model: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    """The shape of each weight of a model, by its name."""
    return {name: tuple(value.shape) for name, value in model.named_parameters()}


def check_complete(found: Mapping[str, tuple[int, ...]], wanted: Mapping[str, tuple[int, ...]], what: str) -> None:
    """Check that every weight is there and of the right shape.

    Args:
        found: shapes of the weights at hand.
        wanted: shapes that the model has room for.
        what: the weights in words, for the sentence.

    Raises:
        WeightsError: one is not.
    """
    missing = [name for name in wanted if name not in found]
    if missing:
        raise WeightsError(f"{what} lacks {len(missing)} tensors, like {missing[0]}: fetch or copy it again.")
    for name, shape in wanted.items():
        if found[name] != shape:
            has, needs = ("x".join(map(str, sizes)) for sizes in (found[name], shape))
            raise WeightsError(f"{what} has {name} as {has}, and its config asks for {needs}: fetch or copy it again.")


def fill(model: torch.nn.Module, read: Callable[[str], torch.Tensor], dtype: torch.dtype) -> None:
    """Give each weight of a skeleton its value in its final precision, one after another, and set it to evaluation.

    Args:
        model: of `skeleton`.
        read: the value of a weight by its name.
        dtype: precision of the weights.
    """
    for name in weight_shapes(model):
        # A copy: what is kept must not be a view of a mapped file.
        value = read(name).to(dtype, copy=True)
        set_module_tensor_to_device(model, name, "cpu", value=value, dtype=dtype)
    model.eval()
