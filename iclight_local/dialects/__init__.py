"""The hosted relighting APIs, and the house's own: one spelling each, found by its name, in both directions."""

from __future__ import annotations

import importlib

from iclight_local.dialects.base import Dialect
from iclight_local.dialects.sending import Sender


def find_dialect(name: str) -> Dialect:
    """The dialect of the file ``name``; imports that file alone."""
    found: Dialect = importlib.import_module(f"{__name__}.{name}").DIALECT
    return found


def find_senders(name: str) -> dict[str, Sender]:
    """How the hosted API of the dialect ``name`` is called, by its own names of its models; the first is its default.

    The house's own API is none of these. Imports the file ``{name}_sending`` and what that needs.
    """
    found: tuple[Sender, ...] = importlib.import_module(f"{__name__}.{name}_sending").SENDERS
    return {sender.model: sender for sender in found}
