"""What a batch is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """One relight that is asked for; made of plain JSON values, so that it can travel to another process.

    Attributes:
        number: from 1, in the order of the source.
        where: what a sentence calls it: ``line 14 of people.csv``, ``row 14 of people.parquet``, or a file's name.
        values: the request's parameters, checked; pictures as places: an absolute path, a URL, a data URI or an
            address that fsspec knows (``s3://…``).
        names: of the results, relative to the output, with their suffix and ``/`` between folders: one for each of
            ``number_of_images``.
    """

    number: int
    where: str
    values: Mapping[str, Any]
    names: tuple[str, ...]

    @property
    def name(self) -> str:
        """The first result's name, by which a ledger knows the row."""
        return self.names[0]


@dataclass(frozen=True)
class Group:
    """Rows that are sampled together.

    Attributes:
        id: of the ledger.
        rows: in the order of the source.
    """

    id: int
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of one row; plain JSON values, too.

    Attributes:
        name: of its first result.
        key: sha256 of the contents of its pictures and of the executed request; empty where it failed before that.
        seed: that was used; None where it failed, or a provider did not tell it.
        files: sha256 of the bytes of each result that was written, by name; empty where it failed.
        written: what tells cheaply whether each of them is still the same.
        error: the kind of error and its sentence; None where it was done.
        warnings: one sentence each.
        timings: seconds by stage.
    """

    name: str
    key: str
    seed: int | None
    files: Mapping[str, str] = field(default_factory=dict)
    written: Mapping[str, str] = field(default_factory=dict)
    error: tuple[str, str] | None = None
    warnings: tuple[str, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def failure(cls, name: str, kind: str, sentence: str, key: str = "") -> Outcome:
        """Of a row that failed; ``key`` is empty where it failed before its pictures were read."""
        return cls(name, key, None, error=(kind, sentence))
