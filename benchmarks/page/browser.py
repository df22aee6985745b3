"""A headless Chromium that can reach this machine alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")
_NOWHERE = "socks5://127.0.0.1:9"


def executable() -> str | None:
    """The system's Chromium; None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@contextmanager
def opened() -> Iterator[Browser]:
    """A browser; whatever it asks of another machine goes to a port where nobody listens.

    Raises:
        FileNotFoundError: none is installed.
    """
    found = executable()
    if found is None:
        raise FileNotFoundError(
            f"None of {', '.join(NAMES)} is on the PATH: install one, like apt-get install chromium."
        )
    from playwright.sync_api import sync_playwright

    # Root has no sandbox; names are not looked up by the browser where a proxy does it, and loopback needs none.
    words = ["--no-sandbox", f"--proxy-server={_NOWHERE}"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=words)
        try:
            yield browser
        finally:
            browser.close()
