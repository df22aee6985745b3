"""Hosted providers that can relight: pure data, one file for each vendor, found by looking into this folder."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from iclight_local.providers.base import Provider


@cache
def list_providers() -> dict[str, Provider]:
    """All providers by their names; imports nothing but their data."""
    files = sorted(each.name for each in pkgutil.iter_modules(__path__) if each.name != "base")
    modules = [importlib.import_module(f"{__name__}.{name}") for name in files]
    return {provider.name: provider for module in modules for provider in module.PROVIDERS}
