"""What comes into a batch: a folder, globs, pictures or a manifest, as a stream of rows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from iclight_local.batch.base import Row
from iclight_local.batch.columns import ParquetManifest
from iclight_local.batch.combinations import Accepted, Combinations, check_format
from iclight_local.batch.manifest import CsvManifest, JsonManifest
from iclight_local.batch.naming import Template, finished, numbered
from iclight_local.batch.places import absolute, exists, is_folder, name_of, parent, shown, suffix_of
from iclight_local.batch.records import OUTPUT, PICTURES, SUBJECT, Reader, Values, as_text
from iclight_local.batch.walking import Several, Walk, common_folder, glob, is_glob, is_picture, same_place
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.encode import FORMAT_OF_SUFFIX
from iclight_local.imaging.sources import scheme_of
from iclight_local.light import parse_lights
from iclight_local.request import RelightRequest

MANIFESTS: dict[str, type[CsvManifest | JsonManifest | ParquetManifest]] = {
    ".csv": CsvManifest,
    ".tsv": CsvManifest,
    ".jsonl": JsonManifest,
    ".ndjson": JsonManifest,
    ".parquet": ParquetManifest,
}
"""Suffixes of manifests, and how each is read."""
EVERYTHING = ("**", "*")


@dataclass(frozen=True)
class Options:
    """How a batch is read and where it goes.

    Attributes:
        out: the place of the output's folder, absolute.
        name: the template of the results' names (``--name``), or None.
        offline: refuse what is not on this machine.
    """

    out: str
    name: str | None = None
    offline: bool = False


@dataclass(frozen=True)
class Source:
    """Rows that can be read as often as is wanted, one by one.

    Attributes:
        reader: of what was given.
        defaults: what every row has that does not say otherwise, as texts.
        template: of the results' names.
    """

    reader: Reader
    defaults: Values
    template: Template
    _combinations: Combinations = field(default_factory=Combinations, repr=False, compare=False)

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.reader.name

    def rows(self) -> Iterator[Row]:
        """The rows in their order.

        Raises:
            InvalidRequest: a row is no request; the sentence begins with where it stands.
            EngineError: a remote place failed.
        """
        base = self.reader.base
        for number, (at, found) in enumerate(self.reader.records(), 1):
            try:
                values, names, accepted = self.resolved(number, found)
                places = {name: absolute(values[name], base) for name in accepted.pictures}
            except InvalidRequest as error:
                raise InvalidRequest(f"{self.reader.where(at)}: {error}") from error
            yield Row(number, self.reader.where(at), {**values, **places}, names)

    def resolved(self, number: int, found: Values | InvalidRequest) -> tuple[Values, tuple[str, ...], Accepted]:
        """A row as it will be asked for; there may be millions.

        Args:
            number: of the row, from 1.
            found: as the reader gives it.

        Returns:
            The request's parameters, defaults included and places as they are written; the names of its results; and
            what it has in common with other rows.

        Raises:
            InvalidRequest: it could not be read, is no request, or its results cannot have their names.
        """
        if isinstance(found, InvalidRequest):
            raise found
        values = {**self.defaults, **found}
        output = values.pop(OUTPUT, None)
        accepted = self._combinations.of(values)
        for picture in accepted.pictures:
            # Nearly all are relative paths, which need no look.
            if ":" in values[picture] or not values[picture].strip():
                absolute(values[picture], self.reader.base)
        output_format = accepted.request.output_format
        if output is None:
            name = self.template.name(number, values[SUBJECT], values, output_format)
        else:
            name = finished(output, output_format, own_suffix=True)
        if not name.endswith(".png"):
            check_format(accepted, values, FORMAT_OF_SUFFIX[f".{name.rpartition('.')[2].lower()}"])
        count = accepted.request.number_of_images
        return values, (name,) if count == 1 else numbered(name, count), accepted


def open_source(given: Sequence[str], defaults: Mapping[str, Any], options: Options) -> Source:
    """What comes into a batch.

    Args:
        given: one folder, one manifest, or pictures and globs; as a user writes them.
        defaults: parameters of every row that does not say otherwise, as the command line gives them.
        options: how it is read.

    Raises:
        InvalidRequest: it is not there or of no known kind, or a default or the template can never be right.
    """
    here = os.getcwd()  # noqa: PTH109
    if not given:
        raise InvalidRequest("There is nothing to relight: name a folder, a manifest or pictures.")
    reader = _one(given[0], here, options) if len(given) == 1 else _several(given, here, options)
    template = Template(reader.template if options.name is None else options.name, reader.base)
    return Source(reader, _defaults(defaults, here), template)


def _one(given: str, here: str, options: Options) -> Reader:
    place = absolute(given, here)
    manifest = MANIFESTS.get(suffix_of(place))
    if scheme_of(place) in ("http", "https", "data"):
        return Several((place,), "") if manifest is None else manifest(place, options.offline)
    if is_folder(place, offline=options.offline):
        return _apart(Walk(place, EVERYTHING, options.out, options.offline))
    if not exists(place, offline=options.offline):
        if is_glob(given):
            return _apart(glob(given, here, options.out, offline=options.offline))
        raise InvalidRequest(f"{shown(place)} does not exist: check the spelling and the folder it is in.")
    if manifest is not None:
        return manifest(place, options.offline)
    if not is_picture(name_of(place)):
        raise InvalidRequest(
            f"{shown(place)} is of no known kind: a folder, a picture or a manifest ({', '.join(MANIFESTS)}) is needed."
        )
    return Several((place,), parent(place))


def _several(given: Sequence[str], here: str, options: Options) -> Reader:
    parts: list[str | Walk] = []
    for each in given:
        place = absolute(each, here)
        if scheme_of(place) in ("http", "https", "data"):
            parts.append(place)
        elif exists(place, offline=options.offline):
            kind = "a folder" if is_folder(place, offline=options.offline) else "a manifest"
            if kind == "a folder" or suffix_of(place) in MANIFESTS:
                raise InvalidRequest(f"{shown(place)} is {kind}: give it alone, and the rest in a batch of its own.")
            parts.append(place)
        elif is_glob(each):
            parts.append(_apart(glob(each, here, options.out, offline=options.offline)))
        else:
            raise InvalidRequest(f"{shown(place)} does not exist: check the spelling and the folder it is in.")
    return Several(
        tuple(parts), common_folder([part.root if isinstance(part, Walk) else parent(part) for part in parts])
    )


def _apart(walk: Walk) -> Walk:
    if same_place(walk.root, walk.left_out):
        raise InvalidRequest(
            f"the output is the folder of the pictures itself, {shown(walk.root)}: choose another, which may lie in it."
        )
    return walk


def _defaults(given: Mapping[str, Any], here: str) -> Values:
    """Defaults as texts, pictures as places that mean the same everywhere.

    Raises:
        InvalidRequest: a value that can never be right, whatever a row says beside it.
    """
    texts = {
        name: as_text(name, os.fspath(value) if isinstance(value, os.PathLike) else value)
        for name, value in given.items()
    }
    texts |= {name: absolute(texts[name], here) for name in PICTURES if name in texts}
    asked: dict[str, Any] = {SUBJECT: "any", **texts}
    try:
        RelightRequest(**asked)
    except InvalidRequest as error:
        # What contradicts another value may be mended by a row's own; what no parameter accepts may not.
        if isinstance(error.__context__, ValidationError):
            raise
        if "light" in texts:
            parse_lights(texts["light"])
    return texts
