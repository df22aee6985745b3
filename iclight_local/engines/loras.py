"""The LoRAs of an engine, checked before any weight is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from iclight_local.checkpoints import component_files
from iclight_local.engines.presets import PresetName, preset_lora
from iclight_local.headers import read_header
from iclight_local.layouts.lora import LoraFile, check_lora
from iclight_local.layouts.tables import component_table
from iclight_local.store.bundles import Bundle
from iclight_local.store.hashes import file_hashes


def checked_loras(asked: Sequence[LoraFile], preset: PresetName, bundle: Bundle, home: Path) -> tuple[LoraFile, ...]:
    """The LoRAs that were asked for, and the preset's; all of them fit the bundle.

    Raises:
        WeightsError: one is missing, is no LoRA, or does not fit.
    """
    own = preset_lora(preset, home)
    loras = (*asked, *([] if own is None else [own]))
    if loras:
        shapes = _unet_shapes(bundle)
        for lora in loras:
            check_lora(lora.path, shapes, bundle.name)
    return loras


def describe_loras(loras: Sequence[LoraFile], home: Path) -> list[dict[str, Any]]:
    """Name, sha256 and scale of each, as plain JSON values for a record; no path of the machine is in it."""
    hashes = file_hashes([lora.path for lora in loras], home)
    described = []
    for lora in loras:
        facts: dict[str, Any] = {"name": lora.path.name, "sha256": hashes[lora.path], "scale": lora.scale}
        described.append(facts if lora.preset is None else {**facts, "preset": lora.preset})
    return described


def _unet_shapes(bundle: Bundle) -> dict[str, tuple[int, ...]]:
    """Shapes of the base's UNet by diffusers' names; nothing of ``.bin`` files, whose shapes are seen when loaded."""
    if bundle.base.is_file():
        header = read_header(bundle.base)
        table = component_table(header, "unet")
        return {name: source.shape for name, source in table.items()}
    shapes: dict[str, tuple[int, ...]] = {}
    for path in component_files(bundle.base / "unet"):
        if path.suffix == ".safetensors":
            shapes |= {name: info.shape for name, info in read_header(path).tensors.items()}
    return shapes
