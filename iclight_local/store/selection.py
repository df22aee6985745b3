"""Which entries of the manifest are meant by what a user names."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Sequence
from pathlib import Path

from iclight_local.errors import InvalidRequest, WeightsError
from iclight_local.request import ModelName
from iclight_local.segmenters.catalogue import DEFAULT as DEFAULT_SEGMENTER
from iclight_local.store.bundles import DEFAULT, offsets_path
from iclight_local.store.entries import Entry, require_commercial
from iclight_local.store.manifest import Manifest

USUAL: tuple[ModelName, ...] = ("fc", "fbc")
"""The models that a bundle is fetched with unless others are named."""
_log = logging.getLogger(__name__)


def select(manifest: Manifest, names: Sequence[str], *, commercial: bool = False) -> list[Entry]:
    """The entries that are to be fetched, each once.

    Args:
        manifest: what is published.
        names: entries and bundles; without any, the default bundle and the default segmenter. A bundle stands for
            its first base and the offsets of fc and fbc.
        commercial: refuse entries that may not be used commercially; a bundle then stands on its first base that may.

    Raises:
        InvalidRequest: there is no such name, or it cannot be fetched.
        WeightsError: an entry may not be used commercially.
    """
    usual = [DEFAULT, *([DEFAULT_SEGMENTER] if DEFAULT_SEGMENTER in manifest.entries else [])]
    found: dict[str, Entry] = {}
    for name in names if names else usual:
        for entry in _meant(manifest, name, commercial):
            found[entry.name] = entry
    if commercial:
        for entry in found.values():
            require_commercial(entry)
    return list(found.values())


def _meant(manifest: Manifest, name: str, commercial: bool) -> list[Entry]:
    if name in manifest.bundles:
        return _whole(manifest, name, commercial)
    if name not in manifest.entries:
        known = [*manifest.bundles, *manifest.entries]
        close = difflib.get_close_matches(name, known, n=1)
        meant = f"did you mean {close[0]}? Known are" if close else "known are"
        raise InvalidRequest(f"There are no published weights {name!r}: {meant} {', '.join(known)}.")
    entry = manifest.entries[name]
    if entry.made_from is not None:
        raise InvalidRequest(
            f"{name} is not published, it is made from {entry.made_from} on this machine: name {entry.made_from}."
        )
    return [entry]


def _whole(manifest: Manifest, name: str, commercial: bool) -> list[Entry]:
    parts = manifest.bundle(name)
    base = next((base for base in parts.bases if base.commercial == "yes" or not commercial), None)
    if base is None:
        raise WeightsError(
            f"No base of {name} may be used commercially: `iclight weights licences` lists the licences."
        )
    if base != parts.bases[0]:
        _log.info("The base is %s: %s is not known to be free for commercial use.", base.name, parts.bases[0].name)
    names = {offsets_path(Path(), model).name for model in USUAL}
    usual = [entry for entry in parts.offsets if names & {file.saved_as for file in entry.files}]
    return [base, *(usual if usual else parts.offsets)]
