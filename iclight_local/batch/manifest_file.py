"""What manifests of every format have in common."""

from __future__ import annotations

from dataclasses import dataclass

from iclight_local.batch.naming import PLAIN
from iclight_local.batch.places import name_of, parent


@dataclass(frozen=True)
class Manifest:
    """A file of rows.

    Attributes:
        place: of the manifest, absolute.
        offline: refuse it where it is not on this machine.
        template: how its results are called where nobody says it.
        holds: what messages call its rows.
    """

    place: str
    offline: bool
    template: str = PLAIN
    holds: str = "rows"

    @property
    def name(self) -> str:
        """What messages call it."""
        return name_of(self.place)

    @property
    def base(self) -> str:
        """The place of the folder that it lies in."""
        return parent(self.place)
