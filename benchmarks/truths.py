"""Synthetic scenes as files with a manifest, for ``iclight bench``: what is asked, and the true render of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.mini.relight import Ask, TrueRelighter
from benchmarks.scenes import SIDES, Sample, sample, to_srgb
from iclight_local.bench.cases import SCHEMA

MANIFEST = "scenes.json"


def write_scenes(folder: Path, count: int, first: int, size: int, prompt: str) -> Path:
    """Write scenes of the split ``test``: picture, matte, paint and true render, and the manifest that names them.

    Args:
        folder: made where it is missing.
        count: how many; the sides that the light is asked from take turns.
        first: seed of the first.
        size: pixels along a side.
        prompt: asked of every scene; it names no side.

    Returns:
        The manifest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scenes = []
    for place in range(count):
        side = SIDES[place % len(SIDES)]
        scenes.append(_scene(folder, sample(first + place, size, "test"), side, prompt))
    manifest = folder / MANIFEST
    manifest.write_text(json.dumps({"schema": SCHEMA, "scenes": scenes}, indent=1) + "\n")
    return manifest


def _scene(folder: Path, case: Sample, side: str, prompt: str) -> dict[str, Any]:
    name = f"scene-{case.seed}-{side}"
    (truth,) = TrueRelighter().relight([Ask(case, prompt, side)])
    pictures = {
        "picture": case.input,
        "matte": np.round(case.matte * 255).astype(np.uint8),
        "albedo": np.round(np.clip(to_srgb(case.albedo), 0, 1) * 255).astype(np.uint8),
        "truth": truth,
    }
    files = {}
    for kind, pixels in pictures.items():
        files[kind] = f"{name}.{kind}.png"
        Image.fromarray(pixels).save(folder / files[kind])
    return {"name": name, **files, "knobs": {"light_source": side, "prompt": prompt}}
