"""Fewer operations: what steps, cached blocks and guidance that ends early save, and what becomes of the pictures.

Every way relights the same held-out scenes with the miniature, from the same seeds, in turns with the full run: a scene
from its left or upper side with warm light, and from the other side with cool light. Operations are counted on torch's
``meta`` device, for the miniature at the size of the pictures and for SD1.5 at its default size.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from PIL import Image, ImageDraw
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.environment import describe
from benchmarks.mini import direction
from benchmarks.mini.figures import linear, mean, median, psnr, share
from benchmarks.scenes import Sample, sample, warmth
from benchmarks.scenes.samples import Bytes
from iclight_local import ICLightPipeline
from iclight_local.engines.presets import PRESETS
from iclight_local.pipelines.unet_calls import Predict, UNetInput, driven, plainly

FULL = "the full run"
PRESET = "preset fast"
WAYS: dict[str, dict[str, Any]] = {
    FULL: {},
    "cache_interval 2": {"cache_interval": 2},
    "cache_interval 3": {"cache_interval": 3},
    "cache_interval 5": {"cache_interval": 5},
    "cfg_until 0.5": {"cfg_until": 0.5},
    "cfg_until 0.25": {"cfg_until": 0.25},
    "cache_interval 2, cfg_until 0.5": {"cache_interval": 2, "cfg_until": 0.5},
    "cache_interval 3, cfg_until 0.25": {"cache_interval": 3, "cfg_until": 0.25},
    "steps 12": {"steps": 12},
    "steps 8": {"steps": 8},
    "steps 12, cache_interval 2": {"steps": 12, "cache_interval": 2},
    "steps 12, cfg_until 0.5": {"steps": 12, "cfg_until": 0.5},
    "steps 12, cache_interval 2, cfg_until 0.5": {"steps": 12, "cache_interval": 2, "cfg_until": 0.5},
}
OTHER_SEED = "the full run from another seed"
ASKS = (
    ({"left": "warm light"}, {"right": "cool light"}),
    ({"top": "warm light"}, {"bottom": "cool light"}),
)
"""What is asked of a scene, the side and the words: the first of even scenes, the second of odd ones."""
SD15_SIZES = ((64, 80), (96, 120))
"""Latents of both passes at SD1.5's default size: 512 x 640 pixels, then 768 x 960."""
SD15 = {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8, "in_channels": 8}
SHOWN, SIDE, HEAD = 6, 144, 46
"""Scenes on the sheet, and the pixels of a picture and of its heading."""


@dataclass(frozen=True)
class Fewer:
    """What is measured.

    Attributes:
        weights: folder with ``base/`` and the offsets of fc.
        scenes: how many, from seed ``first`` on, of the split ``test``.
        size: width and height of both passes.
    """

    weights: str = "weights/mini"
    scenes: int = 12
    first: int = 0
    size: int = 256


class Measurement:
    """One run of the benchmark: its pipeline, and what it found so far."""

    def __init__(self, experiment: Fewer) -> None:
        self.experiment = experiment
        folder = Path(experiment.weights)
        self.pipe = ICLightPipeline.from_pretrained(folder / "base", iclight=folder / "iclight_sd15_fc.safetensors")
        self.pipe.set_progress_bar_config(disable=True)
        self.knobs = {"width": experiment.size, "height": experiment.size, "highres_scale": 1.0}
        self.found: dict[str, list[dict[str, Any]]] = {name: [] for name in (*WAYS, OTHER_SEED)}
        self.sheet: dict[int, dict[str, Bytes]] = {}

    def scene(self, seed: int) -> None:
        """Relight one scene in every way."""
        case, full = sample(seed, self.experiment.size, "test"), list[Bytes]()
        for name in self.found:
            began, worked = time.perf_counter(), time.process_time()
            pictures = self.relit(case, name)
            seconds, cpu = time.perf_counter() - began, time.process_time() - worked
            if name == FULL:
                full = pictures
            self.found[name].append({**_figures(case, pictures, full), "seconds": seconds, "cpu_seconds": cpu})
            if len(self.sheet) < SHOWN or seed in self.sheet:
                self.sheet.setdefault(seed, {"input": case.input})[name] = pictures[0]

    def relit(self, case: Sample, name: str) -> list[Bytes]:
        """The pictures of what is asked of a scene, in one batch."""
        sides, words = zip(*_asked(case), strict=True)
        seed = case.seed + (10_000 if name == OTHER_SEED else 0)
        knobs = {**self.knobs, **WAYS.get(name, {}), "light_source": list(sides), "prompt": list(words)}
        made = self.pipe([case.foreground] * len(sides), **knobs, seed=[seed] * len(sides))
        return [np.asarray(image) for image in made.images]


