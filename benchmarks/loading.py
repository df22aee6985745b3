"""Loading a base and offsets: tensor by tensor, as the package does, against merging whole state dicts."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.compare import read_through
from benchmarks.environment import MIB, describe, resident_mib

SIDES = ("iclight_local", "whole")
INTERVAL_S = 0.002


@dataclass(frozen=True)
class Loading:
    """Everything that decides what is loaded.

    Attributes:
        bundle: folder with ``base/`` and ``iclight_sd15_<model>.safetensors``.
        dtype: a torch dtype's name; the autoencoder is bfloat16 where it is float16, on both sides.
        runs: interleaved pairs, each load in a process of its own.
    """

    bundle: str
    model: str = "fc"
    dtype: str = "float16"
    runs: int = 5


def compare_loading(loading: Loading) -> dict[str, Any]:
    """Load in turns, in fresh processes, files in the page cache.

    Returns:
        Plain values for one JSON file. Ratios of time are iclight_local's over the other's, medians of the pairs; those
        of memory are peaks over the bytes of the finished models.
    """
    read_through(Path(loading.bundle))
    runs: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for _ in range(loading.runs):
        for side in SIDES:
            runs[side].append(_fresh(side, loading))
    ours, whole = (runs[side] for side in SIDES)
    return {
        "loading": asdict(loading),
        "environment": describe("cpu"),
        "runs": runs,
        "time_ratio": median(a["seconds"] / b["seconds"] for a, b in zip(ours, whole, strict=True)),
        **{f"peak_over_finished_{side}": max(run["peak_over_finished"] for run in runs[side]) for side in SIDES},
        **{
            f"resident_over_finished_{side}": max(run["resident_over_finished"] for run in runs[side]) for side in SIDES
        },
    }


def load_once(side: str, loading: Loading) -> dict[str, float]:
    """Load in this process.

    Returns:
        ``seconds``; MiB of the finished models; over these, the highest growth of the process's own memory (mapped
        files apart) and of all its resident memory (mapped pages included, which the system can take back).
    """
    load = {"iclight_local": _ours, "whole": _whole}[side](loading)
    gc.collect()
    before, before_all = own_mib(), resident_mib()[0]
    watch = Watch()
    began = perf_counter()
    models = load()
    seconds = perf_counter() - began
    peak = watch.stop()
    finished = sum(value.nbytes for model in models for value in model.parameters()) / MIB
    return {
        "seconds": seconds,
        "finished_mib": finished,
        "peak_over_finished": (peak - before) / finished,
        "resident_over_finished": (resident_mib()[1] - before_all) / finished,
    }


class Watch(threading.Thread):
    """Samples this process's own memory until it is stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak, self._ended = own_mib(), threading.Event()
        self.start()

    def run(self) -> None:
        """Sample."""
        while not self._ended.wait(INTERVAL_S):
            self.peak = max(self.peak, own_mib())

    def stop(self) -> float:
        """The highest value in MiB."""
        self._ended.set()
        self.join()
        return max(self.peak, own_mib())


def own_mib() -> float:
    """Memory of this process that no file stands behind, in MiB; all of it where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resident_mib()[0]
    values = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    return float(values["RssAnon"].split()[0]) / 1024


def _fresh(side: str, loading: Loading) -> dict[str, float]:
    code = (
        "import json, sys; from benchmarks.loading import Loading, load_once;"
        "print(json.dumps(load_once(sys.argv[1], Loading(**json.loads(sys.argv[2])))))"
    )
    command = [sys.executable, "-c", code, side, json.dumps(asdict(loading))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _files(loading: Loading) -> tuple[Path, Path]:
    folder = Path(loading.bundle)
    return folder / "base", folder / f"iclight_sd15_{loading.model}.safetensors"


def _ours(loading: Loading) -> Any:
    import torch

    from iclight_local.pipelines.iclight import ICLightPipeline

    base, offsets = _files(loading)
    dtype = getattr(torch, loading.dtype)

    def load() -> list[Any]:
        pipe = ICLightPipeline.from_pretrained(base, iclight=offsets, dtype=dtype, local_files_only=True)
        return [pipe.unet, pipe.vae, pipe.text_encoder]

    return load


def _whole(loading: Loading) -> Any:
    """As a diffusers user writes it: both state dicts at once, their sum as a third, cast at the end."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from safetensors.torch import load_file
    from transformers import CLIPTextModel, CLIPTokenizer

    base, offsets = _files(loading)
    dtype = getattr(torch, loading.dtype)

    def load() -> list[Any]:
        unet = UNet2DConditionModel.from_pretrained(base, subfolder="unet")
        vae = AutoencoderKL.from_pretrained(base, subfolder="vae")
        text_encoder = CLIPTextModel.from_pretrained(base / "text_encoder")
        CLIPTokenizer.from_pretrained(base / "tokenizer")
        added = load_file(offsets)
        old = unet.conv_in
        wide = torch.nn.Conv2d(
            added["conv_in.weight"].shape[1], old.out_channels, old.kernel_size, old.stride, old.padding
        )
        with torch.no_grad():
            wide.weight.zero_()
            wide.weight[:, : old.in_channels].copy_(old.weight)
            wide.bias = old.bias
        unet.conv_in = wide
        plain = unet.state_dict()
        unet.load_state_dict({key: plain[key] + added[key] for key in plain})
        return [unet.to(dtype), vae.to(torch.bfloat16 if dtype == torch.float16 else dtype), text_encoder.to(dtype)]

    return load
