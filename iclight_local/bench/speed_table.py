"""What ``iclight bench speed`` measured, as a table in words and units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iclight_local.request import RelightRequest

STAGE_WORDS = {
    "decode": "reading the picture",
    "segment": "cutting the subject out",
    "lowres": "lowres pass",
    "highres": "highres pass",
    "finish": "finishing the result",
}
TOLD = ("width", "height", "steps", "highres_scale", "number_of_images", "model", "seed")
"""Knobs that the line below the table tells anyhow, or that make no difference."""
TEXTS = ("prompt", "appended_prompt", "negative_prompt")
Row = tuple[str, str, str]
"""What it is, the median, and the 95th percentile where there is one."""


def markdown(result: Mapping[str, Any]) -> str:
    """The table in Markdown, its columns even for who reads it as it is, and below it what it was measured on."""
    rows: list[Row] = [("", "median", "p95"), *_start(result), *_pictures(result), *_calls(result)]
    wide = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["| " + " | ".join(cell.ljust(size) for cell, size in zip(row, wide, strict=True)) + " |" for row in rows]
    ruler = "|" + "|".join("-" * (size + 2) for size in wide) + "|"
    return "\n".join([lines[0], ruler, *lines[1:]]) + f"\n\n{circumstances(result)}\n"


def circumstances(result: Mapping[str, Any]) -> str:
    """What was measured, and where, in one line."""
    ran, engine = result["environment"], result["engine"]
    memory = "" if ran["memory_gib"] is None else f", {ran['memory_gib']} GiB"
    load = f", load {ran['load_average'][0]} at the start" if ran["load_average"] else ""
    how = ", ".join(f"{name} {_words(value)}" for name, value in engine.items() if name != "name")
    sizes = " and then ".join(f"{each['width']} x {each['height']}" for each in result["passes"].values())
    steps = " + ".join(str(each["steps"]) for each in result["passes"].values())
    images = f", {result['images']} images at once" if result["images"] > 1 else ""
    asked = "".join(f", {each}" for each in _asked(result["experiment"]["knobs"]))
    return (
        f"{_weights(result)}, {sizes}, {steps} steps{images}{asked}, {len(result['runs'])} runs after the first; "
        f"{how}; on {ran['processor']}, {ran['cores']} cores{memory}{load}; {ran['time'][:10]}."
    )


def _weights(result: Mapping[str, Any]) -> str:
    """The weights, and whatever is laid on them."""
    words = [f"{result['weights']['bundle']} ({result['model']})"]
    if "preset" in result:
        words.append(f"preset {result['preset']}")
    # A preset brings its own.
    loras = [each for each in result.get("loras", ()) if "preset" not in each]
    return ", ".join([*words, *(f"LoRA {each['name']} at {each['scale']:g}" for each in loras)])


def _asked(knobs: Mapping[str, Any]) -> list[str]:
    """Further knobs that are not as they are by default; of a text its length alone."""
    fields = RelightRequest.model_fields
    changed = {name: value for name, value in knobs.items() if name not in TOLD and value != fields[name].default}
    return [
        f"{name} of {len(value.split())} words" if name in TEXTS else f"{name} {_value(value)}"
        for name, value in changed.items()
    ]


def _start(result: Mapping[str, Any]) -> list[Row]:
    cold = result["cold"]
    converted = [("start: converting the UNet, once", seconds(cold["convert_s"]), "")] if "convert_s" in cold else []
    compiled = ", compiling included" if result["experiment"]["settings"].get("compile") == "on" else ""
    return [
        ("start: imports", seconds(cold["import_s"]), ""),
        ("start: loading the weights", seconds(cold["load_s"]), ""),
        *converted,
        ("start: their hashes", seconds(cold["hash_s"]), ""),
        (f"start: the first picture itself{compiled}", seconds(cold["picture_s"]), ""),
    ]


def _pictures(result: Mapping[str, Any]) -> list[Row]:
    summary = result["summary"]
    rows = [_spread(STAGE_WORDS[stage], found) for stage, found in summary["stages"].items()]
    rows += [_step(name, found) for name, found in summary["steps"].items()]
    return [
        *rows,
        _spread("a picture, all in all", summary["picture_s"]),
        ("pictures an hour", f"{summary['pictures_an_hour']:,.0f}", ""),
        ("peak memory", f"{summary['peak_memory'] / 1e9:.2f} GB", ""),
    ]


def _calls(result: Mapping[str, Any]) -> list[Row]:
    rows: list[Row] = []
    peak = result["peak"]
    for name, found in result["summary"]["unet"].items():
        call = result["unet"][name]
        shape, rate = call["shape"], found["operations_per_second"]
        size = f"{shape['rows']} x {shape['channels']} x {shape['height']} x {shape['width']}"
        rows += [
            _spread(f"a call of the UNet, {name}: {size}", found),
            ("… its operations", f"{operations(call['operations'])}FLOP", ""),
            ("… operations a second", f"{operations(rate)}FLOP/s", ""),
            (f"… of the measured {peak['dtype']} peak", f"{100 * found['of_peak']:.0f} %", ""),
        ]
    rate = operations(peak["operations_per_second"])
    return [*rows, (f"measured peak: products of matrices, {peak['dtype']}", f"{rate}FLOP/s", "")]


def _spread(words: str, found: Mapping[str, float]) -> Row:
    return words, seconds(found["median"]), seconds(found["p95"]) if "p95" in found else ""


def _step(name: str, found: Mapping[str, float]) -> Row:
    words = f"a step of the {name} pass"
    if "mean" in found:
        return f"{words}: mean of unlike ones", seconds(found["mean"]), ""
    return _spread(words, found)


def seconds(value: float) -> str:
    """Seconds or, where they are few, milliseconds."""
    return f"{1000 * value:.1f} ms" if value < 1 else f"{value:.2f} s"


def operations(value: float) -> str:
    """A number of operations with the sign of its thousands, a unit to follow."""
    for sign, size in (("T", 1e12), ("G", 1e9), ("M", 1e6)):
        if value >= size:
            return f"{value / size:.3g} {sign}"
    return f"{value:.0f} "


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _words(value: object) -> str:
    return "; ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
