"""What ``python -m benchmarks gpu`` measures, stage by stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.compare import difference
from benchmarks.environment import cuda_peak_mib
from benchmarks.sides import KNOBS, Experiment, Relight, foreground, load
from iclight_local import ICLightPipeline, RelightRequest, open_engine
from iclight_local.engines.local import LocalEngine
from iclight_local.errors import ICLightError
from iclight_local.pipelines.compiled import Compiler
from iclight_local.pipelines.memory import Measures
from iclight_local.pipelines.placement import choose_placement, place, reset_peak_memory
from iclight_local.pipelines.speed import CallShape, matrix_peak, matrix_products, unet_operations
from iclight_local.pipelines.timing import timed
from iclight_local.pipelines.unet_calls import UNetInput, plainly

TOKENS = 77


@dataclass(frozen=True)
class Gpu:
    """What is measured.

    Attributes:
        out: JSON file to write.
        bundle: folder with ``base/`` and fc's offsets; None builds one of full size with random weights.
        device: ``cuda`` or ``cpu``.
        width, height: of the lowres pass in pixels.
        steps: of a run.
        pairs: of runs that are compared.
        callers: at once.
        rows: of the UNet's calls.
        seconds: in which all of it is to end.
        compile: whether compiled forms are measured.
    """

    out: Path
    bundle: Path | None = None
    device: str = "cuda"
    width: int = 512
    height: int = 640
    steps: int = 25
    pairs: int = 3
    callers: int = 16
    rows: tuple[int, ...] = (2, 8, 32)
    seconds: float = 450
    compile: bool = True

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the UNet, as the engine chooses it."""
        return choose_placement(self.device).dtype


def peak_tflops(asked: Gpu) -> float:
    """The best rate of some products of square matrices in the run's precision, in 10^12 operations a second."""
    return matrix_peak(matrix_products(choose_placement(asked.device))) / 1e12


def runs(asked: Gpu, home: Path) -> dict[str, Any]:
    """Plain diffusers, our pipeline and our pipeline compiled in turns, after a run of each; seconds and levels.

    Raises:
        RuntimeError: the models could not be compiled.
    """
    made = {side: load(side, _experiment(asked)) for side in ("plain", "iclight_local")}
    if asked.compile:
        made["compiled"] = _compiled(asked, home)
    first = {}
    for name, relight in made.items():
        first[name] = timed(lambda relight=relight: relight(1), asked.device)[0]
    seconds: dict[str, list[float]] = {name: [] for name in made}
    levels: dict[str, list[Any]] = {name: [] for name in made}
    for seed in range(2, 2 + asked.pairs):
        pictures: dict[str, list[Image.Image]] = {}
        for name, relight in made.items():
            taken, pictures[name] = timed(lambda relight=relight, seed=seed: relight(seed), asked.device)
            seconds[name].append(taken)
        for name in made:
            levels[name].append(difference(pictures[name], pictures["iclight_local"]))
    found: dict[str, Any] = {"first_s": first, "seconds": seconds, "levels_off_ours": levels}
    found["median_s"] = {name: median(values) for name, values in seconds.items()}
    found["times_plain"] = {name: found["median_s"]["plain"] / value for name, value in found["median_s"].items()}
    return found


def together(asked: Gpu, home: Path) -> dict[str, Any]:
    """Pictures a second of callers one by one, of as many threads at once, and of batches, through the engine.

    Raises:
        ICLightError: one of them got no picture.
    """
    with _engine(asked, home) as engine:
        requests = [_request(asked, seed) for seed in range(asked.callers)]
        warm = timed(lambda: engine.warm_up(asked.callers), asked.device)[0]
        engine.relight(requests[0])
        reset_peak_memory(engine.placement.device)
        ways: dict[str, Callable[[], Any]] = {
            "one_by_one": lambda: [engine.relight(each) for each in requests],
            "threads": lambda: _at_once(engine, requests),
            "batch": lambda: _batch(engine, requests),
        }
        taken = {name: timed(way, asked.device)[0] for name, way in ways.items()}
        return {
            "warm_up_s": warm,
            "pictures_per_s": {name: len(requests) / seconds for name, seconds in taken.items()},
            "times_one_by_one": {name: taken["one_by_one"] / seconds for name, seconds in taken.items()},
            "peak_mib": cuda_peak_mib(asked.device),
            "not_compiled": None if engine.compiler is None else engine.compiler.failure,
        }


def unet_calls(asked: Gpu, home: Path, peak: float | None) -> list[dict[str, Any]]:
    """Milliseconds of a call for both passes and several rows, plain and compiled, and their part of the peak.

    Where compiling failed there is its sentence in place of the compiled form's figures.

    Args:
        asked: what is measured.
        home: where compiled programs are kept.
        peak: of :func:`peak_tflops`, or None.
    """
    found = []
    with _engine(asked, home) as engine:
        pipe = engine.load("fc")
        place(pipe, engine.placement)
        compiler = _compiler(asked, home)
        if compiler is not None:
            compiler.settle(pipe, Measures())
        config = pipe.unet.config
        for size in _latents(asked):
            for rows in asked.rows:
                shape = CallShape(rows, config.in_channels, *size, TOKENS, config.cross_attention_dim)
                given, operations = shape.drawn(asked.device, pipe.unet.dtype), unet_operations(config, shape)
                calls: dict[str, Any] = {"rows": rows, "latent": size, "tflop": operations / 1e12}
                calls["plain"] = _figures(asked, lambda given=given: plainly(pipe.unet)(given), operations, peak)
                if compiler is not None:
                    calls["compiled"] = _compiled_figures(asked, pipe, compiler, given, operations, peak)
                found.append(calls)
    return found


