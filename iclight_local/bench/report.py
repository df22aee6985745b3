"""The report: one HTML file that needs nothing else, no network and no script."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from iclight_local.bench.plots import COLOURS, can_plot, plots
from iclight_local.bench.protocol import paragraphs
from iclight_local.bench.report_pictures import pictures
from iclight_local.bench.running import REPORT
from iclight_local.bench.table import ROWS, TIMES, UNKNOWN, Row, ratio, shown
from iclight_local.imaging.write import write

NO_PLOTS = "There are no plots, because altair and vl-convert-python are missing: pip install 'iclight-local[bench]'."
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""What a browser may fetch for the page: nothing."""


def write_report(result: Mapping[str, Any], out: Path) -> Path:
    """Write the report of a bench into its folder.

    Args:
        result: what :class:`~iclight_local.bench.running.Bench` gave.
        out: the folder, where its pictures lie.
    """
    write(out / REPORT, page(result, out).encode(), overwrite=True)
    return out / REPORT


def page(result: Mapping[str, Any], out: Path) -> str:
    """The report as HTML."""
    style = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
    parts = [
        _header(result),
        "<h2>At a glance</h2>",
        _table(result),
        _costs(result),
        _failures(result),
        "<h2>Time and cost</h2>",
        _plots(result),
        "<h2>Picture by picture</h2>",
        pictures(result, out),
        "<h2>How it was measured</h2>",
        _protocol(result),
        "<h2>The machine</h2>",
        _machine(result),
        "<footer>Made by iclight bench. The raw values of every answer are in bench.json beside this page.</footer>",
    ]
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>Relighting bench: {escape(_names(result))}</title><style>{style}</style></head><body><main>"
    )
    return head + "\n".join(parts) + "</main></body></html>\n"


def _names(result: Mapping[str, Any]) -> str:
    return ", ".join(result["contestants"])


def _header(result: Mapping[str, Any]) -> str:
    environment, done, asked = result["environment"], len(result["pictures"]), len(result["experiment"]["pictures"])
    told = f"{_names(result)}; {_number(asked, 'picture')}, {_number(result['experiment']['runs'], 'answer')} to each"
    machine = f"{environment['processor']}, {environment['cores']} cores"
    note = ""
    if not result["complete"]:
        note = f'<p class="note">Stopped early: this report has {done} of {_number(asked, "picture")}.</p>'
    return (
        f"<header><h1>Relighting bench</h1><p>{escape(told)}</p>"
        f"<p>{escape(machine)}; {escape(_when(environment['time']))}</p></header>{note}"
    )


def _when(time: str) -> str:
    """A time as the JSON has it, without its seconds."""
    return datetime.fromisoformat(time).strftime("%d %B %Y, %H:%M UTC")


def _table(result: Mapping[str, Any]) -> str:
    summary = result["summary"]
    names = list(summary)
    heads = "".join(
        f'<th scope="col">{_dot(place)}{escape(name)}'
        f"{' <small class=soft>recorded</small>' if result['contestants'][name]['replayed'] else ''}</th>"
        for place, name in enumerate(names)
    )
    rows = []
    for row in ROWS:
        if all(summary[name][row.name] is None for name in names):
            continue
        best = _best(row, [summary[name][row.name] for name in names])
        cells = []
        for place, name in enumerate(names):
            over = ratio(row, summary[name]) if place else ""
            small = f"<small>{escape(over)}</small>" if over else ""
            mark = ' class="best"' if best is not None and summary[name][row.name] == best else ""
            cells.append(f"<td{mark}>{escape(shown(row, summary[name]))}{small}</td>")
        rows.append(f'<tr><th scope="row">{escape(row.words)}</th>{"".join(cells)}</tr>')
    body = "".join(rows)
    return (
        f'<div class="card wide"><table><thead><tr><td></td>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
        f'<p class="soft">Shaded: the best of its row. {TIMES}: over {escape(names[0])}. {UNKNOWN}: not known.</p>'
    )


def _dot(place: int) -> str:
    return f'<span class="dot" style="background:{COLOURS[place % len(COLOURS)]}"></span>'


def _best(row: Row, values: list[float | None]) -> float | None:
    """The best value of a row; None where no side is better, or nobody differs."""
    known = [value for value in values if value is not None]
    if not row.better or len(set(known)) < 2:
        return None
    return min(known) if row.better == "less" else max(known)


def _costs(result: Mapping[str, Any]) -> str:
    lines = [
        f"<li><strong>{escape(name)}</strong>: {escape(contestant['price']['words'])}</li>"
        for name, contestant in result["contestants"].items()
    ]
    return f"<p>What the cost counts:</p><ul>{''.join(lines)}</ul>"


def _failures(result: Mapping[str, Any]) -> str:
    lines = [
        f"<li><strong>{escape(name)}</strong>, {_number(each['times'], 'time')}: {escape(each['message'])} "
        f"<span class=soft>({escape(each['type'])})</span></li>"
        for name, summary in result["summary"].items()
        for each in summary["failures"]
    ]
    return f"<h2>What failed</h2><ul>{''.join(lines)}</ul>" if lines else ""


def _plots(result: Mapping[str, Any]) -> str:
    if not can_plot():
        return f'<p class="note">{escape(NO_PLOTS)}</p>'
    figures = [
        f'<figure class="card"><figcaption><h3>{escape(plot.title)}</h3><p>{escape(plot.words)}</p></figcaption>'
        f"{plot.svg}</figure>"
        for plot in plots(result)
    ]
    key = "".join(f"<span>{_dot(place)}{escape(name)}</span>" for place, name in enumerate(result["contestants"]))
    if not figures:
        return "<p>Nothing was answered.</p>"
    return f'<p class="key">{key}</p><div class="plots">{"".join(figures)}</div>'


def _protocol(result: Mapping[str, Any]) -> str:
    parts = (f"<div><h3>{escape(head)}</h3><p>{escape(text)}</p></div>" for head, text in paragraphs(result))
    return f'<div class="protocol">{"".join(parts)}</div>'


def _machine(result: Mapping[str, Any]) -> str:
    environment = result["environment"]
    plain = {name.replace("_", " "): value for name, value in environment.items() if name != "packages"}
    packages = ", ".join(f"{name} {version}" for name, version in environment["packages"].items())
    knobs = ", ".join(f"{name} {value}" for name, value in result["experiment"]["knobs"].items())
    facts = {**plain, "packages": packages, "asked of every picture": knobs if knobs else "the defaults"}
    for name, contestant in result["contestants"].items():
        engine = contestant.get("engine")
        if isinstance(engine, dict):
            facts[name] = ", ".join(f"{key} {value}" for key, value in engine.items())
    lines = "".join(f"<div><dt>{escape(str(k))}</dt><dd>{escape(_fact(v))}</dd></div>" for k, v in facts.items())
    return f'<dl class="card facts">{lines}</dl>'


def _fact(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
