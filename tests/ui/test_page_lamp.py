"""The lamp: by hand, by keyboard, by its words."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from iclight_local.light import parse_lights

pytestmark = pytest.mark.browser


def drawn(visitor):
    """Wait until the light map is that of the words in the field; uint8 H x W x 3 as int."""
    light_map = visitor.page.locator("iclight-lamp [data-is=map]")
    expect(light_map).to_have_attribute("alt", f"The light map: {visitor.light()}")
    expect(light_map).to_be_visible()
    pixels = light_map.evaluate("""(image) => {
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
        canvas.getContext("2d").drawImage(image, 0, 0);
        return canvas.toDataURL();
    }""")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(pixels.split(",")[1]))).convert("RGB")).astype(int)


def test_by_hand_it_says_where_the_light_comes_from_and_shows_it(visitor):
    pad = visitor.page.locator(".lamp-pad")
    visitor.drag_lamp(-1, 0)
    assert visitor.light() == "left"
    expect(pad).to_have_attribute("aria-valuetext", "left")
    left = drawn(visitor)
    assert left.shape == (320, 256, 3) and left[:, :20].mean() > left[:, -20:].mean() + 150
    visitor.drag_lamp(0, 1)
    assert visitor.light() == "top"
    top = drawn(visitor)
    assert top[:20].mean() > top[-20:].mean() + 150
    # Between the words it counts in degrees.
    visitor.drag_lamp(0.4, 0)
    assert re.fullmatch(r"azimuth=2\d elevation=0", visitor.light())


def test_by_keyboard_it_moves_and_takes_words(visitor):
    pad = visitor.page.locator(".lamp-pad")
    pad.focus()
    pad.press("ArrowRight")
    # Away from the front, from where it starts, at once.
    assert visitor.light() == "azimuth=6 elevation=0"
    pad.press("ArrowUp")
    assert visitor.light() == "azimuth=6 elevation=6"
    pad.press("ArrowDown")
    for _ in range(12):
        pad.press("ArrowRight")
    assert visitor.light() == "right"
    expect(visitor.page.get_by_role("button", name="right", exact=True)).to_have_attribute("aria-pressed", "true")
    for _ in range(22):
        pad.press("ArrowLeft")
    assert visitor.light() == "left"
    azimuth = visitor.page.get_by_role("slider", name="Azimuth")
    azimuth.press("ArrowRight")
    assert visitor.light() == "azimuth=-89 elevation=0"
    azimuth.press("ArrowLeft")
    assert visitor.light() == "left"


def test_its_words_and_what_is_typed_are_one(visitor):
    lamp = visitor.page.locator("iclight-lamp")
    lamp.get_by_role("button", name="top left").click()
    assert visitor.light() == "top-left"
    lamp.get_by_role("combobox", name="Type").select_option("softbox")
    lamp.get_by_role("combobox", name="Colour").select_option("kelvin")
    assert visitor.light() == "top-left 3200K softbox"
    field = visitor.page.locator("#light").locator("textarea, input").first
    field.fill("bottom-right #ff0000 sunlight 0.5")
    expect(lamp.get_by_role("button", name="bottom right")).to_have_attribute("aria-pressed", "true")
    expect(lamp.get_by_role("slider", name="Intensity")).to_have_js_property("value", "0.5")
    expect(lamp.get_by_role("combobox", name="Type")).to_have_value("sunlight")
    red = drawn(visitor)
    assert red[..., 0].max() > 60 and red[..., 2].max() < 40
    lamp.get_by_role("button", name="none").click()
    assert visitor.light() == ""
    expect(visitor.page.locator("iclight-lamp [data-is=map]")).to_be_hidden()


def test_light_from_behind_stays_behind_when_the_lamp_is_moved(visitor):
    lamp = visitor.page.locator("iclight-lamp")
    lamp.get_by_role("button", name="back").click()
    expect(lamp.get_by_role("checkbox", name="from behind")).to_be_checked()
    visitor.drag_lamp(0.5, 0)
    assert abs(parse_lights(visitor.light())[0].azimuth) > 120


def test_a_look_sets_prompt_and_light(visitor):
    visitor.page.get_by_role("combobox", name="Look").click()
    visitor.page.get_by_role("option", name="Neon").click()
    expect(visitor.page.locator("#prompt textarea")).to_have_value(re.compile("neon"))
    expect(visitor.page.locator(".lamp-pad")).to_have_attribute("aria-valuetext", re.compile("^left #ff2f6d"))
    pixels = drawn(visitor)
    assert np.abs(pixels[:, :10].mean((0, 1)) - pixels[:, -10:].mean((0, 1))).max() > 60
