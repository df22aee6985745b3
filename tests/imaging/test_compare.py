"""How far a picture is from the file of an earlier one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.compare import difference
from iclight_local.imaging.encode import encode
from iclight_local.imaging.metadata import Embedded

RGB = Image.fromarray(np.random.default_rng(3).integers(0, 200, (40, 50, 3), dtype=np.uint8))
RGBA = Image.fromarray(np.random.default_rng(4).integers(0, 200, (40, 50, 4), dtype=np.uint8))


def written(folder: Path, picture: Image.Image, output_format: str) -> Path:
    path = folder / f"result.{output_format}"
    path.write_bytes(encode(picture, output_format=output_format, quality=90, embedded=Embedded({"kind": "relight"})))
    return path


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("picture", [RGB, RGBA])
def test_the_same_picture_is_the_same_in_every_format(output_format: str, picture: Image.Image, tmp_path: Path) -> None:
    found = difference(written(tmp_path, picture, output_format), picture, 90)
    assert (found.largest, found.mean) == (0, 0)


def test_another_is_measured(tmp_path: Path) -> None:
    other = np.asarray(RGB).copy()
    other[3, 4, 1] += 30
    found = difference(written(tmp_path, RGB, "png"), Image.fromarray(other), 90)
    assert found.largest == 30
    assert found.mean == pytest.approx(30 / other.size)


def test_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="RGB of 50x40 pixels and was made as RGB of 40x40: it was changed since"):
        difference(written(tmp_path, RGB, "png"), RGB.resize((40, 40)), 90)
