"""The house's own API."""

from __future__ import annotations

import base64
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iclight_local.errors import EngineError
from iclight_local.imaging.metadata import read_record
from iclight_local.request import RelightRequest
from tests.fake_engine import FakeEngine, picture
from tests.server.live import PICTURE, Live, Reply, serving

TEXT = base64.b64encode(PICTURE).decode()


def until_done(live: Live, job: str) -> Any:
    for _ in range(200):
        found = live.get(f"/relight/jobs/{job}").json
        if found["state"] in ("done", "failed", "cancelled"):
            return found
        time.sleep(0.02)
    raise AssertionError(found)


class TestAtOnce:
    @pytest.mark.parametrize("form", [True, False])
    def test_a_picture_comes_back_with_its_record(self, form: bool, live: Live) -> None:
        knobs = {"light": "left 3200K", "seed": "7", "steps": "3"}
        if form:
            reply = live.form("/relight", {"subject_image": PICTURE, **knobs})
        else:
            reply = live.json("/relight", {"subject_image": TEXT, "light": "left 3200K", "seed": 7, "steps": 3})
        assert (reply.status, reply.headers["content-type"]) == (200, "image/png")
        assert np.array_equal(np.asarray(reply.image), np.asarray(picture(7, 0)))
        assert reply.headers["x-seed-value"] == "7"
        assert read_record(reply.data)["request"]["light"] == "left 3200K"
        asked = live.engine.requests[0]
        assert (asked.light, asked.steps, asked.seed) == ("left 3200K", 3, 7)

    def test_several_are_linked(self, live: Live) -> None:
        reply = live.json(
            "/relight", {"subject_image": TEXT, "number_of_images": 3, "seed": 2, "output_format": "webp"}
        )
        images = reply.json["images"]
        assert [image["media_type"] for image in images] == ["image/webp"] * 3
        assert [live.get(image["url"]).headers["content-type"] for image in images] == ["image/webp"] * 3
        assert all(len(live.get(image["url"]).data) == image["bytes"] for image in images)

    def test_json_on_demand(self, live: Live) -> None:
        reply = live.json("/relight", {"subject_image": TEXT}, {"accept": "application/json"})
        assert reply.json["state"] == "done" and len(reply.json["images"]) == 1


class TestJobs:
    def test_from_submitting_to_the_picture(self, live: Live) -> None:
        reply = live.json("/relight/jobs", {"subject_image": TEXT, "seed": 4})
        assert reply.status == 202 and reply.json["state"] in ("queued", "running", "done")
        job = until_done(live, reply.json["id"])
        assert (job["state"], job["progress"], job["seed"]) == ("done", 1.0, 4)
        assert np.array_equal(np.asarray(live.get(job["images"][0]["url"]).image), np.asarray(picture(4, 0)))
        assert [each["id"] for each in live.get("/relight/jobs").json["jobs"]] == [job["id"]]

    def test_positions_and_cancelling(self, tmp_path: Path) -> None:
        with serving(tmp_path / "jobs", start=False) as live:
            jobs = [live.json("/relight/jobs", {"subject_image": TEXT}).json for _ in range(3)]
            assert [job["position"] for job in jobs] == [0, 1, 2]
            gone = live.call("DELETE", f"/relight/jobs/{jobs[0]['id']}").json
            assert gone["state"] == "cancelled"
            assert live.get(f"/relight/jobs/{jobs[2]['id']}").json["position"] == 1
            assert live.engine.requests == []

    def test_a_failing_engine(self, tmp_path: Path) -> None:
        with serving(tmp_path / "jobs", engine=FakeEngine(error=EngineError("The card is on fire."))) as live:
            reply = live.json("/relight", {"subject_image": TEXT})
            assert reply.status == 500
            assert reply.json == {"error": {"type": "failed", "message": "The card is on fire."}}
            assert live.get("/relight/jobs").json["jobs"][0]["error"] == "The card is on fire."

    def test_a_bug_is_no_secret_and_no_end(self, tmp_path: Path) -> None:
        engine = FakeEngine(error=RuntimeError("secret"))
        with serving(tmp_path / "jobs", engine=engine) as live:
            reply = live.json("/relight", {"subject_image": TEXT})
            assert reply.status == 500 and b"secret" not in reply.data
            engine.error = None
            assert live.json("/relight", {"subject_image": TEXT}).status == 200

    def test_pictures_are_fetched_before_their_turn(self, tmp_path: Path) -> None:
        fetched = []

        def fetch(url: str) -> bytes:
            fetched.append(url)
            return PICTURE

        with serving(tmp_path / "jobs", fetch=fetch) as live:
            assert live.json("/relight", {"subject_image": "https://host/a.png"}).status == 200
        assert fetched == ["https://host/a.png"]

    def test_what_cannot_be_fetched_is_the_callers_fault(self, live: Live) -> None:
        reply = live.json("/relight", {"subject_image": "https://host/a.png"})
        assert reply.status == 400 and "is not fetched here" in reply.json["error"]["message"]

    def test_accepted_jobs_outlive_the_server(self, tmp_path: Path) -> None:
        with serving(tmp_path / "jobs", start=False) as live:
            job = live.json("/relight/jobs", {"subject_image": TEXT, "seed": 9}).json["id"]
        with serving(tmp_path / "jobs") as live:
            done = until_done(live, job)
            assert (done["state"], done["seed"]) == ("done", 9)


