"""What the page's buttons ask for, and every sentence that they answer with."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from iclight_local.result import Progress
from tests.fake_engine import FramedFake
from tests.server.live import Live, png
from tests.ui.at_page import AtPage, page_served, painted, picture


class Recorded(FramedFake):
    """Its records are those of whole relights, which can be asked for again."""

    def relight(self, request: Any, *, progress: Any = None) -> Any:
        result = super().relight(request, progress=progress)
        return replace(result, record={**result.record, "kind": "relight"})


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with page_served(tmp_path_factory.mktemp("asking"), engine=Recorded(), fetch=lambda url: png((30, 20))) as live:
        yield live


@pytest.fixture
def me(served: Live) -> AtPage:
    return AtPage(served)


@pytest.fixture
def photo(me: AtPage) -> dict[str, Any]:
    return {"Picture": picture(me.upload(png((60, 40))))}


def layer(colour: tuple[int, int, int], box: tuple[int, int, int, int]) -> bytes:
    found = Image.new("RGBA", (60, 40), (0, 0, 0, 0))
    found.paste((*colour, 255), box)
    buffer = io.BytesIO()
    found.save(buffer, "png")
    return buffer.getvalue()


def array(source: Any) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(source)))


def test_a_relight_asks_for_what_stands_in_the_fields(me: AtPage, served: Live, photo: dict[str, Any]) -> None:
    values = {"prompt": "a sunset", "light": "left 3200K", "steps": 7, "seed": str(2**63 - 1), "fit": "input"}
    (told,) = me.press("Relight", {**photo, **values})
    job = me.wait(told["job"])
    assert job["state"] == "done" and job["seeds"] == [str(2**63 - 1)] and job["what"].startswith("Relight · a sunset")
    asked = served.engine.requests[-1]
    assert (asked.prompt, asked.light, asked.steps, asked.seed, asked.fit) == (
        *list(values.values())[:3],
        2**63 - 1,
        "input",
    )
    assert asked.subject_image == png((60, 40))


def test_an_address_is_fetched_as_the_servers_own_calls_are(me: AtPage, served: Live) -> None:
    (told,) = me.press("Relight", {"or its address": " https://example.org/a.png "})
    job = me.wait(told["job"])
    assert served.engine.requests[-1].subject_image == png((30, 20))
    # What it was stands beside what it became.
    before = me.get("/" + job["before"])
    assert (
        before.status == 200
        and before.image.size == Image.open(io.BytesIO(me.get("/" + job["images"][0]["url"]).data)).size
    )
    assert any("https://example.org/a.png" in text for _, text in job["copies"])


def test_before_is_the_subject_whatever_was_sent_along(me: AtPage, photo: dict[str, Any]) -> None:
    """Files of a job lie in the order of their names, in which a background is the first."""
    green = io.BytesIO()
    Image.new("RGB", (60, 40), (0, 255, 0)).save(green, "png")
    (told,) = me.press("Relight", {**photo, "background": picture(me.upload(green.getvalue()))})
    before = me.get("/" + me.wait(told["job"])["before"]).image.convert("RGB")
    original = Image.open(io.BytesIO(png((60, 40)))).convert("RGB").getpixel((5, 5))
    assert np.abs(np.subtract(before.getpixel((5, 5)), original)).max() < 12


@pytest.mark.parametrize(
    ("button", "values", "sentence"),
    [
        ("Relight", {}, "There is no picture yet: drop one, take one with the camera, or give its address."),
        (
            "Relight",
            {"or its address": "nowhere"},
            'The picture\'s address is "nowhere", but must begin with https://.',
        ),
        ("Relight", {"light": "from the moon"}, "moon"),
        ("Relight", {"seed": "-1"}, "seed is -1, but must be a whole number"),
        ("Relight", {"prompt": "a" * 3000}, "prompt has 3000 letters, but may have 2000 at most"),
        ("Relight", {"steps": 0}, "steps"),
        ("Relight", {"The light comes from": "a painted map"}, "The light shall be painted, and nothing was"),
        (
            "Relight",
            {"The light comes from": "another picture"},
            "The light shall be another picture's, and there is none",
        ),
        ("Relight them all", {"Lights": [], "and these": " , "}, "There is no light: choose some, or write one."),
        ("Relight them all", {"Lights": ["left"], "and these": "the moon"}, "moon"),
        (
            "Relight them all",
            {"and these": ",".join(f"left {n / 50}" for n in range(41))},
            "45 lights, but a sheet has 40 at most",
        ),
        ("Estimate the normals", {"steps": 0}, "steps"),
    ],
)
def test_every_mistake_has_its_sentence(
    button: str, values: dict[str, Any], sentence: str, me: AtPage, served: Live, photo: dict[str, Any]
) -> None:
    before = len(served.engine.requests)
    bare = not values or "or its address" in values
    (told,) = me.press(button, values if bare else {**photo, **values})
    assert set(told) == {"error"} and sentence in told["error"] and "\n" not in told["error"]
    assert len(served.engine.requests) == before


def test_a_file_that_is_no_picture_fails_with_its_sentence(me: AtPage) -> None:
    (told,) = me.press("Relight", {"Picture": picture(me.upload(b"no picture at all"))})
    job = me.wait(told["job"])
    assert job["state"] == "failed" and job["error"].startswith("subject_image is text: a PNG, JPEG, WebP or TIFF")


def test_a_failure_of_the_program_is_told_and_logged(
    me: AtPage, photo: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("iclight_local.ui.asking.given", lambda *_: 1 / 0)
    (told,) = me.press("Relight", photo)
    assert told == {"error": "The page failed at this; the server's log says why."}
    assert any(record.exc_info for record in caplog.records)


def test_a_contact_sheet_has_one_seed_and_every_light_once(me: AtPage, served: Live, photo: dict[str, Any]) -> None:
    lights = {"Lights": ["left", "right"], "and these": "left, top 2700K ,"}
    # The first tab's own light is no part of it, wherever it is taken from.
    (told,) = me.press(
        "Relight them all", {**photo, **lights, "number of images": 3, "The light comes from": "a painted map"}
    )
    assert [light for light, _ in told["jobs"]] == ["left", "right", "top 2700K"]
    jobs = [me.wait(job) for _, job in told["jobs"]]
    asked = served.engine.requests[-3:]
    assert len({request.seed for request in asked}) == 1
    assert {request.light for request in asked} == {"left", "right", "top 2700K"}
    assert all(request.number_of_images == 1 and request.light_map is None for request in asked)
    sheet = me.get(f"/page/sheet?jobs={','.join(job['id'] for job in jobs)},unknown")
    assert sheet.status == 200 and sheet.image.width > 3 * 60


def test_a_sheet_that_is_not_taken_whole_leaves_nothing(tmp_path: Path) -> None:
    with page_served(tmp_path / "jobs", most_waiting=2, start=False) as live:
        me = AtPage(live)
        (told,) = me.press(
            "Relight them all", {"Picture": picture(me.upload(png())), "Lights": ["left", "right", "top"]}
        )
        assert told == {"error": "2 jobs wait and no more are taken now: try again later."}
        assert [job["state"] for job in me.get("/page/jobs").json["jobs"]] == ["cancelled"] * 2


def test_normals_leave_out_what_has_no_meaning_for_them(me: AtPage, served: Live, photo: dict[str, Any]) -> None:
    more = {"light": "left", "number of images": 2, "fit": "input", "background": picture(me.upload(png()))}
    (told,) = me.press("Estimate the normals", {**photo, **more, "The light comes from": "another picture", "steps": 9})
    job = me.wait(told["job"])
    assert job["state"] == "done" and job["what"] == "Normals" and job["copies"] == []
    assert job["images"][0]["name"].startswith("normals-")
    asked = served.engine.requests[-1]
    assert asked.steps == 9 and asked.light is None and asked.number_of_images == 1


def test_the_shown_cut_out_can_be_corrected(me: AtPage, served: Live, photo: dict[str, Any]) -> None:
    editor, cut, note = me.press("Show the cut-out", photo)
    assert note["visible"] is False
    shown = me.get("/gradio_api/file=" + editor["background"]["path"])
    pixels = np.asarray(shown.image.convert("RGB")).astype(int)
    assert pixels.shape == (40, 60, 3)
    assert abs(pixels[:, :28] - (120, 90, 60)).max() < 12 and pixels[:, 32:, 0].min() > 150
    number, data = me.pressed("Relight", photo)
    strokes = painted(me.upload(layer((24, 184, 90), (40, 0, 50, 40))))
    work = next(each for each in me.config["dependencies"] if each["id"] == number)
    labels = {part["id"]: part["props"].get("label") for part in me.config["components"]}
    data = [
        cut if value == {} else strokes if labels[part] == "Cut-out" else value
        for part, value in zip(work["inputs"], data, strict=True)
    ]
    me.wait(me.call(number, data).json["data"][0]["job"])
    matte = array(served.engine.requests[-1].matte)
    assert (matte[:, :30] == 255).all() and (matte[:, 40:50] == 255).all() and (matte[:, 52:] == 0).all()
    # Nothing painted: the segmenter's own matte is as good.
    data = [painted() if value == strokes else value for value in data]
    me.wait(me.call(number, data).json["data"][0]["job"])
    assert served.engine.requests[-1].matte is None
    # Another picture: the strokes are not its.
    other = picture(me.upload(png((60, 40))))
    data = [other if value == photo["Picture"] else strokes if value == painted() else value for value in data]
    me.wait(me.call(number, data).json["data"][0]["job"])
    assert served.engine.requests[-1].matte is None


@pytest.mark.parametrize("cut", [None, [], "x", {"job": 3}, {"job": ["x"]}, {"subject": 3}])
def test_a_made_up_cut_out_is_none(cut: Any, me: AtPage, photo: dict[str, Any]) -> None:
    number, data = me.pressed("Relight", photo)
    told = me.call(number, [cut if value == {} else value for value in data]).json["data"][0]
    assert me.wait(told["job"])["state"] == "done"


def test_a_cut_out_without_a_picture_and_one_that_fails_say_so(me: AtPage) -> None:
    _, cut, note = me.press("Show the cut-out")
    assert cut == {} and note["visible"] and note["value"].startswith("There is no picture yet: drop one")
    _, _, note = me.press("Show the cut-out", {"Picture": picture(me.upload(b"nothing"))})
    assert "a PNG, JPEG, WebP or TIFF picture is needed" in note["value"]


def test_who_goes_away_ends_the_cut_out(tmp_path: Path) -> None:
    """It would hold the engine up for nobody."""

    class Slow(FramedFake):
        def cut_out(self, request: Any, *, progress: Any = None) -> Any:
            for step in range(500):
                progress(Progress("segment", step, 500))
                time.sleep(0.02)
            return super().cut_out(request, progress=progress)

    with page_served(tmp_path / "jobs", engine=Slow()) as live:
        me = AtPage(live)
        values = {"Picture": picture(me.upload(png()))}
        live.patience = 0.5
        with pytest.raises(TimeoutError):
            me.press("Show the cut-out", values)
        live.patience = 20
        # A busy machine may not have come to it yet.
        until = time.monotonic() + 20
        while not (jobs := me.get("/page/jobs").json["jobs"]) and time.monotonic() < until:
            time.sleep(0.05)
        (job,) = jobs
        assert me.wait(job["id"])["state"] == "cancelled"


def test_a_painted_light_and_anothers_light_reach_the_engine(me: AtPage, served: Live, photo: dict[str, Any]) -> None:
    strokes = painted(me.upload(layer((255, 255, 255), (0, 0, 20, 40))))
    values = {"Light map": strokes, "The light comes from": "a painted map", "light": "right"}
    (told,) = me.press("Relight", {**photo, **values})
    assert me.wait(told["job"])["state"] == "done"
    asked = served.engine.requests[-1]
    light = array(asked.light_map)
    assert light.shape == (640, 512, 3) and light[:, :160].min() == 255 and light[:, 190:].max() == 0
    assert asked.light is None
    (told,) = me.press(
        "Relight", {**photo, "The light comes from": "another picture", "light reference": photo["Picture"]}
    )
    assert me.wait(told["job"])["state"] == "done"
    assert served.engine.requests[-1].light_reference == png((60, 40))


def test_a_bomb_in_the_place_of_a_stroke_is_not_decoded(me: AtPage, photo: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    Image.new("1", (7000, 7000)).save(buffer, "png")
    strokes = painted(me.upload(buffer.getvalue()))
    (told,) = me.press("Relight", {**photo, "Light map": strokes, "The light comes from": "a painted map"})
    assert told == {"error": "A painted layer has 7000 x 7000 pixels: load the page again."}


def test_a_result_brings_its_settings_back(me: AtPage, photo: dict[str, Any]) -> None:
    (told,) = me.press("Relight", {**photo, "prompt": "a candle", "light": "top-left", "seed": str(2**63 - 1)})
    result = me.get(f"/page/jobs/{told['job']}/0") if me.wait(told["job"])["state"] == "done" else None
    assert result is not None
    note, light_from, *values = restored(me, result.data)
    assert "The settings of this result are in the fields" in note["value"] and light_from == "the lamp"
    assert {"a candle", "top-left", str(2**63 - 1)} <= {value for value in values if isinstance(value, str)}
    note, *rest = restored(me, png())
    assert note["visible"] and "record" in note["value"]
    assert all(value == {"__type__": "update"} for value in rest)


def restored(me: AtPage, data: bytes) -> list[Any]:
    """What the page's fields become of a result that is put there."""
    (button,) = [part["id"] for part in me.config["components"] if part["props"].get("elem_id") == "restore"]
    (work,) = [each for each in me.config["dependencies"] if [button, "upload"] in each["targets"]]
    return list(me.call(work["id"], [picture(me.upload(data))]).json["data"])
