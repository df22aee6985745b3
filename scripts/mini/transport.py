"""Light-transport consistency, measured: pictures under two parts of a light add up to the one under all of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray

from benchmarks.scenes.tone import untone
from scripts.mini.autoencoder import encode
from scripts.mini.batches import Batch
from scripts.mini.denoiser import Denoiser, Noise, predict
from scripts.mini.latents import shrunk
from scripts.mini.scenes import Scenes

TIMES = (300, 500, 700, 900)
"""Timesteps at which the network is asked for the clean picture."""


@torch.no_grad()
def additivity(denoiser: Denoiser, vae: AutoencoderKL, scenes: Scenes, size: int) -> dict[str, float]:
    """Relative additivity error in linear light, by timestep and in the mean.

    The network sees each picture (whole, part and rest of the light) under the same noise and is told its light; its
    three clean pictures are decoded and taken back to linear light with the scene's exposure. The error is the root of
    the mean square of ``whole - part - rest`` in the subject, over that of ``whole``.
    """
    noise, errors = Noise(), {time: [] for time in TIMES}  # type: dict[int, list[float]]
    facts = iter(scenes.facts)
    names = ("target", "part", "rest")
    shards = zip(*(scenes.pictures(name) for name in (*names, "foreground", "matte")), strict=True)
    for *lit, foregrounds, mattes in shards:
        for row in range(len(mattes)):
            fact = next(facts)
            matte = shrunk(torch.tensor(mattes[row])[None, None].float() / 255, size)[0, 0].numpy()
            clean = _latents(vae, np.stack([pictures[row] for pictures in lit]), size)
            front = _latents(vae, foregrounds[row][None], size).repeat(3, 1, 1, 1)
            told = [fact["target"]["environment"], fact["part"], fact["rest"]]
            for time in TIMES:
                spread = torch.randn(clean[:1].shape, generator=torch.Generator().manual_seed(row)).repeat(3, 1, 1, 1)
                times = torch.full((3,), time)
                batch = Batch(clean, clean, spread, times, [front], [""] * 3, torch.tensor(told), torch.ones(1))
                errors[time].append(_error(denoiser, vae, noise, batch, matte, fact["exposure"]))
    means = {str(time): float(np.mean(values)) for time, values in errors.items()}
    return {**means, "mean": float(np.mean(list(means.values())))}


def write(figures: dict[str, Any], path: Path) -> None:
    """Write the figures of the twins and by how much the loss lowers the error."""
    figures["lower_by"] = 1 - figures["with"]["mean"] / figures["without"]["mean"]
    path.write_text(json.dumps(figures, indent=1) + "\n")
    print(f"additivity error {figures['without']['mean']:.3f} without the loss, {figures['with']['mean']:.3f} with it")


def _latents(vae: AutoencoderKL, pictures: NDArray[np.uint8], size: int) -> torch.Tensor:
    small = shrunk(torch.tensor(pictures).permute(0, 3, 1, 2).float(), size).permute(0, 2, 3, 1)
    return encode(vae, small.numpy()) * vae.config.scaling_factor


def _error(
    denoiser: Denoiser, vae: AutoencoderKL, noise: Noise, batch: Batch, matte: NDArray[np.float32], exposure: float
) -> float:
    signal, spread = noise.at(batch.times)
    noisy = signal * batch.target + spread * batch.noise
    clean = signal * noisy - spread * predict(denoiser, noisy, batch)
    decoded = vae.decode(clean / vae.config.scaling_factor).sample.float()
    pictures = (decoded.permute(0, 2, 3, 1).numpy() / 2 + 0.5).clip(0, 1)
    whole, part, rest = (untone(picture, exposure) for picture in pictures)
    inside = matte > 0.9
    apart = np.square(whole - part - rest)[inside].mean()
    return float(np.sqrt(apart / max(float(np.square(whole)[inside].mean()), 1e-8)))
