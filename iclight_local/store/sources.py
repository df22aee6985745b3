"""Where one file can be fetched from: its maker first, then the mirrors, each asked when the one before it failed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from iclight_local.errors import EngineError
from iclight_local.store.entries import Entry, File
from iclight_local.store.hub import Offer, Patience, SourceError, ask, at_endpoint, fetch, host

if TYPE_CHECKING:
    from iclight_local.store.parts import Part

_log = logging.getLogger(__name__)


class Sources:
    """The servers that may have a file.

    Args:
        entry: what the file belongs to.
        file: which one; a server whose file has another size is passed over.
    """

    def __init__(self, entry: Entry, file: File) -> None:
        self._entry = entry
        self._file = file
        self._urls = list(dict.fromkeys(at_endpoint(url) for url in entry.urls(file)))
        self._page = at_endpoint(entry.page)
        self._failures: list[SourceError] = []
        self._offer: Offer | None = None
        self._patience = Patience()

    def offer(self) -> Offer:
        """What the first server has that has not failed yet; it is asked once.

        Raises:
            EngineError: all have failed; the sentence says how each did, and what mends it.
        """
        while self._offer is None:
            if not self._urls:
                raise self._exhausted()
            url = self._urls.pop(0)
            self._patience = Patience()
            try:
                self._offer = self._checked(ask(url, self._patience))
            except SourceError as error:
                self.drop(error)
        return self._offer

    def fetch(self, part: Part) -> None:
        """Fetch what a part still lacks from the present server.

        Raises:
            SourceError: it does not give it.
            EngineError: it cannot be written, or all servers have failed.
        """
        fetch(self.offer().url, part, self._patience)

    def drop(self, error: SourceError) -> None:
        """Be done with the present server, for this reason."""
        self._failures.append(error)
        self._offer = None
        if self._urls:
            _log.info("%s: %s, trying %s.", self._file.path, error, host(self._urls[0]))

    def _checked(self, offer: Offer) -> Offer:
        needed = self._file.size
        if None not in (needed, offer.size) and needed != offer.size:
            raise SourceError(offer.url, f"has {offer.size:,} bytes, and {needed:,} are needed")
        return offer

    def _exhausted(self) -> EngineError:
        what = f"{self._file.path} of {self._entry.name} could not be fetched"
        reasons = "; ".join(str(error) for error in self._failures)
        if any(error.denied for error in self._failures):
            return EngineError(
                f"{what} ({reasons}): accept the licence on {self._page} with an account there, and set HF_TOKEN to a "
                "token of it."
            )
        return EngineError(f"{what} ({reasons}): run the same command again later, and it goes on from here.")
