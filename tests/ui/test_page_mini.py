"""The whole way with the embedded miniature: a photograph is dropped, the lamp dragged, the result brought home."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import expect

from iclight_local.assemble import engine_from
from iclight_local.imaging.linear import luminance, to_linear
from iclight_local.imaging.metadata import read_record
from iclight_local.settings import load_settings
from iclight_local.ui.mounting import open_facts
from tests.ui.browsing import DESKTOP, Visitor, serving_page

pytestmark = pytest.mark.browser

MINI = Path(__file__).parents[2] / "weights" / "mini"
PORTRAIT = MINI / "examples" / "portrait.jpg"


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    """A server as ``iclight ui`` starts it where nothing was downloaded."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    folder = tmp_path_factory.mktemp("mini")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("iclight_local.embedded.PLACES", (MINI,))
        settings = load_settings({"home": folder, "device": "cpu"})
        engine = engine_from(settings, lasting=True)
        with serving_page(folder / "jobs", engine=engine, facts=open_facts(settings)) as live:
            yield live
        engine.close()
    torch.set_num_threads(threads)


def halves(path):
    """Mean luminance of a picture's left and right half, in linear light."""
    light = luminance(to_linear(np.asarray(Image.open(path).convert("RGB"))))
    middle = light.shape[1] // 2
    return float(light[:, :middle].mean()), float(light[:, middle:].mean())


def test_a_portrait_is_lit_from_where_the_lamp_was_dragged_to(browser, mini, tmp_path):
    with browser.new_context(viewport=DESKTOP) as context:
        visitor = Visitor(context, mini.url)
        visitor.open()
        expect(visitor.page.get_by_text("The embedded miniature relights")).to_be_visible()
        visitor.drop(PORTRAIT)
        visitor.page.locator("#prompt textarea").fill("a portrait")
        visitor.drag_lamp(-1, 0)
        visitor.page.get_by_role("button", name="Size and number").click()
        visitor.page.get_by_role("spinbutton", name=re.compile("highres scale")).fill("1")
        visitor.page.get_by_role("textbox", name=re.compile("seed")).fill("12345")
        visitor.page.get_by_role("button", name="Advanced").click()
        visitor.page.get_by_role("textbox", name=re.compile("steps")).fill("5")
        visitor.relight()
        coming = visitor.download(patience_ms=120_000)
        result = tmp_path / coming.suggested_filename
        coming.save_as(result)
        figures = visitor.element("relight").get_by_role("table")
        expect(figures).to_contain_text(re.compile(r"colour.*ΔE.*detail.*alignment.*brightness"))
        assert visitor.faults == []
        visitor.tab("Providers")
        told = visitor.page.locator("#providers")
        expect(told).to_contain_text("pictures are relit on this machine and none leaves it")
        expect(told.get_by_role("row", name=re.compile("segmind")).first).to_contain_text(
            re.compile(r"segmind\S*\s*no")
        )
    before, after = halves(PORTRAIT), halves(result)
    # In the photograph it is the right half that is brighter.
    assert before[0] < before[1] and after[0] > 1.05 * after[1]
    knobs = read_record(result, offline=True)["request"]
    assert result.name == "relight-12345-1.png" and (knobs["seed"], knobs["steps"]) == (12345, 5)
    assert (knobs["light"], knobs["prompt"], knobs["width"], knobs["fit"]) == ("left", "a portrait", 256, "input")
