"""From a base and a file of offsets to one UNet."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import DPMSolverMultistepScheduler, UNet2DConditionModel
from huggingface_hub.errors import EntryNotFoundError
from safetensors import safe_open

from iclight_local.checkpoints import (
    check_base,
    check_offsets_fit,
    checked_prediction_type,
    offsets_model,
    prediction_type,
    read_header,
)
from iclight_local.errors import ICLightError, InvalidRequest, OutOfMemory, WeightsError
from iclight_local.request import ModelName

MODEL_OF_WIDTH: dict[int, ModelName] = {2: "fc", 3: "fbc"}
"""The model of a UNet whose input is so many times as wide as the latents; fcon has fc's width."""
SD15_LATENT_CHANNELS = 4
"""Channels that a base on the hub is taken to have before it is there."""
HUB_ARGUMENTS = (
    "cache_dir", "force_download", "proxies", "local_files_only", "token", "revision", "variant",
    "use_safetensors", "low_cpu_mem_usage",
)  # fmt: skip
"""Arguments of ``from_pretrained`` that say where files are and how they are read."""
HUB_PARTS = 2
"""A repository on the hub is named OWNER/NAME; any other path that is not there is a missing folder."""


def default_scheduler(prediction_type: str = "epsilon") -> DPMSolverMultistepScheduler:
    """DPM++ 2M SDE Karras as the original demos build it, its beta schedule left at the default (linear).

    Args:
        prediction_type: what the UNet predicts, in diffusers' words; the original's predicts the noise.
    """
    scheduler = DPMSolverMultistepScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        algorithm_type="sde-dpmsolver++",
        use_karras_sigmas=True,
        steps_offset=1,
        prediction_type=prediction_type,
    )
    # Not for this scheduler: DDIM, PNDM and others made from its config take these over, as from any SD1.5
    # folder. Their own defaults are for models of pixels, and DDIM's clipping ruins latents.
    scheduler.register_to_config(clip_sample=False, set_alpha_to_one=False, skip_prk_steps=True)
    return scheduler


def base_prediction_type(base: str, options: Mapping[str, Any]) -> str:
    """What a base's UNet predicts, by its scheduler's config: the one thing that is taken from there.

    Args:
        base: a diffusers folder, or a repository on the hub.
        options: arguments of ``DiffusionPipeline.from_pretrained``; those about files are handed on.

    Raises:
        WeightsError: the config is damaged, or says something unknown.
        OSError: the hub cannot be reached.
    """
    if Path(base).is_dir():
        return prediction_type(Path(base))
    try:
        config = DPMSolverMultistepScheduler.load_config(base, subfolder="scheduler", **_hub(options))
    except OSError as error:
        # diffusers says this and a failing network with one class.
        if not isinstance(error.__context__, EntryNotFoundError):
            raise
        config = {}
    return checked_prediction_type(config, f"The scheduler's config of {base}")


def check_pair(base: Path, iclight: Path, model: ModelName | None) -> ModelName:
    """Check that a file of offsets is of the asked model and that its base is of the right family.

    A base that is no folder on disk (a repository on the hub) is checked by its shapes once it is loaded.

    Returns:
        The model the file holds.

    Raises:
        WeightsError: one sentence that says what was found and what was needed.
    """
    on_hub = not base.is_absolute() and len(base.parts) == HUB_PARTS and not base.exists()
    if not base.is_dir() and not on_hub:
        what = "is a file" if base.exists() else "is not there"
        raise WeightsError(f"{base} {what}, and a diffusers folder of an SD1.5 model was needed.")
    latent_channels = check_base(base) if base.is_dir() else SD15_LATENT_CHANNELS
    found = offsets_model(read_header(iclight), latent_channels)
    if model is not None and model != found and "fbc" in (model, found):
        raise WeightsError(
            f"{iclight.name} holds model {found} and {model} was asked for: give a file of {model}, or ask for {found}."
        )
    return found if model is None else model


