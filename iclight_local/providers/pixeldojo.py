"""PixelDojo: four models behind one call. Its document prices one of them; the others have "per-model credit rates"."""

from __future__ import annotations

from iclight_local.providers.base import Price, Provider, Size


def _provider(model: str, name: str, size: Size, price: Price | None) -> Provider:
    return Provider(
        name=name,
        dialect="pixeldojo",
        model=model,
        base_url="https://pixeldojo.ai",
        base_variable="PIXELDOJO_BASE_URL",
        key_variable="PIXELDOJO_API_KEY",
        header="authorization",
        scheme="Bearer ",
        size=size,
        price=price,
    )


PROVIDERS = (
    _provider(
        "magic-lighting", "pixeldojo", "frame", Price(1, 1, "credits", "https://pixeldojo.ai/llm/image-relighting.txt")
    ),
    *(
        _provider(model, f"pixeldojo-{model}", "shape", None)
        for model in ("nano-banana-pro", "nano-banana-2", "qwen-image-edit")
    ),
)
