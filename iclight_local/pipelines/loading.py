"""From a base and a file of offsets to one UNet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import DPMSolverMultistepScheduler, UNet2DConditionModel
from safetensors import safe_open

from iclight_local.checkpoints import check_base, check_offsets_fit, offsets_model, read_header
from iclight_local.errors import WeightsError
from iclight_local.request import ModelName


def default_scheduler() -> DPMSolverMultistepScheduler:
    """DPM++ 2M SDE Karras as the original demos build it, its beta schedule left at the default (linear)."""
    return DPMSolverMultistepScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        algorithm_type="sde-dpmsolver++",
        use_karras_sigmas=True,
        steps_offset=1,
    )


def check_pair(base: Path, iclight: Path, model: ModelName | None) -> ModelName:
    """Check that a file of offsets is of the asked model and that its base is of the right family.

    Returns:
        The model the file holds.

    Raises:
        WeightsError: one sentence that says what was found and what was needed.
    """
    latent_channels = check_base(base)
    found = offsets_model(read_header(iclight), latent_channels)
    if model is not None and model != found and (model == "fbc" or found == "fbc"):
        raise WeightsError(
            f"{iclight.name} holds model {found} and {model} was asked for: "
            f"give a file of {model}, or --model {found}."
        )
    return found if model is None else model


def load_merged_unet(base: str, iclight: Path, latent_channels: int, **hub: Any) -> UNet2DConditionModel:
    """Load a base UNet, widen its ``conv_in`` with zeros and add the offsets key by key, in float32.

    The offsets are read one tensor at a time, so that the peak memory is that of the base UNet.

    Args:
        base: a diffusers folder, or a repository on the hub.
        iclight: the file of offsets.
        latent_channels: channels of the base's latents.
        **hub: handed to ``UNet2DConditionModel.from_pretrained``.

    Raises:
        WeightsError: the two do not fit.
    """
    header = read_header(iclight)
    in_channels = header.tensors["conv_in.weight"].shape[1]
    unet = UNet2DConditionModel.from_pretrained(base, subfolder="unet", torch_dtype=torch.float32, **hub)
    check_offsets_fit(header, {key: tuple(value.shape) for key, value in unet.state_dict().items()})
    _widen(unet, in_channels, latent_channels)
    state = unet.state_dict()
    with torch.no_grad(), safe_open(iclight, framework="pt") as offsets:
        for key in header.tensors:
            state[key].add_(offsets.get_tensor(key).to(state[key].dtype))
    return unet


def _widen(unet: UNet2DConditionModel, in_channels: int, latent_channels: int) -> None:
    """Give ``conv_in`` zeroed weights for the channels of the condition."""
    old = unet.conv_in
    new = torch.nn.Conv2d(in_channels, old.out_channels, old.kernel_size, old.stride, old.padding)
    with torch.no_grad():
        new.weight.zero_()
        new.weight[:, :latent_channels].copy_(old.weight)
        new.bias.copy_(old.bias)
    unet.conv_in = new.to(old.weight.dtype)
    unet.register_to_config(in_channels=in_channels)
