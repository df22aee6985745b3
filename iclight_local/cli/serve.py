"""``iclight serve``: the engine behind an HTTP port."""

from __future__ import annotations

import argparse
import logging
import sys

from iclight_local.cli.parser import Parser, add_fields, given
from iclight_local.cli.relight import SETTINGS
from iclight_local.settings import ServeSettings, Settings, load_serve_settings, load_settings

SUMMARY = "Serve this machine's engine over HTTP: its own API and those of Segmind, PixelDojo and Photoroom."


def add_arguments(parser: Parser) -> None:
    """Declare the options."""
    add_fields(parser.add_argument_group("the server"), ServeSettings)
    kept = [name for name in SETTINGS if name != "preview_every"]
    add_fields(parser.add_argument_group("this machine"), Settings, kept)


def run(parsed: argparse.Namespace) -> int:
    """Serve until stopped."""
    settings = load_settings(given(parsed, Settings))
    options = load_serve_settings(settings.home, given(parsed, ServeSettings))
    from iclight_local.server.keys import key_file
    from iclight_local.server.serving import check_address, listening_socket, serve
    from iclight_local.server.watching import JsonLines

    check_address(options.host, key_file(settings.home))
    listener = listening_socket(options)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.getLogger().handlers[:] = [handler]
    from iclight_local.assemble import engine_from

    serve(lambda: engine_from(settings, lasting=True), settings, options, listener, _tell)
    return 0


def _tell(url: str) -> None:
    print(f"Serving at {url}; its documentation is {url}/relight/docs", flush=True)
