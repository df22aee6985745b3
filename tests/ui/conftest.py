"""One browser and one server for all tests of a process: each visitor has jobs and pictures of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext

from benchmarks.page.browser import opened
from tests.server.live import Live
from tests.ui.browsing import DESKTOP, Visitor, photograph, serving_page

Visit = Callable[..., Visitor]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with opened() as found:
        yield found


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with serving_page(tmp_path_factory.mktemp("served")) as found:
        yield found


@pytest.fixture(scope="session")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that keeps the page's parts: it opens in a third of the time."""
    with browser.new_context(viewport=DESKTOP) as found:
        yield found


@pytest.fixture
def visitor(context: BrowserContext, live: Live) -> Iterator[Visitor]:
    """Somebody whom the server does not know, with the page open."""
    found = Visitor(context, live.url)
    found.open()
    yield found
    # A job that a failed test left would be in the next one's way.
    live.engine.free.set()
    found.leave()


@pytest.fixture
def visit(browser: Browser, live: Live) -> Iterator[Visit]:
    """Opens the page in a browser of its own; that of another server with ``url``."""
    with ExitStack() as ends:

        def come(size: dict[str, int] = DESKTOP, url: str = live.url, **how: Any) -> Visitor:
            context = ends.enter_context(browser.new_context(viewport=size, **how))
            return Visitor(context, url)

        yield come
        live.engine.free.set()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return photograph(tmp_path / "photo.png")
