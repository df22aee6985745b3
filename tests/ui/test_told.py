"""Jobs as the page's scripts are told of them, and what else these fetch."""

from __future__ import annotations

import io
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from iclight_local.errors import EngineError
from iclight_local.imaging.lightmap import INITIAL_LATENT_RAMP, draw_lights
from iclight_local.light import parse_lights
from iclight_local.result import Progress
from iclight_local.server.keys import KeyFile
from tests.fake_engine import FramedFake
from tests.server.live import Live, png
from tests.ui.at_page import AtPage, page_served, picture

MEASURES = {"delta_e": 3.0, "shift": [3, 4]}


class Held(FramedFake):
    """Shows previews, and goes on when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.free, self.begun = threading.Event(), threading.Event()
        self.free.set()

    def relight(self, request: Any, *, progress: Any = None) -> Any:
        # As engines give them where the result is transparent.
        preview = Image.new("RGBA", (32, 40), (200, 120, 40, 200))
        while not self.free.wait(0.01):
            progress(Progress("lowres", 1, 4, preview))
            self.begun.set()
        result = super().relight(request, progress=progress)
        return replace(result, record={**result.record, "measures": MEASURES})


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with page_served(tmp_path_factory.mktemp("told"), engine=Held()) as live:
        yield live


@pytest.fixture
def me(served: Live) -> Iterator[AtPage]:
    yield AtPage(served)
    served.engine.free.set()
    served.engine.begun.clear()
    served.engine.error = None


def relit(me: AtPage, **values: Any) -> dict[str, Any]:
    (told,) = me.press("Relight", {"Picture": picture(me.upload(png((60, 40)))), **values})
    return me.wait(told["job"])


def test_a_running_job_shows_how_far_it_is_and_a_waiting_one_how_many_are_before_it(me: AtPage, served: Live) -> None:
    served.engine.free.clear()
    photo = {"Picture": picture(me.upload(png()))}
    ids = [me.press("Relight", photo)[0]["job"] for _ in range(6)]
    assert served.engine.begun.wait(10)
    told = [me.get(f"/page/jobs/{job}").json for job in ids]
    assert [each["state"] for each in told].count("running") == 4
    assert told[0]["progress"] == 0.25 and told[0]["final"] is False and told[0]["seeds"] == []
    assert [each["position"] for each in told if each["state"] == "queued"] == [4, 5]
    assert told[5]["copies"] == [] and "preview" not in told[5]
    preview = me.get("/" + told[0]["preview"])
    assert preview.headers["content-type"] == "image/jpeg" and preview.image.size == (32, 40)
    assert me.get(f"/page/jobs/{ids[5]}/preview").json == {"error": "There is no preview."}
    assert me.get(f"/page/jobs/{ids[5]}/before").json == {"error": "The job has no result yet, or no longer."}
    assert served.call("DELETE", f"/ui/page/jobs/{ids[0]}", None, me.headers).json == {}
    assert me.wait(ids[0])["state"] == "cancelled"
    served.engine.free.set()
    assert {me.wait(job)["state"] for job in ids[1:]} == {"done"}
    # The newest first.
    assert [each["id"] for each in me.get("/page/jobs").json["jobs"]] == ids[::-1]


def test_a_job_that_is_done_tells_of_each_result(me: AtPage) -> None:
    told = relit(me, **{"number of images": 12, "output format": "webp", "fit": "input", "seed": "5"})
    assert told["shape"] == 1.5 and len(told["images"]) == 12 and told["seeds"] == ["5"] * 12
    first, last = told["images"][0], told["images"][11]
    assert (first["name"], last["name"]) == ("relight-5-1.webp", "relight-5-12.webp")
    assert first["told"].startswith("60 x 40, WEBP, ") and first["figures"][0][1] == "ΔE 3.0"
    answer = me.get("/" + last["url"])
    assert answer.headers["content-type"] == "image/webp" and answer.image.size == (60, 40)
    assert me.get(f"/page/jobs/{told['id']}/12").status == 404
    # The list knows the same addresses without reading a file.
    (listed,) = me.get("/page/jobs").json["jobs"]
    assert [each["url"] for each in listed["images"]] == [each["url"] for each in told["images"]]


def test_copies_name_the_server_as_the_browser_does(me: AtPage, served: Live) -> None:
    told = relit(me)
    host = {**me.headers, "host": f"localhost:{served.port}"}
    copies = dict(served.get(f"/ui/page/jobs/{told['id']}", host).json["copies"])
    assert f"curl http://localhost:{served.port}/relight" in copies["curl: this server's own API"]


@pytest.mark.parametrize(("kind", "mode"), [("png", "RGBA"), ("webp", "RGBA"), ("jpeg", "RGB")])
def test_before_and_after_have_one_shape(kind: str, mode: str, me: AtPage) -> None:
    behind = {"background mode": "transparent"} if mode == "RGBA" else {}
    told = relit(me, **{"output format": kind, "fit": "input", **behind})
    before, after = me.get("/" + told["before"]), me.get("/" + told["images"][0]["url"])
    assert before.image.size == after.image.size and after.image.mode == mode
    assert before.headers["content-type"] == "image/webp" and after.headers["content-type"] == f"image/{kind}"
    assert abs(np.asarray(before.image.convert("RGB")).astype(int) - (120, 90, 60)).max() < 6


def test_a_cut_out_and_its_before_are_shown_among_the_jobs(me: AtPage) -> None:
    _, cut, _ = me.press("Show the cut-out", {"Picture": picture(me.upload(png()))})
    told = me.wait(cut["job"])
    assert told["what"] == "Cut-out" and told["images"][0]["figures"] == [] and told["copies"] == []
    assert me.get("/" + told["before"]).status == 200


def test_a_failed_job_says_why(me: AtPage, served: Live) -> None:
    served.engine.error = EngineError("The card went away.")
    told = relit(me)
    assert (told["state"], told["error"], told["images"]) == ("failed", "The card went away.", [])


def test_a_job_whose_files_are_gone_is_no_longer_there(me: AtPage, served: Live) -> None:
    told = relit(me)
    shutil.rmtree(served.service.store.folder / "pictures" / told["id"])
    for part in ("/0", "/before"):
        assert me.get(f"/page/jobs/{told['id']}{part}").status in (400, 404)
    gone = me.get("/page/jobs/unknown")
    assert (gone.status, gone.json) == (404, {"error": "There is no such job, or no longer."})


def test_details_of_a_job_that_was_never_shown_and_is_gone(tmp_path: Path) -> None:
    with page_served(tmp_path / "jobs") as live:
        me = AtPage(live)
        (told,) = me.press("Relight", {"Picture": picture(me.upload(png()))})
        deadline = time.monotonic() + 10
        while (job := live.service.store.get(told["job"])) is None or not job.final:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        shutil.rmtree(live.service.store.folder / "pictures" / job.id)
        gone = me.get(f"/page/jobs/{job.id}")
        assert (gone.status, gone.json) == (404, {"error": "There is no such job, or no longer."})
        # Nor is the list broken by it.
        assert len(me.get("/page/jobs").json["jobs"]) == 1


def test_jobs_of_the_api_stand_beside_those_of_the_page(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    key = keys.add("ann")
    with page_served(tmp_path / "jobs", keys=keys) as live:
        headers = {"x-api-key": key}
        assert live.form("/v2/edit", {"imageFile": png(), "lighting.mode": "ai.auto"}, headers).status == 200
        me = AtPage(live, key)
        (job,) = me.get("/page/jobs").json["jobs"]
        told = me.wait(job["id"])
        assert told["what"] == "photoroom" and told["copies"] == []
        assert me.get("/" + told["before"]).status == 200 and me.get("/" + told["images"][0]["url"]).status == 200


@pytest.mark.parametrize("text", ["left", "top-left 3200K softbox 0.8", "left #ff0000 + right #0000ff", "back"])
def test_the_shown_light_map_is_the_one_that_the_model_gets(text: str, me: AtPage) -> None:
    answer = me.get(f"/page/light?light={quote(text)}")
    assert answer.headers["content-type"] == "image/png"
    drawn = draw_lights(parse_lights(text), 256, 320, INITIAL_LATENT_RAMP, None)
    assert (np.asarray(answer.image) == drawn).all()


@pytest.mark.parametrize("query", ["", "?light=", "?light=moon", "?light=" + "left%2B" * 40, "?light=%00"])
def test_a_light_that_is_none_gets_its_sentence(query: str, me: AtPage) -> None:
    answer = me.get(f"/page/light{query}")
    assert answer.status == 400 and set(answer.json) == {"error"} and answer.json["error"].endswith((".", "?"))


def test_a_sheet_of_large_results_is_drawn_smaller(me: AtPage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iclight_local.ui.routes._SHEET_PIXELS", 60 * 40 * 2 // 4)
    ids = [relit(me, seed=str(seed), fit="input", light="left")["id"] for seed in (1, 2)]
    sheet = me.get(f"/page/sheet?jobs={','.join(ids)}").image
    assert 2 * 30 < sheet.width < 2 * 60 and sheet.mode == "RGB"
    for query in ("", "?jobs=", "?jobs=unknown,,../.."):
        assert me.get(f"/page/sheet{query}").json == {"error": "None of these jobs has a result."}


def test_a_fault_of_the_program_is_one_sentence(me: AtPage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iclight_local.ui.routes.parse_lights", lambda text: 1 / 0)
    answer = me.get("/page/light?light=left")
    assert (answer.status, answer.json) == (500, {"error": "The page failed at this; the server's log says why."})


def test_the_parts_of_the_page_are_there(me: AtPage) -> None:
    for name, kind in (("page.js", "javascript"), ("page.css", "text/css"), ("icon.svg", "svg")):
        answer = me.get(f"/page/static/{name}")
        assert answer.status == 200 and kind in answer.headers["content-type"]
    for name in ("", "../routes.py", "%2e%2e/routes.py", "nothing.js"):
        assert me.get(f"/page/static/{name}").status == 404


def test_a_picture_goes_back_as_its_very_file(me: AtPage, served: Live) -> None:
    """With its record inside: it can be dropped back in."""
    told = relit(me, seed="77")
    data = me.get("/" + told["images"][0]["url"]).data
    job = served.service.store.get(told["id"])
    assert job is not None
    file = served.service.store.output(job, 0)
    assert file is not None and data == file.read_bytes()
    assert Image.open(io.BytesIO(data)).size == (60, 40)
