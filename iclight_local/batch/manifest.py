"""Manifests in text: CSV and JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from iclight_local.batch.manifest_file import Manifest
from iclight_local.batch.places import opened
from iclight_local.batch.records import Record, Values, as_text, check_columns
from iclight_local.errors import InvalidRequest

MOST_CELL = 2**27
"""Characters that one cell may have: a data URI of a picture of 96 MiB."""
_OBJECT = '{"subject_image": …} is needed, an object on each line'


class TextManifest(Manifest):
    """What both have in common."""

    def where(self, at: int | str) -> str:
        """The line on which a row begins, counted as an editor counts."""
        return f"line {at} of {self.name}"

    def _lines(self) -> Iterator[str]:
        """Its lines as they are, ends included.

        Raises:
            InvalidRequest: bytes that are no UTF-8, or NUL.
        """
        with opened(self.place, offline=self.offline) as stream:
            text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
            number = 0
            try:
                for number, line in enumerate(text, 1):
                    if "\0" in line:
                        raise InvalidRequest(f"{self.where(number)} holds a NUL byte: save the file as UTF-8 text.")
                    yield line
            except UnicodeDecodeError:
                pass
            else:
                return
        # Decoding runs ahead of the lines, so the line is looked for.
        raise InvalidRequest(f"{self.where(self._undecodable())} is no valid UTF-8: save the file as UTF-8 text.")

    def _undecodable(self) -> int:
        number = 0
        with opened(self.place, offline=self.offline) as stream:
            for number, line in enumerate(stream, 1):
                try:
                    line.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError:
                    break
        return number


@dataclass(frozen=True)
class CsvManifest(TextManifest):
    """A table in text: a header with the names of the columns, then a line for each row; an empty cell gives nothing.

    Cells stand apart by commas; by semicolons or tabs where the header has those and no comma.
    """

    def records(self) -> Iterator[Record]:
        """Its rows, by the line on which each begins; see :class:`~iclight_local.batch.records.Reader`."""
        # Pictures in cells are longer than what the module takes by itself.
        csv.field_size_limit(max(csv.field_size_limit(), MOST_CELL))
        lines = self._lines()
        header = next(lines, "")
        delimiter = next((mark for mark in ",;\t" if mark in header), ",")
        columns = self._columns(next(csv.reader([header], delimiter=delimiter), []))
        rows = csv.reader(lines, delimiter=delimiter, strict=True)
        width, line = len(columns), 2
        while True:
            try:
                for cells in rows:
                    if len(cells) == width:
                        yield line, {name: cell for name, cell in zip(columns, cells, strict=True) if cell}
                    elif cells:
                        yield line, _ragged(len(cells), width)
                    line = rows.line_num + 2
                return
            except csv.Error as error:
                yield line, _unquoted(error)
                line = rows.line_num + 2

    def _columns(self, columns: Sequence[str]) -> Sequence[str]:
        try:
            if not columns:
                raise InvalidRequest(
                    "the names of the columns are missing: a header is needed, like subject_image,prompt."
                )
            check_columns(columns, all_rows=True)
            twice = next((name for name, count in Counter(columns).items() if count > 1), None)
            if twice is not None:
                raise InvalidRequest(f"the column {twice} is there twice: leave one of them out.")
        except InvalidRequest as error:
            raise InvalidRequest(f"{self.where(1)}: {error}") from None
        return columns


def _unquoted(error: csv.Error) -> InvalidRequest:
    return InvalidRequest(
        f"the row cannot be read ({error}): a cell that holds quotes, commas or line ends stands in quotes, and quotes "
        "in it are doubled."
    )


def _ragged(found: int, needed: int) -> InvalidRequest:
    return InvalidRequest(
        f"the row has {found} cells and the header has {needed}: one cell for each column is needed; a cell that holds "
        "the delimiter stands in quotes."
    )


@dataclass(frozen=True)
class JsonManifest(TextManifest):
    """JSON lines: an object for each row, whose names are the columns; null gives nothing, blank lines are no rows."""

    def records(self) -> Iterator[Record]:
        """Its rows by their lines; see :class:`~iclight_local.batch.records.Reader`."""
        decoder = json.JSONDecoder(object_pairs_hook=_once, parse_int=str, parse_float=str, parse_constant=_no_constant)
        for number, line in enumerate(self._lines(), 1):
            text = line.strip()
            if text:
                yield number, _values_in(decoder, text)


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found = list(pairs)
    values = dict(found)
    if len(values) < len(found):
        twice = next(name for name, count in Counter(name for name, _ in found).items() if count > 1)
        raise InvalidRequest(f"{twice} is there twice: leave one of them out.")
    return values


def _no_constant(word: str) -> float:
    raise InvalidRequest(f"{word} is no JSON: write null for a value that is not given.")


def _values_in(decoder: json.JSONDecoder, text: str) -> Values | InvalidRequest:
    try:
        found = decoder.decode(text)
        if not isinstance(found, dict):
            raise InvalidRequest(f"there is no object: {_OBJECT}.")
        check_columns(found.keys(), all_rows=False)
        plain = {name: as_text(name, value) for name, value in found.items() if value is not None}
    except InvalidRequest as error:
        return error
    except (ValueError, RecursionError) as error:
        detail = str(error).partition(": line ")[0]
        return InvalidRequest(f"there is no JSON ({detail}): {_OBJECT}.")
    return plain
