"""The only place that chooses which engine does the work."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from iclight_local.engines.base import Engine
from iclight_local.engines.loras import checked_loras
from iclight_local.request import ModelName
from iclight_local.settings import Settings, load_settings
from iclight_local.store.bundles import check_models, find_bundle, stand_in_notice


def open_engine(**overrides: Any) -> Engine:
    """Open the engine that the owner's settings ask for.

    Args:
        **overrides: settings that win over the environment and the file (see
            :class:`iclight_local.settings.Settings`): ``weights``, ``device``, ``segmenter``, …

    Returns:
        An engine; ``engine.relight(RelightRequest(...))`` relights a picture.

    Raises:
        InvalidRequest: a bad setting.
        WeightsError: the weights are not there, or a LoRA is not or does not fit them.
        Unsupported: the device is not there.
    """
    return engine_from(load_settings(overrides))


def engine_from(settings: Settings, models: Iterable[ModelName] = ()) -> Engine:
    """Open the engine of already read settings; raises as :func:`open_engine` does.

    Args:
        settings: the owner's.
        models: those that will be asked for: their files are checked at once, before anything heavy is imported.
    """
    bundle = find_bundle(settings.weights, settings.home)
    if models:
        check_models(bundle, models)
    notice = stand_in_notice(settings.weights, bundle, settings.home)
    checked_loras(settings.lora, settings.preset, bundle, settings.home)
    # Torch is imported here and not before: finding weights and reading settings and LoRAs' headers do without it.
    from iclight_local.engines.local import LocalEngine, LocalOptions

    return LocalEngine(
        LocalOptions(
            bundle=bundle,
            home=settings.home,
            device=settings.device,
            precision=settings.precision,
            vram=settings.vram,
            lora=settings.lora,
            preset=settings.preset,
            preview_every=settings.preview_every,
            segmenter=settings.segmenter,
            allow_noncommercial=settings.allow_noncommercial,
            offline=settings.offline,
            notices=() if notice is None else (notice,),
        )
    )
