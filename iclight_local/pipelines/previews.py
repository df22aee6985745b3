"""Small fast previews with TAESD, an autoencoder of 2.4 million weights for SD1.5's latents, or with one as small."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch
from diffusers import AutoencoderTiny
from PIL import Image

from iclight_local.errors import WeightsError
from iclight_local.pipelines.latents import to_uint8

SMALL = 2_500_000
"""Weights of an autoencoder that is as quick as TAESD."""


class Previews(Protocol):
    """Makes pictures of latents."""

    def picture(self, latents: torch.Tensor) -> Image.Image:
        """The first of some latents, ``n x channels x h x w``, as an RGB picture."""
        ...


class OwnPreviewer:
    """Makes pictures of latents with a model's own autoencoder.

    Args:
        vae: an AutoencoderKL.
    """

    def __init__(self, vae: Any) -> None:
        self._vae = vae

    @staticmethod
    def serves(vae: Any) -> bool:
        """Whether an autoencoder is small enough for that."""
        return bool(sum(weights.numel() for weights in vae.parameters()) <= SMALL)

    @torch.no_grad()
    def picture(self, latents: torch.Tensor) -> Image.Image:
        """As :meth:`Previews.picture` says."""
        scaled = latents[:1].to(self._vae.device, self._vae.dtype) / self._vae.config.scaling_factor
        pixels = self._vae.decode(scaled).sample[0].float()
        return Image.fromarray(to_uint8(pixels.movedim(0, -1).cpu().numpy()))


class Previewer:
    """Makes pictures of latents.

    Args:
        folder: a diffusers folder of an ``AutoencoderTiny``.

    Raises:
        WeightsError: it is damaged, or of another kind.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._vae: Any = AutoencoderTiny.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, RuntimeError, TypeError) as error:
            raise WeightsError(
                f"{folder} holds no readable TAESD: remove it and fetch it again with `iclight weights pull taesd`."
            ) from error
        self._vae.requires_grad_(False)

    @property
    def channels(self) -> int:
        """The latent channels that it is for."""
        return int(self._vae.config.latent_channels)

    @torch.no_grad()
    def picture(self, latents: torch.Tensor) -> Image.Image:
        """The first of some latents as an RGB picture.

        Args:
            latents: ``n x channels x h x w``, scaled as the UNet sees them, best the predicted finished ones.
        """
        # In float32 it cannot overflow, and it is small enough for that.
        self._vae.to(latents.device)
        pixels = self._vae.decode(latents[:1].to(self._vae.dtype)).sample[0].float()
        return Image.fromarray(to_uint8(pixels.movedim(0, -1).cpu().numpy()))
