"""What a weights file or a base folder holds, read from headers and configs alone: no torch, no tensor read."""

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
SCHEDULER_CONFIG = "scheduler_config.json"
COMPONENTS = ("unet", "vae", "text_encoder")
"""Folders of a base that hold weights."""
PREDICTION_TYPES = ("epsilon", "v_prediction", "sample")
"""What a UNet can be trained to predict: the noise (as the original is), the velocity, the latents."""
FP16 = ".fp16"
"""Stands in the names of a variant's files."""
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
        end = max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
        tensors = {key: _tensor(entry, 8 + length) for key, entry in entries.items()}
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
    dtype, shape = str(entry["dtype"]), tuple(int(size) for size in entry["shape"])
    width = _BYTES.get(dtype)
    right = (
        begin >= 0 and all(size >= 0 for size in shape) and (width is None or end - begin == math.prod(shape) * width)
    )
    if not right:
        raise ValueError("the header contradicts itself")
    return TensorInfo(dtype, shape, data + begin)


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


def _family(channels: int, latent_channels: int) -> str:
    if channels == 2 * latent_channels + 1:
        return " (an inpainting UNet)"
    return " (a plain UNet)" if channels == latent_channels else ""


def read_config(folder: Path) -> dict[str, Any]:
    """The ``config.json`` of a diffusers component.

    Raises:
        WeightsError: missing or not JSON.
    """
    return _read_table(folder / "config.json")


def _read_table(path: Path) -> dict[str, Any]:
    """A file that holds one JSON object."""
    try:
        table = json.loads(path.read_text())
    except FileNotFoundError:
        raise WeightsError(f"{path.parent} holds no {path.name}: a complete diffusers folder was needed.") from None
    except OSError as error:
        raise WeightsError(
            f"{path} cannot be read ({error.strerror}): a complete diffusers folder was needed."
        ) from None
    except ValueError:
        raise WeightsError(f"{path} is no valid JSON: fetch or copy it again.") from None
    if not isinstance(table, dict):
        raise WeightsError(f"{path} holds no JSON object: fetch or copy it again.")
    return table


def check_base(base: Path) -> int:
    """Check that a diffusers folder can serve as IC-Light's base, and return its latent channels.

    Raises:
        WeightsError: it is no diffusers folder, or one of another family (SDXL, SD2, inpainting).
    """
    if not (base / "model_index.json").is_file():
        raise WeightsError(f"{base} holds no model_index.json: a diffusers folder of an SD1.5 model was needed.")
    _read_table(base / "model_index.json")
    unet = read_config(base / "unet")
    latent_channels = int(read_config(base / "vae").get("latent_channels", 4))
    context = unet.get("cross_attention_dim")
    if unet.get("addition_embed_type") is not None or (base / "text_encoder_2").is_dir():
        raise WeightsError(f"{base.name} is an SDXL model, and IC-Light's offsets fit SD1.5 only.")
    in_channels = int(unet.get("in_channels", latent_channels))
    if in_channels != latent_channels:
        what = _family(in_channels, latent_channels)
        raise WeightsError(
            f"The UNet of {base.name} has {in_channels} input channels{what}: a plain SD1.5 UNet "
            f"with {latent_channels} was needed."
        )
    width = read_config(base / "text_encoder").get("hidden_size")
    if context != width:
        raise WeightsError(
            f"The UNet of {base.name} reads texts of width {context}, and its text encoder writes width {width}: "
            "both must come from one SD1.5 model."
        )
    _check_complete(base)
    return latent_channels


def prediction_type(base: Path) -> str:
    """What a base folder says that its UNet predicts; ``epsilon`` where it says nothing.

    Raises:
        WeightsError: its scheduler's config is damaged, or says something unknown.
    """
    path = base / "scheduler" / SCHEDULER_CONFIG
    return checked_prediction_type(_read_table(path) if path.is_file() else {}, str(path))


