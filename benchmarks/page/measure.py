"""The page from the browser's own timing: its first paint, and the light map after the lamp moved."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.environment import describe
from benchmarks.page.browser import opened
from benchmarks.page.serving import page_served

if TYPE_CHECKING:
    from playwright.sync_api import Page

SCHEMA = 1
LAMP, MAP = "iclight-lamp .lamp-pad", "light map"
_PAINTS = "performance.getEntriesByType('paint').map(each => [each.name, each.startTime])"
_MAPS = f"performance.getEntriesByName('{MAP}').map(each => each.duration)"


@dataclass(frozen=True)
class Looking:
    """What is measured.

    Attributes:
        visits: of browsers that were never there; each comes back once.
        moves: of the lamp, each after the last map is there.
        drag: moves of one drag, one after another.
    """

    visits: int = 5
    moves: int = 30
    drag: int = 60


def measure(looking: Looking) -> dict[str, Any]:
    """All values, in milliseconds."""
    environment = describe("cpu")
    with page_served() as address, opened() as browser:
        first, again = [], []
        for _ in range(looking.visits):
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            page = context.new_page()
            first.append(_painted(page, address))
            again.append(_painted(page, address))
            context.close()
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        _painted(page, address)
        moved = _moved(page, looking.moves, wait=True)
        page.evaluate(f"performance.clearMeasures('{MAP}')")
        dragged = _moved(page, looking.drag, wait=False)
    return {
        "schema": SCHEMA,
        "experiment": asdict(looking),
        "environment": environment,
        "first_visit": first,
        "second_visit": again,
        "light_map_ms": {"moved": moved, "dragged": dragged},
    }


def _painted(page: Page, address: str) -> dict[str, float]:
    """When the browser painted first, and when the lamp could be dragged."""
    page.goto(address)
    page.wait_for_selector(LAMP)
    usable = page.evaluate("performance.now()")
    return {**dict(page.evaluate(_PAINTS)), "lamp": usable}


def _moved(page: Page, moves: int, *, wait: bool) -> list[float]:
    """Milliseconds from each move of the lamp until its map was there; moves that a later one overtook have none."""
    pad = page.locator(LAMP)
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    assert box is not None
    at = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
    page.mouse.move(*at)
    page.mouse.down()
    for move in range(moves):
        angle = 2 * np.pi * move / moves
        # A drag goes inwards: on the circle of the single moves the browser would have kept the maps.
        far = 0.3 if wait else 0.28 - 0.2 * move / moves
        page.mouse.move(at[0] + far * box["width"] * np.cos(angle), at[1] + far * box["height"] * np.sin(angle))
        if wait:
            page.wait_for_function(f"performance.getEntriesByName('{MAP}').length > {move}")
    page.mouse.up()
    page.wait_for_function("!document.querySelector('iclight-lamp').loading")
    found: list[float] = page.evaluate(_MAPS)
    return found


def table(result: dict[str, Any]) -> str:
    """The figures as a Markdown table."""
    lines = ["| the page | median | p95 | asked |", "|---|---|---|---|"]
    for name, words in (("first_visit", "a first visit"), ("second_visit", "a second visit")):
        paints = [each["first-contentful-paint"] for each in result[name]]
        lamps = [each["lamp"] for each in result[name]]
        lines.append(_row(f"{words}: first contentful paint", paints, "< 2 s"))
        lines.append(_row(f"{words}: the lamp can be dragged", lamps, ""))
    for name, words in (("moved", "the lamp moves"), ("dragged", "the lamp moves on and on")):
        lines.append(_row(f"{words}: the light map is there", result["light_map_ms"][name], "< 200 ms"))
    ran, asked = result["environment"], result["experiment"]
    return "\n".join(
        [
            *lines,
            "",
            f"Headless Chromium beside the server, {asked['visits']} browsers, "
            f"{asked['moves']} and {asked['drag']} moves; "
            f"on {ran['processor']}, {ran['cores']} cores, load {ran['load_average'][0]}; {ran['time'][:10]}.",
        ]
    )


def _row(words: str, values: list[float], asked: str) -> str:
    return f"| {words} | {np.median(values):.0f} ms | {np.percentile(values, 95):.0f} ms | {asked} |"
