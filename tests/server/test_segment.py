"""Photoroom's cut-out alone, as its published clients call it."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.server.live import PICTURE, Live, Reply, png

WIDE = png((60, 40))


def cut(live: Live, data: bytes = WIDE, headers: dict[str, str] | None = None, **fields: str) -> Reply:
    return live.form("/v1/segment", {"image_file": data, **fields}, headers)


def test_the_subject_alone_is_seen(live: Live) -> None:
    reply = cut(live)
    assert (reply.status, reply.headers["content-type"]) == (200, "image/png")
    assert (reply.image.size, reply.image.mode) == ((60, 40), "RGBA")
    assert reply.image.getpixel((5, 5)) == (120, 90, 60, 255)
    assert reply.image.getpixel((50, 5))[3] == 0  # type: ignore[index]


@pytest.mark.parametrize(
    ("fields", "kind", "mode", "size", "right"),
    [
        ({"format": "webp"}, "image/webp", "RGBA", (60, 40), None),
        ({"format": "jpg"}, "image/jpeg", "RGB", (60, 40), (255, 255, 255)),
        ({"format": "jpg", "bg_color": "#00ff00"}, "image/jpeg", "RGB", (60, 40), (0, 255, 0)),
        ({"bg_color": "red"}, "image/png", "RGB", (60, 40), (255, 0, 0)),
        ({"channels": "alpha"}, "image/png", "L", (60, 40), 0),
        ({"crop": "true"}, "image/png", "RGBA", (30, 40), None),
        ({"crop": "true", "channels": "alpha", "size": "medium"}, "image/png", "L", (30, 40), 255),
        ({"despill": "false", "bg_color": ""}, "image/png", "RGBA", (60, 40), None),
    ],
)
def test_it_comes_as_asked(
    live: Live, fields: dict[str, str], kind: str, mode: str, size: tuple[int, int], right: Any
) -> None:
    reply = cut(live, **fields)
    assert (reply.headers["content-type"], reply.image.mode, reply.image.size) == (kind, mode, size)
    if right is not None:
        found = np.asarray(reply.image)[5, -5].astype(int)
        assert np.abs(found - right).max() <= 12


@pytest.mark.parametrize(("size", "pixels"), [("preview", 250_000), ("medium", 1_500_000), ("full", 2_400_000)])
def test_a_size_is_a_number_of_pixels(live: Live, size: str, pixels: int) -> None:
    image = cut(live, png((2000, 1200)), size=size).image
    assert 0.98 * pixels < image.width * image.height <= pixels
    assert image.width / image.height == pytest.approx(2000 / 1200, rel=0.01)


def test_options_may_stand_in_the_address(live: Live) -> None:
    reply = live.form("/v1/segment?format=jpg&bg_color=%230000ff", {"image_file": WIDE})
    assert reply.headers["content-type"] == "image/jpeg"


def test_base64_goes_in_and_comes_out(live: Live) -> None:
    text = base64.b64encode(WIDE).decode()
    reply = live.json("/v1/segment", {"image_file_b64": text}, {"accept": "application/json"})
    assert set(reply.json) == {"base64img", "result_b64"}
    assert Image.open(io.BytesIO(base64.b64decode(reply.json["base64img"]))).mode == "RGBA"
    both = live.json("/v1/segment", {"image_file_b64": text}, {"accept": "image/png, application/json"})
    assert both.image.format == "PNG"


def test_its_own_transparency_is_a_matte(live: Live) -> None:
    buffer = io.BytesIO()
    Image.new("RGBA", (20, 20), (9, 9, 9, 128)).save(buffer, "png")
    assert cut(live, buffer.getvalue()).status == 200
    assert live.engine.requests[-1].subject_image.mode == "RGBA"
    cut(live, PICTURE)
    assert live.engine.requests[-1].subject_image.mode == "RGB"


@pytest.mark.parametrize(
    ("fields", "kind", "says"),
    [
        ({}, "missing_image", "Please provide an image."),
        ({"image_file": b"nothing"}, "invalid", "image_file is text: a PNG"),
        ({"image_file": png((6001, 4))}, "invalid", "at most 6000 pixels"),
        ({"image_file": WIDE, "format": "gif"}, "invalid", "format must be one of png, jpg, webp"),
        ({"image_file": WIDE, "bg_color": "hell"}, "invalid", "bg_color must be a colour"),
        ({"image_file": WIDE, "despill": "true"}, "unsupported_locally", "despill true is not supported"),
        ({"image_file": WIDE, "image_file_b64": "aaaa"}, "invalid", "must be one file"),
    ],
)
def test_what_is_wrong_is_said(live: Live, fields: dict[str, Any], kind: str, says: str) -> None:
    reply = live.form("/v1/segment", fields)
    assert set(reply.json) == {"detail", "status_code", "type"}
    assert (reply.status, reply.json["status_code"], reply.json["type"]) == (400, 400, kind)
    assert says in reply.json["detail"]


@pytest.mark.parametrize("path", ["/v1/segment", "/v2/edit"])
@pytest.mark.parametrize("name", ["", " ", "\t", "é"])
def test_a_name_that_is_none_is_told_as_well(live: Live, path: str, name: str) -> None:
    picture = "image_file" if path == "/v1/segment" else "imageFile"
    reply = live.form(path, {picture: WIDE, "lighting.mode": "ai.auto", "removeBackground": "false", name: "x"})
    assert reply.status == 200
    assert "?" in reply.headers["pr-unsupported-attributes"]


def test_unknown_names_are_told(live: Live) -> None:
    assert "'" not in json.dumps(dict(cut(live, shade="x").headers))
    assert cut(live, shade="x").headers["pr-unsupported-attributes"] == "Unsupported attributes: shade"
