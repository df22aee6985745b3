"""The contact sheet: what the figures are about, to look at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageDraw

from benchmarks.scenes.samples import Bytes
from benchmarks.scenes.sheet import CAPTION

COLUMNS = (
    "input", "left", "right", "top", "bottom", "natural", "warm", "sunset", "cool", "neon",
    "fbc background", "fbc result", "normals", "true normals",
)  # fmt: skip
ROWS = 12


class Sheet:
    """Keeps the pictures of the first scenes and draws them: a row is a scene, a column what was asked.

    Args:
        first: seed of the first row.
        side: pixels of a picture on the sheet.
    """

    def __init__(self, first: int = 0, side: int = 160) -> None:
        self._first, self._side = first, side
        self._kept: dict[int, dict[str, Image.Image]] = {}

    def keep(self, seed: int, pictures: Mapping[str, Bytes]) -> None:
        """Take the pictures of a scene, by column; scenes and columns that are not shown are passed over."""
        if not self._first <= seed < self._first + ROWS:
            return
        row = self._kept.setdefault(seed, {})
        for column in set(pictures) & set(COLUMNS):
            small = (self._side, self._side)
            row[column] = Image.fromarray(pictures[column]).resize(small, Image.Resampling.LANCZOS)

    def write(self, out: Path) -> None:
        """Draw what was kept so far; columns that have no picture at all are left out."""
        columns = [name for name in COLUMNS if any(name in row for row in self._kept.values())]
        if not columns:
            return
        side, gap = self._side, CAPTION
        page = Image.new("RGB", (2 * gap + len(columns) * side, gap + len(self._kept) * side), (24, 24, 24))
        pen = ImageDraw.Draw(page)
        for place, name in enumerate(columns):
            pen.text((2 * gap + place * side + 3, 1), name, fill=(250, 220, 120))
        for line, (seed, row) in enumerate(sorted(self._kept.items())):
            pen.text((3, gap + line * side + 2), str(seed), fill=(235, 235, 235))
            for place, name in enumerate(columns):
                if name in row:
                    page.paste(row[name], (2 * gap + place * side, gap + line * side))
        out.parent.mkdir(parents=True, exist_ok=True)
        page.save(out)
