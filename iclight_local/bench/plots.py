"""The plots of the report, as SVG that stands on its own and takes the page's ink."""

from __future__ import annotations

import importlib.util
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

COLOURS = ("#4a8fd0", "#dd8a35", "#45a873", "#b865a8", "#d0605a", "#857dd8", "#8a8f3c", "#3aa0a8")
"""Of the contestants, in their order; readable on white and on black."""
_INK = "#010203"
"""A colour that no contestant has; in the finished plot it is the text's."""
_LOG_FROM = 8.0
"""Ratio of the longest to the shortest time from which the axis is logarithmic."""
_ROOM = 1.15
"""How far an axis goes beyond its last point, so that names have room."""


class Axis(NamedTuple):
    """A figure of quality that is drawn against the cost: its name in the summary, a title, the axis and its reach."""

    figure: str
    title: str
    words: str
    reach: float
    better: str


AGAINST_COST = (
    Axis("light_error", "Cost and the light's side", "degrees off the asked side", 90.0, "lower"),
    Axis("detail", "Cost and detail", "detail kept, 0 to 1", 1.0, "higher"),
    Axis("truth_rmse_exposed", "Cost and nearness to the truth", "error in grey levels, best exposure", 40.0, "lower"),
)
"""What is drawn against the cost, where it is known."""


class Plot(NamedTuple):
    """A plot, and what it shows, in words."""

    title: str
    words: str
    svg: str


def can_plot() -> bool:
    """Whether what draws is installed; it is in the extra ``bench``."""
    return all(importlib.util.find_spec(name) is not None for name in ("altair", "vl_convert"))


def plots(result: Mapping[str, Any]) -> list[Plot]:
    """The plots for which there are values."""
    names = list(result["contestants"])
    found = []
    if points := _times(result):
        words = "Each dot is one warm answer, the upright line their p50; the diamond is the cold start."
        found.append(Plot("How long an answer takes", words, _latency(points, names)))
    summary = result["summary"]
    for axis in AGAINST_COST:
        known = [
            {"who": name, "cost": each["cost_1000"], "value": each[axis.figure]}
            for name, each in summary.items()
            if each["cost_1000"] is not None and each[axis.figure] is not None
        ]
        if known:
            words = f"Further left is cheaper, {axis.better} is better; medians over the pictures."
            found.append(Plot(axis.title, words, _against_cost(known, names, axis)))
    return found


def _times(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    points = []
    for name, contestant in result["contestants"].items():
        cold = contestant.get("cold", {"error": None})
        if "error" not in cold:
            points.append({"who": name, "seconds": cold["seconds"], "kind": "cold"})
        for picture in result["pictures"]:
            for run in picture["answers"][name]["runs"]:
                if "error" not in run:
                    points.append({"who": name, "seconds": run["seconds"], "kind": "warm"})
    return points


def _latency(points: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    import altair as alt

    data = alt.InlineData(values=[dict(point) for point in points])
    seconds = [max(point["seconds"], 1e-3) for point in points]
    wide = max(seconds) / min(seconds) > _LOG_FROM
    scale = alt.Scale(type="log", nice=True) if wide else alt.Scale(zero=True, nice=True)
    x = alt.X("seconds:Q", scale=scale, title="seconds" + (", logarithmic" if wide else ""))
    y = alt.Y("who:N", sort=list(names), title=None)
    base = alt.Chart(data).encode(y=y, color=_colour(names))
    warm = base.transform_filter("datum.kind == 'warm'")
    dots = warm.mark_circle(size=55, opacity=0.55).encode(x=x)
    middle = warm.mark_tick(thickness=3, size=30).encode(x=alt.X("median(seconds):Q", scale=scale))
    cold = base.transform_filter("datum.kind == 'cold'").mark_point(shape="diamond", size=110, filled=False).encode(x=x)
    return _svg(alt.layer(dots, middle, cold).properties(width=440, height=alt.Step(52)))


def _against_cost(points: Sequence[Mapping[str, Any]], names: Sequence[str], axis: Axis) -> str:
    import altair as alt

    data = alt.InlineData(values=[dict(point) for point in points])
    dearest, highest = (max(point[name] for point in points) for name in ("cost", "value"))
    reach = axis.reach if highest <= axis.reach else _ROOM * highest
    across = alt.Scale(domain=[0, _ROOM * dearest if dearest > 0 else 1.0])
    x = alt.X("cost:Q", title="dollars for 1,000 pictures", scale=across, axis=alt.Axis(tickCount=6))
    y = alt.Y("value:Q", title=axis.words, scale=alt.Scale(domain=[0, reach]), axis=alt.Axis(tickCount=5))
    base = alt.Chart(data).encode(x=x, y=y, color=_colour(names))
    dots = base.mark_circle(size=140, opacity=0.9)
    return _svg(alt.layer(dots).properties(width=380, height=210))


def _colour(names: Sequence[str]) -> Any:
    import altair as alt

    colours = [COLOURS[index % len(COLOURS)] for index in range(len(names))]
    return alt.Color("who:N", scale=alt.Scale(domain=list(names), range=colours), legend=None)


def _svg(chart: Any) -> str:
    axis = {
        "labelColor": _INK, "titleColor": _INK, "tickColor": _INK, "domainColor": _INK, "gridColor": _INK,
        "gridOpacity": 0.13, "domainOpacity": 0.4, "tickOpacity": 0.4, "labelFontSize": 13, "titleFontSize": 13,
        "titleFontWeight": "normal", "titlePadding": 16, "labelLimit": 220,
    }  # fmt: skip
    styled = chart.configure(background="transparent", font="sans-serif").configure_axis(**axis)
    styled = styled.configure_view(stroke=None)
    buffer = io.StringIO()
    styled.save(buffer, format="svg")
    text = buffer.getvalue().replace(_INK, "currentColor")
    # The page decides how large it is; the proportions are in the viewBox.
    return re.sub(r'^(<svg[^>]*?) width="[\d.]+" height="[\d.]+"', r"\1", text.strip(), count=1)
