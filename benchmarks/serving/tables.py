"""What was measured of a server, as tables for a page; takes the values of a JSON file."""

from __future__ import annotations

from typing import Any

ASKED_MS = 15
"""What the server may add to a call, in the median."""
_FINE = ("200", "202", "429")
_HEAD = ("figure", "measured", "asked")


def load_table(found: dict[str, Any]) -> str:
    """What was measured, and what was asked."""
    waves, last = found["waves"], found["waves"][-1]
    wave = found["load"]["wave"]
    faults = sum(len(each["faults"]) for each in waves)
    odd = sum(count for each in waves for name, count in each["statuses"].items() if name.split()[-1] not in _FINE)
    rows = [
        (f"{len(waves)} waves of {wave['clients']} callers, {wave['calls']} calls over every API", "", ""),
        ("answers with another's picture, a damaged one or a wrong seed", faults, "0"),
        ("statuses other than 200, 202 and 429", odd, "0"),
        ("429s that do not say when to come back", sum(each["unexplained"] for each in waves), "0"),
        ("seconds of the last wave", f"{last['seconds']:.1f}", ""),
        ("memory in the median of each wave, MiB", ", ".join(f"{each['median_mib']:.0f}" for each in waves), "flat"),
    ]
    for name in found["overhead"]:
        each = found["overhead"][name]
        added, cpu = each["alone"]["overhead_ms"], each["cpu_ms"]
        figure = f"{added['median']:.1f} ms ({added['p95']:.1f})"
        rows += [
            (f"added to a call, {name}, median (p95)", figure, f"< {ASKED_MS} ms"),
            ("… of it processor time", f"{cpu['server'] - cpu['engine']:.1f} ms", ""),
            (f"… to each of {each['busy']['clients']} callers' at once", f"{each['busy']['added_ms']:.1f} ms", ""),
        ]
    if "miniature" in found:
        mini = found["miniature"]
        figure = f"{mini['server_median_ms'] / 1000:.2f} s, {mini['engine_median_ms'] / 1000:.2f} s"
        rows.append(("a whole relight with the miniature, through the server and without", figure, ""))
    return _table(rows)


def kills_table(found: dict[str, Any]) -> str:
    """What was measured, and what was asked."""
    left = found["left"]
    strays = ", ".join(str(left[name]) for name in ("strays", "damaged", "over"))
    rows = [
        ("kills", found["crashes"]["kills"], "50"),
        ("jobs accepted meanwhile", found["accepted"], ""),
        ("… that did not come to their own picture", len(found["lost"]), "0"),
        ("… that ended twice for whoever looked", found["changed"], "0"),
        ("the database, as SQLite finds it", left["integrity"], "ok"),
        ("folders of no job, damaged results, jobs kept too long", strays, "0, 0, 0"),
        *((f"kills that met {what}", count, "") for what, count in found["under_way"].items()),
    ]
    return _table(rows)


def _table(rows: list[tuple[Any, ...]]) -> str:
    lines = ["| " + " | ".join(str(cell) for cell in row) + " |" for row in (_HEAD, *rows)]
    return "\n".join([lines[0], "|---" * len(_HEAD) + "|", *lines[1:]]) + "\n"
