"""How the values of Photoroom's ``/v2/edit`` are read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import ImageColor

from iclight_local.dialects.base import Call
from iclight_local.dialects.values import boolean, number, present, shown, whole, word
from iclight_local.errors import InvalidRequest
from iclight_local.request import MOST_PIXELS, MOST_SIDE, parse_length, parse_size
from iclight_local.sentences import MAX_SEED

Check = Callable[[Call, str], Any]
"""Reads the field of a name; None where it is missing.

Raises:
    InvalidRequest: it is not what the field takes; the name comes first.
"""
SIZES = ("auto", "originalImage", "croppedSubject")
"""Values of ``outputSize`` that are no size of their own."""
EXPANSIONS = {"auto": True, "ai.auto": True, "never": False, "ai.never": False}
"""Values of ``background.expandPrompt``, and whether they expand."""
_HEX = re.compile(r"#?([0-9a-f]{3}|[0-9a-f]{6}|[0-9a-f]{8})", re.ASCII)


@dataclass(frozen=True)
class Reading:
    """A check that can say what it accepts."""

    accepts: str
    read: Check

    def __call__(self, call: Call, name: str) -> Any:
        """As :data:`Check`."""
        return self.read(call, name)


def one_of(*words: str) -> Check:
    """One of several words."""
    return Reading(", ".join(f"`{each}`" for each in words), lambda call, name: word(call, name, None, words))


def between(low: float, high: float) -> Check:
    """A number of a range."""
    return Reading(f"{low:.7g} to {high:.7g}", lambda call, name: number(call, name, None, low, high))


def yes_or_no(default: bool) -> Check:
    """True or false."""
    return Reading("`true`, `false`", lambda call, name: boolean(call, name, default))


def seed_of(call: Call, name: str) -> int | None:
    """A seed."""
    return whole(call, name, None, 0, MAX_SEED)


def anything(call: Call, name: str) -> Any:
    """A file, an object, or whatever else; it is not looked into."""
    return name if name in call.files else present(call, name)


def spacing(call: Call, name: str) -> str | None:
    """A margin or padding: a ratio up to 0.49, a percentage up to 49%, or pixels like 100px."""
    value = present(call, name)
    if value is None:
        return None
    try:
        parse_length("" if isinstance(value, bool) else str(value))
    except InvalidRequest:
        raise InvalidRequest(
            f"{name} must be between 0 and 0.49, 0% and 49%, or pixels like 100px, not {shown(value)}"
        ) from None
    return str(value).strip()


def output_size(call: Call, name: str) -> str | None:
    """``auto``, ``originalImage``, ``croppedSubject``, or a size like 200x400."""
    value = present(call, name)
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(r"auto|\d+x\d+|originalImage|croppedSubject", value, re.ASCII):
        raise InvalidRequest(
            f"{name} must be auto, originalImage, croppedSubject or a size like 200x400, not {shown(value)}"
        )
    if value in SIZES:
        return value
    try:
        found = parse_size(value)
    except InvalidRequest:
        found = None
    if found is None:
        raise InvalidRequest(
            f"{name} must have at most {MOST_SIDE} pixels on a side and {MOST_PIXELS / 1e6:g} megapixels, "
            f"not {shown(value)}"
        )
    return value


def angle(low: float, high: float, **words: float) -> Check:
    """A number of a range, or one of several words that stand for one."""

    def check(call: Call, name: str) -> float | None:
        value = present(call, name)
        if isinstance(value, str) and value in words:
            return words[value]
        try:
            return number(call, name, None, low, high)
        except InvalidRequest:
            raise InvalidRequest(
                f"{name} must be between {low:g} and {high:g} or one of {', '.join(words)}, not {shown(value)}"
            ) from None

    return Reading(f"{low:g} to {high:g}, or {', '.join(f'`{each}`' for each in words)}", check)


def expansion(call: Call, name: str) -> bool | None:
    """Whether a prompt shall be expanded: a word, or an object with one as its mode."""
    value = present(call, name)
    if isinstance(value, str) and value.strip().startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = ""
    if isinstance(value, dict):
        value = value.get("mode") if value.keys() == {"mode"} else ""
    if value is None:
        return None
    if not isinstance(value, str) or value not in EXPANSIONS:
        raise InvalidRequest(f"{name} must be one of {', '.join(EXPANSIONS)}, not {shown(present(call, name))}")
    return EXPANSIONS[value]


def colour(call: Call, name: str) -> str | None:
    """A colour as ``rrggbbaa``; None where it is missing, transparent or of no opacity.

    It is given as 3, 6 or 8 hexadecimal digits, with or without ``#``, or by its CSS name.
    """
    value = present(call, name)
    if value is None or (isinstance(value, str) and value.strip().lower() == "transparent"):
        return None
    spoken = value.strip().lower() if isinstance(value, str) else ""
    named = ImageColor.colormap.get(spoken, spoken)
    # Pillow puts the levels of a name in place of its digits when it has used it once.
    found = _HEX.fullmatch(named if isinstance(named, str) else bytes(named[:3]).hex())
    if found is None:
        raise InvalidRequest(
            f"{name} must be a colour like FF0000 or FF0000EE, a colour's name or transparent, not {shown(value)}"
        )
    digits = "".join(2 * digit for digit in found[1]) if len(found[1]) == 3 else found[1]
    full = digits if len(digits) == 8 else digits + "ff"
    return None if full.endswith("00") else full


_ACCEPTED: dict[Check, str] = {
    anything: "anything",
    colour: "a colour",
    expansion: ", ".join(f"`{each}`" for each in EXPANSIONS),
    output_size: "`auto`, `originalImage`, `croppedSubject`, `200x400`",
    seed_of: "a whole number from 0",
    spacing: "`0.1`, `10%`, `100px`",
}


def accepted(check: Check) -> str:
    """What a check accepts, for the table in the server's manual."""
    return check.accepts if isinstance(check, Reading) else _ACCEPTED.get(check, "text")