class TestRefusals:
    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ({}, "subject_image is missing"),
            ({"subject_image": "file:///etc/passwd"}, "must be an http(s) URL, a data URI, base64 or a file"),
            ({"subject_image": 5}, "subject_image must be"),
            ({"subject_image": TEXT, "steps": 0}, "steps is 0, but must be"),
            ({"subject_image": TEXT, "steps": [1]}, "steps is [1]"),
            ({"subject_image": TEXT, "stepps": 1}, "did you mean steps?"),
            ({"subject_image": TEXT, "self": 1}, "There is no parameter self"),
            ({"subject_image": TEXT, "light": "lefft"}, "did you mean 'left'?"),
            ({"subject_image": TEXT, "prompt": "a" * 3000}, "prompt has 3000 letters"),
            ({"subject_image": TEXT, "prompt": "\ud800"}, "prompt"),
            ([], "must be a JSON object"),
        ],
    )
    def test_each_gets_a_sentence(self, body: Any, words: str, live: Live) -> None:
        reply = live.json("/relight", body)
        assert (reply.status, reply.json["error"]["type"]) == (400, "invalid")
        assert words in reply.json["error"]["message"]
        assert live.engine.requests == []

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (b"{", "application/json"),
            (b"[" * 100_000, "application/json"),
            (b'{"a":NaN}', "application/json"),
            (b"x", "multipart/form-data; boundary=y"),
            (b"x", "multipart/form-data"),
            (b"x", "text/plain"),
            (b"\xff", "application/x-www-form-urlencoded"),
        ],
    )
    def test_damaged_bodies(self, body: bytes, kind: str, live: Live) -> None:
        assert live.call("POST", "/relight", body, {"content-type": kind}).status == 400

    def test_a_field_that_comes_twice(self, live: Live) -> None:
        body = b"--m\r\nContent-Disposition: form-data; name=seed\r\n\r\n1\r\n" * 2 + b"--m--\r\n"
        reply = live.call("POST", "/relight", body, {"content-type": "multipart/form-data; boundary=m"})
        assert reply.json["error"]["message"] == "seed was given twice"

    @pytest.mark.parametrize(
        "name",
        ["x/0.png", "../../etc/passwd", "{secret}/1.png", "{secret}/-1.png", "{secret}/0.jpg", "{secret}/0%2e.png"],
    )
    def test_results_that_are_none(self, name: str, live: Live) -> None:
        url = live.json("/relight", {"subject_image": TEXT}, {"accept": "application/json"}).json["images"][0]["url"]
        secret = url.split("/")[-2]
        assert live.get(f"/relight/results/{name.replace('{secret}', secret)}").status == 404

    def test_paths_and_methods(self, live: Live) -> None:
        assert live.get("/nothing").json["error"]["type"] == "not_found"
        assert live.call("PUT", "/relight").json["error"]["type"] == "not_allowed"
        assert live.get("/relight/jobs/none").status == 404


class TestPages:
    def test_the_page_needs_nothing_from_elsewhere(self, live: Live) -> None:
        page = live.get("/relight/docs").data.decode()
        assert all(f"<code>{name}</code>" in page for name in RelightRequest.model_fields)
        assert "<script" not in page and not re.search(r"(src|href)=['\"]?http", page)

    def test_the_schema_has_every_parameter(self, live: Live) -> None:
        schema = live.get("/relight/openapi.json").json
        told = schema["components"]["schemas"]["Relight"]["properties"]
        assert set(told) == set(RelightRequest.model_fields)
        assert (told["steps"]["anyOf"][0]["maximum"], told["width"]["multipleOf"]) == (100, 64)
        assert schema["servers"] == [{"url": live.url}]

    def test_health_and_figures(self, live: Live) -> None:
        assert (live.get("/healthz").status, live.get("/readyz").status) == (200, 200)
        live.json("/relight", {"subject_image": TEXT})
        page = live.get("/metrics").data.decode()
        assert 'iclight_calls_total{route="/relight",status="200"} 1.0' in page
        assert 'iclight_jobs_total{dialect="house",state="done"} 1.0' in page
        assert "iclight_jobs_waiting 0.0" in page

    def test_links_begin_with_the_public_url(self, tmp_path: Path) -> None:
        with serving(tmp_path / "jobs", public_url="https://light.example/") as live:
            reply: Reply = live.json("/relight", {"subject_image": TEXT}, {"accept": "application/json"})
            assert reply.json["images"][0]["url"].startswith("https://light.example/relight/results/")
