"""Light maps: the ramps that steer where the light comes from."""

from __future__ import annotations

import numpy as np

from iclight_local.imaging.fit import UInt8Array
from iclight_local.request import LightSource

INITIAL_LATENT_RAMP = (255.0, 0.0)
"""Grey levels at the lit and the far side of the ramp that fc and fcon start from."""
BACKGROUND_RAMP = (224.0, 32.0)
"""Grey levels at the lit and the far side of the ramp that fbc takes as its background."""
AMBIENT_GREY = 64
"""Grey level of fbc's even background."""


def light_map(light_source: LightSource, width: int, height: int, ramp: tuple[float, float]) -> UInt8Array:
    """Draw the ramp of a light source.

    Args:
        light_source: ``left``, ``right``, ``top``, ``bottom`` or ``ambient``.
        width: width in pixels.
        height: height in pixels.
        ramp: grey levels at the lit side and at the far side, 0..255.

    Returns:
        uint8, ``height`` x ``width`` x 3, truncated as in the original demos.
    """
    lit, far = ramp
    if light_source == "ambient":
        return np.full((height, width, 3), AMBIENT_GREY, dtype=np.uint8)
    horizontal = light_source in ("left", "right")
    line = np.linspace(lit, far, width if horizontal else height)
    if light_source in ("right", "bottom"):
        # Reversing would change the last bits of linspace, and with them truncated grey levels.
        line = np.linspace(far, lit, line.size)
    grey = line[None, :] if horizontal else line[:, None]
    return np.ascontiguousarray(np.broadcast_to(grey[..., None], (height, width, 3)).astype(np.uint8))
