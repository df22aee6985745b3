"""``iclight serve``: the engine behind an HTTP port."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from functools import partial

from iclight_local.cli.parser import Parser, add_fields, given
from iclight_local.cli.relight import SETTINGS
from iclight_local.settings import ServeSettings, Settings, load_serve_settings, load_settings

PREVIEW_EVERY = 3
"""Steps from one preview to the next on the page, where the settings do not say."""
SUMMARY = "Serve this machine's engine over HTTP: its own API and those of Segmind, PixelDojo and Photoroom."


def add_arguments(parser: Parser, served: Sequence[str] = tuple(ServeSettings.model_fields)) -> None:
    """Declare the options; ``served`` are those of the server itself."""
    add_fields(parser.add_argument_group("the server"), ServeSettings, served)
    kept = [name for name in SETTINGS if name != "preview_every"]
    add_fields(parser.add_argument_group("this machine"), Settings, kept)


def run(parsed: argparse.Namespace) -> int:
    """Serve until stopped."""
    settings = load_settings(given(parsed, Settings))
    options = load_serve_settings(settings.home, given(parsed, ServeSettings))
    return serve_with(settings, options, _tell)


def serve_with(settings: Settings, options: ServeSettings, tell: Callable[[str], None]) -> int:
    """Serve until stopped.

    Args:
        settings: the owner's.
        options: of the server.
        tell: called with the address, once calls are taken.
    """
    page = None
    if options.ui:
        from iclight_local.ui.mounting import make_page, open_facts

        page = partial(make_page, facts=open_facts(settings))
    from iclight_local.server.keys import key_file
    from iclight_local.server.serving import check_address, listening_socket, serve
    from iclight_local.server.watching import JsonLines

    check_address(options.host, key_file(settings.home))
    listener = listening_socket(options)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.getLogger().handlers[:] = [handler]
    from iclight_local.assemble import engine_from

    # Previews are for who looks on.
    every = settings.preview_every if settings.preview_every or not options.ui else PREVIEW_EVERY
    shown = settings.model_copy(update={"preview_every": every})
    serve(lambda: engine_from(shown, lasting=True), settings, options, listener, tell, page)
    return 0


def _tell(url: str) -> None:
    print(f"Serving at {url}; its documentation is {url}/relight/docs", flush=True)
