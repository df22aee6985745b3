"""Looking through a whole source before anything runs: every row is a request, and no two results have one name."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from iclight_local.batch.naming import folded
from iclight_local.batch.sources import Source
from iclight_local.errors import InvalidRequest

MOST_TOLD = 5
"""Faults that are told one by one."""
MOST_LOOKED_AT = 1000
"""Names of which a second one is looked for, so that memory stays flat."""
EACH_ITS_OWN = "{stem}-{row}"
"""A template that no two rows share."""


@dataclass(frozen=True)
class Checked:
    """What a source holds.

    Attributes:
        rows: how many.
    """

    rows: int


class _Faults:
    """The first faults of each kind, and how many rows have one."""

    def __init__(self) -> None:
        self.rows = 0
        self._told: dict[str, str] = {}

    def add(self, where: str, sentence: str) -> None:
        self.rows += 1
        if len(self._told) < MOST_TOLD:
            self._told.setdefault(sentence, where)

    def raise_if_any(self) -> None:
        if not self.rows:
            return
        told = [f"{where}: {sentence}" for sentence, where in self._told.items()]
        more = self.rows - len(told)
        raise InvalidRequest("\n".join([*told, f"And {more} more rows are wrong."] if more else told))


def check(source: Source) -> Checked:
    """Read all of a source, and refuse it if anything in it is wrong.

    Memory does not grow with its length but for 8 bytes for each result.

    Raises:
        InvalidRequest: it has no rows, some are no requests, or two results would have one name; the first faults with
            where they stand.
        EngineError: a remote place failed.
    """
    faults, hashes = _Faults(), array("q")
    number = 0
    for number, (at, found) in enumerate(source.reader.records(), 1):
        try:
            _, names, _ = source.resolved(number, found)
        except InvalidRequest as error:
            faults.add(source.reader.where(at), str(error))
            continue
        for name in names:
            hashes.append(hash(folded(name)))
    faults.raise_if_any()
    if number == 0:
        raise InvalidRequest(f"{source.name} has no {source.reader.holds}: there is nothing to relight.")
    _check_names(source, hashes)
    return Checked(number)


def _check_names(source: Source, hashes: array[int]) -> None:
    """Refuse results of one name; only where hashes agree is the source read again, to find the names.

    Raises:
        InvalidRequest: the first few such pairs.
    """
    ordered: npt.NDArray[np.int64] = np.frombuffer(hashes, dtype=np.int64)
    ordered.sort()
    again = ordered[1:][ordered[1:] == ordered[:-1]]
    if not again.size:
        return
    pairs = list(islice(_pairs(source, again), MOST_TOLD))
    if not pairs:
        return
    told = [f"{first} and {second} would both be {name}." for first, second, name in pairs]
    more = again.size - len(pairs)
    cure = f"Put {{row}} into --name, like {EACH_ITS_OWN!r}, or name them apart in a column output."
    raise InvalidRequest(" ".join([*told, *([f"And there are {more} more."] if more > 0 else []), cure]))


def _pairs(source: Source, again: npt.NDArray[np.int64]) -> Iterator[tuple[str, str, str]]:
    """Two rows, and the name that both of their results would have; for each of the first names that occur twice."""
    first: dict[str, str] = {}
    told: set[str] = set()
    for number, (at, found) in enumerate(source.reader.records(), 1):
        for name in source.resolved(number, found)[1]:
            key = folded(name)
            place = int(np.searchsorted(again, hash(key)))
            if place == again.size or again[place] != hash(key):
                continue
            if key in first and key not in told:
                told.add(key)
                yield first[key], source.reader.where(at), name
            elif len(first) < MOST_LOOKED_AT:
                first.setdefault(key, source.reader.where(at))
