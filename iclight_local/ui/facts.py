"""What the page says of this machine: what relights, and whether anything may leave."""

from __future__ import annotations

from typing import Any

from iclight_local.embedded import NAME as EMBEDDED
from iclight_local.engines.audit import AuditLog
from iclight_local.hosted import describe_all, order_of, what_now
from iclight_local.settings import LOCAL, Settings
from iclight_local.store.bundles import find_bundle
from iclight_local.ui.page import Facts

_HEAD = ("| provider | allowed | key | takes | a picture costs |", "|---|---|---|---|---|")
_SMALL = {"width": 256, "height": 320, "fit": "input"}
"""Sizes that the embedded miniature was trained for; of its pictures the light alone is worth carrying over."""


def facts_of(settings: Settings) -> Facts:
    """The facts of these settings.

    Raises:
        WeightsError: the weights that were asked for are not there.
    """
    small = LOCAL in order_of(settings) and find_bundle(settings.weights, settings.home).name == EMBEDDED
    engine = (
        "The embedded miniature relights: it shows what the knobs do, at 256 x 320. "
        "For photographs there are the real weights: `iclight weights pull sd15`."
        if small
        else "On this machine, with its own weights."
    )
    return Facts(engine, _providers(settings), _SMALL if small else {})


def _providers(settings: Settings) -> str:
    """Who could be sent pictures, as a table, and whether anything leaves now."""
    table = describe_all(settings)
    lines = [what_now(settings, table), "", *_HEAD, *(f"| {_row(facts)} |" for facts in table)]
    log = AuditLog(settings.home).path
    return "\n".join(
        [
            *lines,
            "",
            "A provider is allowed by the owner of this server alone, with `ICLIGHT_PROVIDERS` or in `config.toml`; "
            f"nothing on this page changes that. Every picture that leaves is noted, before it goes, in `{log}`.",
        ]
    )


def _row(facts: dict[str, Any]) -> str:
    allowed = "**yes**" if facts["allowed"] else "no"
    key = "there" if facts["key"] else "none"
    return " | ".join([facts["name"], allowed, key, facts["takes"], facts["price"]])
