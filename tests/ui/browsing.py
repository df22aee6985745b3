"""A visitor of the page in a real browser, and the server that it visits."""

from __future__ import annotations

import base64
import io
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import BrowserContext, ConsoleMessage, Download, Locator, Page, Response, expect

from iclight_local.result import Progress
from tests.fake_engine import FramedFake
from tests.server.live import Live, serving

PATIENCE_MS = 15_000
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


class Held(FramedFake):
    """Changes red for blue; with ``free`` cleared it shows a preview, and goes on when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.free.set()

    def relight(self, request: Any, *, progress: Any = None) -> Any:
        preview = Image.new("RGB", (64, 64), (200, 120, 40))
        while not self.free.wait(0.02):
            progress(Progress("lowres", 1, 2, preview))
        result = super().relight(request, progress=progress)
        # As the local engine says it: without it no record can be asked for again.
        return replace(result, record={**result.record, "kind": "relight"})


@contextmanager
def serving_page(folder: Path, **how: Any) -> Iterator[Live]:
    """A server with the page, in front of a :class:`Held`; ``how`` as :func:`serving` has it, and ``facts``."""
    from iclight_local.ui.mounting import make_page
    from iclight_local.ui.page import Facts

    facts = how.pop("facts", None)
    facts = Facts("On this machine.", "Nothing leaves this machine.", {}) if facts is None else facts
    usual = {"engine": Held(), "body": 8 << 20, "shown": partial(make_page, facts=facts)}
    with serving(folder, **{**usual, **how}) as live:
        yield live


class Visitor:
    """Somebody with a browser of their own at the page.

    Attributes:
        page: what they look at.
        asked: addresses that the browser has asked for.
        faults: what the browser's console complained of.
    """

    def __init__(self, context: BrowserContext, url: str) -> None:
        context.set_default_timeout(PATIENCE_MS)
        self.url = url
        self.asked: list[str] = []
        self.faults: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._note)

    def _note(self, said: ConsoleMessage) -> None:
        # Every browser asks for this, and no page has to have it.
        if said.type == "error" and not said.location["url"].endswith("/favicon.ico"):
            self.faults.append(f"{said.text} {said.location['url']}")

    def open(self) -> Response | None:
        """Come to the page, and wait until it is there."""
        answer = self.page.goto(f"{self.url}/ui/")
        self.ready()
        return answer

    def ready(self) -> None:
        self.page.wait_for_selector("iclight-lamp .lamp-pad")
        # Gradio draws first and listens afterwards.
        self.page.wait_for_function("document.querySelector('#light textarea, #light input') !== null")

    def leave(self) -> None:
        """Close the page, and have the browser forget who was here."""
        if self.page.url.startswith(self.url):
            self.page.evaluate("localStorage.clear()")
        self.page.close()
        self.page.context.clear_cookies()

    def give(self, path: Path) -> None:
        """Choose a picture."""
        self.page.set_input_files("#subject input[type=file]", path)
        expect(self.page.locator("#subject img")).to_be_visible()

    def drop(self, path: Path) -> None:
        """Let a picture fall on the field for it."""
        carried = self.page.evaluate_handle(
            """async ([data, name]) => {
                const carried = new DataTransfer();
                const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
                carried.items.add(new File([bytes], name, { type: "image/jpeg" }));
                return carried;
            }""",
            [base64.b64encode(path.read_bytes()).decode(), path.name],
        )
        self.page.locator("#subject [aria-label^=Drop]").dispatch_event("drop", {"dataTransfer": carried})
        expect(self.page.locator("#subject img")).to_be_visible()

    def relight(self) -> None:
        """Press the button; what an earlier job left is marked, so that nobody takes it for this one's."""
        self.page.evaluate("document.querySelectorAll('[data-is=download]').forEach((each) => each.dataset.is = 'old')")
        self.page.locator("#relight").click()

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name, exact=True).click()

    def element(self, name: str) -> Locator:
        """The page's own element of that name, where a job is followed."""
        return self.page.locator(f"[data-name={name}]")

    def sentence(self, name: str, told: str | re.Pattern[str]) -> None:
        """Wait for what stands over a job."""
        expect(self.element(name).get_by_role("status").first).to_have_text(told, timeout=PATIENCE_MS)

    def refusal(self, name: str, told: str | re.Pattern[str]) -> None:
        """Wait for why a job was not taken."""
        expect(self.element(name).get_by_role("alert")).to_have_text(told, timeout=PATIENCE_MS)

    def done(self, name: str = "relight") -> Locator:
        """Wait for a result's download."""
        link = self.element(name).locator("[data-is=download]")
        expect(link).to_be_visible(timeout=PATIENCE_MS)
        return link

    def download(self, name: str = "relight", patience_ms: int = PATIENCE_MS) -> Download:
        link = self.element(name).locator("[data-is=download]")
        with self.page.expect_download(timeout=patience_ms) as coming:
            link.click(timeout=patience_ms)
        return coming.value

    def light(self) -> str:
        """What stands in the field of the light."""
        return self.page.locator("#light").locator("textarea, input").first.input_value()

    def drag_lamp(self, right: float, up: float) -> None:
        """Take the lamp from the middle of its pad to a place on it, -1 to 1."""
        pad = self.page.locator(".lamp-pad")
        pad.scroll_into_view_if_needed()
        box = pad.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + right * 0.46 * box["width"], y - up * 0.46 * box["height"], steps=8)
        self.page.mouse.up()

    def fetch(self, path: str, method: str = "GET") -> int:
        """The status of an address of the page, as this visitor's browser gets it."""
        asked = "([path, method]) => fetch(path, { method }).then((answer) => answer.status)"
        status: int = self.page.evaluate(asked, [path, method])
        return status

    def jobs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.page.evaluate("() => fetch('page/jobs').then((answer) => answer.json())")[
            "jobs"
        ]
        return found


def photograph(path: Path, size: tuple[int, int] = (160, 200)) -> Path:
    """A picture whose left half is red and whose right half is green."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:, : size[0] // 2], pixels[:, size[0] // 2 :] = (210, 60, 30), (40, 170, 60)
    Image.fromarray(pixels).save(path)
    return path


def until(visitor: Visitor, holds: Callable[[], bool]) -> None:
    """Wait for what no selector can tell."""
    last = time.monotonic() + PATIENCE_MS / 1000
    while not holds():
        assert time.monotonic() < last, "it did not come to hold"
        visitor.page.wait_for_timeout(50)


def shot(where: Locator) -> np.ndarray:
    """What is seen of an element, uint8 H x W x 3."""
    return np.asarray(Image.open(io.BytesIO(where.screenshot())).convert("RGB"))
