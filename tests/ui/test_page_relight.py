"""From a picture to a result, in front of an engine that changes red for blue."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from iclight_local.errors import EngineError
from iclight_local.imaging.metadata import read_record
from tests.ui.browsing import photograph, shot

pytestmark = pytest.mark.browser


def test_what_stands_on_the_page_is_what_the_engine_gets(visitor, photo, live, tmp_path):
    visitor.give(photo)
    visitor.page.locator("#prompt textarea").fill("a sunset")
    visitor.drag_lamp(-1, 0)
    visitor.relight()
    visitor.sentence("relight", re.compile(r"^Done: seed \d+\.$"))
    asked = live.engine.requests[-1]
    assert (asked.prompt, asked.light, asked.number_of_images) == ("a sunset", "left", 1)
    coming = visitor.download()
    file = tmp_path / coming.suggested_filename
    coming.save_as(file)
    record = read_record(file, offline=True)
    assert record["request"]["prompt"] == "a sunset" and file.name == f"relight-{record['seed']}-1.png"
    relit, given = np.asarray(Image.open(file)), np.asarray(Image.open(photo))
    assert relit.shape == given.shape and (relit[:, :80] == given[:, :80, ::-1]).all()
    assert visitor.faults == []


def test_without_a_picture_one_sentence_asks_for_it(visitor, live):
    before = len(live.engine.requests)
    visitor.relight()
    visitor.refusal("relight", "There is no picture yet: drop one, take one with the camera, or give its address.")
    assert len(live.engine.requests) == before


def test_a_text_that_is_called_a_picture_gets_its_sentence(visitor, live, tmp_path):
    wrong = tmp_path / "photo.png"
    wrong.write_text("no picture at all")
    visitor.page.set_input_files("#subject input[type=file]", wrong)
    visitor.page.wait_for_selector("#subject img", state="attached")
    visitor.relight()
    told = "subject_image is text: a PNG, JPEG, WebP or TIFF picture is needed; give a picture file."
    visitor.sentence("relight", told)


def test_a_wrong_value_gets_its_sentence(visitor, photo):
    visitor.give(photo)
    visitor.page.locator("#light textarea, #light input").first.fill("from the moon")
    visitor.relight()
    visitor.refusal("relight", re.compile("moon"))
    # The lamp says so before anything is asked.
    expect(visitor.page.locator("iclight-lamp .sentence")).to_have_text(re.compile("moon"))


def test_a_job_is_shown_while_it_runs_and_can_be_cancelled(visitor, photo, live):
    live.engine.free.clear()
    visitor.give(photo)
    visitor.relight()
    result = visitor.element("relight")
    expect(result.locator(".result-preview")).to_be_visible()
    expect(result.get_by_role("progressbar")).to_have_js_property("value", 0.5)
    visitor.sentence("relight", "Relighting: 50 %")
    result.get_by_role("button", name="Cancel").click()
    visitor.sentence("relight", "Cancelled.")
    expect(result.locator(".result-preview")).to_have_count(0)
    assert [job["state"] for job in visitor.jobs()] == ["cancelled"]


def test_a_refusal_does_not_end_the_job_before_it(visitor, photo, live):
    live.engine.free.clear()
    visitor.give(photo)
    visitor.relight()
    visitor.sentence("relight", "Relighting: 50 %")
    visitor.page.locator("#light").locator("textarea, input").first.fill("from the moon")
    visitor.relight()
    visitor.refusal("relight", re.compile("moon"))
    live.engine.free.set()
    visitor.done()
    visitor.refusal("relight", re.compile("moon"))


def test_what_fails_says_why(visitor, photo, live, monkeypatch):
    monkeypatch.setattr(live.engine, "error", EngineError("The lamp is broken."))
    visitor.give(photo)
    visitor.relight()
    visitor.sentence("relight", "The lamp is broken.")
    expect(visitor.element("relight")).to_have_class(re.compile("failed"))


def test_before_and_after_part_where_the_slider_stands(visitor, photo):
    visitor.give(photo)
    visitor.relight()
    visitor.done()
    frame, slider = visitor.element("relight").locator(".compare"), visitor.element("relight").get_by_role("slider")
    expect(frame.locator("img")).to_have_count(2)
    visitor.page.wait_for_function("[...document.querySelectorAll('.compare img')].every((each) => each.naturalWidth)")

    def part() -> float:
        """Where the photograph's red ends and the result's blue begins, in the frame's left half, 0 to 1."""
        row = shot(frame)[60].astype(int)
        half = row[: len(row) // 2]
        return float((half[:, 0] > half[:, 2]).mean()) / 2

    slider.focus()
    slider.press("Home")
    assert part() < 0.02
    for _ in range(40):
        slider.press("ArrowRight")
    assert slider.input_value() == "20" and 0.17 < part() < 0.23
    slider.press("End")
    assert part() > 0.47


def test_several_results_stand_in_a_gallery_with_their_seeds(visitor, photo):
    visitor.give(photo)
    visitor.page.get_by_role("button", name="Size and number").click()
    visitor.page.get_by_role("spinbutton", name=re.compile("number of images")).fill("2")
    visitor.page.get_by_role("textbox", name=re.compile("seed")).fill("77")
    visitor.relight()
    visitor.done()
    second = visitor.element("relight").get_by_role("button", name=re.compile("seed 77, picture 2"))
    second.click()
    assert visitor.download().suggested_filename == "relight-77-2.png"


def test_a_result_dropped_back_brings_its_settings(visitor, photo, tmp_path):
    visitor.give(photo)
    visitor.page.locator("#prompt textarea").fill("a candle")
    visitor.page.locator("iclight-lamp").get_by_role("button", name="top right", exact=True).click()
    visitor.page.get_by_role("button", name="Size and number").click()
    visitor.page.get_by_role("textbox", name=re.compile("seed")).fill("4711")
    visitor.relight()
    visitor.done()
    result = tmp_path / "result.png"
    visitor.download().save_as(result)

    visitor.open()
    visitor.give(result)
    expect(visitor.page.locator("#prompt textarea")).to_have_value("a candle")
    expect(visitor.page.locator("#note")).to_contain_text("The settings of this result are in the fields")
    assert visitor.light() == "top-right"
    pressed = visitor.page.locator("iclight-lamp").get_by_role("button", name="top right", exact=True)
    expect(pressed).to_have_attribute("aria-pressed", "true")
    visitor.page.get_by_role("button", name="Size and number").click()
    expect(visitor.page.get_by_role("textbox", name=re.compile("seed"))).to_have_value("4711")


def test_a_picture_that_is_no_result_has_no_settings_to_bring(visitor, tmp_path):
    plain = photograph(tmp_path / "plain.png")
    with visitor.page.expect_file_chooser() as choosing:
        visitor.page.locator("#restore").click()
    choosing.value.set_files(plain)
    expect(visitor.page.locator("#note")).to_contain_text("record")


def test_what_was_done_can_be_copied_in_other_words(visitor, photo):
    visitor.give(photo)
    visitor.page.locator("#prompt textarea").fill("it's dusk")
    visitor.relight()
    visitor.done()
    result = visitor.element("relight")
    result.get_by_text("Copy as", exact=True).click()
    text = result.locator("pre")
    expect(text).to_contain_text("iclight relight subject.png --prompt 'it'\"'\"'s dusk'")
    result.get_by_role("combobox", name="Copy as").select_option(label="Python")
    expect(text).to_contain_text('prompt="it\'s dusk"')
