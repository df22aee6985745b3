"""The hosted relighting APIs, and the house's own: one file for each spelling, found by its name."""

from __future__ import annotations

import importlib

from iclight_local.dialects.base import Dialect


def find_dialect(name: str) -> Dialect:
    """The dialect of the file ``name``; imports that file alone."""
    found: Dialect = importlib.import_module(f"{__name__}.{name}").DIALECT
    return found
