"""The seam between the edges and whatever relights."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Protocol, runtime_checkable

from iclight_local.engines.staged import Stages
from iclight_local.errors import ICLightError
from iclight_local.request import RelightRequest
from iclight_local.result import NormalsResult, ProgressCallback, RelightResult


@runtime_checkable
class Engine(Protocol):
    """Takes a request, gives a result; every edge is written against this."""

    name: str

    @property
    def offline(self) -> bool:
        """Whether pictures by URL are refused, and nothing is asked of any network."""
        ...

    def relight(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> RelightResult:
        """Relight one picture.

        Raises:
            InvalidRequest: the request is wrong.
            Unsupported: this engine or its weights cannot do it.
            EngineError: it should have worked.
            Cancelled: ``progress`` asked to stop.
        """
        ...

    def relight_together(
        self, requests: Sequence[RelightRequest], *, progress: Sequence[ProgressCallback | None]
    ) -> list[RelightResult | ICLightError]:
        """Relight several pictures at the same time; each comes out as it does alone.

        Args:
            requests: any; it pays where they have one :meth:`batch_key`, whatever else differs.
            progress: one for each request; who is cancelled in it does not stop the others.

        Returns:
            For each request its result, or what :meth:`relight` would have raised.
        """
        ...

    def batch_key(self, request: RelightRequest) -> Hashable:
        """What requests must agree in to share work in all their steps; no more of a picture is read than its size.

        Raises:
            InvalidRequest: the request is wrong.
        """
        ...

    def staged(self) -> Stages[Any]:
        """The stages of a relight, for whoever wants to overlap those of several."""
        ...

    def cut_out(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> RelightResult:
        """Cut one picture's subject out, RGBA: its own colours and the matte; raises as :meth:`relight` does."""
        ...

    def normals(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> NormalsResult:
        """Estimate the normal map of one picture's subject; raises as :meth:`relight` does."""
        ...

    def warm_up(self, together: int, *, progress: ProgressCallback | None = None) -> None:
        """Do beforehand what the first relights would wait for; nothing where an engine has no models.

        Args:
            together: how many requests will be relit at the same time at most.
            progress: may raise ``Cancelled`` to stop it.

        Raises:
            ICLightError: as :meth:`relight` does; the engine can be used nevertheless.
        """
        ...

    def close(self) -> None:
        """Free models and memory."""
        ...
