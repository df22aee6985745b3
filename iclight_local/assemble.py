"""The only place that chooses which engine does the work."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from iclight_local.accounts import find_account, find_shelf
from iclight_local.engines.base import Engine
from iclight_local.engines.fallback import Candidate, FallbackEngine
from iclight_local.engines.loras import checked_loras
from iclight_local.errors import InvalidRequest
from iclight_local.providers import list_providers
from iclight_local.request import ModelName
from iclight_local.settings import LOCAL, Settings, load_settings
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


def engine_from(settings: Settings, models: Iterable[ModelName] = (), *, lasting: bool = False) -> Engine:
    """Open the engine of already read settings; raises as :func:`open_engine` does.

    Hosted providers are part of it only where the settings name them, and never offline.

    Args:
        settings: the owner's.
        models: those that will be asked for: their files are checked at once, before anything heavy is imported.
        lasting: whether many pictures will follow, so that it pays to compile models.
    """
    if settings.engines == (LOCAL,):
        return _local(settings, models, lasting)
    if settings.offline:
        if LOCAL not in settings.engines:
            raise InvalidRequest(
                f"{', '.join(settings.engines)} was asked for, and offline mode is on, in which nothing is sent: "
                "leave one of the two out."
            )
        return _local(settings, models, lasting)
    if not settings.engines:
        raise InvalidRequest("local_first is off and no provider is allowed, so nobody is left to relight: name one.")
    candidates = [_candidate(name, settings, list(models), lasting) for name in settings.engines]
    return FallbackEngine(candidates)


def _candidate(name: str, settings: Settings, models: list[ModelName], lasting: bool) -> Candidate:
    """An engine by its name; what is wrong with a provider's address or key is told here."""
    if name == LOCAL:
        return Candidate(LOCAL, lambda: _local(settings, models, lasting), hosted=False)
    account, shelf = find_account(list_providers()[name]), find_shelf(settings.upload_url)

    def remote() -> Engine:
        from iclight_local.engines.remote import RemoteEngine, RemoteOptions

        return RemoteEngine(account, RemoteOptions(settings.home, settings.remote_seconds, shelf))

    return Candidate(name, remote, hosted=True)


def _local(settings: Settings, models: Iterable[ModelName], lasting: bool) -> Engine:
    """Open this machine's engine."""
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
            compile=settings.compile,
            lasting=lasting,
            lora=settings.lora,
            preset=settings.preset,
            preview_every=settings.preview_every,
            segmenter=settings.segmenter,
            allow_noncommercial=settings.allow_noncommercial,
            offline=settings.offline,
            notices=() if notice is None else (notice,),
        )
    )
