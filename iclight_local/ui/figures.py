"""The measured figures of a result, in words that a photographer reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Row = tuple[str, str, str]
"""What was measured, its value, and what the value means."""


def figures(record: Mapping[str, Any]) -> list[Row]:
    """Rows of what a result's record says of its distance to the photograph; none where nothing was measured."""
    found = record.get("measures")
    if not isinstance(found, Mapping):
        return []
    return [row for row in (_colour(found), _detail(found), _alignment(found), _light(found), _clipped(found)) if row]


def _number(found: Mapping[str, Any], name: str) -> float | None:
    value = found.get(name)
    return float(value) if isinstance(value, int | float) else None


def _colour(found: Mapping[str, Any]) -> Row | None:
    value = _number(found, "delta_e")
    return None if value is None else ("colour", f"ΔE {value:.1f}", "median change of colour; 1 is just visible")


def _detail(found: Mapping[str, Any]) -> Row | None:
    value = _number(found, "detail")
    return None if value is None else ("detail", f"{100 * value:.0f} %", "of the fine structure is the photograph's")


def _alignment(found: Mapping[str, Any]) -> Row | None:
    shift = found.get("shift")
    if not isinstance(shift, list) or len(shift) != 2:
        return None
    right, down = shift
    return ("alignment", f"{(right**2 + down**2) ** 0.5:.1f} px", "how far the subject moved")


def _light(found: Mapping[str, Any]) -> Row | None:
    before, after = _number(found, "luminance_before"), _number(found, "luminance_after")
    if before is None or after is None:
        return None
    return ("brightness", f"{before:.2f} → {after:.2f}", "mean of the subject in linear light; 0.18 is middle grey")


def _clipped(found: Mapping[str, Any]) -> Row | None:
    value = _number(found, "clipped_new")
    return None if value is None else ("newly clipped", f"{100 * value:.1f} %", "of the subject became pure white")
