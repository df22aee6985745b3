"""Normals from four lights: the background model lit from left, right, bottom and top."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from iclight_local.errors import WeightsError
from iclight_local.imaging.fit import FloatArray, UInt8Array, resize_and_center_crop
from iclight_local.imaging.matte import NORMALS_SIGMA, composite_on_grey
from iclight_local.pipelines.iclight import ICLightPipeline, ICLightPipelineOutput
from iclight_local.pipelines.unet_calls import UNetSteps
from iclight_local.plan import random_seed
from iclight_local.result import SIDES

SHARPNESS = 10.0
"""The height component is ``(1 - u² - v²)`` to the power of half of this."""
_EPSILON = 1e-5


@dataclass(frozen=True)
class NormalMap:
    """A normal map and the pictures it was made from.

    Attributes:
        normal: uint8, H x W x 3; ``x * 127.5 + 127.5`` of unit vectors (u to the right, v up, h to the viewer).
        ratios: uint8 pictures of each light over the mean of all four, by side.
        relit: uint8, the subject lit from each side.
        seed: seed of the four runs, which share their noise.
    """

    normal: UInt8Array
    ratios: dict[str, UInt8Array]
    relit: dict[str, UInt8Array]
    seed: int


def estimate_normals(pipe: ICLightPipeline, rgb: UInt8Array, alpha: FloatArray, **knobs: Any) -> NormalMap:
    """Estimate normals with the four runs batched into one call.

    Args:
        pipe: a pipeline of model ``fbc``.
        rgb: the subject, uint8, H x W x 3.
        alpha: its matte, float in 0..1, H x W.
        **knobs: as for the pipeline, without ``light_source``; ``callback_on_step_end`` too.

    Raises:
        WeightsError: the pipeline is not of model ``fbc``.

    Source: ``process_normal`` of the original background demo.
    """
    return _normal_map(pipe(**_lit(pipe, rgb, alpha, knobs)), alpha)


def normals_steps(pipe: ICLightPipeline, rgb: UInt8Array, alpha: FloatArray, **knobs: Any) -> UNetSteps[NormalMap]:
    """As :func:`estimate_normals`, with the UNet left to whoever drives it (:meth:`ICLightPipeline.steps`)."""
    output = yield from pipe.steps(**_lit(pipe, rgb, alpha, knobs))
    return _normal_map(output, alpha)


def _lit(pipe: ICLightPipeline, rgb: UInt8Array, alpha: FloatArray, knobs: dict[str, Any]) -> dict[str, Any]:
    """What the pipeline is asked for: the subject under each light, from one seed."""
    if pipe.config.model != "fbc":
        raise WeightsError(f"Normals need model fbc, and these weights are {pipe.config.model}.")
    foreground = composite_on_grey(rgb, alpha, NORMALS_SIGMA)
    seed = random_seed() if knobs.get("seed") is None else knobs["seed"]
    lights = {"foreground": [foreground] * len(SIDES), "light_source": list(SIDES)}
    return {**lights, "output_type": "np", **knobs, "number_of_images": 1, "seed": seed}


def _normal_map(output: ICLightPipelineOutput, alpha: FloatArray) -> NormalMap:
    lit = dict(zip(SIDES, output.images, strict=True))
    ambient = sum(lit.values()) / len(lit)
    ratios = {side: (picture + _EPSILON) / (ambient + _EPSILON) - 1.0 for side, picture in lit.items()}
    matte = (alpha * 255.0).clip(0, 255).astype(np.uint8)
    height, width, _ = ambient.shape
    fitted = resize_and_center_crop(matte, width, height).astype(np.float32) / 255.0
    return NormalMap(
        normal=_levels(normals_of(ratios, fitted)),
        ratios={side: _levels(ratio) for side, ratio in ratios.items()},
        relit={side: _levels(picture * 2.0 - 1.0) for side, picture in lit.items()},
        seed=output.seeds[0],
    )


def normals_of(ratios: dict[str, FloatArray], matte: FloatArray) -> FloatArray:
    """Unit normals from the four ratio pictures; outside of the matte they face the viewer.

    Args:
        ratios: H x W x 3 each, the relit picture over the mean of all, less 1.
        matte: H x W in 0..1.

    Returns:
        H x W x 3 (u, v, h) in -1..1, of unit length wherever the matte is 0 or 1.
    """
    u = np.mean((ratios["right"] - ratios["left"]) * 0.5, axis=2)
    v = np.mean((ratios["top"] - ratios["bottom"]) * 0.5, axis=2)
    h = (1.0 - u**2.0 - v**2.0).clip(0, 1e5) ** (0.5 * SHARPNESS)
    normal = np.stack([u, v, h], axis=2)
    normal = normal / np.sum(normal**2.0, axis=2, keepdims=True) ** 0.5
    facing = np.zeros_like(normal)
    facing[..., 2] = 1.0
    weight = matte[..., None]
    result: FloatArray = normal * weight + facing * (1.0 - weight)
    return result


def _levels(values: FloatArray) -> UInt8Array:
    return (values * 127.5 + 127.5).clip(0, 255).astype(np.uint8)
