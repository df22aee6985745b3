"""The page as a part of a server: Gradio's application behind this project's gate."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Mount

from iclight_local.errors import Unsupported
from iclight_local.server.app import Page
from iclight_local.server.service import Service
from iclight_local.settings import Settings
from iclight_local.ui import PATH
from iclight_local.ui.uploads import Uploads

NEEDED = "gradio"
_HEAD = (
    '<link rel="stylesheet" href="page/static/page.css">'
    '<link rel="icon" type="image/svg+xml" href="page/static/icon.svg">'
    '<script type="module" src="page/static/page.js"></script>'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
)


def open_facts(settings: Settings) -> Any:
    """What the page says of this machine (:class:`iclight_local.ui.page.Facts`).

    Raises:
        Unsupported: Gradio is not installed.
        WeightsError: the weights that were asked for are not there.
    """
    if importlib.util.find_spec(NEEDED) is None:
        raise Unsupported("The page is drawn by Gradio, which is not installed: pip install 'iclight-local[ui]'.")
    _keep_silent()
    from iclight_local.ui.facts import facts_of

    return facts_of(settings)


def make_page(service: Service, facts: Any) -> Page:
    """The page of a server.

    Args:
        service: takes its jobs.
        facts: from :func:`open_facts`.

    Raises:
        EngineError: no picture can be kept beside the jobs.
    """
    uploads = Uploads(service.store.folder / "page")
    uploads.open()
    _keep_silent(uploads.folder)
    import gradio
    from gradio.routes import mount_gradio_app

    from iclight_local.ui import page
    from iclight_local.ui.asking import Asking
    from iclight_local.ui.doors import Doors
    from iclight_local.ui.jobs import PageJobs
    from iclight_local.ui.routes import page_routes
    from iclight_local.ui.visitors import Visitors

    jobs = PageJobs(service)
    drawn = page.Page(Asking(jobs), uploads, facts)
    uploads.share()
    parts = Starlette(routes=[page_routes(jobs)])
    mount_gradio_app(
        parts,
        drawn.blocks, path="", root_path=PATH, show_error=False, theme=_theme(gradio), head=_HEAD, footer_links=[],
        ssr_mode=False, max_file_size=service.limits.body, enable_monitoring=False, run_history=False, mcp_server=False,
        pwa=False,
    )  # fmt: skip
    calls = frozenset(number for number, each in drawn.blocks.fns.items() if each.fn is not None)
    gate = Visitors(Doors(parts, service, uploads, calls), service)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        try:
            async with parts.router.lifespan_context(parts):
                yield
        finally:
            uploads.clear()

    return Page(PATH, Starlette(routes=[Mount(PATH, app=gate)]), lifespan)


def _keep_silent(folder: Path | None = None) -> None:
    """Have Gradio tell nobody anything, and do what is said here alone; it looks at these when it is imported.

    Args:
        folder: where it keeps files.
    """
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    if folder is not None:
        os.environ["GRADIO_TEMP_DIR"] = str(folder)


def _theme(gradio: Any) -> Any:
    """The machine's own letters: nothing is fetched for them. Words on amber are dark, and none is amber."""
    theme = gradio.themes.Soft(
        primary_hue="amber",
        neutral_hue="slate",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )
    ink = "*neutral_900"
    return theme.set(
        **_both("block_label_text_color", "*neutral_700", "*neutral_200"),
        **_both("block_label_background_fill", "*neutral_100", "*neutral_700"),
        **_both("block_title_text_color", "*neutral_800", "*neutral_100"),
        **_both("block_title_background_fill", "transparent", "transparent"),
        background_fill_primary="*neutral_50",
        block_border_width="1px",
        block_title_padding="0",
        input_border_width="1px",
        input_shadow="none",
        **_both("block_info_text_color", "*neutral_600", "*neutral_400"),
        **_both("input_border_color", "*neutral_300", "*neutral_600"),
        **_both("checkbox_border_color", "*neutral_400", "*neutral_500"),
        **_both("button_primary_background_fill", "*primary_400", "*primary_400"),
        **_both("button_primary_background_fill_hover", "*primary_300", "*primary_300"),
        **_both("button_primary_text_color", ink, ink),
        **_both("checkbox_label_background_fill_selected", "*primary_200", "*primary_400"),
        **_both("checkbox_label_text_color_selected", ink, ink),
    )


def _both(name: str, light: str, dark: str) -> dict[str, str]:
    return {name: light, f"{name}_dark": dark}
