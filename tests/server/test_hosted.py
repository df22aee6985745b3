"""The hosted calls, as their clients make them."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from iclight_local.errors import EngineError
from tests.fake_engine import FakeEngine, picture
from tests.server.live import PICTURE, Live, png, serving

TEXT = base64.b64encode(PICTURE).decode()
DATA = f"data:image/png;base64,{TEXT}"
IC_LIGHT = {"subject_image": TEXT, "prompt": "cat", "seed": 42, "width": 512, "light_source": "Left Light"}
V2 = {
    "image": TEXT,
    "light_direction": "left",
    "light_type": "softbox",
    "light_temperature": "warm",
    "light_intensity": "bright",
}


class TestSegmind:
    def test_at_once_as_form_and_as_json(self, live: Live) -> None:
        form = {name: str(value) for name, value in IC_LIGHT.items() if name != "subject_image"}
        replies = [
            live.form("/v1/ic-light", {"subject_image": PICTURE, **form}),
            live.json("/v1/ic-light", IC_LIGHT),
        ]
        for reply in replies:
            assert (reply.status, reply.headers["content-type"]) == (200, "image/webp")
            assert (reply.headers["x-seed-value"], reply.headers["x-remaining-credits"]) == ("42", "999")
        assert replies[0].data == replies[1].data
        assert len(replies[0].headers["x-request-id"]) == 36
        assert [asked.light_source for asked in live.engine.requests] == ["left", "left"]

    def test_several_at_once(self, live: Live) -> None:
        reply = live.json("/v1/ic-light", {**IC_LIGHT, "number_of_images": 2, "output_format": "png"})
        assert (len(reply.json["images"]), reply.json["format"], reply.json["seeds"]) == (2, "png", [42, 42])

    @pytest.mark.parametrize(("model", "body"), [("ic-light", IC_LIGHT), ("segmind-relighting-v2", V2)])
    def test_submit_and_poll(self, model: str, body: dict[str, Any], live: Live) -> None:
        submitted = live.json(f"/v2/{model}", body).json
        assert submitted["status"] == "QUEUED" and submitted["status_url"].startswith(live.url)
        for _ in range(200):
            status = live.get(submitted["status_url"]).json
            if status["status"] == "COMPLETED":
                break
            time.sleep(0.02)
        found = live.get(submitted["response_url"]).json
        assert found["request_id"] == submitted["request_id"]
        assert live.get(found["output"]).headers["content-type"] == found["images"][0]["content_type"]
        assert live.get(submitted["poll_url"]).json["status"] == "COMPLETED"

    def test_relighting_v2_at_once(self, live: Live) -> None:
        reply = live.json("/v1/segmind-relighting-v2", V2)
        assert (reply.status, reply.headers["content-type"]) == (200, "image/png")

    def test_errors(self, tmp_path: Path, live: Live) -> None:
        wrong = live.json("/v1/ic-light", {**IC_LIGHT, "steps": 0})
        assert wrong.status == 400 and wrong.json["error"].startswith("steps must be")
        assert live.get("/v1/ic-light").status == 405
        assert live.json("/v1/other", IC_LIGHT).json == {"error": "The requested URL does not exist"}
        assert live.get("/v2/requests/none").json == {"error": "Request none not found"}
        with serving(tmp_path / "failing", engine=FakeEngine(error=EngineError("It broke."))) as failing:
            assert failing.json("/v1/ic-light", IC_LIGHT).json == {"error": "It broke."}
            url = failing.json("/v2/ic-light", IC_LIGHT).json["response_url"]
            time.sleep(0.3)
            reply = failing.get(url)
            assert (reply.status, reply.json["status"], reply.json["error"]) == (422, "FAILED", "It broke.")


class TestPixelDojo:
    RUN = "/api/v1/models/image-relighting/run"

    def test_from_the_job_to_its_pictures(self, live: Live) -> None:
        body = {"subject_image": DATA, "prompt": "golden hour", "number_of_images": 2, "seed": 3, "width": "256"}
        reply = live.json(self.RUN, {**body, "webhook_url": "https://host/hook", "highres_scale": 1})
        assert reply.status == 202 and reply.json["status"] == "pending" and reply.json["creditCost"] == 2
        for _ in range(200):
            job = live.get(reply.json["statusUrl"]).json
            if job["status"] == "completed":
                break
            time.sleep(0.02)
        assert job["jobId"] == reply.json["jobId"] and len(job["output"]["images"]) == 2
        assert live.get(job["output"]["images"][1]).image.size[0] == 256
        for _ in range(100):
            if live.posted:
                break
            time.sleep(0.02)
        assert live.posted[0][0] == "https://host/hook" and job["jobId"].encode() in live.posted[0][1]
        assert [each["jobId"] for each in live.get("/api/v1/jobs").json["jobs"]] == [job["jobId"]]

    def test_models(self, live: Live) -> None:
        assert live.get("/api/v1/models").json["total"] == 1
        assert "subject_image" in live.get("/api/v1/models/image-relighting/schema").json["requestSchema"]["properties"]
        assert live.get("/api/v1/models/other").json["error"]["code"] == "model_not_found"

    def test_errors(self, live: Live) -> None:
        reply = live.json(self.RUN, {"prompt": "A mountain", "aspect_ratio": "1:1"})
        assert (reply.status, reply.json["error"]["code"]) == (400, "invalid_request")
        assert live.get("/api/v1/jobs/{job_id}").status == 404
        assert live.json("/api/v1/models/other/run", {}).json["error"]["code"] == "model_not_found"


class TestPhotoroom:
    # The vendor's own example.
    EXAMPLE: ClassVar = {
        "imageFile": PICTURE,
        "referenceBox": "originalImage",
        "maxWidth": "2000",
        "maxHeight": "2000",
        "removeBackground": "false",
        "lighting.mode": "ai.auto",
    }

    def test_edit(self, live: Live) -> None:
        reply = live.form("/v2/edit", {**self.EXAMPLE, "background.inner": "x"})
        assert (reply.status, reply.headers["content-type"]) == (200, "image/png")
        assert reply.headers["pr-unsupported-attributes"] == "Unsupported attributes: background.inner"

    def test_edit_by_url(self, tmp_path: Path) -> None:
        with serving(tmp_path / "jobs", fetch=lambda url: png((80, 60))) as live:
            reply = live.get("/v2/edit?imageUrl=https%3A%2F%2Fhost%2Fa.png&lighting.mode=ai.auto&export.format=jpg")
            assert (reply.status, reply.headers["content-type"]) == (200, "image/jpeg")

    def test_errors(self, live: Live) -> None:
        told = [
            (live.form("/v2/edit", {**self.EXAMPLE, "removeBackground": "7"}), 400, "removeBackground must be boolean"),
            (live.form("/v2/edit", {"lighting.mode": "ai.auto"}), 400, "imageFile: must be provided"),
            (live.form("/v2/edit", {**self.EXAMPLE, "virtualModel.mode": "ai.auto"}), 400, "is not supported by this"),
            (live.form("/v2/edit?padding=1", self.EXAMPLE), 400, "Parameters must be passed in the multipart body"),
            (live.form("/v1/render", {}), 400, "/v1/render is not supported by this server"),
        ]
        for reply, status, words in told:
            assert reply.status == status and words in reply.json["error"]["message"]

    def test_accounts(self, live: Live) -> None:
        assert live.get("/v1/account").json["credits"]["available"] > 0
        assert live.get("/v2/account").json["images"]["available"] > 0


def test_each_dialect_gets_the_engines_own_picture(live: Live) -> None:
    """The mark of every request is in its own answer, whoever else asks meanwhile."""
    seeds = range(100, 112)
    jobs = [live.json("/relight/jobs", {"subject_image": TEXT, "seed": seed}).json["id"] for seed in seeds]
    for seed, job in zip(seeds, jobs, strict=True):
        for _ in range(200):
            found = live.get(f"/relight/jobs/{job}").json
            if found["state"] == "done":
                break
            time.sleep(0.02)
        assert np.array_equal(np.asarray(live.get(found["images"][0]["url"]).image), np.asarray(picture(seed, 0)))
