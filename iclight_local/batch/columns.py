"""Manifests in columns: Parquet, read through pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from iclight_local.batch.manifest_file import Manifest
from iclight_local.batch.places import opened
from iclight_local.batch.records import Record, check_columns
from iclight_local.errors import InvalidRequest

_ROWS_AT_ONCE = 4096
_BYTES_AT_ONCE = 1 << 18


class ParquetManifest(Manifest):
    """A table in a Parquet file; null and NaN give nothing."""

    def where(self, at: int | str) -> str:
        """A row by its number, from 1."""
        return f"row {at} of {self.name}"

    def records(self) -> Iterator[Record]:
        """Its rows by their numbers; see :class:`~iclight_local.batch.records.Reader`."""
        number = 0
        with self._table() as table:
            batches = table.iter_batches(batch_size=_ROWS_AT_ONCE, use_threads=False)
            for batch in self._readable(batches):
                names = batch.schema.names
                for cells in zip(*(self._texts(name, batch.column(name)) for name in names), strict=True):
                    number += 1
                    given = zip(names, cells, strict=True)
                    yield number, {name: cell for name, cell in given if cell is not None}

    @contextmanager
    def _table(self) -> Iterator[Any]:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as error:
            raise InvalidRequest(
                f"{self.name} is a Parquet file, which needs the package pyarrow: pip install 'iclight-local[parquet]'."
            ) from error
        with opened(self.place, offline=self.offline) as stream:
            try:
                # Without this a whole row group, which may be the whole file, is fetched before its first row.
                table = pq.ParquetFile(stream, pre_buffer=False, buffer_size=_BYTES_AT_ONCE)
                schema = table.schema_arrow
            except (pa.ArrowException, OSError) as error:
                raise InvalidRequest(f"{self.name} is no readable Parquet file ({_first_line(error)}).") from error
            self._check(schema)
            yield table

    def _check(self, schema: Any) -> None:
        try:
            check_columns(schema.names, all_rows=True)
            if len(set(schema.names)) < len(schema.names):
                raise InvalidRequest("two columns have the same name: leave one of them out.")
            for field in schema:
                if not _is_plain(field.type):
                    raise InvalidRequest(
                        f"the column {field.name} holds {field.type}: texts, numbers, true or false are needed."
                    )
        except InvalidRequest as error:
            raise InvalidRequest(f"in {self.name}: {error}") from None

    def _readable(self, batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        try:
            yield from batches
        except (pa.ArrowException, OSError) as error:
            raise InvalidRequest(
                f"{self.name} breaks off or is damaged ({_first_line(error)}): copy it again."
            ) from error

    def _texts(self, name: str, column: Any) -> list[str | None]:
        """A column as a CSV would spell it: of a number only as many digits as tell it from its neighbours."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_float64(column.type):
            # As Arrow spells it, a seed from a column with gaps, which pandas keeps as floats, has an exponent.
            return [None if value is None or value != value else repr(value) for value in column.to_pylist()]
        if pa.types.is_floating(column.type):
            column = pc.if_else(pc.is_nan(column), None, column)
        try:
            texts: list[str | None] = column.cast(pa.string()).to_pylist()
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise InvalidRequest(
                f"in {self.name}: the column {name} cannot be read as text ({_first_line(error)})."
            ) from error
        return texts


def _is_plain(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _is_plain(kind.value_type)
    tests = ("boolean", "integer", "floating", "decimal", "string", "large_string", "string_view", "null")
    return any(getattr(pa.types, f"is_{test}")(kind) for test in tests)


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
