"""Greys deeper than 8 bits to the range 0..1, without clipping."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import PHOTOMETRIC_INTERPRETATION

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.fit import FloatArray

_FLOAT_WHITES = ((8.0, 1.0), (256.0, 255.0), (math.inf, 65535.0))
_WHITE_IS_ZERO = 0


def is_deep(image: Image.Image) -> bool:
    """Tell whether a picture is grey with more than 8 bits (Pillow's modes ``I;16…``, ``I`` and ``F``)."""
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def deep_greys(image: Image.Image, name: str) -> FloatArray:
    """Read a deep grey picture (see :func:`is_deep`) as float32 HxW in 0..1.

    * ``I;16…``: 16-bit greys, white is 65535.
    * ``I``: 16-bit greys as well where it was read from a file; an image made in memory whose values all
      fit into 8 bits has white at 255.
    * ``F``: white is 1.0, as in float TIFF and PFM files; a picture with values over 8 (three stops above
      that white, or more) counts in 0..255, one with values over 256 in 0..65535. NaN and
      infinity are black.

    Values beyond white are white, negative ones black.

    Args:
        image: the loaded picture.
        name: what to call it in a message.

    Raises:
        InvalidRequest: the picture has integers over 65535, so that its white is unknown.
    """
    if image.mode == "F":
        values = np.array(image, dtype=np.float32)
        values[~np.isfinite(values)] = 0.0
        white = next(white for limit, white in _FLOAT_WHITES if values.max() <= limit)
    else:
        white = _integer_white(image, name)
        values = np.asarray(image).astype(np.float32)
    greys = np.clip(values / np.float32(white), 0.0, 1.0)
    # Pillow inverts such TIFFs up to 8 bits only.
    tags = getattr(image, "tag_v2", None)
    if tags is not None and tags.get(PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO:
        greys = np.float32(1.0) - greys
    return np.asarray(greys, dtype=np.float32)


def _integer_white(image: Image.Image, name: str) -> float:
    if image.mode != "I":
        return 65535.0
    peak = int(np.asarray(image).max())
    if peak > 65535:
        raise InvalidRequest(
            f"{name} has 32-bit greys up to {peak}: at most 16 bits are read; save it with 8 or 16 bits."
        )
    return 255.0 if image.format is None and peak <= 255 else 65535.0
