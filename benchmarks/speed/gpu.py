"""Everything about speed on a graphics card in one run of minutes: ``python -m benchmarks gpu --out FILE``.

Stages come in the order of their weight. Each is written down when it is there, and none begins that is not likely to
end in time, so that whatever stops the run loses one stage.
"""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.compare import difference
from benchmarks.environment import describe
from benchmarks.sides import Experiment, foreground, load
from iclight_local import RelightRequest, open_engine
from iclight_local.engines.local import LocalEngine
from iclight_local.pipelines.compiled import Compiler
from iclight_local.pipelines.memory import Measures
from iclight_local.pipelines.placement import choose_placement, place
from iclight_local.pipelines.unet_calls import UNetInput, plainly


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
        seconds: after which no further stage begins.
        compile: whether compiled forms are measured.
        matrix: rows and columns of the matrices whose product tells the peak.
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
    seconds: float = 420
    compile: bool = True
    matrix: int = 8192

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the UNet, as the engine chooses it."""
        return choose_placement(self.device).dtype


class Report:
    """A JSON file that grows stage by stage."""

    def __init__(self, asked: Gpu) -> None:
        self._asked, self._began = asked, perf_counter()
        shown = {name: str(value) if isinstance(value, Path) else value for name, value in asdict(asked).items()}
        self.values: dict[str, Any] = {"asked": shown, "environment": describe(asked.device), "stages_s": {}}

    def stage(self, name: str, work: Callable[[], Any]) -> Any:
        """Do a stage and write down what it gives; None where it failed, or there was no time left for it."""
        began = perf_counter()
        if began - self._began > self._asked.seconds:
            self.values[name] = "left out: no time was left"
            found = None
        else:
            try:
                found = self.values[name] = work()
            except Exception as error:  # noqa: BLE001  # one stage that fails does not cost the others
                found, self.values[name] = None, f"failed: {type(error).__name__}: {str(error)[:500]}"
            self.values["stages_s"][name] = perf_counter() - began
        self._asked.out.parent.mkdir(parents=True, exist_ok=True)
        self._asked.out.write_text(json.dumps(self.values, indent=1) + "\n")
        return found


def measure(asked: Gpu) -> dict[str, Any]:
    """All stages; gives what was written."""
    report = Report(asked)
    with tempfile.TemporaryDirectory() as folder:
        bundle = asked.bundle
        if bundle is None:
            from benchmarks.fullsize import build

            bundle = Path(folder) / "full"
            report.stage("build", lambda: build(bundle, ["fc"]))
        own = replace(asked, bundle=bundle)
        report.stage("peak_tflops", lambda: peak_tflops(own))
        report.stage("run", lambda: runs(own, Path(folder) / "home"))
        report.stage("callers", lambda: together(own, Path(folder) / "home"))
        report.stage("unet", lambda: unet_calls(own, Path(folder) / "home", report.values.get("peak_tflops")))
        report.stage("vae", lambda: vae_calls(own))
        report.stage("warm_again", lambda: warm_up_s(own, Path(folder) / "home"))
    return report.values


def peak_tflops(asked: Gpu) -> float:
    """The best rate of a product of two large matrices in the run's precision."""
    sides = torch.randn(2, asked.matrix, asked.matrix, device=asked.device).to(asked.dtype)
    return 2 * asked.matrix**3 / _seconds(lambda: sides[0] @ sides[1], 10, asked.device) / 1e12


def runs(asked: Gpu, home: Path) -> dict[str, Any]:
    """Plain diffusers, our pipeline and our pipeline compiled in turns, after a run of each; seconds and levels."""
    made = {side: load(side, _experiment(asked)) for side in ("plain", "iclight_local")}
    if asked.compile:
        made["compiled"] = _compiled(asked, home)
    first = {}
    for name, relight in made.items():
        first[name] = _once(asked.device, lambda relight=relight: relight(1))[0]
    seconds: dict[str, list[float]] = {name: [] for name in made}
    levels: dict[str, list[Any]] = {name: [] for name in made}
    for seed in range(2, 2 + asked.pairs):
        pictures: dict[str, list[Image.Image]] = {}
        for name, relight in made.items():
            taken, pictures[name] = _once(asked.device, lambda relight=relight, seed=seed: relight(seed))
            seconds[name].append(taken)
        for name in made:
            levels[name].append(difference(pictures[name], pictures["iclight_local"]))
    found: dict[str, Any] = {"first_s": first, "seconds": seconds, "levels_off_ours": levels}
    found["median_s"] = {name: median(values) for name, values in seconds.items()}
    found["times_plain"] = {name: found["median_s"]["plain"] / value for name, value in found["median_s"].items()}
    return found


