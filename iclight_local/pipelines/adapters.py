"""LoRAs on a pipeline, and the scheduler that a distilled one needs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from diffusers import LCMScheduler
from diffusers.utils import logging

from iclight_local.errors import WeightsError
from iclight_local.layouts.lora import LoraFile

if TYPE_CHECKING:
    from iclight_local.pipelines.iclight import ICLightPipeline

_LEFT_OUT = "While injecting the PEFT adapters, an inconsistency"
"""How peft begins to say that a file's layers and those that it has found in it differ."""


def add_loras(pipe: ICLightPipeline, loras: Sequence[LoraFile]) -> None:
    """Lay LoRAs on a pipeline's UNet and text encoder, each at its scale.

    Raises:
        WeightsError: one does not fit the pipeline's weights, or cannot be read by diffusers.
    """
    names = [f"lora_{index}" for index in range(len(loras))]
    for name, lora in zip(names, loras, strict=True):
        with _lora_errors(lora):
            pipe.load_lora_weights(
                lora.path.parent, weight_name=lora.path.name, adapter_name=name, local_files_only=True
            )
    if loras:
        pipe.set_adapters(names, adapter_weights=[lora.scale for lora in loras])


def use_lcm(pipe: ICLightPipeline) -> None:
    """Give a pipeline the scheduler that LCM-LoRA was distilled with.

    Its noise grows as in SD1.5's training ("scaled linear", LCM's own default) and not as in the original demos'
    sampler: the LoRA was distilled on the former, and of 4 steps none can make up for the difference.
    """
    pipe.scheduler = LCMScheduler(prediction_type=pipe.scheduler.config.prediction_type)


@contextmanager
def _lora_errors(lora: LoraFile) -> Iterator[None]:
    """Turn what diffusers and peft say of a file that they cannot use into one sentence."""
    verbosity = logging.get_verbosity()
    # They note at length that a LoRA leaves the text encoder alone, and that there are several.
    logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Already found a `peft_config`")
            warnings.filterwarnings("error", message=_LEFT_OUT, category=RuntimeWarning)
            yield
    except RuntimeWarning as warning:
        raise WeightsError(
            f"{lora.path.name} mixes several ways of naming its layers, and some would be left out: "
            "a LoRA whose keys are all of one kind was needed."
        ) from warning
    except (ValueError, KeyError, RuntimeError) as error:
        detail = next(iter(str(error).splitlines()), type(error).__name__)
        raise WeightsError(
            f"{lora.path.name} could not be laid on these weights ({detail}): a LoRA for SD1.5 was needed."
        ) from error
    finally:
        logging.set_verbosity(verbosity)
