"""A UNet as OpenVINO's model, its weights and activations in 8 bits (W8A8), calibrated on runs of IC-Light."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from iclight_local.pipelines.calibration import Tell, calibration_inputs
from iclight_local.pipelines.openvino_unet import hush, inputs_of, library
from iclight_local.pipelines.unet_calls import UNetInput

if TYPE_CHECKING:
    from iclight_local.pipelines.iclight import ICLightPipeline

_TRACED = (2, 16)
"""Rows, and latents of a side, of the call that is traced; the model takes any."""

_KEPT = (r".*\.time_emb.*", r".*\.conv_in/.*", r".*\.conv_out/.*", r".*\.conv_shortcut/.*")
"""Layers that stay in floating point: little work, and two thirds of what 8 bits everywhere change in the noise."""


def write_int8(pipe: ICLightPipeline, file: Path, tell: Tell) -> None:
    """Convert a pipeline's UNet, its LoRAs included, and write it as ``file`` (``.xml``) and a ``.bin`` beside it.

    The process grows to about three times the UNet's weights in float32, 10 GB with SD1.5.

    Args:
        pipe: the pipeline, on the CPU in float32.
        file: where it goes.
        tell: told how far it is.
    """
    inputs = calibration_inputs(pipe, lambda done, of: tell(done, 2 * of))
    with merged_loras(pipe):
        model = converted(pipe)
        quantized = quantize(model, inputs, lambda done, of: tell(of + done, 2 * of))
        library("openvino").save_model(quantized, str(file), compress_to_fp16=False)


def converted(pipe: ICLightPipeline) -> Any:
    """A pipeline's UNet as OpenVINO's float32 model, for any number of rows, size and length of text.

    Its weights are the pipeline's own, in the same memory: whoever changes those changes the model.
    """
    openvino, config = library("openvino"), pipe.unet.config
    rows, side = _TRACED
    examples = (
        torch.zeros(rows, config.in_channels, side, side),
        torch.zeros(rows),
        torch.zeros(rows, pipe.tokenizer.model_max_length, config.cross_attention_dim),
    )
    shapes = [[-1, config.in_channels, -1, -1], [-1], [-1, -1, config.cross_attention_dim]]
    with torch.no_grad(), warnings.catch_warnings():
        # What it says of shapes that are taken for fixed is about sizes that no latent of a pass has.
        warnings.filterwarnings("ignore", message="Converting a tensor to a Python")
        warnings.simplefilter("ignore", DeprecationWarning)
        return openvino.convert_model(_Positional(pipe.unet), example_input=examples, input=shapes)


def quantize(model: Any, inputs: Sequence[UNetInput], tell: Tell) -> Any:
    """OpenVINO's model with the matrix products and convolutions in 8 bits.

    Args:
        model: the float32 model; it is changed.
        inputs: what the ranges of the activations are taken from.
        tell: told of the inputs.
    """
    nncf = library("nncf")
    names = [each.any_name for each in model.inputs]

    def prepared(numbered: tuple[int, UNetInput]) -> dict[str, Any]:
        number, given = numbered
        tell(number, len(inputs))
        return {name: tensor.numpy() for name, tensor in zip(names, inputs_of(given), strict=True)}

    hush()
    return nncf.quantize(
        model,
        nncf.Dataset(list(enumerate(inputs)), prepared),
        subset_size=len(inputs),
        target_device=nncf.TargetDevice.CPU,
        model_type=nncf.ModelType.TRANSFORMER,
        ignored_scope=nncf.IgnoredScope(patterns=list(_KEPT), validate=False),
        advanced_parameters=_advanced(nncf),
    )


def _advanced(nncf: Any) -> Any:
    """Ranges alone, from the smallest value ever seen to the largest.

    NNCF's own choice, the mean of the runs' extremes, cuts off what the UNet gives at some of the timesteps: 31 dB to
    the float32 picture in place of 44 (miniature). Smoothed scales and corrected biases add less and take long.
    """
    ranges = nncf.quantization.range_estimator.RangeEstimatorParametersSet.MINMAX
    return nncf.AdvancedQuantizationParameters(
        activations_range_estimator_params=ranges,
        smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(convolution=-1, matmul=-1),
        disable_bias_correction=True,
    )


class _Positional(torch.nn.Module):
    """A UNet that is called with three tensors and gives one, as a trace needs it."""

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, sample: torch.Tensor, timestep: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor:
        """The predicted noise."""
        noise: torch.Tensor = self.unet(sample, timestep, encoder_hidden_states=embeddings, return_dict=False)[0]
        return noise


@contextlib.contextmanager
def merged_loras(pipe: ICLightPipeline) -> Iterator[None]:
    """LoRAs as part of the weights for the length of a block, in place of products of their own."""
    if not pipe.get_active_adapters():
        yield
        return
    pipe.fuse_lora(components=["unet"])
    try:
        yield
    finally:
        pipe.unfuse_lora(components=["unet"])
