"""``iclight ui``: the page in a browser."""

from __future__ import annotations

import argparse
import threading
import webbrowser

from iclight_local.cli import serve
from iclight_local.cli.parser import Parser, given
from iclight_local.settings import ServeSettings, Settings, load_serve_settings, load_settings
from iclight_local.ui import PATH

SUMMARY = "Relight in the browser: the page, on this machine alone."


def add_arguments(parser: Parser) -> None:
    """Declare the options: those of ``iclight serve``."""
    parser.add_argument("--no-browser", action="store_true", help="Tell the address, and open nothing.")
    serve.add_arguments(parser, [name for name in ServeSettings.model_fields if name != "ui"])


def run(parsed: argparse.Namespace) -> int:
    """Serve the page until stopped, and open it."""
    settings = load_settings(given(parsed, Settings))
    options = load_serve_settings(settings.home, {**given(parsed, ServeSettings), "ui": True})

    def tell(url: str) -> None:
        print(f"The page is at {url}{PATH}/ and stays there until Ctrl-C.", flush=True)
        if not parsed.no_browser:
            # Beside the server: some browsers do not let go before they are closed.
            threading.Thread(target=webbrowser.open, args=(f"{url}{PATH}/",), name="browser", daemon=True).start()

    return serve.serve_with(settings, options, tell)
