"""``iclight providers``: who could be sent pictures, who may be, and what would happen now."""

from __future__ import annotations

import argparse
from typing import Any

from iclight_local.cli.output import print_json
from iclight_local.cli.parser import Parser, add_common, given
from iclight_local.engines.audit import AuditLog
from iclight_local.hosted import describe_all, order_of, what_now
from iclight_local.settings import Settings, load_settings

SUMMARY = "Show the hosted providers: which are allowed, whether a key is there, what a picture costs. Sends nothing."


def add_arguments(parser: Parser) -> None:
    """Declare the options."""
    add_common(parser, "home", "offline")


def run(parsed: argparse.Namespace) -> int:
    """Look at settings and keys and print them; no key is printed, and nobody is called."""
    settings = load_settings(given(parsed, Settings))
    table = describe_all(settings)
    report = {"providers": table, "order": order_of(settings), "now": what_now(settings, table)}
    report["audit_log"] = str(AuditLog(settings.home).path)
    if parsed.json:
        print_json(report)
        return 0
    for facts in table:
        print("\n".join(_lines(facts)))
    print(report["now"])
    print(f"Every picture that leaves is noted, before it goes, in {report['audit_log']}")
    return 0


def _lines(facts: dict[str, Any]) -> list[str]:
    """A provider for a reader."""
    allowed = "allowed" if facts["allowed"] else "not allowed"
    key = f"key in {facts['key']}" if facts["key"] else f"no key ({facts['key_variable']})"
    state = facts["problem"] if facts["problem"] is not None else f"{key}, at {facts['host']}"
    source = f" ({facts['price_source']})" if facts["price_source"] else ""
    return [
        f"{facts['name']}: {allowed}; {state}",
        f"  takes {facts['takes']}; {facts['price']}{source}",
    ]
