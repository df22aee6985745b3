"""How each API answers what it does not do, and in which form it hands out a picture."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from schemathesis import checks, openapi

from iclight_local.errors import EngineError
from tests.fake_engine import FramedFake
from tests.server.live import PICTURE, Live, Reply, serving

TEXT = base64.b64encode(PICTURE).decode()
HELD = [checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance]
IC_LIGHT = {"subject_image": TEXT, "prompt": "cat"}


def until_ended(live: Live, url: str) -> Reply:
    for _ in range(200):
        reply = live.get(url)
        if reply.json["status"] not in ("QUEUED", "PROCESSING"):
            return reply
        time.sleep(0.02)
    raise AssertionError(reply.json)


class TestWhatIsNotHere:
    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("/v1/sdxl", {"error": "The requested URL does not exist"}),
            ("/v2/sdxl", {"error": "The requested URL does not exist"}),
            ("/upload-asset", {"error": "The requested URL does not exist"}),
            ("/workflows/x", {"error": "The requested URL does not exist"}),
            ("/relight/x", {"error": {"type": "not_found", "message": "The requested URL does not exist"}}),
            (
                "/api/v1/generate",
                {"error": {"code": "not_found", "message": "The requested URL does not exist", "status": 404}},
            ),
        ],
    )
    def test_it_is_told_in_the_api_s_own_words(self, path: str, body: Any, live: Live) -> None:
        reply = live.json(path, {})
        assert (reply.status, reply.json) == (404, body)

    def test_removing_backgrounds_has_a_body_of_its_own(self, live: Live) -> None:
        reply = live.form("/v1/segment", {"image_file": PICTURE, "format": "gif"})
        assert reply.status == reply.json["status_code"] == 400
        assert reply.json["type"] == "invalid" and "format must be one of" in reply.json["detail"]
        assert live.get("/v1/segment").json["status_code"] == 405

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("GET", "/v1/ic-light", "POST"),
            ("DELETE", "/relight/jobs", "GET, HEAD, POST"),
            ("TRACE", "/relight/jobs/x", "DELETE, GET, HEAD"),
            ("OPTIONS", "/v2/edit", "GET, HEAD, POST"),
        ],
    )
    def test_a_wrong_method_is_told_the_right_ones(self, method: str, path: str, allowed: str, live: Live) -> None:
        reply = live.call(method, path)
        assert (reply.status, reply.headers["allow"]) == (405, allowed)


class TestForms:
    @pytest.mark.parametrize(
        ("body", "accept", "kind"),
        [
            ({}, "*/*", "image/webp"),
            ({"base64": False}, "*/*", "image/webp"),
            ({"base64": True}, "*/*", "application/json"),
            ({"base64": "true"}, "image/*", "application/json"),
            ({}, "application/json", "application/json"),
            ({}, "application/json, text/plain, */*", "image/webp"),
            ({}, "image/png, application/json", "image/webp"),
        ],
    )
    def test_segmind_as_bytes_or_as_text(self, body: Any, accept: str, kind: str, live: Live) -> None:
        reply = live.json("/v1/ic-light", {**IC_LIGHT, **body}, {"accept": accept})
        assert (reply.status, reply.headers["content-type"]) == (200, kind)
        data = base64.b64decode(reply.json["image"]) if kind == "application/json" else reply.data
        assert Image.open(io.BytesIO(data)).format == "WEBP"
        assert "x-seed-value" in reply.headers

    @pytest.mark.parametrize(
        ("accept", "kind"),
        [
            ("application/json", "application/json"),
            ("application/json;q=0.9", "application/json"),
            ("application/json, */*", "image/png"),
            ("", "image/png"),
        ],
    )
    def test_the_house_as_bytes_or_as_a_job(self, accept: str, kind: str, live: Live) -> None:
        reply = live.json("/relight", {"subject_image": TEXT}, {"accept": accept})
        assert (reply.status, reply.headers["content-type"]) == (200, kind)

    def test_a_closing_slash_says_nothing(self, live: Live) -> None:
        assert live.form("/v1/ic-light/", {"subject_image": PICTURE, "prompt": "cat"}).status == 200
        assert live.get("/v2/account/").status == 200
        assert live.get("//").status == live.get("/").status == 404


def test_segmind_lets_a_job_without_a_prompt_fail(live: Live) -> None:
    job = live.json("/v2/ic-light", {"subject_image": TEXT})
    assert job.status == 200
    reply = until_ended(live, job.json["status_url"])
    assert (reply.status, reply.json["status"]) == (422, "FAILED")
    assert reply.json["error"] == "prompt is required and must be a string"
    assert live.json("/v1/ic-light", {"subject_image": TEXT}).status == 400
    assert live.json("/v2/ic-light", {"prompt": "cat"}).status == 400
    assert not live.engine.requests


def test_segmind_reads_no_more_than_its_pixels(live: Live) -> None:
    buffer = io.BytesIO()
    Image.new("1", (10_001, 5_000)).save(buffer, "png")
    reply = live.form("/v1/ic-light", {"subject_image": buffer.getvalue(), "prompt": "cat"})
    assert (reply.status, reply.json["error"]) == (
        400,
        "subject_image has 10001 x 5000 pixels: at most 50 million are taken; scale it down first.",
    )


class TestPhotoroom:
    @pytest.fixture
    def edits(self, tmp_path: Path) -> Iterator[Live]:
        with serving(tmp_path / "jobs", engine=FramedFake()) as found:
            yield found

    def test_headers_tell_what_became_of_a_call(self, edits: Live) -> None:
        fields = {"imageFile": PICTURE, "background.prompt": "a beach", "beautify.seed": "7", "outline.width": "0.1"}
        reply = edits.form("/v2/edit", {**fields, "background.seed": "42"})
        assert (reply.status, reply.headers["content-type"], reply.image.size) == (200, "image/png", (64, 64))
        assert reply.headers["pr-ai-background-seed"] == "42"
        assert 0 <= float(reply.headers["x-uncertainty-score"]) <= 1
        assert reply.headers["pr-unsupported-attributes"] == "Unsupported attributes: beautify.seed, outline.width"
        bare = edits.form("/v2/edit", {"imageFile": PICTURE, "removeBackground": "false"})
        assert not [name for name in bare.headers if name.startswith(("pr-", "x-uncertainty"))]
        drawn = edits.form("/v2/edit", fields).headers["pr-ai-background-seed"]
        assert edits.form("/v2/edit", {**fields, "background.seed": drawn}).headers["pr-ai-background-seed"] == drawn

    @pytest.mark.parametrize(
        ("fields", "sentence", "code"),
        [
            (
                {"virtualModel.mode": "ai.auto"},
                "virtualModel.mode is not supported by this server",
                "unsupported_locally",
            ),
            ({"removeBackground": "maybe"}, "removeBackground must be boolean", None),
            ({"imageFile": ""}, "imageFile: must be provided", None),
            ({"maxWidth": "9", "outputSize": "9x9"}, "maxWidth can only be provided if outputSize is ", None),
            ({"imageFile": b"GIF89a"}, "imageFile ", None),
            # This is known only when the picture is.
            ({"padding": "32px"}, "Margins and paddings at the left and right take 64 pixels ", None),
        ],
    )
    def test_a_refusal_is_a_400_with_a_sentence(
        self, fields: dict[str, str | bytes], sentence: str, code: str | None, edits: Live
    ) -> None:
        given = {"imageFile": PICTURE, "ignorePaddingAndSnapOnCroppedSides": "false", **fields}
        reply = edits.form("/v2/edit", given)
        assert reply.status == 400
        assert reply.json["error"]["message"].startswith(sentence)
        assert reply.json["error"].get("code") == code

    def test_the_parameters_of_a_post_are_in_its_body(self, edits: Live) -> None:
        reply = edits.form("/v2/edit?padding=0.1", {"imageFile": PICTURE})
        told = {"error": {"message": "Parameters must be passed in the multipart body"}}
        assert (reply.status, reply.json) == (400, told)

    def test_a_light_that_fails_says_so(self, tmp_path: Path) -> None:
        engine = FramedFake(error=EngineError("The device failed."))
        with serving(tmp_path / "failing", engine=engine) as live:
            reply = live.form("/v2/edit", {"imageFile": PICTURE, "lighting.mode": "ai.auto"})
        assert (reply.status, reply.json) == (500, {"error": {"message": "The device failed."}})

    def test_calls_that_are_lit_together_keep_their_own_looks(self, edits: Live) -> None:
        looks = [{"padding": "10%"}, {"background.color": "red"}, {"export.format": "jpg"}, {"outputSize": "90x40"}]
        calls: list[dict[str, str | bytes]] = [
            {"imageFile": PICTURE, "lighting.mode": "ai.auto", **look} for look in looks
        ]
        with ThreadPoolExecutor(4) as callers:
            replies = list(callers.map(lambda call: edits.form("/v2/edit", call), calls))
        assert [reply.image.size for reply in replies] == [(64, 64)] * 3 + [(90, 40)]
        assert [reply.image.format for reply in replies] == ["PNG", "PNG", "JPEG", "PNG"]
        assert [reply.image.mode for reply in replies] == ["RGBA", "RGB", "RGB", "RGBA"]
        assert len(edits.engine.requests) == 4, "each was lit, and once"


def test_pixeldojo_s_document_tells_what_its_calls_answer(live: Live) -> None:
    document = openapi.from_url(f"{live.url}/api/openapi")
    document.validate()
    body = {"subject_image": f"data:image/png;base64,{TEXT}", "width": 256, "aspectRatio": "1:1"}
    told = []
    for found in document.get_all_operations():
        operation = found.ok()
        sent = {"body": body, "media_type": "application/json"} if operation.method == "post" else {}
        job = live.json("/api/v1/models/image-relighting/run", body).json["jobId"]
        names = {"path_parameters": {"job": job}} if "{job}" in operation.path else {}
        reply = operation.Case(**sent, **names).call_and_validate(checks=HELD)
        told.append((operation.path, reply.status_code))
    model = "/api/v1/models/image-relighting"
    assert sorted(told) == [
        *[("/api/v1/jobs", 200), ("/api/v1/jobs/{job}", 200), ("/api/v1/models", 200)],
        *[(model, 200), (f"{model}/run", 202), (f"{model}/schema", 200)],
    ]
