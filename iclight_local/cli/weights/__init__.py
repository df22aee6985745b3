"""``iclight weights``: the bundles of weights on this machine, and the weights that others publish."""

from __future__ import annotations

import argparse
from importlib import import_module

from iclight_local.cli.parser import Parser

SUMMARY = "List, fetch, import, verify and pack weights, and tell the licences of the published ones."
ACTIONS = {
    "list": "listing",
    "pull": "pull",
    "import": "importing",
    "verify": "verify",
    "bundle": "bundle",
    "unbundle": "unbundle",
    "licences": "licences",
}
"""Each is a module of this package with ``SUMMARY``, ``add_arguments`` and ``run``, and with ``FETCHES`` where it may
reach for the network."""


def add_arguments(parser: Parser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, file in ACTIONS.items():
        module = import_module(f"{__name__}.{file}")
        action = actions.add_parser(name, help=module.SUMMARY, description=module.SUMMARY, allow_abbrev=False)
        module.add_arguments(action)
        action.set_defaults(act=module.run, fetches=getattr(module, "FETCHES", False))


def run(parsed: argparse.Namespace) -> int:
    """Do what was asked for."""
    return int(parsed.act(parsed))
