"""Presets: values for what the user left open, with the weights and the scheduler that belong to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from iclight_local.errors import WeightsError
from iclight_local.layouts.lora import LoraFile
from iclight_local.request import RelightRequest
from iclight_local.store.manifest import load_manifest
from iclight_local.store.places import file_place

PresetName = Literal["none", "fast"]


@dataclass(frozen=True)
class Preset:
    """What a preset brings.

    Attributes:
        values: knobs that it sets where the user did not.
        lora: the manifest's entry of the LoRA that it needs.
        steps: fewest and most steps that it is made for.
    """

    values: Mapping[str, float]
    lora: str
    steps: tuple[int, int]


PRESETS: Mapping[PresetName, Preset] = {
    # Steps and guidance that LCM-LoRA's makers recommend: 4 to 8, and 1 to 2.
    "fast": Preset(values={"steps": 6, "cfg": 1.5}, lora="lcm-lora-sdv1-5", steps=(4, 8)),
}


def preset_lora(name: PresetName, home: Path) -> LoraFile | None:
    """The LoRA that a preset needs; None for ``none``.

    Raises:
        WeightsError: its file is not on this machine.
    """
    preset = PRESETS.get(name)
    if preset is None:
        return None
    entry = load_manifest().entry(preset.lora)
    path = file_place(entry, entry.files[0], home)
    if not path.is_file():
        raise WeightsError(
            f"The preset {name} needs {preset.lora}, which is not on this machine (looked for {path}): "
            f"fetch it once with `iclight weights pull {preset.lora}`."
        )
    return LoraFile(path, preset=name)


def with_preset(request: RelightRequest, name: PresetName) -> RelightRequest:
    """The request with a preset's values for the knobs that the user did not set."""
    preset = PRESETS.get(name)
    if preset is None:
        return request
    return request.model_copy(
        update={knob: value for knob, value in preset.values.items() if getattr(request, knob) is None}
    )


def preset_warnings(request: RelightRequest, name: PresetName) -> tuple[str, ...]:
    """What a user should know who set something else than a preset is made for."""
    preset = PRESETS.get(name)
    if preset is None or request.steps is None:
        return ()
    fewest, most = preset.steps
    if fewest <= request.steps <= most:
        return ()
    return (f"The preset {name} is made for {fewest} to {most} steps, and {request.steps} were asked for.",)
