"""The two sides of a comparison behind one call: this package's pipeline, and plain diffusers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from benchmarks.environment import busy_seconds

SIDES = ("iclight_local", "plain")
Relight = Callable[[int], list[Image.Image]]
"""Relights the experiment's foreground with a seed."""


class Timing(NamedTuple):
    """Seconds on the clock, of processor time of this process, and of processor time of everything else.

    The last tells a disturbed run from a quiet one on a machine that is shared.
    """

    wall_s: float
    cpu_s: float
    others_cpu_s: float


@dataclass(frozen=True)
class Experiment:
    """Everything that decides what a comparison does; it is written into the result as it is.

    Attributes:
        bundle: folder with ``base/`` and ``iclight_sd15_<model>.safetensors``.
        model: ``fc``, ``fcon`` or ``fbc`` (which gets the light source's ramp as its background).
        width: width of the lowres pass in pixels.
        height: height of the lowres pass in pixels.
        runs: interleaved pairs.
        seed: of the first pair; each further pair adds 1.
        device: a torch device name.
        dtype: a torch dtype's name, of the UNet and the text encoder.
        threads: CPU threads of torch; None leaves torch's own choice.
        foreground: a picture on grey 127; None draws one.
    """

    bundle: str
    model: str = "fc"
    width: int = 512
    height: int = 640
    steps: int = 25
    runs: int = 3
    light_source: str = "none"
    cfg: float = 2.0
    highres_scale: float = 1.5
    number_of_images: int = 1
    prompt: str = "toy on a table, sunset over sea"
    seed: int = 12345
    device: str = "cpu"
    dtype: str = "float32"
    threads: int | None = None
    foreground: str | None = None


def load(side: str, experiment: Experiment) -> Relight:
    """Load one side's models.

    Args:
        side: one of :data:`SIDES`.
        experiment: what to load and where.
    """
    knobs = {name: asdict(experiment)[name] for name in KNOBS}
    loader = {"iclight_local": _load_ours, "plain": _load_plain}[side]
    return loader(experiment, knobs, foreground(experiment))


def timed(experiment: Experiment, work: Callable[[], Any]) -> tuple[Timing, Any]:
    """What ``work`` takes until the device is done with it, and what it returns."""
    from iclight_local.pipelines.timing import finish

    finish(experiment.device)
    before = (perf_counter(), process_time(), busy_seconds())
    result = work()
    finish(experiment.device)
    after = (perf_counter(), process_time(), busy_seconds())
    wall, own, busy = (end - start for start, end in zip(before, after, strict=True))
    return Timing(wall, own, max(0.0, busy - own)), result


def foreground(experiment: Experiment) -> Image.Image:
    """The experiment's foreground: its picture, or a shaded ball on grey 127 of the lowres size."""
    if experiment.foreground is not None:
        return Image.open(experiment.foreground).convert("RGB")
    rows, columns = np.mgrid[-1 : 1 : experiment.height * 1j, -1 : 1 : experiment.width * 1j]
    depth = np.sqrt(np.clip(0.5 - rows**2 - columns**2, 0, None))
    colour = np.array([220.0, 140.0, 60.0]) * (0.3 + depth[..., None])
    picture = np.where(depth[..., None] > 0, colour, 127.0)
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))


KNOBS = (
    "prompt", "width", "height", "steps", "cfg", "light_source", "highres_scale", "number_of_images",
)  # fmt: skip


def _load_ours(experiment: Experiment, knobs: dict[str, Any], picture: Image.Image) -> Relight:
    import torch

    from iclight_local import ICLightPipeline

    bundle = Path(experiment.bundle)
    pipe = ICLightPipeline.from_pretrained(
        str(bundle / "base"),
        iclight=str(bundle / f"iclight_sd15_{experiment.model}.safetensors"),
        torch_dtype=getattr(torch, experiment.dtype),
    ).to(experiment.device)
    pipe.set_progress_bar_config(disable=True)
    return lambda seed: pipe(picture, seed=seed, **knobs).images


def _load_plain(experiment: Experiment, knobs: dict[str, Any], picture: Image.Image) -> Relight:
    import torch

    from benchmarks.plain import Knobs, PlainICLight

    dtype = getattr(torch, experiment.dtype)
    plain = PlainICLight(Path(experiment.bundle), experiment.model, experiment.device, dtype)
    return lambda seed: plain.relight(picture, Knobs(seed=seed, **knobs))
