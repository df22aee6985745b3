"""What is kept of a picture, and what can stand behind its subject, on one sheet for the manual.

python scripts/keeping_pictures.py [OUT.jpg] [--weights mini]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from iclight_local import ICLightError, RelightRequest, open_engine
from iclight_local.engines.base import Engine
from iclight_local.imaging.sheet import grid, on_checks
from iclight_local.imaging.write import check_writable

EXAMPLES = Path(__file__).parent.parent / "weights" / "mini" / "examples"
SIZE, QUALITY = (246, 307), 88
COMMON: dict[str, Any] = {"light": "left 3200K", "fit": "input", "width": 256, "height": 320, "seed": 1}
CASES: dict[str, dict[str, dict[str, Any]]] = {
    "portrait.jpg": {
        "--keep none": {"keep": "none", "background_mode": "generate"},
        "--keep detail": {},
        "--keep colour": {"keep": "colour"},
        "--keep all": {"keep": "all"},
    },
    "render.jpg": {
        "--background-mode keep": {},
        "--background-mode transparent": {"background_mode": "transparent"},
        "--background-mode colour": {
            "background_mode": "colour",
            "background_colour": "#c9b8a0",
            "contact_shadow": True,
        },
        "--background-mode generate": {"background_mode": "generate"},
    },
}
"""Pictures, captions, and the knobs that go with ``COMMON``."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Relight both pictures in every way and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?", default=EXAMPLES / "keeping.jpg")
    parser.add_argument("--weights", default="mini", help="bundle, by name or folder")
    options = parser.parse_args(arguments)
    try:
        check_writable(options.out, overwrite=True)
        engine = open_engine(weights=options.weights, segmenter="mini")
        tiles = [tile for name, cases in CASES.items() for tile in _tiles(engine, EXAMPLES / name, cases)]
    except ICLightError as error:
        print(error, file=sys.stderr)
        return 1
    pictures = [picture for _, picture in tiles]
    grid(pictures, [caption for caption, _ in tiles], 5).save(options.out, quality=QUALITY)
    return 0


def _tiles(engine: Engine, path: Path, cases: dict[str, dict[str, Any]]) -> Iterator[tuple[str, Image.Image]]:
    """Captions and pictures of one row."""
    yield "as photographed", _small(Image.open(path).convert("RGB"))
    for caption, knobs in cases.items():
        print(f"  {path.name} {caption}", flush=True)
        result = engine.relight(RelightRequest(subject_image=path, **COMMON, **knobs))
        yield caption, _small(result.images[0])


def _small(picture: Image.Image) -> Image.Image:
    return on_checks(ImageOps.fit(picture, SIZE, Image.Resampling.LANCZOS))


if __name__ == "__main__":
    sys.exit(main())
