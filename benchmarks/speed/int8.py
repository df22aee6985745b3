"""How near the pictures of ``--precision int8`` are to those of float32: same scenes, same seeds, PSNR in dB."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.environment import describe
from benchmarks.mini.figures import psnr
from benchmarks.scenes import sample

ASKED = 35.0
"""Decibels that every picture shall reach."""
LIGHTS = ("left", "right", "top", "bottom")


@dataclass(frozen=True)
class Nearness:
    """Everything that decides what is measured.

    Attributes:
        weights: a bundle.
        models: of it.
        scenes: how many of the split ``test``, from seed ``first`` on, each with its own prompt in one of four lights.
        size: width and height of the lowres pass.
        steps: of each pass.
    """

    weights: str = "mini"
    models: tuple[str, ...] = ("fc", "fbc")
    scenes: int = 8
    first: int = 500
    size: int = 128
    highres_scale: float = 1.5
    steps: int = 25


def measure(nearness: Nearness) -> dict[str, Any]:
    """All figures as plain values for one JSON file."""
    from iclight_local.pipelines.openvino_unet import versions

    with TemporaryDirectory() as home:
        found = {model: _model(model, nearness, Path(home)) for model in nearness.models}
    return {
        "nearness": asdict(nearness),
        "environment": {**describe("cpu"), "libraries": versions()},
        "models": found,
    }


def table(result: dict[str, Any]) -> str:
    """PSNR of each model's pictures as Markdown, and what it was measured on."""
    lines = [
        "| model | pictures | PSNR to float32, mean | lowest | asked | one conversion |",
        "|---|---|---|---|---|---|",
    ]
    for model, found in result["models"].items():
        psnrs = found["psnr"]
        cells = f"{len(psnrs)} | {mean(psnrs):.1f} dB | **{min(psnrs):.1f} dB** | >= {ASKED:g} dB"
        lines.append(f"| `{model}` | {cells} | {found['conversion_s']:.0f} s |")
    ran, asked = result["environment"], result["nearness"]
    size = f"{asked['size']} x {asked['size']}, highres scale {asked['highres_scale']:g}, {asked['steps']} steps"
    computed = next(iter(result["models"].values()))["computed_by"]
    libraries = ", ".join(f"{name} {version}" for name, version in ran["libraries"].items())
    where = f"{ran['processor']}, {ran['cores']} cores, load {ran['load_average'][0]}"
    return (
        "\n".join(lines)
        + f"\n\n`{asked['weights']}`, {size}; {computed}; {libraries}; on {where}; {ran['time'][:10]}.\n"
    )


def _model(model: Any, nearness: Nearness, home: Path) -> dict[str, Any]:
    from iclight_local import open_engine

    cases = [sample(nearness.first + number, nearness.size, "test") for number in range(nearness.scenes)]
    knobs: dict[str, Any] = {
        "prompt": [case.prompt.text for case in cases],
        "light_source": [LIGHTS[number % len(LIGHTS)] for number in range(len(cases))],
        "seed": list(range(len(cases))),
        "width": nearness.size,
        "height": nearness.size,
        "highres_scale": nearness.highres_scale,
        "steps": nearness.steps,
    }
    engine: Any = open_engine(weights=nearness.weights, device="cpu", precision="int8", home=home)
    began = time.perf_counter()
    pipe = engine.load(model)
    converted = time.perf_counter() - began
    subjects = [case.foreground for case in cases]
    quick = pipe(subjects, **knobs).images
    pipe.quick = None
    plain = pipe(subjects, **knobs).images
    return {
        "computed_by": pipe.computed_by,
        "conversion_s": round(converted, 1),
        "psnr": [round(psnr(np.asarray(a), np.asarray(b)), 2) for a, b in zip(quick, plain, strict=True)],
    }
