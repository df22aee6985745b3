"""``iclight keys``: who may call the server."""

from __future__ import annotations

import argparse
import time

from iclight_local.cli.output import print_json
from iclight_local.cli.parser import Parser, add_common, given
from iclight_local.server.keys import key_file
from iclight_local.settings import Settings, load_settings

SUMMARY = "Make, list and remove the keys that callers of iclight serve need."
ACTIONS = {"add": "Make a key; it is shown once.", "list": "List the keys' names.", "remove": "Take a key away."}


def add_arguments(parser: Parser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)
    for name, summary in ACTIONS.items():
        action = actions.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        if name != "list":
            action.add_argument("name", metavar="NAME", help="Whose key it is; results are kept apart by it.")
        add_common(action, "home")


def run(parsed: argparse.Namespace) -> int:
    """Change or show the keys; a running server reads them when it starts."""
    keys = key_file(load_settings(given(parsed, Settings)).home)
    if parsed.action == "add":
        key = keys.add(parsed.name)
        if parsed.json:
            print_json({"name": parsed.name, "key": key})
        else:
            print(f"{key}\nIt is shown this once; callers send it as x-api-key. Restart a running server.")
    elif parsed.action == "remove":
        keys.remove(parsed.name)
        print_json({"removed": parsed.name}) if parsed.json else print(f"{parsed.name} is no key any more.")
    elif parsed.json:
        print_json({"keys": keys.names})
    else:
        for name, made in keys.names.items():
            print(f"{name}  {time.strftime('%Y-%m-%d', time.localtime(made))}")
    return 0
