"""A real photograph through the real command at real size: what a user waits for, stage by stage.

The photograph is scikit-image's portrait of Eileen Collins (NASA, public domain). It is written as a camera
would: lying on its side with an EXIF orientation, in Adobe RGB with its profile embedded. The segmenter is a
real rembg session on a small ONNX file that takes bright pixels for the subject.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import skimage.data
from PIL import ExifTags, Image, ImageCms

from benchmarks.environment import describe
from iclight_local.imaging.colour import adobe_rgb_profile
from iclight_local.imaging.files import decode
from iclight_local.imaging.metadata import read_record
from tests.segmenters.onnx_models import write_brightness_net

LYING_ON_ITS_SIDE = 6
"""EXIF orientation of a picture that has to be turned a quarter to the right."""


def measure(bundle: Path, folder: Path, options: list[str]) -> dict[str, Any]:
    """Relight the photograph with ``iclight relight`` in a process of its own.

    Args:
        bundle: weights.
        folder: where the photograph, the segmenter and the result are written.
        options: further options of ``iclight relight``.

    Returns:
        The command's own JSON, with the environment and the facts of the result beside it.

    Raises:
        RuntimeError: the command failed; its sentence is the message.
    """
    folder.mkdir(parents=True, exist_ok=True)
    photograph = write_photograph(folder / "photograph.jpg")
    segmenter = write_brightness_net(folder / "bright.onnx")
    result = folder / "relit.png"
    command = [sys.executable, "-m", "iclight_local.cli", "relight", str(photograph), "-o", str(result), "--overwrite"]
    command += ["--weights", str(bundle), "--segmenter", str(segmenter), "--json", *options]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise RuntimeError(run.stderr.strip())
    with Image.open(result) as image:
        size, colours = image.size, len(set(image.convert("RGB").resize((64, 64)).getdata()))
    return {
        "command": json.loads(run.stdout),
        "notices": run.stderr.strip().splitlines(),
        "upright_input": list(decode(photograph).size),
        "result": {"size": list(size), "bytes": result.stat().st_size, "distinct_colours_at_64x64": colours},
        "record_keys": sorted(read_record(result)),
        "environment": describe("cpu"),
    }


def write_photograph(path: Path) -> Path:
    """Write the portrait as a camera would, and return its path."""
    upright = Image.fromarray(skimage.data.astronaut())
    wide = ImageCms.ImageCmsProfile(io.BytesIO(adobe_rgb_profile()))
    stored = ImageCms.profileToProfile(upright, ImageCms.createProfile("sRGB"), wide)
    lying = stored.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = LYING_ON_ITS_SIDE
    exif[ExifTags.Base.Artist] = "NASA"
    lying.save(path, quality=95, exif=exif.tobytes(), icc_profile=adobe_rgb_profile())
    return path
