"""Relight pictures from four sides and put everything on one sheet: what scripts/quickstart shows.

python scripts/four_lights.py OUT.png PICTURE [PICTURE ...] [--weights mini] [--width 256 --height 320]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageOps

from iclight_local import ICLightError, RelightRequest, open_engine
from iclight_local.engines.base import Engine
from iclight_local.imaging.sheet import sheet
from iclight_local.imaging.write import check_writable

SIDES = ("left", "right", "top", "bottom")


def main(arguments: Sequence[str] | None = None) -> int:
    """Relight, write the sheet and every picture beside it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the sheet to write; the single pictures are put beside it")
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--weights", help="bundle, by name or folder (default: as for iclight relight)")
    parser.add_argument("--width", type=int, default=256, help="of the lowres pass")
    parser.add_argument("--height", type=int, default=320, help="of the lowres pass")
    parser.add_argument("--prompt", default="")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    try:
        check_writable(options.out, overwrite=True)
        engine = open_engine(weights=options.weights)
        rows = [_row(engine, path, options) for path in options.pictures]
    except ICLightError as error:
        print(error, file=sys.stderr)
        return 1
    sheet(rows, ("as photographed", *(f"light: {side}" for side in SIDES))).save(options.out)
    return 0


def _row(engine: Engine, path: Path, options: argparse.Namespace) -> list[Image.Image]:
    size = {"width": options.width, "height": options.height}
    row = []
    for side in SIDES:
        result = engine.relight(
            RelightRequest(subject_image=path, prompt=options.prompt, light_source=side, seed=options.seed, **size)
        )
        result.images[0].save(options.out.with_name(f"{path.stem}-{side}.png"))
        row.append(result.images[0])
        print(f"  {path.name}, light from {side}: {sum(result.timings.values()):.1f} s", flush=True)
    return [ImageOps.fit(Image.open(path).convert("RGB"), row[0].size, Image.Resampling.LANCZOS), *row]


if __name__ == "__main__":
    sys.exit(main())
