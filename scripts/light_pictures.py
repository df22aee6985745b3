"""Draw what every form of a light looks like, for the manual: its map, and a subject before it.

python scripts/light_pictures.py           writes the sheets into weights/mini/examples/lights
python scripts/light_pictures.py --check   exits with 1 where a sheet is not what the code draws
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from iclight_local.imaging.encode import encode
from iclight_local.imaging.files import decode
from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.imaging.light_reference import reference_map
from iclight_local.imaging.light_shapes import framed, framed_matte
from iclight_local.imaging.lightmap import INITIAL_LATENT_RAMP, draw_lights, painted_map
from iclight_local.imaging.sheet import grid
from iclight_local.imaging.write import write
from iclight_local.light import parse_lights
from iclight_local.segmenters.catalogue import EMBEDDED
from iclight_local.segmenters.rembg_session import open_segmenter

EXAMPLES = Path(__file__).parent.parent / "weights" / "mini" / "examples"
SUBJECT = EXAMPLES / "render.jpg"
SHEETS = EXAMPLES / "lights"
WIDTH, HEIGHT = 120, 150
COLUMNS, GAP, QUALITY = 4, 4, 77
ROOM = 1.4
"""Size of the previews over that of the subject's picture."""
MOST = 2.0
"""Grey levels by which a sheet may differ in the mean: JPEG and the segmenter vary a little between machines."""

LIGHTS: dict[str, tuple[str, ...]] = {
    "directions.jpg": (
        *("left", "right", "top", "bottom"),
        *("top-left", "top-right", "bottom-left", "bottom-right"),
        *("front", "back", "ambient", "azimuth=-45 elevation=30"),
    ),
    "types.jpg": (
        *("left softbox", "left sunlight", "left spotlight", "left ambient"),
        *("left 0.3", "left 2", "front spotlight", "azimuth=135 elevation=30"),
    ),
    "colours.jpg": (
        *("left #ff3030", "left 2500K", "left 5000K", "left 12000K"),
        *("left #ff3030 + right #3060ff", "left 3200K softbox + ambient"),
        *("back 2500K + front 0.3", "top-left + bottom-right #20c060"),
    ),
    "pictures.jpg": (),
}
"""The lights on each sheet; the last one has a painted map and a reference."""

Tile = tuple[str, Image.Image]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the sheets, or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare the sheets with what the code draws")
    check = parser.parse_args(arguments).check
    drawn = {SHEETS / name: page(name) for name in LIGHTS}
    if check:
        stale = [path for path, data in drawn.items() if not path.is_file() or difference(path, data) > MOST]
        for path in stale:
            print(f"{path.name} is not what the code draws: scripts/light_pictures.py draws it anew.", file=sys.stderr)
        return 1 if stale else 0
    SHEETS.mkdir(exist_ok=True)
    for path, data in drawn.items():
        write(path, data, overwrite=True)
        print(f"{path.relative_to(EXAMPLES)}: {len(data) / 1000:.0f} kB")
    return 0


def page(name: str) -> bytes:
    """One sheet as the bytes of its file."""
    tiles = [_tile(text) for text in LIGHTS[name]]
    if not tiles:
        tiles = [_painted_tile(), *_reference_tiles()]
    whole = grid([picture for _, picture in tiles], [caption for caption, _ in tiles], COLUMNS)
    return encode(whole, output_format="jpeg", quality=QUALITY)


def difference(path: Path, drawn: bytes) -> float:
    """Mean difference of two picture files in grey levels; infinite where their sizes differ."""
    first, second = (np.asarray(Image.open(source), np.float32) for source in (path, io.BytesIO(drawn)))
    return float(np.abs(first - second).mean()) if first.shape == second.shape else float("inf")


def _tile(text: str) -> Tile:
    drawn = draw_lights(parse_lights(text), WIDTH, HEIGHT, INITIAL_LATENT_RAMP, _subject()[1])
    return text, _pair(drawn, _before(drawn))


def _painted_tile() -> Tile:
    """A window's light, as a user would paint it."""
    image = Image.new("RGB", (WIDTH, HEIGHT), (12, 14, 26))
    draw = ImageDraw.Draw(image)
    for row in range(2):
        for column in range(2):
            x, y = 12 + 40 * column, 18 + 56 * row + 10 * column
            draw.polygon([(x, y), (x + 32, y + 8), (x + 32, y + 56), (x, y + 48)], fill=(255, 226, 170))
    picture = np.asarray(image.filter(ImageFilter.GaussianBlur(4)))
    return "light_map: a painted map", _pair(picture, _before(painted_map(picture, None, WIDTH, HEIGHT)))


def _reference_tiles() -> list[Tile]:
    """A sunset, and the light that is taken from it."""
    picture = _sunset()
    drawn = reference_map(picture, WIDTH, HEIGHT, INITIAL_LATENT_RAMP)
    return [
        ("light_reference and its map", _pair(picture, drawn)),
        ("the subject before it", _pair(drawn, _before(drawn))),
    ]


def _sunset() -> UInt8Array:
    """A low sun at the left over a dark land."""
    across, down = np.meshgrid(np.linspace(0, 1, WIDTH), np.linspace(0, 1, HEIGHT))
    height = (down / 0.66)[..., None]
    sky = np.array([58, 62, 120]) * (1 - height) + np.array([255, 140, 60]) * height
    sun = np.hypot(across - 0.22, (down - 0.5) * HEIGHT / WIDTH)[..., None]
    lit = sky + np.array([255, 200, 120]) * np.exp(-((sun / 0.22) ** 2)) + 255 * (sun < 0.09)
    ridge = 0.66 + 0.03 * np.sin(9 * across) + 0.015 * np.sin(23 * across + 1)
    land = np.array([34, 24, 30]) + np.array([50, 26, 10]) * (1 - across)[..., None] * (1.6 - down[..., None])
    return np.where((down > ridge)[..., None], land, lit).clip(0, 255).astype(np.uint8)


@cache
def _subject() -> tuple[UInt8Array, FloatArray]:
    """The subject's pixels and its matte, with room around it in which light is seen."""
    picture = decode(SUBJECT, offline=True).rgb
    matte = open_segmenter(EMBEDDED.name).segment(picture)
    # The small segmenter's doubts are left out: here they would look like dirt on the map.
    sure = ((matte - 0.2) / 0.6).clip(0, 1)
    height, width = sure.shape
    above, beside = round(height * (ROOM - 1)), round(width * (ROOM - 1) / 2)
    around = ((above, 0), (beside, beside))
    return np.pad(picture, (*around, (0, 0))), np.pad(sure, around).astype(np.float32)


def _before(drawn: UInt8Array) -> UInt8Array:
    """The subject before a map, as ``iclight light --preview`` shows it."""
    picture, matte = _subject()
    share = framed_matte(matte, WIDTH, HEIGHT)[..., None]
    subject = framed(picture, WIDTH, HEIGHT)
    return np.rint(drawn * (1 - share) + subject * share).astype(np.uint8)


def _pair(left: UInt8Array, right: UInt8Array) -> Image.Image:
    pair = Image.new("RGB", (2 * WIDTH + GAP, HEIGHT), "white")
    draw = ImageDraw.Draw(pair)
    for start, picture in ((0, left), (WIDTH + GAP, right)):
        pair.paste(Image.fromarray(picture), (start, 0))
        # A lit side is as white as the page.
        draw.rectangle((start, 0, start + WIDTH - 1, HEIGHT - 1), outline=(128, 128, 128))
    return pair


if __name__ == "__main__":
    sys.exit(main())
