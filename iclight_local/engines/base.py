"""The seam between the edges and whatever relights."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from iclight_local.request import RelightRequest
from iclight_local.result import NormalsResult, ProgressCallback, RelightResult


@runtime_checkable
class Engine(Protocol):
    """Takes a request, gives a result; every edge is written against this."""

    name: str

    def relight(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> RelightResult:
        """Relight one picture.

        Raises:
            InvalidRequest: the request is wrong.
            Unsupported: this engine or its weights cannot do it.
            EngineError: it should have worked.
            Cancelled: ``progress`` asked to stop.
        """
        ...

    def normals(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> NormalsResult:
        """Estimate the normal map of one picture's subject; raises as :meth:`relight` does."""
        ...

    def close(self) -> None:
        """Free models and memory."""
        ...
