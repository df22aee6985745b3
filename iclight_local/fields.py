"""The one reader of the declarations in :mod:`iclight_local.request`, for command line, schemas and docs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from iclight_local.sentences import constraint, expectation, kind


@dataclass(frozen=True)
class KnobField:
    """One declared parameter, as an edge needs it.

    Attributes:
        name: the house name, ``highres_scale``.
        flag: its command line option, ``--highres-scale``.
        type: ``str``, ``int``, ``float``, ``bool``, or ``object`` for a picture.
        choices: the words it takes; empty when it is not a choice.
        default: the default in words, ``25 (fc, fcon), 20 (fbc)``.
        accepts: what it accepts in words, ``a number from 1 to 32``.
        range: the accepted values in short, ``1..32``; empty for texts and pictures.
        description: one or two sentences.
        required: whether a request cannot do without it.
        many: whether it may be given several times.
    """

    name: str
    flag: str
    type: type
    choices: tuple[str, ...]
    default: str
    accepts: str
    range: str
    description: str
    required: bool
    many: bool = False


def knob_fields(model: type[BaseModel]) -> Iterator[KnobField]:
    """Every parameter that ``model`` declares, pictures first, in the order of their declaration."""
    names = sorted(model.model_fields, key=lambda name: kind(model.model_fields[name])[0] is not object)
    for name in names:
        field = model.model_fields[name]
        plain, choices = kind(field)
        yield KnobField(
            name=name,
            flag=option_of(name),
            type=plain,
            choices=choices,
            default=_default(field.default, field.json_schema_extra),
            accepts=expectation(field),
            range=_range(plain, choices, field),
            description=field.description if field.description is not None else "",
            required=field.is_required(),
            many=get_origin(field.annotation) is tuple,
        )


def option_of(name: str) -> str:
    """The command line option of a parameter: ``--light-source`` of ``light_source``."""
    return "--" + name.replace("_", "-")


def option_words(name: str, value: object) -> list[str]:
    """A parameter as it is written on a command line."""
    flag, text = option_of(name), str(value)
    # What begins with a dash would be taken for an option.
    return [flag] if value is True else [f"{flag}={text}"] if text.startswith("-") else [flag, text]


def markdown_table(fields: Iterable[KnobField]) -> str:
    """The parameters as a Markdown table, as it stands in the README."""
    lines = ["| name | default | values | what it does |", "|---|---|---|---|"]
    for field in fields:
        default = "required" if field.required else field.default
        values = field.range if field.range else ("picture" if field.type is object else field.accepts)
        lines.append(f"| `{field.name}` | {default} | {values} | {field.description} |")
    return "\n".join(lines) + "\n"


def _default(value: Any, extra: Any) -> str:
    if isinstance(extra, dict) and "default_text" in extra:
        return str(extra["default_text"])
    if isinstance(extra, dict) and "by_model" in extra:
        table = extra["by_model"]
        return f"{table['fc']:g} (fc, fcon), {table['fbc']:g} (fbc)"
    if value is PydanticUndefined:
        return "required"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value) if value != "" else "empty"


def _range(plain: type, choices: tuple[str, ...], field: Any) -> str:
    if choices:
        return " ".join(choices)
    if plain is bool:
        return "on off"
    if plain not in (int, float):
        return ""
    low, high, step = (constraint(field, key) for key in ("ge", "le", "multiple_of"))
    shown = f"{low:.7g}..{high:.7g}" if high <= 1e6 else "0..2^63-1"
    return shown if step is None else f"{shown}, multiples of {step}"
