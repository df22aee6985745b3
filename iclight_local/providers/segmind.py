"""Segmind: two models behind one gateway. Its contract for ic-light states no price; each answer tells its cost."""

from __future__ import annotations

from iclight_local.providers.base import Price, Provider, Size


def _provider(dialect: str, model: str, name: str, size: Size, price: Price | None) -> Provider:
    return Provider(
        name=name,
        dialect=dialect,
        model=model,
        base_url="https://api.segmind.com",
        base_variable="SEGMIND_BASE_URL",
        key_variable="SEGMIND_API_KEY",
        header="x-api-key",
        scheme="",
        size=size,
        price=price,
    )


PROVIDERS = (
    _provider("segmind_ic_light", "ic-light", "segmind-ic-light", "frame", None),
    _provider(
        "segmind_relighting_v2",
        "segmind-relighting-v2",
        "segmind-relighting-v2",
        "shape",
        Price(0.033, 0.333, "dollars", "https://www.segmind.com/models/segmind-relighting-v2/api"),
    ),
)
