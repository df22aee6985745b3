"""Relight pictures from four sides and put everything on one sheet: what scripts/quickstart shows.

python scripts/four_lights.py OUT.png PICTURE [PICTURE ...] [--keeping PICTURE] [--weights mini]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageOps

from iclight_local import ICLightError, RelightRequest, open_engine
from iclight_local.engines.base import Engine
from iclight_local.imaging.sheet import grid
from iclight_local.imaging.write import check_writable

SIDES = ("left", "right", "top", "bottom")


def main(arguments: Sequence[str] | None = None) -> int:
    """Relight, write the sheet and every picture beside it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the sheet to write; the single pictures are put beside it")
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument(
        "--keeping", type=Path, nargs="+", default=[], help="further pictures, whose own pixels are kept (--fit input)"
    )
    parser.add_argument("--weights", help="bundle, by name or folder (default: as for iclight relight)")
    parser.add_argument("--width", type=int, default=256, help="of the lowres pass")
    parser.add_argument("--height", type=int, default=320, help="of the lowres pass")
    parser.add_argument("--prompt", default="")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    try:
        check_writable(options.out, overwrite=True)
        engine = open_engine(weights=options.weights)
        shown = _shown(engine, options)
    except ICLightError as error:
        print(error, file=sys.stderr)
        return 1
    pictures, captions = zip(*shown, strict=True)
    grid(pictures, captions, 1 + len(SIDES)).save(options.out)
    return 0


def _shown(engine: Engine, options: argparse.Namespace) -> list[tuple[Image.Image, str]]:
    """Pictures of one size with their captions, row by row."""
    found = []
    for path, fit, words in [
        *((path, "crop", "light: {}") for path in options.pictures),
        *((path, "input", "{}, its pixels kept") for path in options.keeping),
    ]:
        found.append((Image.open(path), "as photographed"))
        for side in SIDES:
            result = engine.relight(
                RelightRequest(
                    subject_image=path,
                    prompt=options.prompt,
                    light_source=side,
                    fit=fit,
                    width=options.width,
                    height=options.height,
                    seed=options.seed,
                )
            )
            name = f"{path.stem}-{side}.png" if fit == "crop" else f"{path.stem}-{side}-kept.png"
            result.images[0].save(options.out.with_name(name))
            found.append((result.images[0], words.format(side)))
            print(f"  {name}: {sum(result.timings.values()):.1f} s", flush=True)
    size = found[1][0].size
    return [
        (ImageOps.fit(picture.convert("RGB"), size, Image.Resampling.LANCZOS), caption) for picture, caption in found
    ]


if __name__ == "__main__":
    sys.exit(main())
