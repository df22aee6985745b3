"""Values of a call: the same text or number, whether it came as JSON, in a form or in a query."""

from __future__ import annotations

import binascii
import json
import math
import re
from collections.abc import Sequence
from typing import Any

from iclight_local.dialects.base import Call, Link
from iclight_local.errors import InvalidRequest

MAX_PROMPT = 2000
"""Letters that a prompt may have."""
_URL = re.compile(r"https?://[^\s]+", re.IGNORECASE)
_PLAIN, _SPACE = bytes.maketrans(b"-_", b"+/"), b" \t\r\n\f\v"
# What was read is not read again (++): a long row of digits would take the square of its length, or nearly.
_NUMBER = re.compile(r"[-+]?(\d++(\.\d*+)?|\.\d++)(e[-+]?\d++)?", re.ASCII | re.IGNORECASE)
_SHOWN = 60


def present(call: Call, name: str) -> Any:
    """The value of a field; None where it is missing or an empty text."""
    value = call.fields.get(name)
    return None if isinstance(value, str) and not value.strip() else value


def text(call: Call, name: str, default: str | None = None) -> str | None:
    """A text.

    Raises:
        InvalidRequest: it is no text, too long, or holds what cannot be encoded.
    """
    value = present(call, name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} must be a string, not {shown(value)}")
    if len(value) > MAX_PROMPT:
        raise InvalidRequest(f"{name} has {len(value)} letters, but may have {MAX_PROMPT} at most")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(f"{name} holds letters that are no Unicode text") from None
    return value


def number(call: Call, name: str, default: float | None, low: float, high: float) -> float | None:
    """A number of a range, also as text.

    Raises:
        InvalidRequest: it is none, or out of the range.
    """
    value = present(call, name)
    if value is None:
        return default
    found = _number(value)
    if found is None or not low <= found <= high:
        raise InvalidRequest(f"{name} must be between {low:g} and {high:g}, not {shown(value)}")
    return found


def whole(call: Call, name: str, default: int | None, low: int, high: int) -> int | None:
    """A whole number of a range, also as text or as 25.0.

    Raises:
        InvalidRequest: it is none, or out of the range.
    """
    value = present(call, name)
    if value is None:
        return default
    found = _whole(value)
    if found is None or not low <= found <= high:
        raise InvalidRequest(f"{name} must be a whole number between {low} and {high}, not {shown(value)}")
    return found


def boolean(call: Call, name: str, default: bool) -> bool:
    """True or false, also as text.

    Raises:
        InvalidRequest: it is neither.
    """
    value = present(call, name)
    if value is None:
        return default
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise InvalidRequest(f"{name} must be boolean")


def word(call: Call, name: str, default: str | None, words: Sequence[str]) -> str | None:
    """One of several words.

    Raises:
        InvalidRequest: it is none of them.
    """
    value = present(call, name)
    if value is None:
        return default
    if not isinstance(value, str) or value not in words:
        raise InvalidRequest(f"{name} must be one of {', '.join(words)}, not {shown(value)}")
    return value


def picture(call: Call, name: str) -> bytes | Link | None:
    """A picture: an uploaded part, an http(s) URL, a data URI or plain base64; None where there is none.

    Raises:
        InvalidRequest: it is something else.
    """
    if name in call.files:
        if not call.files[name]:
            raise InvalidRequest(f"{name} is an empty file")
        return call.files[name]
    value = present(call, name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} must be a URL, a data URI, base64 or a file, not {shown(value)}")
    value = value.strip()
    if _URL.fullmatch(value):
        return Link(value)
    data = _data_uri(value) if value[:5].lower() == "data:" else _base64(value)
    if not data:
        raise InvalidRequest(f"{name} must be an http(s) URL, a data URI, base64 or a file, not {shown(value)}")
    return data


def shown(value: object) -> str:
    """A value as a sentence shows it: as JSON, short."""
    try:
        words = json.dumps(value[:_SHOWN] if isinstance(value, str) else value)
    except (TypeError, ValueError):
        words = json.dumps(str(value))
    return words if len(words) <= _SHOWN else words[: _SHOWN - 1] + "…"


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    # float() reads 1_0 and the digits of all scripts, too.
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def _whole(value: object) -> int | None:
    # Seeds of 63 bits are whole numbers that a float cannot hold.
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d{1,19}\s*", value, re.ASCII):
        return int(value)
    found = _number(value)
    return int(found) if found is not None and found.is_integer() and abs(found) < 2**53 else None


def _data_uri(uri: str) -> bytes | None:
    head, comma, body = uri.partition(",")
    if not comma:
        return None
    return _base64(body.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=")) if _is_base64(head) else None


def _is_base64(head: str) -> bool:
    return head.lower().endswith(";base64")


def _base64(letters: str) -> bytes | None:
    # In as few passes as can be: of a picture of a megabyte each takes a millisecond or more.
    try:
        padded = letters.encode("ascii").translate(_PLAIN, _SPACE)
    except UnicodeEncodeError:
        return None
    plain = padded.rstrip(b"=")
    if not plain or len(padded) - len(plain) > 2:
        return None
    try:
        return binascii.a2b_base64(plain + b"=" * (-len(plain) % 4), strict_mode=True)
    except binascii.Error:
        return None
