"""Fields of the page for the declared knobs: none is declared here again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import gradio as gr

from iclight_local.fields import KnobField, knob_fields
from iclight_local.light import parse_lights
from iclight_local.request import RelightRequest
from iclight_local.sentences import constraint

KNOBS: Mapping[str, KnobField] = {field.name: field for field in knob_fields(RelightRequest)}
PICTURES = tuple(name for name, field in KNOBS.items() if field.type is object)
KEEPING = (
    *("fit", "keep", "light_strength", "background_mode", "background_strength", "background_colour"),
    *("contact_shadow", "exposure", "exposure_compensation"),
)
SIZE = ("width", "height", "highres_scale", "number_of_images", "seed", "output_format", "output_quality")
ELSEWHERE = (*PICTURES, "prompt", "light", "light_source")
"""Knobs that have a place of their own; the words of ``light_source`` are among those of ``light``."""
ADVANCED = tuple(name for name in KNOBS if name not in (*KEEPING, *SIZE, *ELSEWHERE))
"""All others: what is declared anew stands here by itself."""
_RGBA = re.compile(r"rgba?\(([\d.]+), *([\d.]+), *([\d.]+)(?:, *[\d.]+)?\)")
_EXACT = 2**53
"""Whole numbers above it are not exact in a browser."""


def component(name: str, value: Any = None) -> gr.components.Component:
    """A field for a knob.

    Args:
        name: of the knob.
        value: what it begins with; None: the declared default.
    """
    field, declared = KNOBS[name], RelightRequest.model_fields[name]
    start = declared.default if value is None else value
    label, info = name.replace("_", " "), field.description
    if field.type is bool:
        return gr.Checkbox(bool(start), label=label, info=info)
    if field.choices:
        unset = [(f"default: {field.default}", "")] if declared.default is None else []
        choices = [*unset, *((choice, choice) for choice in field.choices)]
        return gr.Dropdown(choices, value="" if start is None else start, label=label, info=info)
    if name.endswith("_colour"):
        return gr.ColorPicker(start, label=label, info=info)
    if field.type is str:
        return gr.Textbox("" if start is None else start, label=label, info=info)
    if _typed(name):
        return gr.Textbox("" if start is None else str(start), label=label, info=info, placeholder=field.default)
    low, high, step = (constraint(declared, key) for key in ("ge", "le", "multiple_of"))
    usual = 1 if field.type is int else 0.05
    return gr.Slider(low, high, start, step=usual if step is None else step, label=label, info=info)


def _typed(name: str) -> bool:
    """Whether a number is written as text: a large one, or one that may be left open, of which gr.Number makes 0."""
    field, declared = KNOBS[name], RelightRequest.model_fields[name]
    if field.type not in (int, float):
        return False
    return declared.default is None or constraint(declared, "le") > _EXACT


def given(names: Iterable[str], values: Iterable[Any]) -> dict[str, Any]:
    """What the fields ask for beside the defaults, by name."""
    found = {}
    for name, value in zip(names, values, strict=True):
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        if KNOBS[name].type is str and (drawn := _RGBA.fullmatch(str(value))):
            # As a browser's colour picker says it.
            value = "#" + "".join(f"{min(255, round(float(level))):02x}" for level in drawn.groups())
        if value != RelightRequest.model_fields[name].default:
            found[name] = _number(name, value) if _typed(name) else value
    return found


def _number(name: str, text: str) -> Any:
    """A number that was written; what is none is left, and refused with its sentence by whoever checks all knobs."""
    try:
        return KNOBS[name].type(text)
    except ValueError:
        return text


def restored(names: Iterable[str], knobs: Mapping[str, Any]) -> list[Any]:
    """Values of the fields as a result's record has them; what it does not name has its default.

    Args:
        names: of the fields.
        knobs: the executed request of the record.
    """
    source = knobs.get("light_source", "none")
    light = knobs.get("light") if knobs.get("light") is not None else "" if source == "none" else source
    if isinstance(light, str) and light:
        parse_lights(light)
    known = {**knobs, "light": light}
    return [_shown(name, known.get(name, RelightRequest.model_fields[name].default)) for name in names]


def _shown(name: str, value: Any) -> Any:
    if value is None:
        return ""
    return str(value) if _typed(name) else value
