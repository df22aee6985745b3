"""Pictures of the page for the README: a desktop, a phone, the dark; needs the extra ``dev`` and a Chromium."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.page.browser import opened  # noqa: E402
from benchmarks.page.serving import page_served  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Page

EXAMPLES = ROOT / "weights" / "mini" / "examples"
PICTURE = EXAMPLES / "portrait.jpg"
SHOTS = {
    "page-desktop.jpg": ({"width": 1280, "height": 1180}, "light"),
    "page-dark.jpg": ({"width": 1280, "height": 1180}, "dark"),
    "page-phone.jpg": ({"width": 390, "height": 844}, "light"),
}
"""Size of each window, and the scheme of its colours."""
QUALITY = 82
LIGHT = "left 3200K"
RESULT = "[data-name=relight]"


def main() -> None:
    """Relight the example once in each window, and keep what is seen then."""
    with page_served() as address, opened() as browser:
        for name, (size, scheme) in SHOTS.items():
            context = browser.new_context(viewport=size, color_scheme=scheme, device_scale_factor=1)
            page = context.new_page()
            page.goto(address)
            _relight(page)
            if size["width"] < 600:
                page.locator(RESULT).scroll_into_view_if_needed()
            else:
                page.evaluate("scrollTo(0, 0)")
            page.wait_for_timeout(500)
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            picture.save(EXAMPLES / name, quality=QUALITY, optimize=True)
            print(EXAMPLES / name)
            context.close()


def _relight(page: Page) -> None:
    page.locator("iclight-lamp .lamp-pad").wait_for()
    page.set_input_files("#subject input[type=file]", PICTURE)
    page.locator("#subject img").wait_for()
    page.locator("#prompt textarea").fill("warm light from a window")
    page.locator("#light").locator("textarea, input").first.fill(LIGHT)
    page.locator("#relight").click()
    page.locator(f"{RESULT} [data-is=download]").wait_for(timeout=300_000)


if __name__ == "__main__":
    main()
