"""One side of ``python -m benchmarks speed`` in a process, which takes orders and gives answers as lines of JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.environment import resident_mib
from benchmarks.plain import Knobs, PlainICLight
from benchmarks.sides import KNOBS, Experiment, foreground, timed
from benchmarks.speed.cpu import PLAIN, PRECISIONS, Cpu
from iclight_local import ICLightPipeline, RelightRequest, open_engine
from iclight_local.errors import InvalidRequest, Unsupported
from iclight_local.pipelines.placement import choose_placement
from iclight_local.pipelines.speed import CallShape, matrix_peak, matrix_products, unet_operations
from iclight_local.pipelines.unet_calls import UNetInput, driven, plainly

ROWS = 2
"""Of a call: one picture, with guidance."""
TOKENS = 77
OPERATIONS = 10
"""Kinds of operations in a profile."""


class Plain:
    """Plain diffusers; float32."""

    def __init__(self, experiment: Cpu, whole: Experiment) -> None:
        self.told: dict[str, Any] = {}
        self._whole = whole
        self._plain = PlainICLight(Path(experiment.bundle), experiment.model)
        self.vae, self.config = self._plain.vae, dict(self._plain.unet.config)
        self.config["in_channels"] = self._plain.unet.conv_in.in_channels
        # As small a run as the product's side has had when it is opened.
        self._run(replace(whole, width=64, height=64, steps=1, highres_scale=1), seed=0)

    def predict(self, given: UNetInput) -> torch.Tensor:
        """One call of the UNet, whose condition is the same for all rows."""
        own = self._plain.unet.config.in_channels
        self._plain.unet.condition = given.sample[:1, own:]
        return plainly(self._plain.unet)(UNetInput(given.sample[:, :own], given.timestep, given.embeddings))

    def relight(self, seed: int, meter: Meter) -> list[Image.Image]:
        """The whole run."""
        unet = self._plain.unet
        forward = unet.forward
        unet.forward = meter.of_unet(forward)
        try:
            return self._run(self._whole, seed)
        finally:
            unet.forward = forward

    def _run(self, whole: Experiment, seed: int) -> list[Image.Image]:
        return self._plain.relight(foreground(whole), Knobs(seed=seed, **{name: asdict(whole)[name] for name in KNOBS}))


class Ours:
    """The pipeline that this package's engine loads."""

    def __init__(self, experiment: Cpu, whole: Experiment, precision: str) -> None:
        self._whole = whole
        engine: Any = open_engine(weights=experiment.bundle, device="cpu", precision=precision, preset="none", lora=())
        # A relight of hardly any size has the engine set up whatever it relights with.
        subject = Image.new("RGBA", (64, 64), (200, 100, 50, 255))
        subject.putpixel((0, 0), (0, 0, 0, 0))
        small = {"width": 64, "height": 64, "steps": 1, "highres_scale": 1, "model": experiment.model}
        light = {"light_source": "left"} if experiment.model == "fbc" else {}
        result = engine.relight(RelightRequest(subject_image=subject, **small, **light))
        self.told = {"engine": dict(result.record["engine"]), "set_up_s": dict(result.timings)}
        self._pipe: ICLightPipeline = engine.load(experiment.model)
        self.vae, self.config = self._pipe.vae, dict(self._pipe.unet.config)

    def predict(self, given: UNetInput) -> torch.Tensor:
        """One call of the UNet, in the form that the engine chose."""
        return self._pipe.predict(given)

    def relight(self, seed: int, meter: Meter) -> list[Image.Image]:
        """The whole run."""
        knobs = {name: asdict(self._whole)[name] for name in KNOBS}
        steps = self._pipe.steps(foreground(self._whole), seed=seed, **knobs)
        images: list[Image.Image] = driven(steps, meter.of_unet(self._pipe.predict)).images
        return images


