"""A phone, a keyboard, the dark."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect

from iclight_local.request import RelightRequest
from tests.ui.browsing import shot

pytestmark = pytest.mark.browser

_FOCUSED = """() => {
    const here = document.activeElement;
    if (here === document.body) return ["nowhere", ""];
    const places = ["#subject", "#prompt", "#light", "#relight"];
    const place = here.matches(".lamp-pad") ? "lamp" : places.find((each) => here.closest(each))?.slice(1);
    return [place ?? "", getComputedStyle(here).outlineStyle];
}"""
_WIDTHS = "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"


def test_on_a_phone_nothing_sticks_out_and_the_button_is_within_reach(phone, photo, live):
    visitor = phone
    # In sight, wherever the page is scrolled to.
    button = visitor.page.locator("#relight")
    expect(button).to_be_in_viewport(ratio=1)
    visitor.give(photo)
    for fold in ("Cut-out", "Background and what is kept", "Size and number", "Advanced"):
        visitor.page.get_by_role("button", name=fold).tap()
    whole, seen = visitor.page.evaluate(_WIDTHS)
    assert whole <= seen == 390
    expect(button).to_be_in_viewport(ratio=1)
    assert button.bounding_box()["height"] >= 44
    button.tap()
    visitor.done()
    # To look into every fold is to change nothing.
    assert live.engine.requests[-1] == RelightRequest(subject_image=live.engine.requests[-1].subject_image)
    expect(visitor.element("relight").locator(".compare")).to_be_in_viewport(ratio=0.5)
    for tab in ("Contact sheet", "Normals", "Jobs", "Providers"):
        found = visitor.page.get_by_role("tab", name=tab, exact=True)
        if not found.is_visible():
            visitor.page.locator(".overflow-menu > button").tap()
            found = visitor.page.locator(".overflow-dropdown").get_by_text(tab)
        found.tap()
        whole, seen = visitor.page.evaluate(_WIDTHS)
        assert whole <= seen, tab


def test_on_a_phone_the_lamp_goes_where_a_finger_is(phone):
    visitor = phone
    pad = visitor.page.locator(".lamp-pad")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    visitor.page.touchscreen.tap(box["x"] + 4, box["y"] + box["height"] / 2)
    assert visitor.light() == "left"
    # A finger on it does not scroll the page.
    assert pad.evaluate("(each) => getComputedStyle(each).touchAction") == "none"


def test_the_main_way_is_walked_with_the_tab_key(visitor, photo):
    visitor.give(photo)
    seen = []
    while "relight" not in seen:
        visitor.page.keyboard.press("Tab")
        where, ring = visitor.page.evaluate(_FOCUSED)
        if where and where not in seen:
            seen.append(where)
        if where in ("lamp", "relight"):
            assert ring == "solid", where
        assert where != "nowhere", "the page was left before the button came"
    assert seen == ["subject", "prompt", "lamp", "light", "relight"]
    visitor.page.keyboard.press("Enter")
    visitor.done()


def test_it_is_dark_where_dark_is_asked_for(visitor):
    seen, ink = [], []
    for scheme in ("light", "dark"):
        visitor.page.emulate_media(color_scheme=scheme)
        visitor.open()
        seen.append(float(np.median(shot(visitor.page.locator("body")))))
        label = visitor.page.locator("iclight-lamp label").first
        ink.append(label.evaluate("(label) => getComputedStyle(label).color"))
    assert seen[0] > 230 and seen[1] < 45 and ink[0] != ink[1]