def together(asked: Gpu, home: Path) -> dict[str, Any]:
    """Pictures a second of callers one by one, of as many threads at once, and of batches, through the engine."""
    with _engine(asked, home) as engine:
        requests = [_request(asked, seed) for seed in range(asked.callers)]
        warm = _once(asked.device, lambda: engine.warm_up(asked.callers))[0]
        engine.relight(requests[0])
        _reset_peak(asked.device)
        alone = _once(asked.device, lambda: [engine.relight(each) for each in requests])[0]

        def at_once() -> None:
            threads = [threading.Thread(target=engine.relight, args=(each,)) for each in requests]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        crowd = _once(asked.device, at_once)[0]
        batch = _once(asked.device, lambda: engine.relight_together(requests, progress=[None] * len(requests)))[0]
        each = {"one_by_one": alone, "threads": crowd, "batch": batch}
        return {
            "warm_up_s": warm,
            "pictures_per_s": {name: len(requests) / taken for name, taken in each.items()},
            "times_one_by_one": {name: alone / taken for name, taken in each.items()},
            "peak_mib": _peak_mib(asked.device),
            "not_compiled": None if engine.compiler is None else engine.compiler.failure,
        }


def unet_calls(asked: Gpu, home: Path, peak: Any) -> list[dict[str, Any]]:
    """Milliseconds of a call for both passes and several rows, plain and compiled, and their part of the peak."""
    found = []
    with _engine(asked, home) as engine:
        pipe = engine.load("fc")
        place(pipe, engine.placement)
        compiler = _compiler(asked, home)
        if compiler is not None:
            compiler.settle(pipe, Measures())
        ways = {"plain": plainly(pipe.unet), **({} if pipe.quick is None else {"compiled": pipe.quick})}
        for size in _latents(asked):
            for rows in asked.rows:
                given = _input(pipe, rows, size, asked.device)
                flops = _flops(pipe.unet, given)
                calls: dict[str, Any] = {"rows": rows, "latent": size, "tflop": flops / 1e12}
                for name, way in ways.items():
                    with torch.no_grad():
                        taken = _seconds(lambda way=way, given=given: way(given), 5, asked.device)
                    calls[name] = {"ms": 1000 * taken, "of_peak": _share(flops / taken / 1e12, peak)}
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
            with torch.no_grad():
                for name, call, given in (("encode", vae.encode, pixels), ("decode", vae.decode, latents)):
                    taken = _seconds(lambda call=call, given=given: call(given), 3, asked.device)
                    found[f"{name} {width * factor}x{height * factor} ms"] = 1000 * taken
        return found


def warm_up_s(asked: Gpu, home: Path) -> float:
    """Seconds of another engine's warm-up, whose programs are on the disk already; the first is with the callers."""
    torch._dynamo.reset()
    with _engine(asked, home) as engine:
        return _once(asked.device, lambda: engine.warm_up(asked.callers))[0]


def _experiment(asked: Gpu) -> Experiment:
    name = str(asked.dtype).removeprefix("torch.")
    return Experiment(
        str(asked.bundle), width=asked.width, height=asked.height, steps=asked.steps, device=asked.device, dtype=name
    )


def _compiled(asked: Gpu, home: Path) -> Callable[[int], list[Image.Image]]:
    experiment = _experiment(asked)
    from iclight_local import ICLightPipeline

    pipe = ICLightPipeline.from_pretrained(
        str(asked.bundle) + "/base", iclight=f"{asked.bundle}/iclight_sd15_fc.safetensors", torch_dtype=asked.dtype
    )
    place(pipe, choose_placement(asked.device))
    pipe.set_progress_bar_config(disable=True)
    compiler = _compiler(asked, home)
    assert compiler is not None
    compiler.settle(pipe, Measures())
    picture = foreground(experiment)
    names = ("prompt", "width", "height", "steps", "cfg", "light_source", "highres_scale", "number_of_images")
    knobs = {name: getattr(experiment, name) for name in names}

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


def _input(pipe: Any, rows: int, size: tuple[int, int], device: str) -> UNetInput:
    config, dtype = pipe.unet.config, pipe.unet.dtype
    sample = torch.randn(rows, config.in_channels, *size, device=device, dtype=dtype)
    texts = torch.randn(rows, 77, config.cross_attention_dim, device=device, dtype=dtype)
    return UNetInput(sample, torch.tensor(500, device=device), texts)


def _flops(unet: Any, given: UNetInput) -> float:
    """Operations of a call, counted on a UNet without values."""
    with torch.device("meta"):
        empty = type(unet).from_config(unet.config)
    inputs = [each.to("meta", torch.float32) for each in (given.sample, given.timestep, given.embeddings)]
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        empty(inputs[0], inputs[1], encoder_hidden_states=inputs[2])
    return float(counted.get_total_flops())


def _share(rate: float, peak: Any) -> float | None:
    return rate / peak if isinstance(peak, float) else None


def _seconds(call: Callable[[], Any], times: int, device: str) -> float:
    """Median seconds of a call, after one that does not count."""
    call()
    return median(_once(device, call)[0] for _ in range(times))


def _once(device: str, call: Callable[[], Any]) -> tuple[float, Any]:
    _wait(device)
    began = perf_counter()
    result = call()
    _wait(device)
    return perf_counter() - began, result


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def _reset_peak(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)


def _peak_mib(device: str) -> float | None:
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.startswith("cuda") else None
