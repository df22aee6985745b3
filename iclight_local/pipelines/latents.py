"""Between pixels and latents, with the original's arithmetic."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from iclight_local.errors import EngineError
from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.imaging.matte import GREY
from iclight_local.pipelines.memory import PIXELS_PER_CALL
from iclight_local.pipelines.remembered import Remembered


def encode_pictures(vae: Any, pictures: Sequence[UInt8Array], device: torch.device) -> torch.Tensor:
    """Encode pictures to scaled latents (the mode of the posterior, not a sample).

    Pixels become ``x / 127 - 1``, so that grey 127 is exactly 0.

    Args:
        vae: an AutoencoderKL.
        pictures: uint8, H x W x 3, of one size, divisible by the VAE's factor.
        device: where the VAE runs.

    Returns:
        float32, ``len(pictures) x channels x H/f x W/f``.
    """
    height, width, _ = pictures[0].shape
    at_once = max(1, PIXELS_PER_CALL // (height * width))
    latents = []
    for start in range(0, len(pictures), at_once):
        levels = np.stack(pictures[start : start + at_once]).astype(np.float32)
        pixels = torch.from_numpy(levels).to(device) / GREY - 1.0
        posterior = vae.encode(pixels.movedim(-1, 1).to(vae.dtype)).latent_dist
        latents.append((posterior.mode() * vae.config.scaling_factor).float())
    return torch.cat(latents)


def encode_each(vae: Any, pictures: Sequence[UInt8Array], device: torch.device, remembered: Remembered) -> torch.Tensor:
    """As :func:`encode_pictures`, each by itself and equal ones once: latents do not depend on a picture's company."""
    # In tiles it comes out otherwise.
    way = (bool(vae.use_tiling), vae.dtype, device)

    def encoded(digest: bytes, picture: UInt8Array) -> torch.Tensor:
        key = (digest, picture.shape, *way)
        return remembered.get(key, lambda: encode_pictures(vae, [picture], device))

    # Keys are kept: digests take no megabytes, as the pictures themselves would.
    digests = [hashlib.sha256(picture.tobytes()).digest() for picture in pictures]
    different = dict(zip(digests, pictures, strict=True))
    latents = {digest: encoded(digest, picture) for digest, picture in different.items()}
    return torch.cat([latents[digest] for digest in digests])


Convert = Callable[[FloatArray], npt.NDArray[Any]]
"""Decoded pixels (float32, H x W x 3, around -1..1) to what is kept of them."""


def decode_latents(vae: Any, latents: torch.Tensor, factor: int, convert: Convert) -> list[npt.NDArray[Any]]:
    """Decode scaled latents.

    Args:
        vae: an AutoencoderKL.
        latents: ``n x channels x h x w``.
        factor: pixels per latent along each side.
        convert: :func:`to_uint8` or :func:`to_unit`.

    Returns:
        ``n`` arrays, H x W x 3.

    Raises:
        EngineError: the models computed no numbers, as an autoencoder does that overflows in float16.
    """
    pixels = latents.shape[2] * latents.shape[3] * factor**2
    at_once = max(1, PIXELS_PER_CALL // pixels)
    pictures = []
    for part in torch.split(latents.to(vae.dtype), at_once):
        decoded = vae.decode(part / vae.config.scaling_factor).sample.float()
        if not torch.isfinite(decoded).all():
            raise EngineError(
                "The models computed no numbers (NaN or infinite): check the weights with iclight doctor, "
                "or run with --precision fp32."
            )
        pictures += [convert(picture) for picture in decoded.movedim(1, -1).cpu().numpy()]
    return pictures


def to_uint8(pixels: FloatArray) -> UInt8Array:
    """Decoded pixels as grey levels: ``x * 127.5 + 127.5``, clipped and truncated."""
    return (pixels * np.float32(127.5) + np.float32(127.5)).clip(0, 255).astype(np.uint8)


def to_unit(pixels: FloatArray) -> FloatArray:
    """Decoded pixels as values in 0..1, clipped and not rounded."""
    return (pixels * np.float32(0.5) + np.float32(0.5)).clip(0, 1)
