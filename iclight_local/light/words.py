"""Lights in words: reading what a user types, and writing it.

A text says, in any order and in small or capital letters:

* where the light comes from: ``left``, ``right``, ``top``, ``bottom``, a corner (``top-left``, ``top left``),
  ``front``, ``back``, or ``azimuth=30 elevation=45`` in degrees; ``ambient`` is everywhere;
* as wanted its colour: ``#ffcc88``, or a colour temperature, ``3200K``;
* as wanted its type: ``softbox``, ``sunlight``, ``spotlight``, or ``ambient`` beside a direction;
* as wanted its intensity, a number from 0 to 2.

Several lights are joined with ``+``: ``left #ff3030 + right #3060ff 0.7``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any, get_args

from iclight_local.errors import InvalidRequest
from iclight_local.light.lamp import ANGLES, RANGES, SOFTNESSES, Direction, Light, PlainWord

MAX_LIGHTS = 16
"""So many lights are summed at most."""
EXAMPLE = "top-left 3200K softbox 0.8"

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.ASCII)
_KELVIN = re.compile(r"([-+]?\d+)k", re.ASCII)
_HEX = re.compile(r"#[0-9a-f]{6}")
_ANGLE_NAMES = ("azimuth", "elevation")
_SHOWN = 60


def parse_lights(text: str) -> tuple[Light, ...]:
    """Read the lights that a user describes; the form is in this module's docstring.

    Raises:
        InvalidRequest: one sentence: what was found, and what is needed.
    """
    if not text.strip():
        raise InvalidRequest(f"The light is empty: a direction is needed, like left, or {EXAMPLE}.")
    # A plus right behind an equals sign is the sign of a number.
    parts = re.split(r"(?<!=)\+", re.sub(r"\s*=\s*", "=", text))
    if len(parts) > MAX_LIGHTS:
        raise _refusal(text, f"joins {len(parts)} lights: at most {MAX_LIGHTS} are summed.")
    if not all(part.strip() for part in parts):
        raise _refusal(text, "has a + with nothing on one side: a + joins two lights, like left + right 0.5.")
    return tuple(_light(part.strip()) for part in parts)


def describe(lights: Sequence[Light]) -> str:
    """The text that :func:`parse_lights` reads as the same lights."""
    return " + ".join(" ".join(_words(light)) for light in lights)


def plain_word(lights: Sequence[Light]) -> PlainWord | None:
    """The word, where the light is one of the original demos' own: white, of intensity 1 and without a type."""
    words: tuple[PlainWord, ...] = get_args(PlainWord)
    return next((word for word in words if tuple(lights) == (Light(word=word),)), None)


def _words(light: Light) -> list[str]:
    angles = [f"{name}={_digits(getattr(light, name))}" for name in _ANGLE_NAMES]
    words: list[str] = angles if light.word is None else [light.word]
    if light.rgb is not None:
        words.append("#{:02x}{:02x}{:02x}".format(*light.rgb))
    if light.kelvin is not None:
        words.append(f"{light.kelvin}K")
    if light.softness is not None:
        words.append(light.softness)
    return words if light.intensity == 1 else [*words, _digits(light.intensity)]


def _digits(value: float) -> str:
    """The shortest decimals that are read as the same number."""
    return repr(float(value)).removesuffix(".0")


def _light(part: str) -> Light:
    """One light of a text."""
    sides: list[str] = []
    found: dict[str, Any] = {}
    said: dict[str, str] = {}
    for word in part.lower().split():
        # Most corners come as one word, but "top left" is two.
        if (side := word.replace("_", "-")) in ANGLES and side not in SOFTNESSES:
            sides.append(side)
            continue
        what, name, value = _read(part, word)
        shown = _shown(word)[1:-1]
        if what in said:
            why = f"names two of one kind, {said[what]} and {shown}: keep one, or join two lights with +."
            raise _refusal(part, why)
        said[what] = shown
        found[name] = value
    direction = _direction(part, sides)
    angled = [said[name] for name in _ANGLE_NAMES if name in said]
    if direction is not None and angled:
        raise _refusal(part, f"comes from {direction} and from {angled[0]}: keep one of the two.")
    if direction is None and not angled:
        if found.get("softness") != "ambient":
            raise _refusal(part, f"does not say where it comes from: add a direction, like left, or {EXAMPLE}.")
        del found["softness"]
        direction = "ambient"
    return Light(word=direction, **found)


def _direction(part: str, sides: Sequence[str]) -> Direction | None:
    """The direction that one word, or the two of a corner, name; None where there is none."""
    if not sides:
        return None
    names = sides[0] if len(sides) == 1 else "-".join(sorted(sides, key=lambda side: side not in ("top", "bottom")))
    found = next((word for word in ANGLES if word == names), None)
    if found is None:
        why = f"comes from {' and '.join(sides[:2])}: one light has one direction, and + joins two lights."
        raise _refusal(part, why)
    return found


def _read(part: str, word: str) -> tuple[str, str, Any]:
    """What a word speaks of, the attribute of ``Light`` that it sets, and the value."""
    if word in SOFTNESSES:
        return "type", "softness", word
    if _HEX.fullmatch(word) is not None:
        return "colour", "rgb", tuple(bytes.fromhex(word[1:]))
    if (kelvin := _KELVIN.fullmatch(word)) is not None:
        return "colour", "kelvin", int(_ranged(part, "kelvin", kelvin.group(1)))
    if _NUMBER.fullmatch(word) is not None:
        return "intensity", "intensity", _ranged(part, "intensity", word)
    name, equals, value = word.partition("=")
    if equals and name in _ANGLE_NAMES:
        return name, name, _ranged(part, name, value)
    raise _refusal(part, _unknown(word))


def _ranged(part: str, name: str, digits: str) -> float:
    low, high = RANGES[name]
    unit = {"azimuth": " degrees", "elevation": " degrees", "kelvin": "K"}.get(name, "")
    what = "colour temperature" if name == "kelvin" else name
    needed = f"it must be a number from {low} to {high}{unit}"
    value = float(digits) if _NUMBER.fullmatch(digits) is not None else None
    if value is not None and low <= value <= high:
        return value
    hint = "."
    if name == "intensity" and value is not None and RANGES["kelvin"][0] <= value <= RANGES["kelvin"][1]:
        hint = f", and a colour temperature is written {digits}K."
    shown = _shown(digits)[1:-1] if digits else "nothing"
    raise _refusal(part, f"has the {what} {shown}{'K' if name == 'kelvin' else ''}, but {needed}{hint}")


def _unknown(word: str) -> str:
    """What to say of a word that means nothing."""
    digits = word.removeprefix("#")
    if re.fullmatch("[0-9a-f]{6}", digits) is not None:
        return f"has the word {word}: a colour is written #{digits}."
    if word.startswith("#"):
        return f"has the colour {_shown(word)}, but a colour has six digits of 0-9 and a-f, like #ffcc88."
    names = [f"{name}={word.partition('=')[2]}" for name in _ANGLE_NAMES] if "=" in word else [*ANGLES, *SOFTNESSES]
    close = difflib.get_close_matches(word.replace("_", "-"), names, n=1)
    if close:
        return f"has the word {_shown(word)}, which is not known: did you mean {_shown(close[0])}?"
    return f"has the word {_shown(word)}, which is no direction, colour, type or intensity: write it like {EXAMPLE}."


def _refusal(part: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"The light {_shown(part)} {why}")


def _shown(text: str) -> str:
    """A user's text in quotes, its control characters spelt out, shortened where it is long."""
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")
