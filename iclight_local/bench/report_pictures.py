"""The rows of pictures in the report: what went in, what each contestant made of it, and its figures."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from iclight_local.bench.plots import COLOURS
from iclight_local.bench.summary import percentile
from iclight_local.bench.table import TIMES
from iclight_local.imaging.encode import encode

THUMBNAIL = 560
"""Pixels of the longer side of a picture in the report; the whole ones lie beside it."""
QUALITY = 84
LINES = (
    ("light off by", "light_error", "{:.0f}°"),
    ("detail kept", "detail", "{:.2f}"),
    ("misaligned", "misalignment", "{:.2f} %"),
    ("ΔE inside", "delta_e_inside", "{:.1f}"),
    ("ΔE outside", "delta_e_outside", "{:.1f}"),
    ("error to truth", "truth_rmse", "{:.1f}"),
    ("best exposure", "truth_rmse_exposed", "{:.1f}"),
)
"""Figures below a picture: in words, by name, and how they are written."""


def pictures(result: Mapping[str, Any], out: Path) -> str:
    """Every picture's row."""
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(result["contestants"])}
    return "".join(_row(picture, colours, out) for picture in result["pictures"])


def _row(picture: Mapping[str, Any], colours: Mapping[str, str], out: Path) -> str:
    towards, shots = picture["towards"], []
    for kind, words in (("input", "The picture"), ("truth", "True render")):
        if kind in picture["shown"]:
            figures = picture["references"].get(kind)
            kept = () if figures is None else tuple(_lines(figures, own=kind))
            dial = _dial(towards, None if figures is None else figures["light"], "currentColor")
            shots.append(_shot(out / picture["shown"][kind], words, dial, kept))
    for name, colour in colours.items():
        shots.append(_answer(picture["answers"][name], name, colour, towards, out))
    asked = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in picture["asked"].items())
    size = f" {TIMES} ".join(map(str, picture["size"]))
    told = [f"{size} pixels", f"matte: {picture['matte']}" if picture["matte"] else "", asked]
    note = f'<p class="failed">{escape(picture["not_measured"])}</p>' if "not_measured" in picture else ""
    shape = picture["size"][0] / picture["size"][1]
    return (
        f'<section class="card case" style="--shape:{shape:.4f}"><h3>{escape(picture["name"])}</h3>'
        f'<p class="soft">{escape("; ".join(part for part in told if part))}</p>{note}'
        f'<div class="shots">{"".join(shots)}</div></section>'
    )


def _answer(answer: Mapping[str, Any], name: str, colour: str, towards: Sequence[float] | None, out: Path) -> str:
    words = f'<span class="dot" style="background:{colour}"></span>{escape(name)}'
    errors = list(dict.fromkeys(run["error"]["message"] for run in answer["runs"] if "error" in run))
    notes = "".join(f'<p class="failed">{escape(message)}</p>' for message in errors)
    if answer["file"] is None:
        empty = '<div class="none">no picture</div>'
        return (
            f'<figure>{empty}<figcaption><div class="who"><strong>{words}</strong></div>{notes}</figcaption></figure>'
        )
    seconds = percentile([run["seconds"] for run in answer["runs"] if "error" not in run], 50)
    figures = answer["figures"]
    lines = [("p50", f"{seconds:.2f} s"), *(() if figures is None else _lines(figures))]
    dial = _dial(towards, None if figures is None else figures["light"], colour)
    return _shot(out / answer["file"], words, dial, lines, notes)


def _shot(path: Path, words: str, dial: str, lines: Sequence[tuple[str, str]], notes: str = "") -> str:
    """A picture with its caption; ``words``, ``dial`` and ``notes`` are HTML."""
    figures = "".join(f"<dt>{escape(what)}</dt><dd>{escape(value)}</dd>" for what, value in lines)
    kept = f'<dl class="figures">{figures}</dl>' if figures else ""
    alt = escape(path.stem, quote=True)
    return (
        f'<figure><img loading="lazy" alt="{alt}" src="{_inline(path)}">'
        f'<figcaption><div class="who"><strong>{words}</strong>{dial}</div>{kept}{notes}</figcaption></figure>'
    )


def _lines(figures: Mapping[str, Any], own: str = "") -> list[tuple[str, str]]:
    """Figures in words; of the picture itself those against itself are left out, and so for the true render."""
    left_out = {
        "input": ("detail", "misalignment", "delta_e_inside", "delta_e_outside"),
        "truth": ("truth_rmse", "truth_rmse_exposed"),
    }.get(own, ())
    return [
        (what, form.format(figures[name]))
        for what, name, form in LINES
        if figures[name] is not None and name not in left_out
    ]


def _dial(towards: Sequence[float] | None, light: Sequence[float] | None, colour: str) -> str:
    """Where the light was asked from (ring) and where it comes from (hand), seen from the front."""
    if towards is None or light is None:
        return ""
    wanted, found = _unit(towards), _unit(light)
    title = "ring: the side that was asked for; hand: where the light comes from"
    return (
        f'<svg class="dial" viewBox="-16 -16 32 32" role="img" aria-label="{title}"><title>{title}</title>'
        '<circle r="12" fill="none" stroke="currentColor" stroke-opacity="0.3"/>'
        f'<line x2="{10 * found[0]:.2f}" y2="{-10 * found[1]:.2f}" stroke="{colour}" stroke-width="3" '
        'stroke-linecap="round"/>'
        f'<circle cx="{12 * wanted[0]:.2f}" cy="{-12 * wanted[1]:.2f}" r="3.4" fill="none" stroke="currentColor" '
        'stroke-width="1.6"/></svg>'
    )


def _unit(vector: Sequence[float]) -> tuple[float, float]:
    length = max(math.hypot(*vector), 1e-9)
    return vector[0] / length, vector[1] / length


def _inline(path: Path) -> str:
    with Image.open(path) as picture:
        picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
        data = encode(picture, output_format="webp", quality=QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(data).decode()}"
