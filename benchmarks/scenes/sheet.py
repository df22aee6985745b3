"""The contact sheet by which the scenes are judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.scenes.lights import SIDES, Lights
from benchmarks.scenes.prompts import draw_lighting
from benchmarks.scenes.samples import Bytes, Sample, sample, stream
from benchmarks.scenes.tone import to_bytes

COLUMNS = ("input", "foreground", "normals", "target", *SIDES, "background")
CAPTION = 14


def write_sheet(out: Path, count: int, size: int, first: int = 0, split: str = "test") -> None:
    """Write ``count`` rows of pictures, ``size`` pixels each, under their prompts."""
    page = Image.new("RGB", (len(COLUMNS) * size, CAPTION + count * (size + CAPTION)), (24, 24, 24))
    pen = ImageDraw.Draw(page)
    for column, name in enumerate(COLUMNS):
        pen.text((column * size + 3, 1), name, fill=(250, 220, 120))
    for index in range(count):
        case = sample(first + index, size, split)
        top = CAPTION + index * (size + CAPTION)
        for column, picture in enumerate(_row(case)):
            page.paste(Image.fromarray(picture), (column * size, top))
        truth = f"[{case.prompt.direction}, {case.prompt.temperature}]"
        pen.text((3, top + size), f"{case.seed}: {case.prompt.text}   {truth}", fill=(235, 235, 235))
    out.parent.mkdir(parents=True, exist_ok=True)
    page.save(out)


def side_lights(side: str, seed: int, split: str) -> Lights:
    """A plain key light from a side: left, right, top or bottom."""
    return draw_lighting(stream(seed, split), (side, "neutral")).lights


def _row(case: Sample) -> list[Bytes]:
    normals = to_bytes(np.where(case.matte[..., None] > 0, (case.normal + 1) / 2, 0.5))
    sides = [case.relit(side_lights(side, case.seed, case.split)) for side in SIDES]
    return [case.input, case.foreground, normals, case.target, *sides, case.background]