class Meter:
    """Seconds of a run's parts.

    Attributes:
        unet: of each call, by the height and width of the latents.
        vae: of encoding and decoding.
    """

    def __init__(self) -> None:
        self.unet: dict[str, list[float]] = {}
        self.vae = 0.0

    def of_unet(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, on the clock."""

        def metered(given: Any, *values: Any, **more: Any) -> Any:
            began = perf_counter()
            found = call(given, *values, **more)
            sample = given.sample if isinstance(given, UNetInput) else given
            size = f"{sample.shape[-2]}x{sample.shape[-1]}"
            self.unet.setdefault(size, []).append(perf_counter() - began)
            return found

        return metered

    def of_vae(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same for the autoencoder."""

        def metered(*values: Any, **more: Any) -> Any:
            began = perf_counter()
            found = call(*values, **more)
            self.vae += perf_counter() - began
            return found

        return metered


class Orders:
    """What a side can be asked for."""

    def __init__(self, name: str, experiment: Cpu, folder: Path) -> None:
        self._name, self._experiment, self._folder = name, experiment, folder
        self._whole = Experiment(
            bundle=experiment.bundle,
            model=experiment.model,
            width=experiment.width,
            height=experiment.height,
            steps=experiment.steps,
        )
        began = perf_counter()
        if name == PLAIN:
            self._side: Plain | Ours = Plain(experiment, self._whole)
        else:
            self._side = Ours(experiment, self._whole, PRECISIONS[name])
        self.opened = {**self._side.told, "open_s": perf_counter() - began}

    def call(self, latents: list[int], *, keep: bool) -> dict[str, Any]:
        """One call of the UNet."""
        given = self._given(latents)
        taken, output = timed(self._whole, lambda: self._side.predict(given))
        if keep:
            np.save(self._folder / f"{self._name}-call.npy", output.numpy())
        return taken._asdict()

    def relight(self, seed: int) -> dict[str, Any]:
        """One whole run, and what its parts took."""
        meter, vae = Meter(), self._side.vae
        plain = {name: getattr(vae, name) for name in ("encode", "decode")}
        for name, call in plain.items():
            setattr(vae, name, meter.of_vae(call))
        try:
            taken, pictures = timed(self._whole, lambda: self._side.relight(seed, meter))
        finally:
            for name, call in plain.items():
                setattr(vae, name, call)
        np.save(self._folder / f"{self._name}-picture.npy", np.stack([np.asarray(picture) for picture in pictures]))
        unet = sum(sum(seconds) for seconds in meter.unet.values())
        stages = {"unet_s": unet, "vae_s": meter.vae, "rest_s": taken.wall_s - unet - meter.vae}
        return {**taken._asdict(), "stages": stages, "unet_calls_s": meter.unet}

    def profile(self, latents: list[int]) -> dict[str, Any]:
        """Shares of one call's time, by kind of operation."""
        given, cpu = self._given(latents), [torch.profiler.ProfilerActivity.CPU]
        self._side.predict(given)
        # The first operation that a process profiles is charged with the profiler's own start.
        with torch.profiler.profile(activities=cpu):
            torch.zeros(1).add(1)
        with torch.profiler.profile(activities=cpu) as profiler:
            self._side.predict(given)
        found = sorted(profiler.key_averages(), key=lambda each: -each.self_cpu_time_total)
        total = sum(each.self_cpu_time_total for each in found)
        shares = [{"what": e.key, "calls": e.count, "share": e.self_cpu_time_total / total} for e in found]
        return {"profile": shares[:OPERATIONS]}

    def memory(self) -> dict[str, Any]:
        """The most memory that this process took."""
        return {"peak_mib": resident_mib()[1]}

    def machine(self) -> dict[str, Any]:
        """Operations of the calls, and the most that this machine computes in a second."""
        products = matrix_products(choose_placement("cpu", "fp32"))
        operations = {
            f"{height}x{width}": unet_operations(self._side.config, self._shape([height, width]))
            for height, width in self._experiment.latents
        }
        seconds = {str(side): each for side, each in products.items()}
        return {"operations": operations, "peak": {"seconds": seconds, "per_second": matrix_peak(products)}}

    def _shape(self, latents: list[int]) -> CallShape:
        config = self._side.config
        return CallShape(ROWS, config["in_channels"], *latents, TOKENS, config["cross_attention_dim"])

    def _given(self, latents: list[int]) -> UNetInput:
        given = self._shape(latents).drawn("cpu", torch.float32)
        # Behind the latents of both rows lies one condition.
        behind = given.sample.shape[1] - self._side.vae.config.latent_channels
        given.sample[:, -behind:] = given.sample[:1, -behind:].clone()
        return given


@torch.no_grad()
def main() -> None:
    """Open the side, and do what is ordered until no more orders come."""
    name, experiment, folder = sys.argv[1], Cpu(**json.loads(sys.argv[2])), Path(sys.argv[3])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    # Whatever a library prints must not stand between the answers.
    os.dup2(2, 1)
    if experiment.threads is not None:
        torch.set_num_threads(experiment.threads)
    try:
        orders = Orders(name, experiment, folder)
    except (InvalidRequest, Unsupported) as error:
        print(json.dumps({"left_out": str(error)}), file=answers)
        return
    print(json.dumps(orders.opened), file=answers)
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(getattr(orders, order.pop("do"))(**order)), file=answers)


if __name__ == "__main__":
    main()