def measure(experiment: Fewer, sheet: Path | None = None) -> dict[str, Any]:
    """Relight every scene in every way.

    Args:
        experiment: what is measured.
        sheet: PNG file to write the first scenes to.

    Returns:
        ``ways``, by name, with the summary and the raw values of every scene; ``operations``; the environment.
    """
    run = Measurement(experiment)
    environment = describe("cpu")
    run.relit(sample(experiment.first, experiment.size, "test"), "steps 8")  # what is done once, is done now
    for seed in range(experiment.first, experiment.first + experiment.scenes):
        run.scene(seed)
        print(f"scene {seed}", flush=True)
    if sheet is not None:
        _draw(run.sheet, sheet)
    full = run.found[FULL]
    ways = {
        name: {
            "summary": _summary(found, full),
            "operations": operations(run.pipe, name, experiment.size),
            "scenes": found,
        }
        for name, found in run.found.items()
        if name != OTHER_SEED
    }
    ways[PRESET] = {"summary": None, "operations": operations(run.pipe, PRESET, experiment.size), "scenes": []}
    other = {"summary": _summary(run.found[OTHER_SEED], full), "scenes": run.found[OTHER_SEED]}
    return {"experiment": asdict(experiment), "environment": environment, "ways": ways, "other_seed": other}


