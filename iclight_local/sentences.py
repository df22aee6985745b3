"""What a declared field accepts, and what is wrong with a value, in the house's words."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from iclight_local.errors import InvalidRequest

MAX_SEED = 2**63 - 1
"""Largest seed; ``torch.Generator.manual_seed`` takes signed 64-bit numbers."""


def refusal(cls: type[BaseModel], error: ValidationError) -> str:
    """All faults that were found in the values for ``cls``, as sentences with what is needed."""
    for fault in error.errors():
        cause = fault.get("ctx", {}).get("error")
        if isinstance(cause, InvalidRequest):
            return str(cause)
    faults: dict[str, Mapping[str, Any]] = {}
    for fault in error.errors():
        faults.setdefault(str(fault["loc"][0]) if fault["loc"] else "", fault)
    return " ".join(_fault(cls, name, fault) for name, fault in faults.items())


def printable(text: str) -> str:
    """``text`` with its control characters spelt out: a record may come from anybody."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _fault(cls: type[BaseModel], name: str, fault: Mapping[str, Any]) -> str:
    if fault["type"] == "extra_forbidden":
        close = difflib.get_close_matches(name, cls.model_fields, n=1)
        hint = f"did you mean {close[0]}?" if close else f"the names are {', '.join(cls.model_fields)}."
        return f"There is no parameter {name}: {hint}"
    field = cls.model_fields[name]
    if fault["type"] == "missing":
        return f"{name} is missing: {_lower_first(field.description)}"
    return f"{name} is {shown(fault['input'])}, but must be {expectation(field)}."


def shown(value: object) -> str:
    """A value as a sentence shows it: its first line, short."""
    text = "empty" if isinstance(value, str) and not value else str(value).splitlines()[0]
    return text if len(text) <= 60 else text[:57] + "..."


def _lower_first(text: str | None) -> str:
    return "" if text is None else text[0].lower() + text[1:]


def constraint(field: FieldInfo, name: str) -> Any:
    """The bound ``name`` (``ge``, ``le``, ``multiple_of``) that a field declares, or None."""
    for part in field.metadata:
        value = getattr(part, name, None)
        if value is not None:
            return value
    return None


def kind(field: FieldInfo) -> tuple[type, tuple[str, ...]]:
    """A field's plain type (str, int, float, bool, or object for a picture) and its choices, if any."""
    text = str(field.annotation)
    choices = _literals(field.annotation)
    if choices:
        return str, choices
    for plain in (bool, int, float, str):
        if field.annotation in (plain, plain | None):
            return plain, ()
    return (object, ()) if "PIL" in text else (str, ())


def _literals(annotation: Any) -> tuple[str, ...]:
    args = getattr(annotation, "__args__", ())
    if getattr(annotation, "__origin__", None) is Literal:
        return tuple(args)
    for arg in args:
        found = _literals(arg)
        if found:
            return found
    return ()


def expectation(field: FieldInfo) -> str:
    """What a field accepts, in words: ``a number from 1 to 32``."""
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "accepts" in extra:
        return str(extra["accepts"])
    plain, choices = kind(field)
    if choices:
        return f"one of {', '.join(choices)}"
    if plain is object:
        return "a path, a URL, a data URI, the bytes of an image file or a PIL image"
    if plain is bool:
        return "true or false"
    if plain is str:
        return "text"
    low, high, step = (constraint(field, key) for key in ("ge", "le", "multiple_of"))
    if step is not None:
        return f"a multiple of {step} from {low} to {high}, like {field.default}"
    what = "a whole number" if plain is int else "a number"
    return f"{what} from {low:.7g} to {high:.7g}" if high < MAX_SEED else f"{what} from 0 to 2^63-1"
