"""What is painted: the matte's corrections, and a light map."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from iclight_local.imaging.files import decode_matte
from tests.ui.browsing import shot, until

pytestmark = pytest.mark.browser


def paint(visitor, canvas, across):
    """A stroke from the middle down, at a share of the canvas's width."""
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    x, y = box["x"] + across * box["width"], box["y"] + box["height"] / 2
    visitor.page.mouse.move(x, y)
    visitor.page.mouse.down()
    visitor.page.mouse.move(x, y + 60, steps=5)
    visitor.page.mouse.up()


def show_cut_out(visitor):
    """Wait for the photograph with what is cut away tinted; the editor's canvas."""
    visitor.page.get_by_role("button", name="Cut-out").click()
    visitor.page.get_by_role("button", name="Show the cut-out").click()
    canvas = visitor.page.locator("#matte canvas").first
    canvas.wait_for()

    def tinted():
        # The photograph's green under the tint.
        return (np.abs(shot(canvas)[200].astype(int) - (141, 96, 79)).max(1) < 12).sum() > 100

    until(visitor, tinted)
    return canvas


def test_the_matte_is_shown_and_a_stroke_changes_what_the_engine_gets(visitor, photo, live, tmp_path):
    visitor.give(photo)
    canvas = show_cut_out(visitor)
    visitor.relight()
    visitor.done()
    assert live.engine.requests[-1].matte is None
    paint(visitor, canvas, 0.6)
    visitor.relight()
    visitor.done()
    matte = decode_matte(live.engine.requests[-1].matte).values
    assert matte.shape == (200, 160)
    # The left half is the subject as before, a part of the right one has become so.
    assert (matte[:, :80] == 1).all() and 0.05 < matte[:, 80:].mean() < 0.5
    assert matte[110, 104] == 1 and matte[20, 104] == 0
    # It is that picture's alone.
    Image.new("RGB", (120, 90), (9, 90, 200)).save(tmp_path / "other.png")
    visitor.page.get_by_role("button", name="Remove Image").first.click()
    visitor.give(tmp_path / "other.png")
    visitor.relight()
    visitor.done()
    assert live.engine.requests[-1].matte is None


def test_a_painted_light_reaches_the_engine(visitor, photo, live):
    visitor.give(photo)
    visitor.page.get_by_role("radio", name="a painted map").check()
    canvas = visitor.page.locator("#paint canvas").first
    canvas.wait_for()
    until(visitor, lambda: (shot(canvas)[200].max(1) < 10).sum() > 100)
    visitor.relight()
    visitor.refusal("relight", "The light shall be painted, and nothing was: paint where the light comes from.")
    paint(visitor, canvas, 0.4)
    visitor.relight()
    visitor.done()
    asked = live.engine.requests[-1]
    light = np.asarray(Image.open(io.BytesIO(asked.light_map)))
    assert light.shape == (640, 512, 3) and asked.light is None
    left, right = light[:, :256].mean(), light[:, 256:].mean()
    assert left > 10 and right == 0
