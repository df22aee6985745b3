"""What the parameters of ``/v2/edit`` ask of each other, and which of a call's names nothing is done with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from iclight_local.dialects.base import Call
from iclight_local.dialects.photoroom_fields import HONOURED, NEEDS, PICTURES
from iclight_local.dialects.photoroom_outside import documented
from iclight_local.dialects.photoroom_values import SIZES
from iclight_local.dialects.values import present
from iclight_local.errors import InvalidRequest

_BEHIND = (
    *("background.prompt", "background.guidance.scale"),
    *(name for name in PICTURES if name.startswith("background.")),
)
"""What stands behind a subject that was cut out."""
_OVERRIDABLE = "ai.auto-with-overrides"


def names_of(call: Call) -> list[str]:
    """The names that a call gives a value or a file for, in order."""
    names = sorted(call.fields.keys() | call.files.keys())
    return [name for name in names if call.files.get(name) or present(call, name) is not None]


def check_rules(values: Mapping[str, Any], pictures: Collection[str]) -> None:
    """Refuse values that contradict each other.

    Args:
        values: of all honoured names, None where one is missing.
        pictures: names of the pictures that are given.

    Raises:
        InvalidRequest: the first name that cannot be there, and why.
    """
    given = sorted({name for name, value in values.items() if value is not None} | set(pictures))
    behind = [name for name in ("background.imageFile", "background.imageUrl", "background.prompt") if name in given]
    if len(behind) > 1:
        raise InvalidRequest(f"{behind[1]} can't be provided together with {behind[0]}")
    for name in given:
        wanted = _wanted(name, values)
        if wanted is not None:
            raise InvalidRequest(f"{name} {wanted}")


def _wanted(name: str, values: Mapping[str, Any]) -> str | None:
    """What else would have to be so for a name to be there; None where it may."""
    if name in _BEHIND and not values["removeBackground"]:
        return "can't be provided if removeBackground is false"
    sized = values["outputSize"] is not None and values["outputSize"] not in SIZES
    if name in ("maxWidth", "maxHeight") and sized:
        return "can only be provided if outputSize is auto, originalImage or croppedSubject"
    if name in NEEDS and NEEDS[name] == ("shadow.mode",) and values["shadow.mode"] not in (None, _OVERRIDABLE):
        return f"can only be provided if shadow.mode is {_OVERRIDABLE}"
    return None


def unheeded(call: Call) -> tuple[list[str], tuple[str, ...]]:
    """The names that are refused, because only other engines can do it, and those that nothing is done with."""
    names = names_of(call)
    refused, ignored = [], []
    for name in names:
        if name in HONOURED or name in PICTURES:
            if not _acts(name, names):
                ignored.append(name)
            continue
        known = documented(name)
        value = None if known is None else known.check(call, name)
        if known is None or known.needs is not None:
            ignored.append(name)
        elif value is not None and value not in known.idle:
            refused.append(name)
    return refused, tuple(ignored)


def _acts(name: str, names: Collection[str]) -> bool:
    """Whether a name changes anything beside the others of its call: it has what it needs, and that has it, too."""
    return name not in NEEDS or any(other in names and _acts(other, names) for other in NEEDS[name])
