"""The random bundle, the pictures it was run on, and small calls of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.imaging.matte import composite_on_grey
from iclight_local.pipelines.iclight import ICLightPipeline

GOLDENS = Path(__file__).parents[1] / "goldens"
BASE = GOLDENS / "bundle" / "base"
CASES: list[dict[str, Any]] = json.loads((GOLDENS / "cases.json").read_text())
SMALL: dict[str, Any] = {"prompt": "toy", "width": 64, "height": 128, "steps": 2, "seed": 3, "output_type": "np"}
"""Knobs of a call that takes a moment."""


def offsets(model: str) -> Path:
    return GOLDENS / "bundle" / f"iclight_sd15_{model}.safetensors"


def load_pipe(model: str, **options: Any) -> ICLightPipeline:
    pipe = ICLightPipeline.from_pretrained(BASE, iclight=offsets(model), **options)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def read(name: str, mode: str = "RGB") -> UInt8Array:
    return np.asarray(Image.open(GOLDENS / name).convert(mode))


def alpha() -> FloatArray:
    return read("inputs/alpha.png", "L").astype(np.float32) / 255


def composite(sigma: float = 0.0) -> UInt8Array:
    return composite_on_grey(read("inputs/subject.png"), alpha(), sigma)


@contextmanager
def unet_calls(pipe: ICLightPipeline) -> Iterator[list[int]]:
    """The batch sizes of the UNet calls made within."""
    sizes: list[int] = []
    hook = pipe.unet.register_forward_pre_hook(lambda module, args: sizes.append(len(args[0])))
    yield sizes
    hook.remove()