def vae_calls(asked: Gpu) -> dict[str, float]:
    """Milliseconds of encoding and decoding one picture of either pass, plain."""
    with _engine(replace(asked, compile=False), asked.out.parent) as engine:
        pipe = engine.load("fc")
        place(pipe, engine.placement)
        vae, found = pipe.vae, {}
        for height, width in _latents(asked):
            latents = torch.randn(1, vae.config.latent_channels, height, width, device=asked.device, dtype=vae.dtype)
            factor = pipe.vae_scale_factor
            pixels = torch.randn(1, 3, height * factor, width * factor, device=asked.device, dtype=vae.dtype)
            for name, call, given in (("encode", vae.encode, pixels), ("decode", vae.decode, latents)):
                taken = _seconds(lambda call=call, given=given: call(given), 3, asked.device)
                found[f"{name} {width * factor}x{height * factor} ms"] = 1000 * taken
        return found


def warm_up_s(asked: Gpu, home: Path) -> float:
    """Seconds of another engine's warm-up, whose programs are on the disk already; the first is with the callers."""
    torch._dynamo.reset()
    with _engine(asked, home) as engine:
        return timed(lambda: engine.warm_up(asked.callers), asked.device)[0]


def _at_once(engine: LocalEngine, requests: list[RelightRequest]) -> None:
    with ThreadPoolExecutor(len(requests)) as pool:
        # Whoever fails is told of here, and nowhere else.
        list(pool.map(engine.relight, requests))


def _batch(engine: LocalEngine, requests: list[RelightRequest]) -> None:
    for outcome in engine.relight_together(requests, progress=[None] * len(requests)):
        if isinstance(outcome, ICLightError):
            raise outcome


def _experiment(asked: Gpu) -> Experiment:
    name = str(asked.dtype).removeprefix("torch.")
    return Experiment(
        str(asked.bundle), width=asked.width, height=asked.height, steps=asked.steps, device=asked.device, dtype=name
    )


def _compiled(asked: Gpu, home: Path) -> Relight:
    experiment = _experiment(asked)
    pipe = ICLightPipeline.from_pretrained(
        str(asked.bundle) + "/base", iclight=f"{asked.bundle}/iclight_sd15_fc.safetensors", torch_dtype=asked.dtype
    )
    place(pipe, choose_placement(asked.device))
    pipe.set_progress_bar_config(disable=True)
    compiler = _compiler(asked, home)
    assert compiler is not None
    compiler.settle(pipe, Measures())
    picture = foreground(experiment)
    knobs = {name: getattr(experiment, name) for name in KNOBS}

    def relight(seed: int) -> list[Image.Image]:
        images: list[Image.Image] = pipe(picture, seed=seed, **knobs).images
        if compiler.failure is not None:
            raise RuntimeError(compiler.failure)
        return images

    return relight


def _compiler(asked: Gpu, home: Path) -> Compiler | None:
    return Compiler(home / "compiled", hurried=True) if asked.compile else None


@contextmanager
def _engine(asked: Gpu, home: Path) -> Iterator[LocalEngine]:
    mode = "on" if asked.compile else "off"
    engine = open_engine(
        weights=str(asked.bundle), device=asked.device, home=home, compile=mode, offline=True, segmenter="mini"
    )
    assert isinstance(engine, LocalEngine)
    try:
        yield engine
    finally:
        engine.close()


def _request(asked: Gpu, seed: int) -> RelightRequest:
    ball = np.asarray(foreground(_experiment(asked)))
    alpha = np.where((ball == 127).all(axis=2), 0, 255).astype(np.uint8)
    return RelightRequest(
        subject_image=Image.fromarray(np.dstack([ball, alpha])),
        prompt="toy on a table, sunset over sea", width=asked.width, height=asked.height, steps=asked.steps, seed=seed,
    )  # fmt: skip


def _latents(asked: Gpu) -> list[tuple[int, int]]:
    """Heights and widths of the passes' latents."""
    scaled = (round(asked.height * 1.5 / 64) * 64, round(asked.width * 1.5 / 64) * 64)
    return [(height // 8, width // 8) for height, width in ((asked.height, asked.width), scaled)]


def _compiled_figures(
    asked: Gpu, pipe: Any, compiler: Compiler, given: UNetInput, operations: int, peak: float | None
) -> dict[str, Any]:
    found = _figures(asked, lambda: pipe.quick(given), operations, peak)
    # What could not be compiled was computed plainly instead.
    return found if compiler.failure is None else {"failed": compiler.failure}


def _figures(asked: Gpu, call: Callable[[], Any], operations: int, peak: float | None) -> dict[str, Any]:
    taken = _seconds(call, 5, asked.device)
    return {"ms": 1000 * taken, "of_peak": None if peak is None else operations / taken / 1e12 / peak}


@torch.no_grad()
def _seconds(call: Callable[[], Any], times: int, device: str) -> float:
    """Median seconds of a call, after one that does not count."""
    call()
    return median(timed(call, device)[0] for _ in range(times))
