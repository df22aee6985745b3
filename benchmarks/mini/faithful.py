"""Whether a result is still the same subject, or a picture that no light on it could give.

The *nearest light*: for each colour channel the non-negative amounts of 42 lights whose sum, rendered, comes nearest to
the linear result within the subject (matte above 0.9). Each pixel weighs by the slope of the tone curve there, so that
"near" means near as it is seen, and blown-out pixels ask for nothing. The true render under that light goes through the
same tone curve; PSNR and SSIM are those of the result against it, over the same pixels.

The measure judges the results of ``direction``, and what becomes of them where the package carries their light to the
subject's own pixels (``keep`` ``detail``, as ``--fit input`` has it). No set of 42 lights gives every lamp exactly:
true renders reach what ``--truth`` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.optimize import nnls
from skimage.metrics import structural_similarity

from benchmarks.mini.figures import INSIDE, Line, decibels, linear, mean, outcome, percentile, rms, srgb
from benchmarks.mini.run import Run
from benchmarks.scenes import SIDES, Hemisphere, Light, Lights, Sample, tone_map
from benchmarks.scenes.primitives import Array
from benchmarks.scenes.samples import GREY, Bytes
from iclight_local.imaging.transfer import TransferOptions, transfer

DIRECTIONS, BEHIND = 24, -0.6
"""Directions spread over the sphere; those with z below ``BEHIND`` reach nothing that is seen."""
SOFTNESSES = (0.15, 0.7)
DISTANCE = 2.7
"""Half frames to the lamps: between the near lamps and the far ones that scenes are lit with."""
KEPT = TransferOptions(keep="detail", strength=1.0, background_strength=0.0)


def measure(run: Run) -> dict[str, Any]:
    """Every picture of ``direction`` against the true render under its nearest light."""
    scenes = []
    for case, pictures in run.sides():
        kept = {side: transfer(case.input, picture, case.matte, KEPT) for side, picture in pictures.items()}
        scenes.append({**figures(case, pictures), "carried": figures(case, kept)})
    psnr, ssim, kept_psnr, kept_ssim = (
        [each[side][what] for each in found for side in SIDES]
        for found in (scenes, [scene["carried"] for scene in scenes])
        for what in ("psnr", "ssim")
    )
    lines = [
        Line("PSNR to the true render under the nearest light, mean", mean(psnr), 20.0, "dB"),
        Line("SSIM to it, mean", mean(ssim), 0.80),
        Line("PSNR, lowest tenth below", percentile(psnr, 10), unit="dB"),
        Line("SSIM, lowest tenth below", percentile(ssim, 10)),
        Line("share of pictures with PSNR >= 20 dB", mean(value >= 20 for value in psnr), unit="%"),
        Line("share of pictures with SSIM >= 0.80", mean(value >= 0.8 for value in ssim), unit="%"),
        Line("PSNR where the light is carried to the picture, mean", mean(kept_psnr), unit="dB"),
        Line("SSIM where the light is carried to the picture, mean", mean(kept_ssim)),
    ]
    return outcome(scenes, lines)


def figures(case: Sample, pictures: Mapping[str, Bytes]) -> dict[str, Any]:
    """``seed``, and ``psnr`` (dB) and ``ssim`` of each picture to the true render under its nearest light."""
    stack = case.scene.light_stack(all_lights())
    found: dict[str, Any] = {"seed": case.seed}
    for name, picture in pictures.items():
        render = nearest_render(case, picture, stack)
        inside = case.matte > INSIDE
        found[name] = {
            "psnr": decibels(rms(srgb(picture), render, inside)),
            "ssim": subject_ssim(srgb(picture), render, case.matte),
        }
    return found


def all_lights() -> Lights:
    """The lights that are fitted: white lamps from all over the sphere, hard and soft, the sky and the ground."""
    index = np.arange(DIRECTIONS)
    y = 1 - 2 * (index + 0.5) / DIRECTIONS
    turn, flat = index * np.pi * (3 - np.sqrt(5)), np.sqrt(1 - y**2)
    x, z = np.cos(turn) * flat, np.sin(turn) * flat
    aims = [(float(a), float(e)) for a, e in np.degrees([np.arctan2(x, z), np.arcsin(y)]).T[z > BEHIND]]
    lamps = [Light(*aim, softness=softness, distance=DISTANCE) for softness in SOFTNESSES for aim in aims]
    return (*lamps, Hemisphere((1, 1, 1), (0, 0, 0)), Hemisphere((0, 0, 0), (1, 1, 1)))


def nearest_render(case: Sample, picture: Bytes, stack: Array) -> Array:
    """The true render, sRGB 0..1 ``[S, S, 3]``, under the light that comes nearest to a picture.

    Args:
        case: the scene.
        picture: what is to be explained.
        stack: ``[L, S, S, 3]``, the scene under each light of a set.
    """
    inside = case.matte > INSIDE
    wanted = linear(picture)[inside].astype(np.float64)
    step = 1e-3
    slope = (tone_map(linear(picture)[inside] + np.float32(step), 1.0) - srgb(picture)[inside]) / step
    amounts = [_amounts(stack[:, inside, c].T, wanted[:, c], np.maximum(slope[:, c], 1e-3)) for c in range(3)]
    nearest = np.einsum("lhwc,lc->hwc", stack, np.stack(amounts, 1).astype(np.float32), optimize=True)
    return tone_map(nearest, 1.0)


def _amounts(columns: Array, wanted: Array, weight: Array) -> Array:
    """Non-negative least squares ``|weight * (columns @ amounts - wanted)|``, by way of the small normal equations."""
    columns = columns.astype(np.float64) * weight[:, None]
    square = columns.T @ columns
    square[np.diag_indices_from(square)] += 1e-7 * np.trace(square) / len(square) + 1e-12
    root = np.linalg.cholesky(square)
    return nnls(root.T, np.linalg.solve(root, columns.T @ (wanted * weight)))[0]


def subject_ssim(first: Array, second: Array, matte: Array) -> float:
    """Mean SSIM over the subject of two pictures put on the same grey.

    Gaussian windows of deviation 1.5 (Wang et al., 2004), channel by channel.
    """
    grey, cover = np.float32(GREY / 255), matte[..., None]
    pair = [grey + (picture - grey) * cover for picture in (first, second)]
    _, each = structural_similarity(
        *pair, channel_axis=-1, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    return float(each[matte > INSIDE].mean())
