"""The summary as a table for a page, in words and units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Row(NamedTuple):
    """A line of the table: a figure in words, its name in the summary, its unit, and which way is better."""

    words: str
    name: str
    unit: str = ""
    better: str = ""


ROWS = (
    Row("cold start", "cold_s", "s", "less"),
    Row("warm, p50", "p50_s", "s", "less"),
    Row("warm, p95", "p95_s", "s", "less"),
    Row("pictures an hour", "per_hour", "whole", "more"),
    Row("cost of 1,000 pictures", "cost_1000", "$", "less"),
    Row("peak memory on this machine", "peak_memory", "GB", "less"),
    Row("answered", "answered", "of"),
    Row("light from the asked side", "light_agrees", "%", "more"),
    Row("off the asked side, median", "light_error", "°", "less"),
    Row("detail kept", "detail", "", "more"),
    Row("misalignment, of the longer side", "misalignment", "share", "less"),
    Row("ΔE inside the matte", "delta_e_inside"),
    Row("ΔE outside the matte", "delta_e_outside"),
    Row("error to the true render, grey levels", "truth_rmse", "levels", "less"),
    Row("the same at the best exposure", "truth_rmse_exposed", "levels", "less"),
)
"""The table, in its order; ΔE has no better side, for new light is meant to change colours."""
UNKNOWN, TIMES = "\u2013", "\u00d7"
"""The signs for what is not known and for a ratio: an en dash and a multiplication sign."""


def shown(row: Row, summary: Mapping[str, Any]) -> str:
    """A figure with its unit."""
    value = summary[row.name]
    if value is None:
        return UNKNOWN
    if row.unit == "of":
        return f"{value} of {summary['asked']}"
    forms = {
        "s": f"{value:.2f} s", "whole": f"{value:,.0f}", "$": f"${value:,.2f}", "GB": f"{value / 1e9:.2f} GB",
        "%": f"{100 * value:.0f} %", "°": f"{value:.0f}°", "share": f"{value:.2f} %", "levels": f"{value:.1f}",
    }  # fmt: skip
    return forms.get(row.unit, f"{value:.2f}")


def ratio(row: Row, summary: Mapping[str, Any]) -> str:
    """A figure over the first contestant's; empty where it has none."""
    value = summary["ratios"].get(row.name)
    return "" if value is None else f"{TIMES} {value:.3g}"


def markdown(result: Mapping[str, Any]) -> str:
    """The table in Markdown: figures down, contestants across, with the ratios to the first of them."""
    summary = result["summary"]
    names = list(summary)
    lines = ["| | " + " | ".join(_cell(name) for name in names) + " |", "|---" * (len(names) + 1) + "|"]
    for row in ROWS:
        if all(summary[name][row.name] is None for name in names):
            continue
        cells = []
        for index, name in enumerate(names):
            over = ratio(row, summary[name]) if index else ""
            cells.append(f"{shown(row, summary[name])} ({over})" if over else shown(row, summary[name]))
        lines.append(f"| {row.words} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
