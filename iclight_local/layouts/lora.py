"""LoRA files: how they are asked for, and whether they fit a UNet, told from headers alone."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from iclight_local.errors import WeightsError
from iclight_local.families import OTHERS_BY_TEXTS
from iclight_local.headers import read_header
from iclight_local.layouts.identify import identify

if TYPE_CHECKING:
    from iclight_local.headers import Header

MAX_SCALE = 4.0
ACCEPTS = f"FILE.safetensors or FILE.safetensors:SCALE with a scale from -{MAX_SCALE:g} to {MAX_SCALE:g}"
SEPARATOR = ";"
"""Between the files in an environment variable."""
_MATRIX = re.compile(r"[._](?:processor[._])?(?:to_(q|k|v|out)_lora|lora(?:[._]linear_layer)?)[._](down|up|A|B)"
                     r"(?:[._]default)?\.weight$")  # fmt: skip
_TEXT = re.compile(r"^(lora_te\d?_|text_encoder(_\d)?[._])")
_SECOND_TEXT = re.compile(r"^(lora_te2_|text_encoder_2[._])")
_UNET = re.compile(r"^(lora_unet_|unet[._])")


@dataclass(frozen=True)
class LoraFile:
    """A LoRA that is laid on top of the weights.

    Attributes:
        path: a safetensors file.
        scale: how strongly it works, -4..4; 1 is as trained, 0 not at all.
        preset: the preset that brought it; None where it was asked for by name.
    """

    path: Path
    scale: float = 1.0
    preset: str | None = None


def parse_lora(text: str) -> LoraFile:
    """Read ``PATH`` or ``PATH:SCALE``.

    Raises:
        ValueError: the scale is no number, or out of its range, or there is no path.
    """
    head, colon, tail = text.rpartition(":")
    # A single letter before the colon is a drive of Windows.
    if not colon or len(head) == 1 or "/" in tail or "\\" in tail:
        head, tail = text, "1"
    scale = float(tail)
    if not head.strip() or not math.isfinite(scale) or abs(scale) > MAX_SCALE:
        raise ValueError(text)
    return LoraFile(Path(head).expanduser(), scale)


def check_lora(path: Path, unet: Mapping[str, tuple[int, ...]], base: str) -> None:
    """Check that a file is a LoRA and fits a UNet.

    Args:
        path: the file.
        unet: shapes of the UNet's tensors by their names in diffusers; empty where they are not known.
        base: what the weights are called, for the sentence.

    Raises:
        WeightsError: missing, damaged, no LoRA, one of another form or for another family.
    """
    header = read_header(path)
    found = identify(header)
    if found.kind != "lora":
        raise WeightsError(f"{found.name} is {found.what}, and a LoRA for SD1.5 was needed: --lora takes LoRA files.")
    matrices = dict(_matrices(header))
    if not matrices:
        raise WeightsError(
            f"{found.name} is a LoRA of another form (LoHa or LoKr, say), and one of plain matrices "
            "(lora_down and lora_up) was needed."
        )
    family = _family(header, matrices)
    if family is not None:
        raise WeightsError(f"{found.name} is a LoRA for {family}, and one for SD1.5 was needed.")
    if unet:
        _check_shapes(
            found.name, matrices, {_flat(key.removesuffix(".weight")): shape for key, shape in unet.items()}, base
        )


def _matrices(header: Header) -> Iterator[tuple[tuple[str, str], int]]:
    """The width on the layer's side of each matrix, by the layer's flat name and ``down`` or ``up``."""
    for key, info in header.tensors.items():
        match = _MATRIX.search(key)
        if match is None or len(info.shape) < 2:
            continue
        layer = key[: match.start()] + (f".to_{match[1]}" if match[1] is not None else "")
        side = "down" if match[2] in ("down", "A") else "up"
        yield (_flat(layer), side), info.shape[1] if side == "down" else info.shape[0]


def _flat(name: str) -> str:
    """A layer's name without the prefix of the UNet and with one kind of separator, as half of all files have it."""
    flat = _UNET.sub("", name).replace(".", "_")
    # The last layer of attention is a list in diffusers, and older files leave its number out.
    return re.sub(r"_to_out$", "_to_out_0", flat)


def _family(header: Header, matrices: Mapping[tuple[str, str], int]) -> str | None:
    """The family a LoRA is for where that is not SD1.5, by the texts it knows of."""
    if any(_SECOND_TEXT.match(key) for key in header.tensors):
        return "SDXL"
    for (layer, side), width in matrices.items():
        if side == "down" and layer.endswith(("attn2_to_k", "attn2_to_v")) and width in OTHERS_BY_TEXTS:
            return OTHERS_BY_TEXTS[width].name
    return None


def _check_shapes(
    name: str, matrices: Mapping[tuple[str, str], int], unet: Mapping[str, tuple[int, ...]], base: str
) -> None:
    in_unet = {key: width for key, width in matrices.items() if not _TEXT.match(key[0])}
    for (layer, side), width in in_unet.items():
        shape = unet.get(layer)
        if shape is None:
            raise WeightsError(f"{name} does not fit the weights {base}: their UNet has no layer {layer}.")
        wanted = shape[1] if side == "down" else shape[0]
        if width != wanted:
            end = "input" if side == "down" else "output"
            raise WeightsError(
                f"{name} does not fit the weights {base}: the {end} of {layer} is {width} wide in the file and "
                f"{wanted} in the weights."
            )
