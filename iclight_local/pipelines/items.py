"""One foreground of a batch: its pictures at the size of a pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.fit import UInt8Array, resize_and_center_crop
from iclight_local.imaging.lightmap import BACKGROUND_RAMP, INITIAL_LATENT_RAMP, draw_lights, light_map
from iclight_local.imaging.matte import foreground_array
from iclight_local.plan import PassPlan, RelightPlan, make_plan
from iclight_local.request import Knobs


@dataclass(frozen=True)
class Fitted:
    """A picture fitted to both passes, in place of a large one that a call would have to fit itself.

    Attributes:
        lowres: uint8, H x W x 3, at the size of the lowres pass.
        highres: the same at the size of the highres pass.
    """

    lowres: UInt8Array
    highres: UInt8Array


def fitted(picture: UInt8Array, plan: RelightPlan) -> Fitted:
    """Fit a picture (uint8, H x W x 3) to the passes of a plan, as a call with it would."""
    lowres, highres = (resize_and_center_crop(picture, each.width, each.height) for each in (plan.lowres, plan.highres))
    return Fitted(lowres, highres)


Foreground = UInt8Array | Fitted
Picture = Image.Image | Foreground
"""What a call of the pipeline takes."""


@dataclass(frozen=True)
class Item:
    """A foreground, what lights it, and its plan.

    Attributes:
        foreground: uint8, H x W x 3, on grey 127; or that fitted to both passes.
        background: the same of what is behind it; None unless the model is ``fbc``.
        light_map: uint8, H x W x 3, what the lowres pass of ``fc`` and ``fcon`` starts from; None where that is noise.
        plan: what will be done.
    """

    foreground: Foreground
    background: Foreground | None
    light_map: UInt8Array | None
    plan: RelightPlan

    def conditions(self, which: PassPlan) -> list[UInt8Array]:
        """The pictures concatenated behind the latents, fitted to a pass: foreground, then background."""
        pictures = [self.foreground] if self.background is None else [self.foreground, self.background]
        own = [self._of(picture, which) for picture in pictures]
        return [resize_and_center_crop(picture, which.width, which.height) for picture in own]

    def initial_picture(self) -> UInt8Array:
        """The light map at the size of the lowres pass.

        Raises:
            ValueError: the pass starts from noise.
        """
        if self.light_map is None:
            raise ValueError("A pass from noise has no initial picture.")
        return resize_and_center_crop(self.light_map, self.plan.lowres.width, self.plan.lowres.height)

    def _of(self, picture: Foreground, which: PassPlan) -> UInt8Array:
        if isinstance(picture, Fitted):
            return picture.lowres if which == self.plan.lowres else picture.highres
        return picture


@dataclass(frozen=True)
class Pictures:
    """What one foreground is relit from, each uint8 H x W x 3: itself on grey 127, its background, its light map.

    The first two may be fitted to both passes already; such a background is mirrored already where that was asked for.
    """

    foreground: Foreground
    background: Foreground | None
    light_map: UInt8Array | None


def make_item(pictures: Pictures, knobs: Knobs) -> Item:
    """Join a foreground with what lights it, a drawn light map where none is given, and plan its passes.

    Raises:
        InvalidRequest: the knobs contradict each other.
    """
    background, light = pictures.background, pictures.light_map
    plan = make_plan(knobs, has_background=background is not None, has_map=light is not None)
    if plan.model != "fbc":
        return Item(pictures.foreground, None, _drawn(plan, INITIAL_LATENT_RAMP) if light is None else light, plan)
    if background is None:
        background = _drawn(plan, BACKGROUND_RAMP) if light is None else light
    elif plan.background_flip and not isinstance(background, Fitted):
        background = np.fliplr(background)
    return Item(pictures.foreground, background, None, plan)


def _drawn(plan: RelightPlan, bounds: tuple[float, float]) -> UInt8Array | None:
    """The map of the light that a plan describes, at the size of the lowres pass."""
    size = plan.lowres.width, plan.lowres.height
    if plan.lights:
        return draw_lights(plan.lights, *size, bounds)
    return None if plan.light_source == "none" else light_map(plan.light_source, *size, bounds)


def pixels_of(picture: Picture) -> Foreground:
    """A picture as an item has it; raises as :func:`iclight_local.imaging.matte.foreground_array` does."""
    return picture if isinstance(picture, Fitted) else foreground_array(picture)


def spread(knobs: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """The knobs of each of ``count`` items: a list gives one value to each item, anything else goes to all.

    Raises:
        InvalidRequest: a list of another length.
    """
    for name, value in knobs.items():
        if isinstance(value, list) and len(value) != count:
            raise InvalidRequest(f"{name} is a list of {len(value)} values for {count} foregrounds: give one each.")
    return [
        {name: value[index] if isinstance(value, list) else value for name, value in knobs.items()}
        for index in range(count)
    ]


def check_one_batch(items: Sequence[Item]) -> None:
    """Refuse items that cannot share UNet calls.

    Raises:
        InvalidRequest: they differ in model, sizes, steps, guidance, caching, number of images or noise device.
    """
    first = items[0].plan.shared
    for item in items[1:]:
        for name, value in item.plan.shared.items():
            if value != first[name]:
                raise InvalidRequest(
                    f"The foregrounds of one call differ in {name}, which must be the same for all: "
                    "make one call for each."
                )
