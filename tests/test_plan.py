"""What will be done: sizes, steps and seeds."""

from __future__ import annotations

from typing import Any

import pytest

from iclight_local.errors import InvalidRequest
from iclight_local.plan import PassPlan, RelightPlan, framed_size, highres_size, make_plan, random_seed
from iclight_local.request import Knobs


def plan(*, has_background: bool = False, **knobs: Any) -> RelightPlan:
    return make_plan(Knobs(**knobs), has_background=has_background)


def test_the_defaults_without_a_light() -> None:
    made = plan()
    assert made.model == "fc"
    assert made.lowres == PassPlan(512, 640, 25, 0, from_image=False)
    assert made.highres == PassPlan(768, 960, 50, 25, from_image=True)
    assert (made.lowres.steps, made.highres.steps, made.steps) == (25, 25, 50)
    assert (made.cfg, made.guided) == (2.0, True)
    assert made.prompt == ", best quality"


def test_a_light_source_makes_the_lowres_pass_start_from_a_ramp() -> None:
    """The original's own example: 25 steps at 0.9 set 28 scheduler steps, of which 25 run."""
    made = plan(light_source="left", prompt="sea")
    assert made.lowres == PassPlan(512, 640, 28, 3, from_image=True)
    assert made.steps == 50
    assert made.prompt == "sea, best quality"


def test_a_light_in_words_or_as_a_picture_is_a_start_too() -> None:
    assert plan(light="left").lowres == plan(light_source="left").lowres
    assert plan(light="back 3200K").lights[0].word == "back"
    drawn = make_plan(Knobs(), has_background=False, has_map=True)
    assert drawn.lowres == plan(light_source="left").lowres
    assert make_plan(Knobs(model="fbc"), has_background=False, has_map=True).lowres.from_image is False


@pytest.mark.parametrize(
    ("picture", "size"),
    [
        ((6000, 4000), (704, 448)),
        ((4000, 6000), (448, 704)),
        ((512, 640), (512, 640)),
        ((3500, 3500), (576, 576)),
        ((1, 4000), (256, 1024)),
        ((8000, 1), (1024, 256)),
        ((64, 64), (576, 576)),
    ],
)
def test_a_whole_picture_gets_a_frame_of_its_shape(picture: tuple[int, int], size: tuple[int, int]) -> None:
    found = framed_size(picture, (512, 640))
    assert found == size
    Knobs(width=found[0], height=found[1])


def test_a_background_is_no_initial_latent() -> None:
    for made in (plan(has_background=True), plan(model="fbc", light_source="left")):
        assert made.model == "fbc"
        assert made.lowres == PassPlan(512, 640, 20, 0, from_image=False)
        assert made.highres == PassPlan(768, 960, 40, 20, from_image=True)
        assert made.cfg == 7.0


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 20, 25, 100])
@pytest.mark.parametrize("denoise", [0.1, 0.3, 0.35, 0.5, 0.7, 0.9, 0.99, 1.0])
def test_steps_are_those_of_diffusers(steps: int, denoise: float) -> None:
    """``get_timesteps`` of diffusers' image-to-image pipeline, for which the original asks round(steps / denoise)."""
    highres = plan(steps=steps, highres_denoise=denoise).highres
    asked = round(steps / denoise)
    first = max(asked - min(int(asked * denoise), asked), 0)
    assert highres.scheduler_steps == asked
    assert highres.first_step == min(first, asked - 1)
    assert 1 <= highres.steps <= steps + 1


def test_one_step_runs_where_the_original_runs_none() -> None:
    assert plan(steps=1, light_source="left").lowres == PassPlan(512, 640, 1, 0, from_image=True)


@pytest.mark.parametrize(
    ("lowres", "scale", "highres"),
    [
        (512, 1.5, 768), (640, 1.5, 960), (512, 1.0, 512), (1024, 3.0, 3072), (64, 1.0, 64),
        (512, 1.37, 704), (640, 1.37, 896), (448, 1.37, 640), (576, 1.3, 768), (64, 1.5, 128), (192, 1.5, 256),
    ],
)  # fmt: skip
def test_sizes_are_rounded_to_multiples_of_64(lowres: int, scale: float, highres: int) -> None:
    """Halves go to the even multiple, as Python's ``round`` does in the original."""
    assert highres_size(lowres, scale) == highres


def test_sizes_of_both_passes() -> None:
    made = plan(width=1024, height=256, highres_scale=1.37)
    assert (made.lowres.width, made.lowres.height) == (1024, 256)
    assert (made.highres.width, made.highres.height) == (1408, 320)


def test_guidance_is_off_at_1() -> None:
    assert not plan(cfg=1).guided
    assert plan(cfg=1.001).guided
    assert (plan(cfg_until=0.5).cfg_until, plan(cfg=1, cfg_until=0.5).cfg_until) == (0.5, 1)


def test_a_random_seed_is_reported_and_reproducible() -> None:
    first, second = plan(), plan()
    assert first.seed != second.seed
    assert 0 <= first.seed < 2**32
    assert plan(seed=first.seed) == first
    assert plan(seed=0).seed == 0
    assert len({random_seed() for _ in range(20)}) == 20


def test_knobs_are_handed_on() -> None:
    made = plan(
        has_background=True,
        background_flip=True,
        negative_prompt="n",
        number_of_images=4,
        seed=9,
        noise_device="device",
    )
    assert made.background_flip
    assert (made.negative_prompt, made.number_of_images, made.seed, made.noise_device) == ("n", 4, 9, "device")
    assert plan(prompt="a", appended_prompt="b").prompt == "a, b"


def test_contradictions_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="Model fbc needs a background"):
        plan(model="fbc")
    with pytest.raises(InvalidRequest, match="A background was given with model fc"):
        plan(model="fc", has_background=True)