def load_merged_unet(base: str, iclight: Path, options: Mapping[str, Any]) -> UNet2DConditionModel:
    """Load a base UNet, widen its ``conv_in`` with zeros and add the offsets key by key, in float32.

    The offsets are read one tensor at a time, so that the peak memory is that of the base UNet.

    Args:
        base: a diffusers folder, or a repository on the hub.
        iclight: the file of offsets.
        options: arguments of ``DiffusionPipeline.from_pretrained``; those about files are handed on.

    Raises:
        WeightsError: the two do not fit.
    """
    header = read_header(iclight)
    unet, found = UNet2DConditionModel.from_pretrained(
        base, subfolder="unet", torch_dtype=torch.float32, output_loading_info=True, **_hub(options)
    )
    if found["missing_keys"]:
        raise WeightsError(
            f"The UNet of {base} lacks {len(found['missing_keys'])} tensors, like {found['missing_keys'][0]}: "
            "fetch or copy it again."
        )
    check_offsets_fit(header, {key: tuple(value.shape) for key, value in unet.state_dict().items()})
    _widen(unet, header.tensors["conv_in.weight"].shape[1])
    state = unet.state_dict()
    with torch.no_grad(), safe_open(iclight, framework="pt") as offsets:
        for key in header.tensors:
            state[key].add_(offsets.get_tensor(key).to(state[key].dtype))
    return unet


def dtype_of(name: str, dtype: torch.dtype | str | Mapping[str, torch.dtype] | None) -> torch.dtype:
    """The precision a component is wanted in; where float16 was asked for all, the autoencoder is bfloat16.

    Raises:
        InvalidRequest: a text that names no precision of torch.
    """
    if isinstance(dtype, Mapping):
        return dtype.get(name, dtype.get("default", torch.float32))
    if dtype is None or dtype == "auto":
        return torch.float32
    if isinstance(dtype, str):
        named = getattr(torch, dtype, None)
        if not isinstance(named, torch.dtype):
            raise InvalidRequest(f"torch_dtype is {dtype}, but must be a dtype of torch, like float16.")
        dtype = named
    return torch.bfloat16 if name == "vae" and dtype == torch.float16 else dtype


@contextlib.contextmanager
def loading_errors(base: str) -> Iterator[None]:
    """Turn whatever damaged files make the libraries raise into one sentence.

    Raises:
        OutOfMemory: the weights do not fit into memory.
        WeightsError: anything else.
    """
    try:
        yield
    except ICLightError:
        raise
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise OutOfMemory(f"The weights in {base} do not fit into memory.") from error
    except Exception as error:
        # A foreign edge: damaged files raise nearly anything, and the tokenizers library bare Exception.
        detail = str(error).strip().splitlines()
        reason = f"{type(error).__name__}: {detail[0]}" if detail else type(error).__name__
        raise WeightsError(
            f"The weights in {base} cannot be loaded ({reason}): fetch or copy them again, or name others."
        ) from error


@contextlib.contextmanager
def quiet_loading() -> Iterator[None]:
    """Keep diffusers' and transformers' loading bars off the terminal for the length of a block."""
    libraries = (diffusers.utils.logging, transformers.utils.logging)
    were_on = [library.is_progress_bar_enabled() for library in libraries]
    for library in libraries:
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, was_on in zip(libraries, were_on, strict=True):
            if was_on:
                library.enable_progress_bar()


def cast(module: torch.nn.Module, dtype: torch.dtype) -> None:
    """Cast a component as torch does; diffusers' own ``to`` warns of modules kept in float32, of which it has none."""
    torch.nn.Module.to(module, dtype=dtype)


def _hub(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: options[key] for key in HUB_ARGUMENTS if key in options}


def _widen(unet: UNet2DConditionModel, in_channels: int) -> None:
    """Give ``conv_in`` zeroed weights for the channels of the condition."""
    old = unet.conv_in
    extra = torch.zeros_like(old.weight[:, :1]).repeat(1, in_channels - old.in_channels, 1, 1)
    new = torch.nn.Conv2d(in_channels, old.out_channels, old.kernel_size, old.stride, old.padding)
    new.load_state_dict({"weight": torch.cat([old.weight, extra], dim=1), "bias": old.bias})
    unet.conv_in = new
    unet.register_to_config(in_channels=in_channels)
