"""From a base and a file of offsets to one UNet."""

from __future__ import annotations

import contextlib
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import DPMSolverMultistepScheduler
from huggingface_hub.errors import EntryNotFoundError

from iclight_local.checkpoints import check_base, checked_prediction_type, prediction_type, variant_of
from iclight_local.errors import ICLightError, InvalidRequest, OutOfMemory, WeightsError
from iclight_local.headers import read_header
from iclight_local.layouts.identify import settled
from iclight_local.layouts.purpose import check_use, chosen_model
from iclight_local.pipelines.hub import hub_options, on_hub
from iclight_local.pipelines.merging import load_merged_unet
from iclight_local.request import ModelName

MODEL_OF_WIDTH: dict[int, ModelName] = {2: "fc", 3: "fbc"}
"""The model of a UNet whose input is so many times as wide as the latents; fcon has fc's width."""
SD15_LATENT_CHANNELS = 4
"""Channels that a base on the hub is taken to have before it is there."""


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
        base: a diffusers folder, a single file, or a repository on the hub.
        options: arguments of ``DiffusionPipeline.from_pretrained``; those about files are handed on.

    Raises:
        WeightsError: the config is damaged, or says something unknown.
        OSError: the hub cannot be reached.
    """
    if Path(base).is_dir():
        return prediction_type(Path(base))
    if Path(base).is_file():
        # A single file has no scheduler's config; some that predict the velocity say so by a tensor of this name.
        return "v_prediction" if "v_pred" in read_header(Path(base)).tensors else "epsilon"
    try:
        config = DPMSolverMultistepScheduler.load_config(base, subfolder="scheduler", **hub_options(options))
    except OSError as error:
        # diffusers says this and a failing network with one class.
        if not isinstance(error.__context__, EntryNotFoundError):
            raise
        config = {}
    return checked_prediction_type(config, f"The scheduler's config of {base}")


def check_pair(base: Path, iclight: Path, model: ModelName | None, given: Container[str] = ()) -> ModelName:
    """Check that an IC-Light file is of the asked model and that its base is of the right family.

    A base that is no file on disk (a repository on the hub) is checked by its shapes once it is loaded.

    Args:
        base: a diffusers folder, a single file, or a repository on the hub.
        iclight: the IC-Light file.
        model: the model that is wanted; None: as the file says.
        given: components that need not be in the base.

    Returns:
        The model that the file is taken for.

    Raises:
        WeightsError: one sentence that says what was found and what was needed.
    """
    if base.is_dir():
        check_base(base)
    elif base.is_file():
        check_use(settled(read_header(base)), "base_beside_vae" if "vae" in given else "base")
    elif not on_hub(base):
        raise WeightsError(
            f"{base} is not there, and a diffusers folder or a single safetensors file of an SD1.5 model was needed."
        )
    return chosen_model(settled(read_header(iclight)), model)


def merge_into(
    given: dict[str, Any], base: str, iclight: Path, model: ModelName | None, dtypes: Mapping[str, torch.dtype]
) -> None:
    """Add to the arguments of ``from_pretrained`` what makes an IC-Light pipeline of a base.

    Args:
        given: the arguments; the merged UNet, its scheduler, its model's name and the files' variant are added.
        base: a diffusers folder, a single file, or a repository on the hub.
        iclight: the IC-Light file.
        model: the model that is wanted; None: as the file says.
        dtypes: precision of the components.

    Raises:
        WeightsError: the files are missing, damaged, or do not belong together.
    """
    given["model"] = check_pair(Path(base), iclight, model, given)
    given["unet"] = load_merged_unet(base, iclight, given, dtypes.get("unet", torch.float32))
    if "scheduler" not in given:
        given["scheduler"] = default_scheduler(base_prediction_type(base, given))
    if Path(base).is_dir() and "variant" not in given:
        given["variant"] = variant_of(Path(base))


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
