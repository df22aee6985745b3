"""What the autoencoder alone loses: PSNR of whole pictures that were encoded (mode) and decoded.

Renders are the targets and inputs of the scenes, drawn at 256 and at 512 pixels. Photographs are those that are packed
with scikit-image (nothing is fetched), and those of a folder: scaled with LANCZOS until the shorter side has 256 or 512
pixels, the middle cut out in multiples of 64. Some of the packed ones are smaller than 512 and are enlarged.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
from PIL import Image

from benchmarks.mini.figures import Line, mean, outcome, psnr
from benchmarks.mini.run import Run
from benchmarks.scenes.samples import Bytes

SIZES = (256, 512)
PACKED = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")
"""Colour photographs in scikit-image's own package, in contrast to those that it fetches."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
LEAST = {"render": 30.0, "photograph": 27.0}


def measure(run: Run) -> dict[str, Any]:
    """Renders and photographs through the autoencoder and back."""
    pictures: list[dict[str, Any]] = []
    for size in SIZES:
        for case in run.cases(size):
            for name, picture in (("target", case.target), ("input", case.input)):
                values = {"kind": "render", "size": size, "name": f"{case.seed} {name}"}
                pictures.append({**values, "psnr": psnr(run.relighter.recode([picture])[0], picture)})
        for path in photographs(run.trial.photos):
            picture = photograph(path, size)
            values = {"kind": "photograph", "size": size, "name": path.name, "pixels": list(picture.shape[1::-1])}
            pictures.append({**values, "psnr": psnr(run.relighter.recode([picture])[0], picture)})
    return outcome(pictures, [line for kind in LEAST for size in SIZES for line in _lines(pictures, kind, size)])


def photographs(folder: str | None) -> Iterator[Path]:
    """The packed photographs that this scikit-image has, then the pictures of a folder."""
    packed = Path(skimage.data.__file__).parent
    yield from (packed / name for name in PACKED if (packed / name).is_file())
    if folder is not None:
        yield from (path for path in sorted(Path(folder).iterdir()) if path.suffix.lower() in SUFFIXES)


def photograph(path: Path, short: int) -> Bytes:
    """The middle of a photograph, ``short`` pixels along its shorter side, the longer one a multiple of 64."""
    with Image.open(path) as image:
        image = image.convert("RGB")
        scale = short / min(image.size)
        wide, high = (max(short, round(side * scale)) for side in image.size)
        image = image.resize((wide, high), Image.Resampling.LANCZOS)
    across, down = wide // 64 * 64, high // 64 * 64
    left, top = (wide - across) // 2, (high - down) // 2
    return np.asarray(image.crop((left, top, left + across, top + down)))


def _lines(pictures: list[dict[str, Any]], kind: str, size: int) -> list[Line]:
    values = [each["psnr"] for each in pictures if each["kind"] == kind and each["size"] == size]
    what = f"autoencoder alone, {kind}s at {size} px"
    return [
        Line(f"{what}: mean PSNR", mean(values), LEAST[kind], "dB"),
        Line(f"{what}: lowest PSNR", min(values), unit="dB"),
    ]
