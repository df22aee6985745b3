"""Who takes part in a bench, and what its pictures cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from iclight_local.engines.base import Engine
from iclight_local.errors import InvalidRequest
from iclight_local.providers import list_providers
from iclight_local.providers.base import Provider
from iclight_local.settings import LOCAL, load_settings

_HOURS_A_YEAR = 365.25 * 24


@dataclass(frozen=True)
class Price:
    """What a contestant's pictures cost, in dollars.

    Attributes:
        per_picture: what is charged for a picture; None where nothing is, or it is unknown.
        per_hour: what the machine costs while it works; None where it is not this owner's, or unknown.
        words: where that comes from, for the report.
    """

    per_picture: float | None = None
    per_hour: float | None = None
    words: str = "unknown"

    def of(self, seconds: float) -> float | None:
        """What a picture costs that takes so long; None where it is unknown."""
        if self.per_picture is not None:
            return self.per_picture
        return None if self.per_hour is None else self.per_hour * seconds / 3600


@dataclass(frozen=True)
class OwnMachine:
    """What a machine of one's own costs; a pair of which one is None is left out.

    Attributes:
        power_watts: what it draws while it relights.
        kwh_price: dollars for a kilowatt-hour.
        hardware_price: dollars that it cost.
        hardware_years: that it is used for, at work all the time.
    """

    power_watts: float | None = None
    kwh_price: float | None = None
    hardware_price: float | None = None
    hardware_years: float | None = None

    @property
    def price(self) -> Price:
        """The price of its pictures, with what is counted in words."""
        parts: dict[str, float] = {}
        if self.power_watts is not None and self.kwh_price is not None:
            words = f"electricity ({self.power_watts:g} W at ${self.kwh_price:g} a kWh)"
            parts[words] = self.power_watts / 1000 * self.kwh_price
        if self.hardware_price is not None and self.hardware_years is not None:
            words = f"hardware (${self.hardware_price:g} over {self.hardware_years:g} years of work day and night)"
            parts[words] = self.hardware_price / (self.hardware_years * _HOURS_A_YEAR)
        if not parts:
            return Price(words="unknown: power and hardware were not stated")
        return Price(per_hour=sum(parts.values()), words=" and ".join(parts))


@dataclass(frozen=True)
class Contestant:
    """Somebody who relights.

    Attributes:
        name: what the report calls it.
        open: gives its engine; may raise what :func:`iclight_local.assemble.open_engine` raises.
        price: of its pictures.
        fresh: settings with which a process of its own can open it, so that its cold start is a program's; None where
            the work is done elsewhere: its cold start is then its first call.
    """

    name: str
    open: Callable[[], Engine]
    price: Price = Price()
    fresh: Mapping[str, Any] | None = None


def find_contestant(name: str, overrides: Mapping[str, Any], price: Price | None) -> Contestant:
    """The contestant of a name.

    Args:
        name: ``local``, or a provider's, whose owner allows by it that the bench's pictures are sent there.
        overrides: settings that win over the owner's file and environment, as plain values.
        price: of its pictures; None: what a provider's documents state, if they do, else unknown.

    Raises:
        InvalidRequest: there is none of that name.
    """
    provider = list_providers().get(name)
    if name != LOCAL and provider is None:
        raise InvalidRequest(
            f"There is no engine {name!r} to bench: there are {', '.join((LOCAL, *list_providers()))}, "
            "and with --replay those that were recorded."
        )
    # Whatever the owner allows as a fallback: each contestant is one engine, and no other's picture counts as its own.
    alone = {"providers": [] if provider is None else [name], "local_first": provider is None}
    settings = {**overrides, **alone}

    def opened() -> Engine:
        # Torch is imported when the engine is opened, and not for a bench of recorded answers.
        from iclight_local.assemble import engine_from

        return engine_from(load_settings(settings))

    if price is None:
        price = Price() if provider is None else _stated(provider)
    return Contestant(name, opened, price, fresh=settings if provider is None else None)


def _stated(provider: Provider) -> Price:
    """The most that a provider's documents state for a picture, where they state it in dollars."""
    if provider.price is None or provider.price.unit != "dollars":
        return Price(words="unknown" if provider.price is None else f"{provider.price} ({provider.price.source})")
    return Price(per_picture=provider.price.most, words=f"{provider.price} ({provider.price.source})")
