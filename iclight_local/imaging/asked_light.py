"""The one light map of a request, in whichever form its light was given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from iclight_local.imaging.files import Picture, decode
from iclight_local.imaging.fit import FloatArray, UInt8Array
from iclight_local.imaging.light_reference import reference_map
from iclight_local.imaging.lightmap import draw_lights, light_map, painted_map
from iclight_local.imaging.matte import composite_on_grey
from iclight_local.light import parse_lights
from iclight_local.request import ImageSource, LightSource

Bounds = tuple[float, float]


class AskedLight(Protocol):
    """The forms in which a request says its light; at most one of them is given."""

    @property
    def light(self) -> str | None:
        """Lights in words."""
        ...

    @property
    def light_source(self) -> LightSource:
        """A plain word, or ``none``."""
        ...

    @property
    def light_map(self) -> ImageSource | None:
        """A painted map."""
        ...

    @property
    def light_reference(self) -> ImageSource | None:
        """A picture whose light is taken."""
        ...


@dataclass(frozen=True)
class LightPicture:
    """A picture in place of a light's name, and the knob that brought it."""

    kind: Literal["light_map", "light_reference"]
    picture: Picture

    def drawn(self, size: tuple[int, int], bounds: Bounds) -> UInt8Array:
        """The light map that it stands for."""
        rgb, alpha = self.picture.rgb, self.picture.alpha
        if self.kind == "light_map":
            return painted_map(rgb, alpha, *size)
        if alpha is not None:
            rgb = composite_on_grey(rgb, alpha.astype(np.float32) / np.float32(255))
        return reference_map(rgb, *size, bounds)


def light_picture(asked: AskedLight, *, offline: bool) -> LightPicture | None:
    """Decode the picture that says the light; None where none does.

    Raises:
        InvalidRequest: it cannot be read, or is a URL while ``offline``.
    """
    if asked.light_map is not None:
        return LightPicture("light_map", decode(asked.light_map, offline=offline))
    if asked.light_reference is not None:
        return LightPicture("light_reference", decode(asked.light_reference, offline=offline))
    return None


def asked_light(
    asked: AskedLight,
    picture: LightPicture | None,
    size: tuple[int, int],
    bounds: Bounds,
    subject: FloatArray | None = None,
) -> UInt8Array | None:
    """Draw the light that was asked for.

    Args:
        asked: a request.
        picture: what :func:`light_picture` gives for it.
        size: width and height of the map in pixels.
        bounds: grey levels that stand for full light and for none, 0..255; a painted map keeps its own levels.
        subject: the matte, float32 H x W in 0..1 of any size, for light from behind; None where nobody knows it.

    Returns:
        uint8, H x W x 3; None where no light was asked for.
    """
    if picture is not None:
        return picture.drawn(size, bounds)
    if asked.light is not None:
        return draw_lights(parse_lights(asked.light), *size, bounds, subject)
    return None if asked.light_source == "none" else light_map(asked.light_source, *size, bounds)