def checked_prediction_type(config: Mapping[str, Any], source: str) -> str:
    """What the UNet predicts, by a scheduler's config; ``epsilon`` where it says nothing.

    Args:
        config: the config.
        source: where it stands, for the sentence.

    Raises:
        WeightsError: the value is unknown.
    """
    found = config.get("prediction_type", "epsilon")
    if found not in PREDICTION_TYPES:
        raise WeightsError(
            f"{source} says prediction_type {found!r}, but it must be one of {', '.join(PREDICTION_TYPES)}: "
            "fetch or copy it again."
        )
    return str(found)


def component_files(folder: Path) -> list[Path]:
    """The files of weights that are loaded from a component's folder.

    Safetensors win over ``.bin``, and full weights over the ``fp16`` variant; other files that may lie there
    (``non_ema``) are not among them.

    Raises:
        WeightsError: there are none, or the index of a sharded file names one that is missing.
    """
    for variant in ("", FP16):
        for stem in ("diffusion_pytorch_model", "model", "pytorch_model"):
            for suffix in (".safetensors", ".bin"):
                index = folder / f"{stem}{suffix}.index{variant}.json"
                if index.is_file():
                    return sorted({folder / str(name) for name in _read_table(index).get("weight_map", {}).values()})
                if (folder / f"{stem}{variant}{suffix}").is_file():
                    return [folder / f"{stem}{variant}{suffix}"]
    raise WeightsError(f"{folder} holds no weights: a complete diffusers folder was needed.")


def variant_of(base: Path) -> str | None:
    """What ``variant`` diffusers has to be told to load the components of a base folder: ``fp16``, or nothing.

    Raises:
        WeightsError: a component has no weights.
    """
    only = [all(FP16 in path.name for path in component_files(base / name)) for name in COMPONENTS]
    return FP16.removeprefix(".") if any(only) else None


def _check_complete(base: Path) -> None:
    """The weights of every component are there and whole, and so are the tokenizer's words.

    Without its files transformers makes a tokenizer that knows no words, and says nothing.
    """
    for name in COMPONENTS:
        for path in component_files(base / name):
            if path.suffix == ".safetensors":
                read_header(path)
    tokenizer = base / "tokenizer"
    if (tokenizer / "vocab.json").is_file():
        _read_table(tokenizer / "vocab.json")
    words = all((tokenizer / name).is_file() for name in ("vocab.json", "merges.txt"))
    if not words and not (tokenizer / "tokenizer.json").is_file():
        raise WeightsError(f"{tokenizer} holds no vocab.json and merges.txt: a complete diffusers folder was needed.")


def check_offsets_fit(name: str, offsets: Mapping[str, tuple[int, ...]], wanted: Mapping[str, tuple[int, ...]]) -> None:
    """Check key by key that an IC-Light file fits a base.

    Args:
        name: of the file.
        offsets: shapes of its tensors, by their names in diffusers.
        wanted: shapes of the base UNet's tensors, whose ``conv_in`` has been widened to the file's.

    Raises:
        WeightsError: keys are missing or strange, or a shape differs.
    """
    missing = [key for key in wanted if key not in offsets]
    strange = [key for key in offsets if key not in wanted]
    if missing or strange:
        raise WeightsError(
            f"{name} does not fit the base: {len(missing)} of its UNet's keys are missing and "
            f"{len(strange)} are strange (like {(missing + strange)[0]}): an IC-Light file for SD1.5 was needed."
        )
    for key, shape in wanted.items():
        if offsets[key] != shape:
            raise WeightsError(
                f"{name} does not fit the base: {key} is {_sizes(offsets[key])} in the file and "
                f"{_sizes(shape)} in the base{_sd2_hint(key, shape)}; IC-Light's offsets fit SD1.5 only."
            )


def _sizes(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _sd2_hint(key: str, shape: tuple[int, ...]) -> str:
    return " (an SD2 model)" if key.endswith("attn2.to_k.weight") and shape[-1] == 1024 else ""
