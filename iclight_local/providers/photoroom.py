"""Photoroom. Its document states no price: a plan has so many pictures a month."""

from __future__ import annotations

from iclight_local.providers.base import Provider

PROVIDERS = (
    Provider(
        name="photoroom",
        dialect="photoroom",
        model="edit",
        base_url="https://image-api.photoroom.com",
        base_variable="PHOTOROOM_BASE_URL",
        key_variable="PHOTOROOM_API_KEY",
        header="x-api-key",
        scheme="",
        size="picture",
        price=None,
    ),
)
