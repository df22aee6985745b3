"""Precisions, devices and ways to save memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from golden_pictures import SMALL, load_pipe

from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.pipelines.iclight import ICLightPipeline


@pytest.fixture(scope="module")
def reference(fc: ICLightPipeline, foreground: UInt8Array) -> FloatArray:
    return fc(foreground, **SMALL).images[0]


def dtypes(pipe: ICLightPipeline) -> tuple[torch.dtype, ...]:
    return pipe.text_encoder.dtype, pipe.unet.dtype, pipe.vae.dtype


def test_float32_is_the_default(fc: ICLightPipeline) -> None:
    assert dtypes(fc) == (torch.float32,) * 3


def test_float16_leaves_the_autoencoder_in_bfloat16() -> None:
    assert dtypes(load_pipe("fc", torch_dtype=torch.float16)) == (torch.float16, torch.float16, torch.bfloat16)


def test_a_precision_for_each_component() -> None:
    pipe = load_pipe("fc", torch_dtype={"unet": torch.bfloat16, "default": torch.float32})
    assert dtypes(pipe) == (torch.float32, torch.bfloat16, torch.float32)


@pytest.mark.parametrize("cast", [lambda pipe: pipe.to(torch.float16), lambda pipe: pipe.to("cpu", torch.float16)])
def test_the_autoencoder_is_never_left_in_float16(cast: Callable[[ICLightPipeline], ICLightPipeline]) -> None:
    pipe = load_pipe("fc")
    assert cast(pipe) is pipe
    assert pipe.unet.dtype == pipe.text_encoder.dtype == torch.float16
    assert pipe.vae.dtype in (torch.bfloat16, torch.float32)


def test_bfloat16_is_about_the_same_picture(reference: FloatArray, foreground: UInt8Array) -> None:
    pipe = load_pipe("fc", torch_dtype=torch.bfloat16)
    assert dtypes(pipe) == (torch.bfloat16,) * 3
    off = np.abs(pipe(foreground, **SMALL).images[0] - reference)
    assert 0 < off.mean() < 0.02


def test_offload_is_the_same_picture(reference: FloatArray, foreground: UInt8Array) -> None:
    pipe = load_pipe("fc")
    pipe.enable_model_cpu_offload(device="cpu")
    for _ in range(2):
        assert np.array_equal(pipe(foreground, **SMALL).images[0], reference)


def test_slices_are_the_same_pictures(fc: ICLightPipeline, foreground: UInt8Array) -> None:
    pipe = load_pipe("fc")
    pipe.vae.enable_slicing()
    knobs: dict[str, Any] = {**SMALL, "number_of_images": 3}
    decoded: list[int] = []
    pipe.vae.decoder.register_forward_pre_hook(lambda module, args: decoded.append(len(args[0])))
    sliced = pipe(foreground, **knobs).images
    assert set(decoded) == {1}
    assert all(np.abs(a - b).max() * 255 <= 1 for a, b in zip(sliced, fc(foreground, **knobs).images, strict=True))


def test_tiles(reference: FloatArray, foreground: UInt8Array) -> None:
    pipe = load_pipe("fc")
    pipe.vae.enable_tiling()
    decoded: list[tuple[int, ...]] = []
    pipe.vae.decoder.register_forward_pre_hook(lambda module, args: decoded.append(tuple(args[0].shape[2:])))
    picture = pipe(foreground, **SMALL).images[0]
    assert max(max(shape) for shape in decoded) <= 8
    assert picture.shape == reference.shape
    assert np.isfinite(picture).all()


@pytest.mark.gpu
def test_a_seed_is_one_picture_on_every_device(reference: FloatArray, foreground: UInt8Array) -> None:
    pipe = load_pipe("fc").to("cuda")
    off = np.abs(pipe(foreground, **SMALL).images[0] - reference) * 255
    assert off.max() <= 4
    assert off.mean() <= 0.1


@pytest.mark.gpu
def test_float16_on_a_gpu_is_about_the_same_picture(reference: FloatArray, foreground: UInt8Array) -> None:
    pipe = load_pipe("fc", torch_dtype=torch.float16).to("cuda")
    off = np.abs(pipe(foreground, **SMALL).images[0] - reference)
    assert off.mean() < 0.02


@pytest.mark.gpu
def test_offload_from_a_gpu_is_the_same_picture(foreground: UInt8Array) -> None:
    expected = load_pipe("fc").to("cuda")(foreground, **SMALL).images[0]
    pipe = load_pipe("fc")
    pipe.enable_model_cpu_offload()
    assert np.abs(pipe(foreground, **SMALL).images[0] - expected).max() * 255 <= 1
    assert pipe.unet.device.type == "cpu"


@pytest.mark.gpu
def test_noise_drawn_on_a_gpu_is_another_picture(reference: FloatArray, foreground: UInt8Array) -> None:
    pipe = load_pipe("fc").to("cuda")
    first, second = (pipe(foreground, **SMALL, noise_device="device").images[0] for _ in range(2))
    assert np.array_equal(first, second)
    assert np.abs(first - reference).mean() > 0.005
