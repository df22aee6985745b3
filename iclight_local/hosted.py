"""Who could be sent pictures, who may be, and what would happen now; nobody is called to find that out."""

from __future__ import annotations

from typing import Any

from iclight_local.accounts import find_account
from iclight_local.dialects import find_senders
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.addresses import parse_target
from iclight_local.providers import list_providers
from iclight_local.providers.base import Provider
from iclight_local.settings import LOCAL, PREFIX, Settings

ADDRESSES = "web addresses alone"
PRICE_UNKNOWN = "not stated in its documents"


def describe_all(settings: Settings) -> list[dict[str, Any]]:
    """:func:`describe` of every known provider."""
    return [describe(provider, settings) for provider in list_providers().values()]


def describe(provider: Provider, settings: Settings) -> dict[str, Any]:
    """What is known of a provider here, as plain JSON values; of its key only whether there is one."""
    facts: dict[str, Any] = {
        "name": provider.name,
        "model": provider.model,
        "allowed": provider.name in settings.providers,
        "takes": _taken(provider, settings),
        "price": PRICE_UNKNOWN if provider.price is None else str(provider.price),
        "price_source": None if provider.price is None else provider.price.source,
        "key_variable": provider.key_variable,
        "key": None,
        "host": None,
        "problem": None,
    }
    try:
        account = find_account(provider)
    except InvalidRequest as error:
        return {**facts, "problem": str(error)}
    host = parse_target(account.base_url, "API", ("http", "https")).authority
    return {**facts, "key": account.key_from if account.key is not None else None, "host": host}


def takes(provider: Provider) -> str:
    """How a provider takes pictures."""
    uploads = find_senders(provider.dialect)[provider.model].uploads
    return "files" if uploads else ADDRESSES


def _taken(provider: Provider, settings: Settings) -> str:
    """How a provider gets pictures with these settings."""
    found = takes(provider)
    return f"{found}; files by way of upload_url" if found == ADDRESSES and settings.upload_url else found


def order_of(settings: Settings) -> list[str]:
    """Who would be tried, in order."""
    return [name for name in settings.engines if name == LOCAL or not settings.offline]


def what_now(settings: Settings, table: list[dict[str, Any]]) -> str:
    """What a relight would do with these settings, in one sentence."""
    order = order_of(settings)
    hosted = [facts for facts in table if facts["name"] in order]
    if not order:
        return "Now: a relight is refused, because offline mode is on and this machine's engine is not to be tried."
    if not hosted:
        why = "offline mode is on" if settings.offline else f"no provider is allowed ({PREFIX}PROVIDERS names some)"
        return f"Now: pictures are relit on this machine and none leaves it, because {why}."
    first, *rest = order
    then = "".join(f", then by {name}" for name in rest)
    where = "; the next one is tried only where one cannot do it" if rest else ""
    unusable = [facts["name"] for facts in hosted if facts["key"] is None]
    lacking = f" Without a key, and so passed over: {', '.join(unusable)}." if unusable else ""
    return f"Now: a picture is relit by {first}{then}{where}.{lacking}"
