"""What hosted calls mean, with the embedded model behind a real server: light from the left, warm.

Photoroom's call knows no direction and no colour: what it says is that a picture is to be well exposed.
"""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from iclight_local import open_engine
from iclight_local.imaging.linear import luminance, to_linear, to_srgb
from tests.server.live import Live, serving

MINI = Path(__file__).parents[2] / "weights" / "mini"
PHOTOGRAPH = MINI / "examples" / "portrait.jpg"
SIZE = (256, 320)
SHORT = {"steps": "10", "highres_scale": "1", "seed": "12345"}
WARM = "warm light, light from the left"


@pytest.fixture(scope="module")
def relighting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    engine = open_engine(weights=str(MINI), segmenter=str(MINI / "segmenter.onnx"), device="cpu")
    with serving(tmp_path_factory.mktemp("jobs"), engine=engine, waiting=300) as live:
        live.patience = 300
        yield live
    torch.set_num_threads(before)


def photograph(light: float = 1.0) -> Image.Image:
    picture = Image.open(PHOTOGRAPH).convert("RGB").resize(SIZE, Image.Resampling.LANCZOS)
    return Image.fromarray(to_srgb(to_linear(np.asarray(picture)) * np.float32(light)))


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "png")
    return buffer.getvalue()


def halves(picture: Image.Image) -> tuple[float, float]:
    """Mean luminance of the left and of the right half, in linear light."""
    light = luminance(to_linear(np.asarray(picture.convert("RGB"))))
    middle = light.shape[1] // 2
    return float(light[:, :middle].mean()), float(light[:, middle:].mean())


def warmth(picture: Image.Image) -> float:
    """Red over blue in the mean of linear light."""
    mean = to_linear(np.asarray(picture.convert("RGB"))).mean((0, 1))
    return float(mean[0] / mean[2])


def segmind_ic_light(live: Live, data: bytes) -> Image.Image:
    wide, high = map(str, SIZE)
    words = {"prompt": WARM, "light_source": "Left Light", "width": wide, "height": high, **SHORT}
    return live.form("/v1/ic-light", {"subject_image": data, **words}).image


def segmind_relighting_v2(live: Live, data: bytes) -> Image.Image:
    words = {"light_direction": "left", "light_temperature": "warm", "quality": "low"}
    return live.form("/v1/segmind-relighting-v2", {"image": data, **words}).image


def pixeldojo(live: Live, data: bytes) -> Image.Image:
    words = {"prompt": WARM, "light_source": "left", "width": "320", "height": "384", **SHORT}
    picture = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    submitted = live.json("/api/v1/models/image-relighting/run", {"subject_image": picture, **words})
    assert submitted.status == 202, submitted.data
    job = submitted.json["jobId"]
    for _ in range(3000):
        found = live.get(f"/api/v1/jobs/{job}").json
        if found["status"] not in ("pending", "processing"):
            break
        time.sleep(0.05)
    return live.get(found["output"]["images"][0]).image


@pytest.mark.parametrize("call", [segmind_ic_light, segmind_relighting_v2, pixeldojo])
def test_warm_light_from_the_left(relighting: Live, call: Any) -> None:
    before = photograph()
    after = call(relighting, png(before))
    (was_left, was_right), (left, right) = halves(before), halves(after)
    assert left > 1.4 * right
    assert left / right > 1.4 * was_left / was_right
    assert left > was_left
    assert warmth(after) > 1.1 * warmth(before)


def test_photoroom_cuts_out(relighting: Live) -> None:
    alpha = np.asarray(relighting.form("/v1/segment", {"image_file": png(photograph())}).image)[..., 3] / 255
    wide, high = SIZE
    assert alpha.shape == (high, wide)
    # The face is subject, the wall beside it is not.
    assert alpha[high // 4 : high // 3, 2 * wide // 5 : wide // 2].mean() > 0.9
    assert alpha[: high // 8, wide // 6 : wide // 4].mean() < 0.1


def test_photoroom_exposes_well(relighting: Live) -> None:
    before = photograph(0.12)
    fields = {"imageFile": png(before), "lighting.mode": "ai.auto", "removeBackground": "false"}
    after = relighting.form("/v2/edit", fields).image
    assert after.size == before.size
    assert sum(halves(after)) > 1.3 * sum(halves(before))
