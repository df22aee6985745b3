"""Several foregrounds in one call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from golden_pictures import SMALL, unet_calls

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.fit import UInt8Array
from iclight_local.pipelines.iclight import ICLightPipeline
from iclight_local.pipelines.items import spread

LONG = "long words " * 18
LISTS: dict[str, list[Any]] = {
    "prompt": ["toy", LONG, "sunset over sea"],
    "seed": [5, 6, 7],
    "light_source": ["left", "top", "bottom"],
    "cfg": [2.0, 3.0, 5.0],
}


@pytest.fixture(scope="module")
def three(foreground: UInt8Array, background: UInt8Array) -> list[UInt8Array]:
    return [foreground, background, np.ascontiguousarray(foreground[:, ::-1])]


def alone(index: int) -> dict[str, Any]:
    return {**SMALL, **{name: values[index] for name, values in LISTS.items()}, "number_of_images": 2}


def test_the_long_prompt_has_three_chunks(fc: ICLightPipeline) -> None:
    tokens = fc.tokenizer(LONG + ", best quality", add_special_tokens=False)["input_ids"]
    assert 150 < len(tokens) <= 225


def test_a_batch_is_its_items_one_by_one(fc: ICLightPipeline, three: list[UInt8Array]) -> None:
    with unet_calls(fc) as calls:
        together = fc(three, **{**SMALL, **LISTS}, number_of_images=2)
    assert set(calls) == {12}
    assert together.seeds == LISTS["seed"]
    assert len(together.images) == 6
    for index, picture in enumerate(three):
        single = fc(picture, **alone(index))
        for image in range(2):
            off = np.abs(together.images[2 * index + image] - single.images[image]) * 255
            assert off.max() <= 1


def test_backgrounds_and_ramps_in_one_batch(
    fbc: ICLightPipeline, foreground: UInt8Array, background: UInt8Array
) -> None:
    lights = ["none", "ambient", "right"]
    together = fbc([foreground] * 3, [background, None, None], **SMALL, light_source=lights).images
    for index, light in enumerate(lights):
        single = fbc(foreground, background if light == "none" else None, **SMALL, light_source=light).images[0]
        assert np.abs(together[index] - single).max() * 255 <= 1
    assert np.abs(together[1] - together[2]).max() * 255 > 1


def test_generators_of_a_batch(fc: ICLightPipeline, three: list[UInt8Array]) -> None:
    generators = [torch.Generator().manual_seed(seed) for seed in (5, 6, 7)]
    by_generator = fc(three, **{**SMALL, "seed": None}, generator=generators).images
    by_seed = fc(three, **{**SMALL, "seed": [5, 6, 7]}).images
    assert all(np.array_equal(one, other) for one, other in zip(by_generator, by_seed, strict=True))
    with pytest.raises(InvalidRequest, match="2 generators were given for 3 foregrounds"):
        fc(three, **SMALL, generator=generators[:2])


@pytest.mark.parametrize(
    ("knobs", "name"),
    [
        ({"width": [64, 128]}, "lowres"),
        ({"highres_scale": [1.0, 2.0]}, "highres"),
        ({"steps": [2, 3]}, "lowres"),
        ({"light_source": ["none", "left"]}, "lowres"),
        ({"cfg": [1.0, 2.0]}, "guided"),
        ({"cfg_until": [1.0, 0.5]}, "cfg_until"),
        ({"cache_interval": [1, 2]}, "cache_interval"),
        ({"number_of_images": [1, 2]}, "number_of_images"),
        ({"noise_device": ["cpu", "device"]}, "noise_device"),
    ],
)
def test_what_cannot_share_calls_is_refused(
    knobs: dict[str, Any], name: str, fc: ICLightPipeline, foreground: UInt8Array
) -> None:
    with pytest.raises(InvalidRequest, match=f"one call differ in {name}, .*make one call for each"):
        fc([foreground] * 2, **{**SMALL, **knobs})


def test_a_background_for_each_foreground(fbc: ICLightPipeline, foreground: UInt8Array) -> None:
    with pytest.raises(InvalidRequest, match="2 foregrounds and 1 backgrounds were given: give one each"):
        fbc([foreground] * 2, [foreground], **SMALL)


def test_lists_are_spread_over_the_items() -> None:
    assert spread({"prompt": ["a", "b"], "steps": 3}, 2) == [{"prompt": "a", "steps": 3}, {"prompt": "b", "steps": 3}]
    with pytest.raises(InvalidRequest, match="prompt is a list of 3 values for 2 foregrounds"):
        spread({"prompt": ["a", "b", "c"]}, 2)


def test_a_generator_for_each_image(fc: ICLightPipeline, foreground: UInt8Array) -> None:
    """Each image is then the one that its seed gives alone."""
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in (3, 4)]
    both = fc(foreground, **{**SMALL, "number_of_images": 2, "generator": generators})
    assert both.seeds == [3]
    for picture, seed in zip(both.images, (3, 4), strict=True):
        alone = fc(foreground, **{**SMALL, "seed": seed}).images[0]
        assert np.abs(picture - alone).max() * 255 <= 1
