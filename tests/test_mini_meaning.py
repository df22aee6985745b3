"""The embedded model relights: what its pictures mean, on scenes that its training never saw.

A small part of ``python -m benchmarks mini``, with fewer scenes and steps, and lines that leave room for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.scenes import SIDES, Sample, angle_error, from_srgb, light_gradient, sample, warmth
from iclight_local import ICLightPipeline
from iclight_local.pipelines.normals import estimate_normals
from iclight_local.segmenters.rembg_session import open_segmenter

MINI = Path(__file__).parents[1] / "weights" / "mini"
SIZE, STEPS, SEEDS = 256, 4, range(500, 506)
MEGABYTES = 40


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@cache
def pipeline(model: str) -> ICLightPipeline:
    pipe = ICLightPipeline.from_pretrained(MINI / "base", iclight=MINI / f"iclight_sd15_{model}.safetensors")
    pipe.set_progress_bar_config(disable=True)
    return pipe


@cache
def scenes() -> tuple[Sample, ...]:
    return tuple(sample(seed, SIZE, "test") for seed in SEEDS)


def few() -> tuple[Sample, ...]:
    """The scenes that are seen in every light."""
    return scenes()[:3]


def made(model: str, cases: tuple[Sample, ...], **knobs: Any) -> list[np.ndarray]:
    size = {"width": SIZE, "height": SIZE, "highres_scale": 1.0, "steps": STEPS, "seed": 7}
    result = pipeline(model)([case.foreground for case in cases], **{**size, **knobs})
    return [np.asarray(image) for image in result.images]


@cache
def relit(**knobs: str) -> list[np.ndarray]:
    """A few scenes in a light; a light that several tests look at is made once."""
    return made("fc", few(), **knobs)


def gradient(case: Sample, picture: np.ndarray) -> tuple[float, float]:
    return light_gradient(from_srgb(picture / np.float32(255)), case.matte, case.albedo)


@pytest.mark.parametrize("side", SIDES)
def test_light_comes_from_the_side_that_is_asked(side: str) -> None:
    errors = [
        angle_error(gradient(case, picture), side)
        for case, picture in zip(few(), relit(light_source=side), strict=True)
    ]
    assert max(errors) < 90, errors
    assert np.mean(errors) < 45, errors


def test_left_is_not_right_in_words() -> None:
    slopes = {
        side: [
            gradient(case, picture)[0]
            for case, picture in zip(few(), relit(prompt=f"light from the {side}"), strict=True)
        ]
        for side in ("left", "right")
    }
    assert all(right > left for left, right in zip(slopes["left"], slopes["right"], strict=True)), slopes


def moved(word: str) -> list[float]:
    """How much warmer the subject of each scene is under a word than under natural light."""
    told, natural = (
        [warmth(from_srgb(picture / np.float32(255)), case.matte) for case, picture in zip(few(), lit, strict=True)]
        for lit in (relit(prompt=text) for text in (word, "natural lighting"))
    )
    return [one - other for one, other in zip(told, natural, strict=True)]


@pytest.mark.parametrize("word", ["warm light", "sunset over sea"])
def test_warm_words_make_the_subject_warmer(word: str) -> None:
    assert min(moved(word)) > 0


def test_cool_words_make_the_subject_cooler() -> None:
    assert max(moved("cool light")) < 0


@pytest.mark.xfail(strict=True, reason="fbc takes up a part of the background's light: see the model card")
def test_the_subject_takes_up_the_background_light() -> None:
    cases = scenes()
    # As many steps as the line was drawn for: with the few of the other tests the figure comes out lower.
    lit = [made("fbc", (case,), background=case.background, cfg=2.0, steps=10)[0] for case in cases]
    inside = [case.matte > 0.9 for case in cases]

    def error(pictures: list[np.ndarray]) -> float:
        apart = [
            (np.square(picture.astype(float) - case.target)[where]).mean() ** 0.5
            for picture, case, where in zip(pictures, cases, inside, strict=True)
        ]
        return float(np.mean(apart))

    assert error(lit) < 0.85 * error([case.foreground for case in cases])


def test_normals_are_nearer_to_the_truth_than_a_flat_map() -> None:
    medians = []
    for case in scenes()[:2]:
        found = estimate_normals(
            pipeline("fbc"), case.input, case.matte, width=SIZE, height=SIZE, highres_scale=1.0, steps=STEPS, seed=7
        )
        normal = found.normal.astype(np.float32) / 127.5 - 1
        cosine = (normal * case.normal).sum(-1) / np.maximum(np.linalg.norm(normal, axis=-1), 1e-6)
        medians.append(float(np.median(np.degrees(np.arccos(np.clip(cosine[case.matte > 0.9], -1, 1))))))
    assert np.mean(medians) < 32, medians


def test_the_autoencoder_keeps_pictures() -> None:
    vae = pipeline("fc").vae
    pixels = torch.tensor(np.stack([case.target for case in scenes()])).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        decoded = vae.decode(vae.encode(pixels).latent_dist.mode()).sample.clamp(-1, 1)
    psnr = -10 * torch.log10((decoded - pixels).square().mean((1, 2, 3)) / 4)
    assert psnr.mean() > 30, psnr


def test_the_segmenter_finds_the_subject() -> None:
    session = open_segmenter(f"u2net_custom:{MINI / 'segmenter.onnx'}")
    overlaps = []
    for case in scenes():
        found, true = session.segment(case.input) > 0.5, case.matte > 0.5
        overlaps.append((found & true).sum() / (found | true).sum())
    assert np.mean(overlaps) > 0.85, overlaps


def test_it_is_small_and_in_half_precision() -> None:
    from safetensors import safe_open

    files = [path for path in MINI.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MEGABYTES * 1e6
    for path in (path for path in files if path.suffix == ".safetensors"):
        with safe_open(path, framework="pt") as tensors:
            assert {tensors.get_slice(name).get_dtype() for name in tensors.keys()} == {"F16"}, path  # noqa: SIM118
