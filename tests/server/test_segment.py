"""Photoroom's cut-out alone, as its published clients call it."""

from __future__ import annotations

import base64
import io
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from iclight_local import open_engine
from iclight_local.imaging.linear import to_linear, to_srgb
from tests.server.live import PICTURE, Live, Reply, png, serving

WIDE = png((60, 40))
MINI = Path(__file__).parents[2] / "weights" / "mini"
KINDS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}
SCREEN = (40, 190, 60)


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
        ({"image_file": WIDE, "despill": "perhaps"}, "invalid", "despill must be boolean"),
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


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """One server for calls that leave nothing behind."""
    with serving(tmp_path_factory.mktemp("jobs")) as found:
        yield found


COMBINED = itertools.product(
    KINDS, ("rgba", "alpha"), (None, "#0000ff", "red", "transparent"), ("false", "true"), ("false", "true")
)


@pytest.mark.parametrize(("kind", "channels", "ground", "crop", "despill"), list(COMBINED))
def test_every_combination_of_what_is_documented(
    shared: Live, kind: str, channels: str, ground: str | None, crop: str, despill: str
) -> None:
    fields = {"format": kind, "channels": channels, "crop": crop, "despill": despill, "size": "preview"}
    reply = cut(shared, **fields, **({} if ground is None else {"bg_color": ground}))
    assert (reply.status, reply.headers["content-type"]) == (200, f"image/{KINDS[kind].lower()}")
    image = reply.image
    assert (image.format, image.size) == (KINDS[kind], (30, 40) if crop == "true" else (60, 40))
    inside = np.asarray(image.convert("RGBA"))[20, 15].astype(int)
    if channels == "alpha":
        assert image.mode == ("RGB" if kind == "webp" else "L")
        assert np.abs(inside - 255).max() <= 3
    else:
        see_through = kind != "jpg" and ground in (None, "transparent") and crop == "false"
        assert image.has_transparency_data == see_through or (crop == "true" and kind != "jpg")
        assert np.abs(inside - (120, 90, 60, 255)).max() <= 6
    if crop == "false":
        outside = np.asarray(image.convert("RGBA"))[20, 50].astype(int)
        seen = {"#0000ff": (0, 0, 255, 255), "red": (255, 0, 0, 255)}.get(str(ground))
        if channels == "alpha":
            seen = (0, 0, 0, 255)
        elif seen is None:
            seen = (255, 255, 255, 255) if kind == "jpg" else (*outside[:3], 0)
        assert np.abs(outside - seen).max() <= 6


@pytest.fixture(scope="module")
def large() -> bytes:
    """12 megapixels, and few bytes."""
    buffer = io.BytesIO()
    Image.new("RGB", (4000, 3000), (120, 90, 60)).save(buffer, "jpeg", quality=30)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("size", "pixels"), [("preview", 0.25e6), ("medium", 1.5e6), ("hd", 4e6), ("full", 12e6), ("", 12e6)]
)
def test_every_size_of_a_large_picture(live: Live, large: bytes, size: str, pixels: float) -> None:
    image = cut(live, large, size=size, channels="alpha", format="jpg").image
    assert 0.995 * pixels < image.width * image.height <= pixels
    assert image.width / image.height == pytest.approx(4 / 3, rel=0.01)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", ["rgba", "alpha"])
def test_how_sure_the_matte_is(live: Live, kind: str, channels: str) -> None:
    assert cut(live, format=kind, channels=channels).headers["x-uncertainty-score"] == "0.0000"
    text = base64.b64encode(WIDE).decode()
    asked = {"image_file_b64": text, "format": kind, "channels": channels}
    reply = live.json("/v1/segment", asked, {"accept": "application/json"})
    assert reply.headers["x-uncertainty-score"] == "0.0000"


def test_a_veil_that_nobody_sees_is_cut_off(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_out = live.engine.cut_out

    def veiled(request: Any, **how: Any) -> Any:
        result = cut_out(request, **how)
        alpha = result.images[0].getchannel("A").point(lambda level: max(level, 5))
        result.images[0].putalpha(alpha)
        return result

    monkeypatch.setattr(live.engine, "cut_out", veiled)
    assert cut(live, crop="true").image.size == (30, 40)


def bright_ball(spilled: bool) -> Image.Image:
    """A ball that is all but white, before a dark green screen, whose light is on its side."""
    y, x = np.mgrid[:128, :128] / 127 * 2 - 1
    reach = np.hypot(x, y)[..., None]
    screen = to_linear(np.array(SCREEN, np.uint8)) * np.float32(0.3)
    light = np.full((128, 128, 3), 0.6) + screen * np.clip(reach * 2.5 - 0.5, 0, 1) * spilled * 1.5
    share = np.clip((0.6 - reach) * 40 + 0.5, 0, 1)
    return Image.fromarray(to_srgb((light * share + screen * (1 - share)).astype(np.float32)))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    engine = open_engine(weights=str(MINI), segmenter=str(MINI / "segmenter.onnx"), device="cpu")
    with serving(tmp_path_factory.mktemp("jobs"), engine=engine, waiting=60) as found:
        yield found


class TestEmbeddedSegmenter:
    """The same with the segmenter that lies in the package."""

    def test_a_photograph(self, real: Live) -> None:
        picture = Image.open(MINI / "examples" / "portrait.jpg").convert("RGB").resize((256, 320))
        buffer = io.BytesIO()
        picture.save(buffer, "png")
        reply = cut(real, buffer.getvalue(), despill="true")
        score = reply.headers["x-uncertainty-score"]
        assert (len(score), reply.image.mode) == (6, "RGBA")
        alpha = np.asarray(reply.image)[..., 3] / 255
        assert float(score) == pytest.approx(1 - np.abs(2 * alpha[alpha > 0] - 1).mean(), abs=2e-3)
        assert 0 < float(score) < 0.5

    def test_a_screens_light_goes(self, real: Live) -> None:
        buffer = io.BytesIO()
        bright_ball(spilled=True).save(buffer, "png")
        greens = {}
        for despill in ("false", "true"):
            found = np.asarray(cut(real, buffer.getvalue(), despill=despill).image).astype(int)
            seen = found[found[..., 3] == 255]
            greens[despill] = float((seen[:, 1] - (seen[:, 0] + seen[:, 2]) / 2).mean())
        assert greens["false"] > 3
        assert greens["true"] < greens["false"] / 3

    def test_its_own_transparency_has_no_score(self, real: Live) -> None:
        buffer = io.BytesIO()
        Image.new("RGBA", (64, 64), (9, 90, 9, 128)).save(buffer, "png")
        reply = cut(real, buffer.getvalue(), despill="true")
        assert "x-uncertainty-score" not in reply.headers
        assert reply.image.getpixel((5, 5)) == (9, 90, 9, 128)
