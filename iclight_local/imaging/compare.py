"""How far a picture is from the file of an earlier one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.encode import encode
from iclight_local.imaging.opening import load_picture, open_picture
from iclight_local.imaging.sources import read_source


@dataclass(frozen=True)
class Difference:
    """Differences between two pictures in grey levels, 0..255, over all channels: the largest and the mean."""

    largest: int
    mean: float


def difference(path: Path, picture: Image.Image, quality: int) -> Difference:
    """Compare a picture with a file; where the file's format loses detail, after the same loss.

    Args:
        path: the file.
        picture: RGB or RGBA.
        quality: with which the file was written, 0..100.

    Raises:
        InvalidRequest: the file is no picture, or has another size or other channels.
    """
    there = open_picture(*read_source(path, offline=True))
    if there.format in ("JPEG", "WEBP"):
        data = encode(picture, output_format=there.format.lower(), quality=quality)
        picture = open_picture(data, "the new picture")
        load_picture(picture, "the new picture")
    load_picture(there, path.name)
    if (there.size, there.mode) != (picture.size, picture.mode):
        raise InvalidRequest(
            f"{path.name} is {there.mode} of {there.width}x{there.height} pixels and was made as {picture.mode} of "
            f"{picture.width}x{picture.height}: it was changed since, and the file as iclight wrote it is needed."
        )
    apart = np.abs(np.asarray(there, np.int16) - np.asarray(picture, np.int16))
    return Difference(int(apart.max()), float(apart.mean()))
