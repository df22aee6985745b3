"""The table of contents of a safetensors file, read without torch and without its tensors."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iclight_local.errors import WeightsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_HEADER_BYTES = 100_000_000
"""Largest header the safetensors format allows."""
LONGEST_SHOWN = 80
"""Letters of a foreign text that a sentence shows."""
_PICKLE_STARTS = (b"PK", b"\x80")
_FLOATS = {"F16": "<f2", "BF16": "<u2", "F32": "<f4"}
_BYTES = {"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2,
          "I8": 1, "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1}  # fmt: skip


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a file.

    Attributes:
        dtype: the format's name, ``F16``.
        shape: sizes of its axes.
        begin: bytes of the file before its values.
    """

    dtype: str
    shape: tuple[int, ...]
    begin: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Header:
    """The table of contents of a safetensors file.

    Attributes:
        path: the file.
        tensors: what it holds, by key.
    """

    path: Path
    tensors: Mapping[str, TensorInfo]


def read_header(path: Path) -> Header:
    """Read the header of a safetensors file and check that the file is as long as it promises.

    Raises:
        WeightsError: missing, empty, truncated, a pickle, or no safetensors file at all.
    """
    if not path.is_file():
        raise WeightsError(f"{path} is not there, and a safetensors file was needed.")
    size = path.stat().st_size
    with path.open("rb") as file:
        start, brace = file.read(8), file.read(1)
        # A header's length may begin with these bytes too, but then its JSON follows.
        if start.startswith(_PICKLE_STARTS) and brace != b"{":
            raise WeightsError(
                f"{path.name} is a pickle, which can run code while it is read: a safetensors file was needed."
            )
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else MAX_HEADER_BYTES
        if length >= MAX_HEADER_BYTES or not 0 < length <= size - 8:
            raise WeightsError(f"{path.name} ({size} bytes) is no complete safetensors file: fetch or copy it again.")
        body = brace + file.read(length - 1)
    try:
        table = json.loads(body)
        entries = {key: entry for key, entry in table.items() if key != "__metadata__"}
        tensors = {key: _tensor(entry, 8 + length) for key, entry in entries.items()}
        end = max((entry["data_offsets"][1] for entry in entries.values()), default=0)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise WeightsError(f"{path.name} has a damaged header: fetch or copy it again.") from None
    if size < 8 + length + end:
        raise WeightsError(f"{path.name} is truncated ({size} of {8 + length + end} bytes): fetch or copy it again.")
    return Header(path, tensors)


def _tensor(entry: Mapping[str, Any], data: int) -> TensorInfo:
    """A tensor's entry in a header; ``data`` is where the values begin in the file.

    Raises:
        ValueError: it is as long as no tensor of its shape.
    """
    begin, end = entry["data_offsets"]
    dtype, shape = str(entry["dtype"]), tuple(entry["shape"])
    width = _BYTES.get(dtype)
    whole = all(type(number) is int and number >= 0 for number in (begin, end, *shape))
    if not whole or (width is not None and end - begin != math.prod(shape) * width):
        raise ValueError("the header contradicts itself")
    return TensorInfo(dtype, shape, data + begin)


def shown(text: str) -> str:
    """A text of a foreign file as a sentence can show it: in one line, without control characters, not too long."""
    plain = text if text.isprintable() and text else repr(text)
    return plain if len(plain) <= LONGEST_SHOWN else plain[:LONGEST_SHOWN] + "…"


def read_values(header: Header, keys: Iterable[str]) -> NDArray[np.float32]:
    """The values of some tensors behind one another, without torch.

    Args:
        header: of the file.
        keys: tensors stored in fp16, bf16 or fp32; others are left out.
    """
    found = []
    with header.path.open("rb") as file:
        for key in keys:
            info = header.tensors[key]
            if info.dtype not in _FLOATS:
                continue
            file.seek(info.begin)
            stored = np.frombuffer(file.read(math.prod(info.shape) * _BYTES[info.dtype]), _FLOATS[info.dtype])
            # bfloat16 is the upper half of float32.
            bits = info.dtype == "BF16"
            found.append((stored.astype("<u4") << 16).view("<f4") if bits else stored.astype(np.float32))
    return np.concatenate([np.zeros(0, np.float32), *found])


def parameters(header: Header) -> int:
    """Number of values a file holds."""
    return sum(math.prod(tensor.shape) for tensor in header.tensors.values())


def stored_bytes(header: Header) -> int:
    """Bytes of tensor data a file holds."""
    return sum(math.prod(t.shape) * _BYTES.get(t.dtype, 1) for t in header.tensors.values())
