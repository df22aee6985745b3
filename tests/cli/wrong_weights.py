"""Files that are no weights of IC-Light or of a base, made on the spot."""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import pickle
import random
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from iclight_local.headers import TensorInfo
from tests.cli.commands import BUNDLE
from tests.layouts.test_identify import BASE, KINDS, stored

Tensors = Mapping[str, TensorInfo]
GOOD = BUNDLE / "iclight_sd15_fc.safetensors"
SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "I8": 1, "I64": 8}
LORA, SDXL = KINDS["lora-kohya"][0], KINDS["sdxl"][0]


class Payload:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def header(tensors: Tensors) -> tuple[bytes, int]:
    """The header of a safetensors file, and the bytes of its values."""
    table, end = {}, 0
    for key, info in tensors.items():
        begin, end = end, end + math.prod(info.shape) * SIZES[info.dtype]
        table[key] = {"dtype": info.dtype, "shape": list(info.shape), "data_offsets": [begin, end]}
    body = json.dumps(table).encode()
    return struct.pack("<Q", len(body)) + body, end


def zeros(tensors: Tensors) -> bytes:
    """A whole file, all of its values zero."""
    start, length = header(tensors)
    return start + bytes(length)


def noise(tensors: Tensors) -> bytes:
    """The right header, and random bytes behind it."""
    start, length = header(tensors)
    return start + random.Random(0).randbytes(length)


def zip_of(*members: tuple[str, bytes]) -> bytes:
    """A zip archive, as PyTorch's files are."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def altered(**entry: Any) -> bytes:
    """A header with one odd entry, and values as long as they should be."""
    tensor = {"dtype": "F16", "shape": [2, 2], "data_offsets": [0, 8], **entry}
    body = json.dumps({"conv_in.weight": tensor}).encode()
    return struct.pack("<Q", len(body)) + body + bytes(64)


def without(tensors: Tensors, part: str) -> Tensors:
    """All tensors whose names do not hold a text."""
    return {key: info for key, info in tensors.items() if part not in key}


Make = Callable[[Path], bytes]
"""The content of a file; the path is that of a mark which code from the file would leave."""
WHOLE = GOOD.read_bytes()
BROKEN: dict[str, Make] = {
    "empty": lambda mark: b"",
    "seven bytes": lambda mark: b"1234567",
    "an error page": lambda mark: b"<!DOCTYPE html><html><body>404: Not Found</body></html>",
    "a pointer of git-lfs": lambda mark: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1719144\n",
    "random bytes": lambda mark: random.Random(1).randbytes(4096),
    "header of 2^60 bytes": lambda mark: struct.pack("<Q", 2**60) + b"{}",
    "header of 2^63 bytes": lambda mark: struct.pack("<Q", 2**63) + b"{}",
    "header longer than the file": lambda mark: struct.pack("<Q", 5000) + b"{" + bytes(100),
    "header of nothing": lambda mark: struct.pack("<Q", 0) + b"{}",
    "no JSON": lambda mark: struct.pack("<Q", 8) + b'{"a": [[' + bytes(8),
    "JSON that nests too deep": lambda mark: struct.pack("<Q", 200_000) + b'{"a":' + b"[" * 199_995,
    "a list": lambda mark: struct.pack("<Q", 8) + b"[1,2,3] " + bytes(8),
    "no entries": lambda mark: struct.pack("<Q", 8) + b'{"a":1} ' + bytes(8),
    "values before the data": lambda mark: altered(data_offsets=[-8, 0]),
    "values that end before they begin": lambda mark: altered(data_offsets=[8, 0]),
    "values that do not fill the shape": lambda mark: altered(shape=[2, 3]),
    "a shape below nothing": lambda mark: altered(shape=[-2, -2]),
    "a shape without end": lambda mark: altered(shape=[math.inf, 2]),
    "offsets that are no whole numbers": lambda mark: altered(data_offsets=[0.0, 8.0]),
    "a shape of words": lambda mark: altered(shape=["two", 2]),
    "truncated in the header": lambda mark: WHOLE[:1000],
    "truncated at the values": lambda mark: WHOLE[: 8 + struct.unpack("<Q", WHOLE[:8])[0]],
    "truncated in the middle": lambda mark: WHOLE[: len(WHOLE) // 2],
    "truncated by a byte": lambda mark: WHOLE[:-1],
    "a pickle": lambda mark: pickle.dumps(Payload(mark)),
    "an old pickle": lambda mark: pickle.dumps(Payload(mark), protocol=0),
    "PyTorch's zip with a pickle": lambda mark: zip_of(("archive/data.pkl", pickle.dumps(Payload(mark)))),
    "a zip bomb": lambda mark: zip_of(*((f"archive/data/{i}", bytes(30_000_000)) for i in range(3))),
    "a gzip bomb": lambda mark: gzip.compress(bytes(50_000_000)),
    "a picture": lambda mark: (BUNDLE.parent / "inputs" / "subject.png").read_bytes(),
    "GGUF": lambda mark: b"GGUF" + struct.pack("<IQQ", 3, 0, 0) + bytes(64),
    "ONNX": lambda mark: b"\x08\x08\x12\x07pytorch" + bytes(64),
    "whole numbers": lambda mark: zeros(stored(KINDS["fc"][0], "I8")),
}
"""Wrong wherever they lie."""
NOT_ICLIGHT: dict[str, Make] = {
    "doubles": lambda mark: zeros(stored(KINDS["fc"][0], "F64")),
    "eight bits": lambda mark: zeros(stored(KINDS["fc"][0], "F8_E4M3")),
    "random values under a right header": lambda mark: noise(KINDS["fc"][0]),
    "fbc where fc was asked for": lambda mark: zeros(KINDS["fbc"][0]),
    "half of the UNet": lambda mark: zeros(dict(list(KINDS["fc"][0].items())[::2])),
    "a UNet without its middle": lambda mark: zeros(without(KINDS["fc"][0], "mid_block")),
    **{
        name: lambda mark, name=name: zeros(KINDS[name][0])
        for name in KINDS
        if not name.startswith(("fc", "merged", "fbc", "base"))
    },
}
"""Wrong in the place of IC-Light's file."""
GOOD_BASES = ("base", "base-with-lora", "base-with-a-schedule")
NOT_BASES: dict[str, Make] = {
    "random values under a right header": lambda mark: noise(BASE),
    "without its last block": lambda mark: zeros(without(BASE, "output_blocks.5.")),
    "without a text encoder": lambda mark: zeros(without(BASE, "cond_stage_model")),
    "half of a text encoder": lambda mark: zeros(without(BASE, "mlp.fc1")),
    "eight bits": lambda mark: zeros(stored(BASE, "F8_E4M3")),
    **{name: lambda mark, name=name: zeros(KINDS[name][0]) for name in KINDS if name not in GOOD_BASES},
}
"""Wrong in the place of a single-file base."""