def operations(pipe: ICLightPipeline, name: str, size: int) -> dict[str, float]:
    """Floating point operations of all UNet calls of one picture, in units of 10^12.

    Args:
        pipe: whose loop makes the calls; no model but its text encoder and its autoencoder runs.
        name: one of :data:`WAYS`, or :data:`PRESET`.
        size: width and height of the miniature's pictures in both passes.
    """
    with torch.device("meta"):
        models = {"mini": UNet2DConditionModel.from_config(pipe.unet.config), "sd15": UNet2DConditionModel(**SD15)}
    latents = size // pipe.vae_scale_factor
    sizes = {"mini": ((latents, latents),) * 2, "sd15": SD15_SIZES}
    asked = {**(PRESETS["fast"].values if name == PRESET else WAYS[name]), "light_source": "left"}
    # Which calls there are does not depend on the size.
    small = {"width": 64, "height": 64, "highres_scale": 2.0, "output_type": "latent"}
    tally = _Tally(pipe.unet.config.out_channels, 64 // pipe.vae_scale_factor)
    driven(pipe.steps(np.full((64, 64, 3), 127, np.uint8), **small, **asked, seed=0), tally)
    return {
        model: sum(
            n * _cost(models[model], kind, rows, sizes[model][which]) for (kind, rows, which), n in tally.calls.items()
        )
        / 1e12
        for model in models
    }


_Call = tuple[str, int, int]
"""A kind of call, its rows, and its pass: 0 for lowres, 1 for highres."""


class _Tally:
    """Answers calls of the UNet with nothing, and counts them."""

    def __init__(self, channels: int, lowres: int) -> None:
        self.channels, self.lowres, self.calls = channels, lowres, Counter[_Call]()

    def __call__(self, given: UNetInput) -> torch.Tensor:
        rows, _, height, width = given.sample.shape
        self.calls[(given.kind, rows, int(height != self.lowres))] += 1
        return torch.zeros(rows, self.channels + given.with_deep, height, width)


def _cost(unet: Any, kind: str, rows: int, size: tuple[int, int]) -> int:
    """Operations of one call on latents of a size, counted on ``meta``."""
    predict: Predict = plainly(unet)
    with torch.device("meta"), torch.no_grad():
        sample = torch.empty(rows, unet.config.in_channels, *size)
        given = UNetInput(sample, torch.empty(1), torch.empty(rows, 77, unet.config.cross_attention_dim))
        keeping = UNetInput(given.sample, given.timestep, given.embeddings, with_deep=True)
        if kind == "shallow":
            deep = predict(keeping)[:, unet.config.out_channels :]
            given = UNetInput(given.sample, given.timestep, given.embeddings, deep=deep)
        elif kind == "keeping":
            given = keeping
        with FlopCounterMode(display=False) as counter:
            predict(given)
    return int(counter.get_total_flops())


def _asked(case: Sample) -> list[tuple[str, str]]:
    return [pair for ask in ASKS[case.seed % 2] for pair in ask.items()]


def _figures(case: Sample, pictures: Sequence[Bytes], full: Sequence[Bytes]) -> dict[str, Any]:
    """The figures of a scene's pictures: nearness to the full run's, angles off the asked side, warmth."""
    sides = [side for side, _ in _asked(case)]
    errors = direction.figures(case, dict(zip(sides, pictures, strict=True)))
    warm, cool = (warmth(linear(picture), case.matte) for picture in pictures)
    return {
        "seed": case.seed,
        "psnr": [psnr(one, other) for one, other in zip(pictures, full, strict=True)],
        "degrees": [errors[side]["degrees"] for side in sides],
        "warmer": warm - cool,
    }


def _summary(found: Sequence[Mapping[str, Any]], full: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    psnr = [value for each in found for value in each["psnr"]]
    return {
        "time": median(each["seconds"] / whole["seconds"] for each, whole in zip(found, full, strict=True)),
        "cpu_time": sum(each["cpu_seconds"] for each in found) / sum(each["cpu_seconds"] for each in full),
        "psnr": mean(psnr),
        "psnr_least": min(psnr),
        "side": share(value < direction.POINTS for each in found for value in each["degrees"]),
        "colour": share(each["warmer"] > 0 for each in found),
        "warmer": mean(each["warmer"] for each in found),
    }


def _draw(rows: Mapping[int, Mapping[str, Bytes]], out: Path) -> None:
    """The first picture of scenes in every way: a row is a scene."""
    columns = list(next(iter(rows.values())))
    page = Image.new("RGB", (len(columns) * SIDE, HEAD + len(rows) * SIDE), (24, 24, 24))
    pen = ImageDraw.Draw(page)
    for place, name in enumerate(columns):
        pen.multiline_text(
            (place * SIDE + 3, 1),
            name.replace(", ", ",\n").replace(" from", "\nfrom"),
            fill=(250, 220, 120),
            font_size=11,
        )
        for line, row in enumerate(rows.values()):
            small = Image.fromarray(row[name]).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            page.paste(small, (place * SIDE, HEAD + line * SIDE))
    out.parent.mkdir(parents=True, exist_ok=True)
    page.save(out)


def table(result: Mapping[str, Any]) -> str:
    """The summary as markdown, and what it was measured on."""
    head = (
        "| | operations, SD1.5 | operations, mini | time, mini | PSNR to the full run, mean (least) "
        "| light from the asked side | warm light warmer than cool |"
    )
    full, warmer = result["ways"][FULL]["operations"], result["ways"][FULL]["summary"]["warmer"]
    rows = []
    for name, way in result["ways"].items():
        saved = " | ".join(_percent(way["operations"][model] / full[model]) for model in ("sd15", "mini"))
        rows.append(f"| {name} | {saved} | {_judged(name, way['summary'], warmer)} |")
    rows.append(f"| {OTHER_SEED} | 100 % | 100 % | {_judged(OTHER_SEED, result['other_seed']['summary'], warmer)} |")
    ran, asked = result["environment"], result["experiment"]
    where = f"{ran['processor']}, {ran['cores']} cores, no GPU, load {ran['load_average'][0]}; {ran['time'][:10]}"
    what = (
        f"{asked['scenes']} scenes, two pictures of each, {asked['size']} x {asked['size']}, 25 steps where no others "
        f"are named; the full run of SD1.5 at 512 x 640 and then 768 x 960 is {full['sd15']:.0f} x 10^12 operations"
    )
    return "\n".join([head, "|---" * 7 + "|", *rows]) + f"\n\n{what}; on {where}.\n"


def short_table(result: Mapping[str, Any]) -> str:
    """The same for users: what is saved at SD1.5's size, and how near the picture stays."""
    full = result["ways"][FULL]["operations"]["sd15"]
    lines = ["| | UNet operations | PSNR to the full run | light from the asked side |", "|---|---|---|---|"]
    for name, way in result["ways"].items():
        found = way["summary"]
        judged = "not measured | not measured" if found is None else f"{_near(name, found)} | {_percent(found['side'])}"
        lines.append(f"| {name} | {_percent(way['operations']['sd15'] / full)} | {judged} |")
    return "\n".join(lines) + "\n"


def _judged(name: str, summary: Mapping[str, float] | None, warmer: float) -> str:
    if summary is None:
        return " | ".join(["not measured"] * 4)
    near = "" if name == FULL else f" ({summary['psnr_least']:.1f})"
    colour = f"{_percent(summary['colour'])} ({summary['warmer'] / warmer:.2f})"
    return f"{_percent(summary['cpu_time'])} | {_near(name, summary)}{near} | {_percent(summary['side'])} | {colour}"


def _near(name: str, summary: Mapping[str, float]) -> str:
    return "the same" if name == FULL else f"{summary['psnr']:.1f} dB"


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"
