"""IC-Light relighting on your own machine: a diffusers pipeline, an engine and a command line.

The names below are loaded when they are first used, so that importing the package stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iclight_local.assemble import open_engine as open_engine
    from iclight_local.engines.base import Engine as Engine
    from iclight_local.engines.editing import edit as edit
    from iclight_local.errors import ICLightError as ICLightError
    from iclight_local.pipelines.iclight import ICLightPipeline as ICLightPipeline
    from iclight_local.pipelines.normals import estimate_normals as estimate_normals
    from iclight_local.request import EditRequest as EditRequest
    from iclight_local.request import RelightRequest as RelightRequest
    from iclight_local.result import NormalsResult as NormalsResult
    from iclight_local.result import RelightResult as RelightResult

__version__ = "0.1.0.dev0"

_HOMES = {
    "EditRequest": "request",
    "Engine": "engines.base",
    "ICLightError": "errors",
    "ICLightPipeline": "pipelines.iclight",
    "NormalsResult": "result",
    "RelightRequest": "request",
    "RelightResult": "result",
    "edit": "engines.editing",
    "estimate_normals": "pipelines.normals",
    "open_engine": "assemble",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
