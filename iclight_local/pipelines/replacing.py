"""Which layers of a model others may take the place of: those whose weights nobody else reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch


def kept_layers(model: torch.nn.Module) -> set[torch.nn.Module]:
    """The layers whose weights others read as they are.

    These are the matrices of a LoRA, which peft looks at in every call. The layer below them is only called, but for a
    form like DoRA, which computes with that layer's weights.
    """
    kept: set[torch.nn.Module] = set()
    for module in model.modules():
        below = getattr(module, "base_layer", None)
        if isinstance(below, torch.nn.Module):
            kept |= {*module.modules()} - {module}
            # What peft calls variants; a plain LoRA has none, and what is no LoRA has no such table.
            if not getattr(module, "lora_variant", True):
                kept -= {*below.modules()}
    return kept


def replaceable(model: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Module, str, Any]]:
    """The layers that another module may stand in for: path of the parent, the parent, the layer's name, the layer."""
    kept = kept_layers(model)
    for path, parent in model.named_modules():
        for name, layer in parent.named_children():
            if layer not in kept:
                yield path, parent, name, layer
