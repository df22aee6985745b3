"""One browser and one server for all tests of a process: each visitor has jobs and pictures of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext

from benchmarks.page.browser import opened
from tests.server.live import Live
from tests.ui.browsing import DESKTOP, PHONE, Visitor, photograph, serving_page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ended with its file: as long as it is there, no other test of the process can run an event loop."""
    with opened() as found:
        yield found


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with serving_page(tmp_path_factory.mktemp("served")) as found:
        yield found


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that keeps the page's parts: it opens in a third of the time."""
    with browser.new_context(viewport=DESKTOP) as found:
        yield found


@pytest.fixture(scope="module")
def touched(browser: Browser) -> Iterator[BrowserContext]:
    """The same on a phone."""
    with browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True) as found:
        yield found


@pytest.fixture
def visitor(context: BrowserContext, live: Live) -> Iterator[Visitor]:
    """Somebody whom the server does not know, with the page open."""
    yield from _coming(context, live)


@pytest.fixture
def phone(touched: BrowserContext, live: Live) -> Iterator[Visitor]:
    """The same with a phone."""
    yield from _coming(touched, live)


@pytest.fixture
def stranger(browser: Browser) -> Iterator[Callable[[str], Visitor]]:
    """Somebody with a browser of their own, who comes to the address of a server and has not opened the page yet."""
    with ExitStack() as ends:
        yield lambda url: Visitor(ends.enter_context(browser.new_context(viewport=DESKTOP)), url)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return photograph(tmp_path / "photo.png")


def _coming(context: BrowserContext, live: Live) -> Iterator[Visitor]:
    found = Visitor(context, live.url)
    found.open()
    yield found
    # A job that a failed test left would be in the next one's way.
    live.engine.free.set()
    found.leave()
