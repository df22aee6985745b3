"""The autoencoder: diffusers' AutoencoderKL, f8, small and smooth."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch.nn import functional

from scripts.mini.progress import Average, LossFile, Optimizers, load_state, rate_at, save_state
from scripts.mini.scenes import Scenes

LATENT_CHANNELS = 16
FACTOR = 8
SEEN = ("target", "background", "other", "input", "foreground", "target", "other")
"""Pictures it is trained on; a name said twice is drawn twice as often."""


@dataclass(frozen=True)
class Recipe:
    """How long and how hard to train.

    Attributes:
        steps: batches.
        batch: crops in one of them.
        crop: side of a crop in pixels.
        peak: highest learning rate of Muon.
        noise: largest spread of the noise on latents in training, over their own spread: errors of a UNet's size in
            the latents then hurt the picture little.
        shrunk: share of steps that also decode latents scaled down, against the picture scaled down: latents become
            smooth in space, which a UNet learns faster (the idea of EQ-VAE, arXiv 2502.09509).
    """

    steps: int = 2600
    batch: int = 8
    crop: int = 96
    peak: float = 0.01
    noise: float = 0.6
    shrunk: float = 0.5
    keep_every: int = 200


def build() -> AutoencoderKL:
    """The architecture: SD1.5's, with fewer and narrower layers, 16 latent channels and no attention.

    Two groups of channels in the norms: narrow groups would take the levels of a picture out of it. Residual branches
    start at zero, so that colours come through from the first step on.
    """
    levels = 4
    vae = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=(16, 32, 64, 96),
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=2,
        mid_block_add_attention=False,
        sample_size=256,
        force_upcast=False,
    )
    for name, module in vae.named_modules():
        if name.endswith(".conv2"):
            torch.nn.init.zeros_(module.weight)
    return vae


def train(scenes: Scenes, folder: Path, recipe: Recipe) -> AutoencoderKL:
    """Train, or go on; the averaged weights end in ``folder/vae``, with the scaling factor measured on the scenes."""
    torch.manual_seed(0)
    vae = build().to(memory_format=torch.channels_last)
    optimizers = Optimizers(vae, recipe.peak, 2e-3)
    average = Average(vae, 0.998)
    done = 0
    kept = folder / "autoencoder.pt"
    if state := load_state(kept):
        vae.load_state_dict(state["vae"])
        optimizers.load_state_dict(state["optimizers"])
        average.values, done = state["average"], state["step"]
    losses = LossFile(folder / "autoencoder.csv", done, 50)
    crops = _crops(scenes, recipe, done)
    for step in range(done + 1, recipe.steps + 1):
        loss, parts = _loss(vae, next(crops), recipe, step)
        optimizers.step(loss, rate_at(step, recipe.steps))
        average.follow(vae, step)
        losses.add(step, parts)
        if step % recipe.keep_every == 0 or step == recipe.steps:
            state = {"vae": vae.state_dict(), "optimizers": optimizers.state_dict(), "average": average.values}
            save_state(kept, {**state, "step": step})
    vae.load_state_dict(average.values)
    return _finish(vae.eval(), scenes, folder)


def _loss(vae: AutoencoderKL, pixels: torch.Tensor, recipe: Recipe, step: int) -> tuple[torch.Tensor, dict[str, float]]:
    with torch.autocast("cpu", torch.bfloat16):
        posterior = vae.encode(pixels).latent_dist
        mean, logvar = posterior.mean.float(), posterior.logvar.float()
        spread = recipe.noise * float(mean.detach().std()) * torch.rand(len(mean), 1, 1, 1)
        latents = mean + spread * torch.randn_like(mean)
        decoded = vae.decode(latents).sample.float()
    error = _error(decoded, pixels)
    # Noise and latents grow together, so their size is free: it is held near 1, and the unused variance near the noise.
    size = (mean.square().mean() - 1).square() + (logvar - 2 * math.log(recipe.noise)).square().mean()
    loss = error + 1e-3 * size
    parts = {"error": float(error.detach()), "size": float(size.detach()), "psnr": _psnr(decoded, pixels)}
    if np.random.default_rng(step).random() < recipe.shrunk:
        with torch.autocast("cpu", torch.bfloat16):
            small = functional.interpolate(latents, scale_factor=0.5, mode="bilinear", antialias=True)
            half = vae.decode(small).sample.float()
        wanted = functional.interpolate(pixels, scale_factor=0.5, mode="bilinear", antialias=True)
        loss = loss + 0.5 * _error(half, wanted)
    return loss, parts


def _error(decoded: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """Absolute and squared differences of the pixels, and of their slopes: edges stay edges."""
    difference = decoded - pixels
    down, across = difference.diff(dim=2).abs().mean(), difference.diff(dim=3).abs().mean()
    return difference.abs().mean() + 2 * difference.square().mean() + 0.3 * (down + across)


def _psnr(decoded: torch.Tensor, pixels: torch.Tensor) -> float:
    """Decibels; pixels are -1..1."""
    return float(-10 * torch.log10((decoded.detach().clamp(-1, 1) - pixels).square().mean((1, 2, 3)) / 4).mean())


def _crops(scenes: Scenes, recipe: Recipe, done: int) -> Iterator[torch.Tensor]:
    """Batches of crops in -1..1; some are cut from pictures scaled down first, which have finer detail."""
    shards = {name: scenes.pictures(name) for name in set(SEEN)}
    count = min(len(arrays) for arrays in shards.values())
    step = done
    while True:
        step += 1
        rng = np.random.default_rng([step, 11])
        crops = []
        for _ in range(recipe.batch):
            array = shards[SEEN[rng.integers(len(SEEN))]][rng.integers(count)]
            crops.append(_crop(array[rng.integers(len(array))], recipe.crop, rng))
        yield torch.stack(crops).contiguous(memory_format=torch.channels_last)


def _crop(picture: Any, crop: int, rng: np.random.Generator) -> torch.Tensor:
    size = picture.shape[0]
    wide = min(int(crop * rng.choice([1.0, 1.0, 1.5, 2.0])), size)
    top, left = rng.integers(size - wide + 1, size=2)
    cut = np.ascontiguousarray(picture[top : top + wide, left : left + wide])
    if rng.random() < 0.5:
        cut = np.ascontiguousarray(cut[:, ::-1])
    pixels = torch.tensor(cut).permute(2, 0, 1).float() / 127.0 - 1.0
    if wide != crop:
        pixels = functional.interpolate(pixels[None], (crop, crop), mode="bilinear", antialias=True)[0]
    return pixels


@torch.no_grad()
def encode(vae: AutoencoderKL, pictures: Any) -> torch.Tensor:
    """Pictures ``[n, H, W, 3]`` in 0..255 to unscaled latents ``[n, C, H/8, W/8]``: the posterior's mode."""
    pixels = torch.tensor(np.asarray(pictures)).permute(0, 3, 1, 2).float() / 127.0 - 1.0
    return _encoded(vae, pixels.contiguous(memory_format=torch.channels_last))


@torch.no_grad()
def _encoded(vae: AutoencoderKL, pixels: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        return vae.encode(pixels).latent_dist.mode().float()


def _finish(vae: AutoencoderKL, scenes: Scenes, folder: Path) -> AutoencoderKL:
    latents = encode(vae, scenes.pictures("target")[0][:32])
    vae.register_to_config(scaling_factor=round(float(1 / latents.std()), 5))
    vae.save_pretrained(folder / "vae")
    return vae
