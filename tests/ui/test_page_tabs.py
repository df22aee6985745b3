"""The other tabs, and what the browser asks for: nothing beyond this server."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_a_contact_sheet_of_two_lights(visitor, photo, live, tmp_path):
    visitor.give(photo)
    visitor.page.locator("#prompt textarea").fill("in a garden")
    visitor.tab("Contact sheet")
    for light in ("top", "bottom", "right"):
        visitor.page.get_by_role("checkbox", name=light, exact=True).uncheck()
    visitor.page.get_by_label("and these").fill("back 3000K")
    visitor.page.get_by_role("button", name="Relight them all").click()
    visitor.sentence("sheet", "2 of 2 lights.")
    expect(visitor.element("sheet").locator("figcaption")).to_have_text(["left", "back 3000K"])
    asked = live.engine.requests[-2:]
    assert {each.light for each in asked} == {"left", "back 3000K"}
    assert {each.prompt for each in asked} == {"in a garden"} and asked[0].seed == asked[1].seed is not None
    coming = visitor.download("sheet")
    coming.save_as(tmp_path / "sheet.png")
    one, sheet = Image.open(photo).size, Image.open(tmp_path / "sheet.png").size
    assert coming.suggested_filename == "sheet.png" and sheet[0] >= 2 * one[0] and sheet[1] > one[1]


def test_a_sheet_without_a_light_gets_its_sentence(visitor, photo):
    visitor.give(photo)
    visitor.tab("Contact sheet")
    for light in ("left", "top", "bottom", "right"):
        visitor.page.get_by_role("checkbox", name=light, exact=True).uncheck()
    visitor.page.get_by_role("button", name="Relight them all").click()
    visitor.refusal("sheet", "There is no light: choose some, or write one.")


def test_normals_and_the_jobs_of_this_browser(visitor, photo, live):
    visitor.give(photo)
    visitor.tab("Normals")
    visitor.page.get_by_role("button", name="Estimate the normals").click()
    visitor.done("normals")
    assert live.engine.requests[-1].model == "fbc"
    assert visitor.download("normals").suggested_filename.startswith("normals-")
    visitor.tab("Relight")
    visitor.relight()
    visitor.done()
    visitor.tab("Jobs")
    expect(visitor.page.locator("iclight-jobs article strong")).to_have_text(
        [re.compile("Relight"), re.compile("Normals")]
    )
    job = visitor.page.locator("iclight-jobs article").first
    assert visitor.fetch(job.locator("a").get_attribute("href")) == 200


def test_a_job_can_be_cancelled_in_the_list(visitor, photo, live):
    live.engine.free.clear()
    visitor.give(photo)
    visitor.relight()
    visitor.tab("Jobs")
    jobs = visitor.page.locator("iclight-jobs")
    jobs.get_by_role("button", name="Cancel").click()
    expect(jobs).to_contain_text("Cancelled.")


def test_all_comes_from_this_server_though_the_browser_can_reach_nothing_else(stranger, photo, live):
    visitor = stranger(live.url)
    reach = "() => fetch('http://198.51.100.7/', {mode: 'no-cors'}).then(() => 'there', () => 'nothing')"
    # From an empty page, whose policy forbids nothing: it is the way out that is not there.
    assert visitor.page.evaluate(reach) == "nothing"
    visitor.asked.clear()
    visitor.faults.clear()
    visitor.open()
    expect(visitor.page.get_by_role("heading", name="Relight")).to_be_visible()
    expect(visitor.page.get_by_role("tab")).to_have_text(["Relight", "Contact sheet", "Normals", "Jobs", "Providers"])
    letters = visitor.page.locator("#relight").evaluate("(each) => getComputedStyle(each).fontFamily")
    assert "system-ui" in letters and visitor.page.evaluate("document.fonts.size") == 0
    visitor.give(photo)
    visitor.drag_lamp(-1, 0)
    visitor.relight()
    visitor.done()
    shown = {
        "Contact sheet": "Relight them all",
        "Normals": "Estimate the normals",
        "Jobs": "Done",
        "Providers": "leaves",
    }
    for tab, text in shown.items():
        visitor.tab(tab)
        expect(visitor.page.get_by_text(re.compile(text)).locator("visible=true").first).to_be_visible()
    places = {(found.scheme, found.netloc) for found in map(urlsplit, visitor.asked)}
    host = urlsplit(live.url).netloc
    assert places == {("http", host), ("blob", "")}, [each for each in visitor.asked if host not in each]
    paths = [urlsplit(each).path for each in visitor.asked]
    for part in ("/ui/", "/ui/page/static/lamp.js", "/ui/page/static/page.css", "/ui/page/light", "/ui/page/jobs"):
        assert part in paths
    # Nothing was refused by the page's own policy, and nothing was missing.
    assert visitor.faults == []
