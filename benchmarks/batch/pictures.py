"""Pictures for batches: noise with a subject that is cut out already, or drawn scenes, and manifests that name them."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image


def draw(folder: Path, count: int, size: tuple[int, int] = (96, 128)) -> list[Path]:
    """Draw so many pictures: a ball on a dark ramp, cut out already, so that no segmenter is asked."""
    folder.mkdir(parents=True, exist_ok=True)
    wide, high = size
    y, x = np.mgrid[0:high, 0:wide]
    found = []
    for number in range(count):
        chance = np.random.default_rng(number)
        centre = chance.uniform(0.35, 0.65, 2) * (high, wide)
        inside = ((y - centre[0]) ** 2 + (x - centre[1]) ** 2) ** 0.5 < min(size) * 0.3
        colour = chance.integers(60, 255, 3)
        pixels = np.zeros((high, wide, 4), np.uint8)
        pixels[..., :3] = (x / wide * 90)[..., None]
        pixels[inside, :3] = colour
        pixels[..., 3] = inside * 255
        path = folder / f"picture-{number:04d}.png"
        Image.fromarray(pixels).save(path)
        found.append(path)
    return found


def write_manifest(path: Path, pictures: list[Path], rows: int) -> None:
    """A CSV of so many rows, each with a prompt and a seed of its own."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("subject_image", "prompt", "light_source", "seed", "output"))
        sides = ("left", "right", "top", "bottom")
        for row in range(rows):
            writer.writerow(
                (pictures[row % len(pictures)], f"warm light, scene {row}", sides[row % 4], row, f"r{row:07d}.png")
            )


POISONS = (
    "empty",
    "text",
    "truncated",
    "bomb",
    "folder",
    "missing",
    "half_png",
    "wrong_matte",
    "clear",
    "html",
)
"""Ten kinds of rows that cannot be relit."""


def poison(kind: str, folder: Path, good: Path) -> dict[str, str]:
    """A row of a kind that cannot be relit: its columns."""
    path = folder / f"poison-{kind}.png"
    data = good.read_bytes()
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("This is no picture.")
    elif kind == "truncated":
        path.write_bytes(data[:40])
    elif kind == "half_png":
        path.write_bytes(data[: len(data) // 2])
    elif kind == "bomb":
        path.write_bytes(_bomb())
    elif kind == "folder":
        path.mkdir(exist_ok=True)
    elif kind == "clear":
        Image.new("RGBA", (64, 64), (10, 20, 30, 0)).save(path)
    elif kind == "html":
        path.write_text("<!doctype html><title>404</title>")
    elif kind == "wrong_matte":
        matte = folder / "poison-matte.png"
        Image.new("L", (7, 9), 255).save(matte)
        return {"subject_image": str(good), "matte": str(matte)}
    return {"subject_image": str(path)}


def _bomb() -> bytes:
    """The header of a PNG of 60,000 x 60,000 pixels."""
    import struct
    import zlib

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def poisoned(folder: Path, count: int, share: float, seed: int = 0) -> tuple[Path, dict[int, str]]:
    """A manifest (JSONL) of so many rows of which a share is poisoned, and the kind of each of those by its line."""
    good = draw(folder / "pictures", count)
    chance = random.Random(seed)
    bad = dict(zip(chance.sample(range(1, count + 1), round(count * share)), _kinds(), strict=False))
    path = folder / "poisoned.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        for line, picture in enumerate(good, 1):
            columns = {"subject_image": str(picture)}
            if line in bad:
                columns = poison(bad[line], folder, good[0])
            stream.write(json.dumps({**columns, "output": f"row-{line:04d}"}) + "\n")
    return path, bad


def _kinds() -> Iterator[str]:
    while True:
        yield from POISONS
