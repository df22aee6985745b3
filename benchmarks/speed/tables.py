"""What ``python -m benchmarks speed`` measured, as Markdown."""

from __future__ import annotations

from statistics import mean, median
from typing import Any

DEFAULT_STEPS = 25
ASKED = {"lossless": {"64x80": 1.5, "32x40": 1.7, "whole": 1.4}, "int8": {"64x80": 2.8, "32x40": 4.0}}
"""How many times as fast as plain diffusers each form shall be."""
LEFT_OUT = "not measured"


def cpu_table(result: dict[str, Any]) -> str:
    """Each form of the product beside plain diffusers, and what that was measured on."""
    lines = ["| CPU | plain diffusers | here | times as fast | asked | difference |", "|---|---|---|---|---|---|"]
    for name, side in result["sides"].items():
        if "left_out" in side:
            lines.append(f"| {name} | {LEFT_OUT}: {side['left_out']} | | | | |")
            continue
        for size, calls in side["calls"].items():
            lines.append(_call_row(result, name, size, calls))
        if side["whole"] is not None:
            lines += _whole_rows(name, result, side["whole"])
        memory = [f"{mib / 1024:.1f} GiB" for mib in side["peak_mib"].values()]
        lines.append(f"| {name}: peak memory of the process | {memory[0]} | {memory[1]} | | | |")
    return "\n".join(lines) + f"\n\n{circumstances(result)}\n"


def profile_table(result: dict[str, Any]) -> str:
    """Where the time of one call goes, by kind of operation, at the first of the sizes."""
    sides = {"plain diffusers": result["plain"], **result["sides"]}
    profiled = {name: side["profile"] for name, side in sides.items() if "profile" in side}
    lines = ["| " + " | ".join(profiled) + " |", "|---" * len(profiled) + "|"]
    for row in range(max(len(each) for each in profiled.values())):
        cells = [_share(each[row]) if row < len(each) else "" for each in profiled.values()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def circumstances(result: dict[str, Any]) -> str:
    """What was measured where, in one line."""
    ran, asked = result["environment"], result["experiment"]
    forms = "; ".join(f"{name}: {_how(side['engine'])}" for name, side in result["sides"].items() if "engine" in side)
    size, steps = f"{asked['width']} x {asked['height']}", asked["steps"]
    whole = f"; a whole run: {size}, {steps} calls of the UNet in each pass, {asked['runs']} pairs"
    return (
        f"Weights: {asked['bundle']} ({asked['model']}), batch 2, {asked['pairs']} interleaved pairs a size"
        f"{whole if asked['runs'] else ''}. "
        f"{forms}. On {ran['processor']}, {ran['cores']} cores, {ran['memory_gib']} GiB, no GPU, measured peak "
        f"{result['peak']['per_second'] / 1e9:.0f} GFLOP/s (fp32), load {ran['load_average'][0]} at the start; "
        f"{ran['time'][:10]}."
    )


def speed(found: dict[str, Any]) -> str:
    """How many times as fast; unknown where every pair was disturbed."""
    if found["speedup"] is not None:
        return f"{found['speedup']:.2f}"
    return f"unknown (other work disturbed it; {found['speedup_all']:.2f} with it)"


def _call_row(result: dict[str, Any], name: str, size: str, calls: dict[str, Any]) -> str:
    operations, peak = result["operations"][size], result["peak"]["per_second"]
    seconds = [median(run["wall_s"] for run in calls[side]) for side in ("plain", "ours")]
    cells = [f"{each:.3g} s ({100 * operations / each / peak:.0f} % of the fp32 peak)" for each in seconds]
    share = f"{calls['difference']:.1e} of the largest value"
    return f"| {name}: a call, {size} | {cells[0]} | {cells[1]} | {speed(calls)} | {_asked(name, size)} | {share} |"


def _whole_rows(name: str, result: dict[str, Any], whole: dict[str, Any]) -> list[str]:
    plain, ours = whole["plain"], whole["ours"]
    walls = [mean(run["wall_s"] for run in runs) for runs in (plain, ours)]
    levels = max(each["levels_max"] for each in whole["difference"])
    average = mean(each["levels_mean"] for each in whole["difference"])
    apart = f"{levels} levels at most, {average:.3f} in the mean"
    rows = [
        f"| {name}: a whole run | {walls[0]:.1f} s | {walls[1]:.1f} s | {speed(whole)} | {_asked(name, 'whole')} | "
        f"{apart} |"
    ]
    words = {"unet_s": "the UNet", "vae_s": "the autoencoder", "rest_s": "the rest"}
    for stage, what in words.items():
        parts = [mean(run["stages"][stage] for run in runs) for runs in (plain, ours)]
        rows.append(f"| … {what} of it | {parts[0]:.1f} s | {parts[1]:.1f} s | {parts[0] / parts[1]:.2f} | | |")
    full = [mean(_at_full_length(run) for run in runs) for runs in (plain, ours)]
    ratio = f"{full[0] / full[1]:.2f}"
    rows.append(f"| … computed for {DEFAULT_STEPS} calls a pass | {full[0]:.0f} s | {full[1]:.0f} s | {ratio} | | |")
    return rows


def _at_full_length(run: dict[str, Any]) -> float:
    """Seconds of a run of the default length: its passes' calls at the mean of those measured, and all else once."""
    calls = sum(DEFAULT_STEPS * mean(seconds) for seconds in run["unet_calls_s"].values())
    return calls + run["stages"]["vae_s"] + run["stages"]["rest_s"]


def _asked(name: str, figure: str) -> str:
    least = ASKED.get(name, {}).get(figure)
    return "" if least is None else f">= {least:g}"


def _share(row: dict[str, Any]) -> str:
    return f"{100 * row['share']:.1f} % `{row['what'].removeprefix('aten::')}` ({row['calls']})"


def _how(engine: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in engine.items() if key not in ("name", "device"))
