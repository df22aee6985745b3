"""Latents of the rendered scenes, encoded once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch.nn import functional

from iclight_local.imaging.lightmap import INITIAL_LATENT_RAMP, light_map
from scripts.mini.autoencoder import FACTOR, encode
from scripts.mini.scenes import Scenes

SIDES = ("left", "right", "top", "bottom")
Halves = NDArray[np.float16]


@dataclass(frozen=True)
class Latents:
    """A folder of scaled latents: ``<name>.npy`` ``[n, C, h, w]`` in float16, one row a scene, and ``matte.npy``."""

    folder: Path

    def __getitem__(self, name: str) -> Halves:
        array: Halves = np.load(self.folder / f"{name}.npy", mmap_mode="r")
        return array


def encode_scenes(vae: AutoencoderKL, scenes: Scenes, folder: Path, size: int, counts: Mapping[str, int]) -> Latents:
    """Encode pictures of the scenes, scaled down to ``size`` pixels; what is there is kept.

    Args:
        vae: the autoencoder.
        scenes: where the pictures are.
        folder: where the latents go.
        size: pixels of a side.
        counts: how many scenes' pictures of each name, rounded up to whole shards.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, count in counts.items():
        if (folder / f"{name}.npy").exists():
            continue
        parts: list[Halves] = []
        for array in scenes.pictures(name):
            if sum(len(part) for part in parts) < count:
                parts.append(_encode(vae, array, size))
        _save(folder / f"{name}.npy", np.concatenate(parts))
    if not (folder / "matte.npy").exists():
        mattes = [shrunk(torch.tensor(np.asarray(part))[:, None].float() / 255, size // FACTOR)
                  for part in scenes.mattes()]  # fmt: skip
        _save(folder / "matte.npy", torch.cat(mattes).half().numpy())
    return Latents(folder)


def ramps(vae: AutoencoderKL, side: int, bounds: tuple[float, float] = INITIAL_LATENT_RAMP) -> torch.Tensor:
    """Latents of the light maps of ``SIDES``, ``[4, C, side, side]``."""
    pictures = [light_map(name, side * FACTOR, side * FACTOR, bounds) for name in SIDES]
    return encode(vae, np.stack(pictures)) * vae.config.scaling_factor


def _encode(vae: AutoencoderKL, pictures: NDArray[np.uint8], size: int) -> Halves:
    parts = []
    for start in range(0, len(pictures), 16):
        part = torch.tensor(np.asarray(pictures[start : start + 16])).permute(0, 3, 1, 2).float()
        part = shrunk(part, size).clamp(0, 255).permute(0, 2, 3, 1)
        parts.append((encode(vae, part.numpy()) * vae.config.scaling_factor).half())
    array: Halves = torch.cat(parts).numpy()
    return array


def shrunk(pictures: torch.Tensor, size: int) -> torch.Tensor:
    """Pictures ``[n, c, H, W]`` scaled down to ``size`` pixels a side, antialiased."""
    if pictures.shape[-1] == size:
        return pictures
    return functional.interpolate(pictures, (size, size), mode="bilinear", antialias=True)


def _save(path: Path, array: Halves) -> None:
    temporary = path.with_suffix(".tmp.npy")
    np.save(temporary, array)
    temporary.rename(path)
