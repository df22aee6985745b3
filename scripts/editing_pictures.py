"""What shops ask of a photograph, as calls of Photoroom's API that this machine answers, on one sheet for the manual.

python scripts/editing_pictures.py [OUT.jpg] [--weights mini] [--picture FILE]
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.scenes import sample
from iclight_local import ICLightError, edit, open_engine
from iclight_local.dialects.base import Call
from iclight_local.dialects.photoroom import DIALECT
from iclight_local.engines.base import Engine
from iclight_local.imaging.sheet import grid, on_checks
from iclight_local.imaging.write import check_writable

EXAMPLES = Path(__file__).parent.parent / "weights" / "mini" / "examples"
TILE, QUALITY, SIZE = 300, 88, 900
CASES: dict[str, dict[str, str]] = {
    "marketplace listing": {
        **{"background.color": "F4F4F4", "outputSize": "900x900", "padding": "0.12"},
        **{"shadow.mode": "ai.soft", "lighting.mode": "ai.auto"},
    },
    "one brand's shop": {
        **{"background.color": "E7DFD3", "outputSize": "800x1000", "padding": "14%", "paddingBottom": "10%"},
        **{"verticalAlignment": "bottom", "shadow.mode": "ai.auto-with-overrides"},
        **{"shadow.directionOverride": "behindRight", "shadow.softnessOverride": "0.4", "shadow.spreadOverride": "50"},
    },
    "menu of a restaurant": {
        **{"background.blur.mode": "bokeh", "background.blur.radius": "0.02", "outputSize": "1000x800"},
        **{"padding": "0.12", "lighting.mode": "ai.auto", "shadow.mode": "ai.soft"},
    },
    "shopping search": {
        **{"background.color": "white", "outputSize": "900x900", "padding": "0.05", "export.format": "jpg"},
    },
    "sticker": {
        **{"outline.color": "white", "outline.width": "0.025", "padding": "0.1", "outputSize": "800x800"},
    },
    "a scene by its prompt": {
        **{"background.prompt": "sunset over the sea, warm light", "background.seed": "7", "padding": "0.15"},
        **{"outputSize": "640x640", "lighting.mode": "ai.auto"},
    },
}
"""Captions, and the call beside its picture."""
FRAME = {"width": 256, "height": 256}
"""What the miniature was trained at; a scene is all of its own making."""
SUBJECTS = (1, 8, 4)
"""Scenes whose subjects are edited: a lamp, a bottle, a plant."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Edit every picture in every way and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?", default=EXAMPLES / "editing.jpg")
    parser.add_argument("--weights", default="mini", help="bundle, by name or folder")
    parser.add_argument("--picture", type=Path, action="append", help="edit this picture instead; may be repeated")
    parser.add_argument("--segmenter", default="mini", help="cuts the subject out of --picture")
    options = parser.parse_args(arguments)
    try:
        check_writable(options.out, overwrite=True)
        engine = open_engine(weights=options.weights, segmenter=options.segmenter)
        tiles = []
        for picture in _pictures(options.picture):
            tiles += _row(engine, picture)
    except ICLightError as error:
        print(error, file=sys.stderr)
        return 1
    pictures = [picture for _, picture in tiles]
    grid(pictures, [caption for caption, _ in tiles], len(CASES) + 1).save(options.out, quality=QUALITY)
    return 0


def _pictures(named: list[Path] | None) -> list[bytes]:
    """Files that are asked for, else scenes with their true matte as transparency."""
    if named is not None:
        return [path.read_bytes() for path in named]
    files = []
    for seed in SUBJECTS:
        case = sample(seed, SIZE, "test")
        matte = np.round(case.matte * 255).astype(np.uint8)
        files.append(_png(Image.fromarray(np.dstack([case.input, matte]))))
    return files


def _row(engine: Engine, picture: bytes) -> list[tuple[str, Image.Image]]:
    """Captions and pictures of one subject."""
    shown = Image.open(io.BytesIO(picture))
    tiles = [("as photographed", _small(shown.convert("RGB")))]
    for caption, fields in CASES.items():
        files = {"imageFile": picture}
        if "background.blur.mode" in fields:
            files["background.imageFile"] = _table()
        call = Call({"keepExistingAlphaChannel": "auto", **fields}, files)
        asked = DIALECT.read(call)
        pictures = {name: data for name, data in asked.pictures.items() if isinstance(data, bytes)}
        request = DIALECT.request(asked, pictures)
        if request.behind == "generate":
            request = request.model_copy(update=FRAME)
        [delivered] = DIALECT.deliver(asked, request, edit(engine, request))
        print(f"  {caption}: {len(delivered.data) >> 10} kB", flush=True)
        tiles.append((caption, _small(Image.open(io.BytesIO(delivered.data)))))
    return tiles


def _table() -> bytes:
    """A background picture: that of a scene."""
    return _png(Image.fromarray(sample(9, SIZE, "test").background))


def _small(image: Image.Image) -> Image.Image:
    plain = on_checks(image) if image.mode == "RGBA" else image.convert("RGB")
    return ImageOps.pad(plain, (TILE, TILE), Image.Resampling.LANCZOS, (40, 40, 40))


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return buffer.getvalue()


if __name__ == "__main__":
    sys.exit(main())
