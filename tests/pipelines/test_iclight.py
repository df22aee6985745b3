"""One call of the pipeline: its knobs, its seed, its callback and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from golden_pictures import SMALL, unet_calls
from PIL import Image

from iclight_local.errors import InvalidRequest, WeightsError
from iclight_local.imaging.fit import UInt8Array
from iclight_local.pipelines.iclight import ICLightPipeline
from iclight_local.pipelines.latents import decode_latents, to_unit
from iclight_local.pipelines.unet_calls import driven
from iclight_local.plan import make_plan
from iclight_local.request import Knobs

Pipes = Callable[[str], ICLightPipeline]


def plan_of(**changes: Any) -> Any:
    knobs = {key: value for key, value in {**SMALL, **changes}.items() if key != "output_type"}
    return make_plan(Knobs(**knobs), has_background=False)


@pytest.mark.parametrize("model", ["fc", "fcon", "fbc"])
def test_a_saved_pipeline_makes_the_same_picture(
    model: str, pipes: Pipes, foreground: UInt8Array, tmp_path: Path
) -> None:
    pipe = pipes(model)
    pipe.save_pretrained(tmp_path)
    again = ICLightPipeline.from_pretrained(tmp_path)
    again.set_progress_bar_config(disable=True)
    assert pipe.config.model == again.config.model == model
    knobs = {**SMALL, "light_source": "left"}
    assert np.array_equal(pipe(foreground, **knobs).images[0], again(foreground, **knobs).images[0])


def test_one_seed_is_one_picture(fc: ICLightPipeline, foreground: UInt8Array) -> None:
    first = fc(foreground, **SMALL)
    assert first.seeds == [3]
    assert np.array_equal(first.images[0], fc(foreground, **SMALL).images[0])
    assert not np.array_equal(first.images[0], fc(foreground, **{**SMALL, "seed": 4}).images[0])


def test_a_random_seed_is_reported(fc: ICLightPipeline, foreground: UInt8Array) -> None:
    call = fc(foreground, **{**SMALL, "seed": None})
    again = fc(foreground, **{**SMALL, "seed": call.seeds[0]})
    assert np.array_equal(call.images[0], again.images[0])
    assert fc(foreground, **{**SMALL, "seed": None}).seeds != call.seeds


def test_a_generator_equals_its_seed(fc: ICLightPipeline, foreground: UInt8Array) -> None:
    by_seed = fc(foreground, **SMALL).images[0]
    for generator in (torch.Generator().manual_seed(3), [torch.Generator().manual_seed(3)]):
        call = fc(foreground, **{**SMALL, "seed": None}, generator=generator)
        assert np.array_equal(call.images[0], by_seed)


def test_noise_drawn_on_the_device_is_the_same_on_the_cpu(fc: ICLightPipeline, foreground: UInt8Array) -> None:
    on_device = fc(foreground, **SMALL, noise_device="device").images[0]
    assert np.array_equal(on_device, fc(foreground, **SMALL).images[0])


def test_the_images_of_one_seed_differ(fc: ICLightPipeline, foreground: UInt8Array) -> None:
    images = fc(foreground, **SMALL, number_of_images=3).images
    assert len(images) == 3
    assert not np.array_equal(images[0], images[1])
    assert not np.array_equal(images[1], images[2])


def test_the_callback_sees_every_step_of_both_passes(fc: ICLightPipeline, foreground: UInt8Array) -> None:
    seen: list[tuple[int, float, tuple[int, ...], int]] = []

    def note(pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        seen.append((step, float(timestep), tuple(tensors["latents"].shape), pipe.num_timesteps))
        return tensors

    changes = {"steps": 3, "light_source": "left", "lowres_denoise": 0.5}
    with unet_calls(fc) as calls:
        watched = fc(foreground, **{**SMALL, **changes}, callback_on_step_end=note).images[0]
    plan = plan_of(**changes)
    assert plan.lowres.steps == plan.highres.steps == 3
    assert [step for step, *_ in seen] == list(range(6))
    assert {total for *_, total in seen} == {6}
    assert [shape for _, _, shape, _ in seen] == [(1, 4, 16, 8)] * 3 + [(1, 4, 24, 16)] * 3
    assert all(later[1] < earlier[1] for part in (seen[:3], seen[3:]) for earlier, later in pairwise(part))
    assert calls == [2] * 6
    assert np.array_equal(watched, fc(foreground, **{**SMALL, **changes}).images[0])


def test_latents_of_the_callback_are_taken_over(fc: ICLightPipeline, foreground: UInt8Array) -> None:
    def replace(pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        return {"latents": torch.full_like(tensors["latents"], 0.25)} if step == pipe.num_timesteps - 1 else {}

    latents = fc(foreground, **{**SMALL, "output_type": "latent"}, callback_on_step_end=replace).images[0]
    assert torch.equal(latents, torch.full((4, 24, 16), 0.25))


def test_lowres_latents_of_the_callback_reach_the_highres_pass(fc: ICLightPipeline, foreground: UInt8Array) -> None:
    def replace(pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any] | None:
        return {"latents": -tensors["latents"]} if step == 1 else None

    changed = fc(foreground, **SMALL, callback_on_step_end=replace).images[0]
    assert not np.allclose(changed, fc(foreground, **SMALL).images[0], atol=0.05)


@pytest.mark.parametrize(("stop", "calls", "shape"), [(0, 1, (128, 64, 3)), (2, 3, (192, 128, 3))])
def test_an_interrupt_ends_the_call_with_a_picture(
    stop: int, calls: int, shape: tuple[int, ...], fc: ICLightPipeline, foreground: UInt8Array
) -> None:
    kept: list[torch.Tensor] = []

    def interrupt(pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        kept.append(tensors["latents"])
        pipe._interrupt = step == stop
        return tensors

    with unet_calls(fc) as made:
        picture = fc(foreground, **SMALL, callback_on_step_end=interrupt).images[0]
    assert len(made) == calls
    assert picture.shape == shape
    with torch.no_grad():
        assert np.array_equal(picture, decode_latents(fc.vae, kept[-1], 8, to_unit)[0])
    assert fc(foreground, **SMALL).images[0].shape == (192, 128, 3)


def test_an_interrupt_ends_no_other_call(fc: ICLightPipeline, foreground: UInt8Array) -> None:
    def interrupt(pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        pipe._interrupt = True
        return tensors

    fc(foreground, **SMALL, callback_on_step_end=interrupt)
    with unet_calls(fc) as made:
        driven(fc.steps(foreground, **SMALL), fc.predict)
    assert len(made) == 4


def test_guidance_is_off_at_cfg_1(fc: ICLightPipeline, foreground: UInt8Array) -> None:
    with unet_calls(fc) as guided:
        fc(foreground, **SMALL, cfg=1.01)
    with unet_calls(fc) as unguided:
        picture = fc(foreground, **SMALL, cfg=1.0).images[0]
        other = fc(foreground, **SMALL, cfg=1.0, negative_prompt="something else entirely").images[0]
    assert set(guided) == {2}
    assert set(unguided) == {1}
    assert np.array_equal(picture, other)


def test_one_step_from_a_light_source_runs_once_in_each_pass(fc: ICLightPipeline, foreground: UInt8Array) -> None:
    with unet_calls(fc) as calls:
        picture = fc(foreground, **{**SMALL, "steps": 1}, light_source="left").images[0]
    assert calls == [2, 2]
    assert np.isfinite(picture).all()


@pytest.mark.parametrize("light_source", ["none", "right"])
@pytest.mark.parametrize("denoise", [0.1, 1.0])
def test_weakest_and_strongest_denoise(
    denoise: float, light_source: str, fc: ICLightPipeline, foreground: UInt8Array
) -> None:
    with unet_calls(fc) as calls:
        picture = fc(
            foreground, **SMALL, light_source=light_source, lowres_denoise=denoise, highres_denoise=denoise
        ).images[0]
    assert len(calls) == 4
    assert np.isfinite(picture).all()
    assert picture.std() > 0


def test_light_from_the_left_is_not_light_from_the_right(fc: ICLightPipeline, foreground: UInt8Array) -> None:
    left, right = (
        fc(foreground, **SMALL, light_source=side, lowres_denoise=0.3).images[0] for side in ("left", "right")
    )
    assert np.abs(left - right).mean() > 0.01


@pytest.mark.parametrize(
    ("width", "height", "scale", "size"),
    [(64, 192, 1.5, (128, 256)), (192, 64, 1.5, (256, 128)), (64, 64, 3.0, (192, 192)), (64, 128, 1.0, (64, 128))],
)
def test_sizes(
    width: int, height: int, scale: float, size: tuple[int, int], fc: ICLightPipeline, foreground: UInt8Array
) -> None:
    knobs = {**SMALL, "width": width, "height": height, "steps": 1, "output_type": "pil"}
    assert fc(foreground, **knobs, highres_scale=scale).images[0].size == size


def test_twelve_images(fc: ICLightPipeline, foreground: UInt8Array) -> None:
    images = fc(foreground, **{**SMALL, "steps": 1}, number_of_images=12).images
    assert len(images) == 12
    assert all(image.shape == (192, 128, 3) for image in images)


def test_output_types_are_one_result(fc: ICLightPipeline, foreground: UInt8Array) -> None:
    latents, array, pil = (
        fc(foreground, **{**SMALL, "output_type": kind}).images[0] for kind in ("latent", "np", "pil")
    )
    assert latents.shape == (4, 24, 16)
    assert latents.dtype == torch.float32
    assert array.dtype == np.float32
    assert 0 <= array.min() < array.max() <= 1
    assert isinstance(pil, Image.Image)
    assert pil.mode == "RGB"
    assert np.abs(np.asarray(pil) - array * 255).max() <= 1.001
    with torch.no_grad():
        assert np.allclose(decode_latents(fc.vae, latents[None], 8, to_unit)[0], array, atol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"output_type": "jpg"}, r"output_type is 'jpg', but must be one of pil, np, latent\."),
        ({"number_of_image": 2}, r"There is no parameter number_of_image: did you mean number_of_images\?"),
        ({"num_inference_steps": 20}, r"There is no parameter num_inference_steps: the names are prompt, "),
        ({"width": 100}, r"width is 100, but must be a multiple of 64 from 64 to 1024"),
        ({"steps": 0}, r"steps is 0, but must be a whole number from 1 to 100\."),
        ({"light_source": "ambient"}, r"light_source ambient is a background of model fbc"),
        ({"prompt": ["a", "b"]}, r"prompt is a list of 2 values for 1 foregrounds: give one each\."),
        ({"generator": []}, r"0 generators were given for 1 foregrounds with 1 images each: give one for each"),
        ({"background_flip": True}, r"background_flip mirrors the background picture that lights the subject, and"),
    ],
)
def test_wrong_knobs_are_one_sentence(
    wrong: dict[str, Any], sentence: str, fc: ICLightPipeline, foreground: UInt8Array
) -> None:
    with unet_calls(fc) as calls, pytest.raises(InvalidRequest, match=sentence):
        fc(foreground, **{**SMALL, **wrong})
    assert calls == []


@pytest.mark.parametrize(
    ("picture", "sentence"),
    [
        ("subject.png", "A picture is str, but must be a PIL image"),
        (np.zeros((4, 4, 3)), r"a float64 array of shape \(4, 4, 3\)"),
        (np.zeros((4, 4), np.uint8), r"a uint8 array of shape \(4, 4\)"),
        (np.zeros((4, 4, 2), np.uint8), "2 channels, but must have 3"),
        ([], "0 foregrounds and 0 backgrounds were given"),
    ],
)
def test_wrong_pictures_are_one_sentence(picture: Any, sentence: str, fc: ICLightPipeline) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        fc(picture, **SMALL)


def test_backgrounds_belong_to_fbc(fc: ICLightPipeline, fbc: ICLightPipeline, foreground: UInt8Array) -> None:
    with pytest.raises(InvalidRequest, match="A background was given with model fc, which takes none"):
        fc(foreground, foreground, **SMALL)
    with pytest.raises(InvalidRequest, match="Model fbc needs a background and none was given"):
        fbc(foreground, **SMALL)
    with pytest.raises(InvalidRequest, match="A background and light_source left were both given"):
        fbc(foreground, foreground, **SMALL, light_source="left")


@pytest.mark.parametrize(("own", "asked"), [("fc", "fbc"), ("fc", "fcon"), ("fbc", "fc")])
def test_another_model_than_the_pipelines_is_refused(
    own: str, asked: str, pipes: Pipes, foreground: UInt8Array
) -> None:
    light = {"light_source": "left"}
    with pytest.raises(WeightsError, match=f"Model {asked} was asked for, and these weights are {own}"):
        pipes(own)(foreground, **SMALL, **light, model=asked)
    assert pipes(own)(foreground, **SMALL, **light, model=own).images


def test_the_background_is_mirrored(fbc: ICLightPipeline, foreground: UInt8Array, background: UInt8Array) -> None:
    flipped = fbc(foreground, background, **SMALL, background_flip=True).images[0]
    by_hand = fbc(foreground, np.ascontiguousarray(background[:, ::-1]), **SMALL).images[0]
    assert np.array_equal(flipped, by_hand)
    assert not np.array_equal(flipped, fbc(foreground, background, **SMALL).images[0])


def test_nothing_is_hooked(fc: ICLightPipeline, foreground: UInt8Array) -> None:
    fc(foreground, **SMALL)
    assert fc.unet.forward.__func__ is UNet2DConditionModel.forward
    assert "forward" not in vars(fc.unet)
    assert all("forward" not in vars(module) for module in (fc.vae, fc.text_encoder))


def test_conditions_and_prompt_matter(fc: ICLightPipeline, foreground: UInt8Array) -> None:
    reference = fc(foreground, **SMALL, cfg=7).images[0]
    assert not np.array_equal(reference, fc(foreground[::-1], **SMALL, cfg=7).images[0])
    assert not np.array_equal(reference, fc(foreground, **{**SMALL, "prompt": "another"}, cfg=7).images[0])
    assert not np.array_equal(reference, fc(foreground, **SMALL, cfg=7, appended_prompt="x").images[0])
    assert not np.array_equal(reference, fc(foreground, **SMALL, cfg=7, negative_prompt="x").images[0])
    assert not np.array_equal(reference, fc(foreground, **SMALL, cfg=2).images[0])
