"""What became of each row: a SQLite database that outlives any stop.

A row is known by its first result's name. It is *planned* when it is about to run: its names are claimed, and whatever
lies there then is a stopped run's own. It is *done* when its files are in place, in one transaction with the rest of
its group, so that a group is done as a whole or run again as a whole: pictures that are sampled together then keep
their company, and with it every bit. Every transaction is on the disk before the next step: neither a killed process
nor a machine without power loses one.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from iclight_local.batch.base import Outcome, Row
from iclight_local.errors import EngineError
from iclight_local.jobs.disk import Database, opened, transaction

if TYPE_CHECKING:
    import sqlite3

State = Literal["planned", "done", "failed"]
_TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE rows (
    name TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('planned', 'done', 'failed')),
    together INTEGER NOT NULL,
    asked TEXT NOT NULL,
    stamps TEXT NOT NULL,
    key TEXT NOT NULL DEFAULT '',
    files TEXT NOT NULL DEFAULT '{}',
    written TEXT NOT NULL DEFAULT '{}',
    seed INTEGER,
    kind TEXT,
    error TEXT
) WITHOUT ROWID;
CREATE INDEX rows_by_state ON rows (state, together);
CREATE TABLE frames (number INTEGER PRIMARY KEY, made BLOB NOT NULL, steadied BLOB);
"""
_VERSION = 1
LEDGER = Database(
    version=_VERSION,
    changes={0: _TABLES, _VERSION: ""},
    holds="batch's ledger",
    user="iclight batch",
    cure="choose another --out folder",
)


@dataclass(frozen=True)
class Entry:
    """What is known of a row.

    Attributes:
        name: of its first result.
        state: what became of it.
        number: of the row, when it ran.
        group: that it was, or is to be, sampled in.
        asked: digest of what was asked, its pictures apart.
        stamps: of its pictures, by parameter.
        key: of its pictures' contents and the executed request; empty where it never came so far.
        files: sha256 of each result, by name.
        written: stamp of each when it was written, by name.
        error: kind and sentence of a failure.
    """

    name: str
    state: State
    number: int
    group: int
    asked: str
    stamps: Mapping[str, str]
    key: str
    files: Mapping[str, str]
    written: Mapping[str, str]
    error: tuple[str, str] | None


@dataclass(frozen=True)
class Planned:
    """A row that is about to run.

    Attributes:
        row: the row.
        asked, stamps: as in :class:`Entry`.
    """

    row: Row
    asked: str
    stamps: Mapping[str, str]


class Ledger:
    """The ledger of one batch; may be used from several threads, by one process at a time.

    Args:
        path: of the database; its folder is made where it is not there.

    Raises:
        EngineError: another process has it open, it is something else, or another version wrote it.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EngineError(f"{path.parent} cannot be made ({error.strerror}): {LEDGER.cure}.") from None
        self._lock, self._path = threading.RLock(), path
        self._base = opened(path, LEDGER)
        self._groups = self._number("SELECT MAX(together) FROM rows")

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._base.close()

    def fact(self, name: str) -> Any:
        """Something that holds for the whole batch, or None."""
        with self._lock:
            row = self._base.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row["value"])

    def keep_fact(self, name: str, value: Any) -> None:
        """Keep something that holds for the whole batch: plain JSON values."""
        with self._change() as base:
            base.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value, sort_keys=True)))

    def entry(self, name: str) -> Entry | None:
        """What is known of a row; None where it never ran."""
        with self._lock:
            found = self._base.execute("SELECT * FROM rows WHERE name = ?", (name,)).fetchone()
        return None if found is None else _entry(found)

    def planned(self) -> dict[int, set[str]]:
        """Names of the rows that a stopped run left unfinished, by group."""
        with self._lock:
            rows = self._base.execute("SELECT together, name FROM rows WHERE state = 'planned'").fetchall()
        groups: dict[int, set[str]] = {}
        for row in rows:
            groups.setdefault(row["together"], set()).add(row["name"])
        return groups

    def count(self, state: State) -> int:
        """How many rows are of a state."""
        return self._number("SELECT COUNT(*) FROM rows WHERE state = ?", (state,))

    def plan(self, rows: Sequence[Planned], group: int | None = None) -> int:
        """Claim the names of rows that are about to run together.

        Args:
            rows: the rows.
            group: that of a stopped run which they are again; None: a new one.

        Returns:
            The group's number.
        """
        with self._change() as base:
            new = group is None
            if group is None:
                self._groups += 1
                group = self._groups
            if new:
                # Frames of another request, or of other pictures.
                base.executemany("DELETE FROM frames WHERE number = ?", [(each.row.number,) for each in rows])
            # What the row was before keeps its files: they are the batch's own.
            base.executemany(
                "INSERT INTO rows (name, number, state, together, asked, stamps) VALUES (?, ?, 'planned', ?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET number = excluded.number, state = 'planned', "
                "together = excluded.together, asked = excluded.asked, stamps = excluded.stamps",
                [(each.row.name, each.row.number, group, each.asked, json.dumps(dict(each.stamps))) for each in rows],
            )
        return group

    def keep(self, outcomes: Sequence[Outcome]) -> None:
        """Keep what became of the rows of a group, all of them or none."""
        done = [each for each in outcomes if each.error is None]
        failed = [(*each.error, each.name) for each in outcomes if each.error is not None]
        with self._change() as base:
            base.executemany(
                "UPDATE rows SET state = 'done', key = ?, files = ?, written = ?, seed = ?, kind = NULL, error = NULL "
                "WHERE name = ?",
                [
                    (each.key, json.dumps(dict(each.files)), json.dumps(dict(each.written)), each.seed, each.name)
                    for each in done
                ],
            )
            base.executemany("UPDATE rows SET state = 'failed', kind = ?, error = ? WHERE name = ?", failed)

    def restamp(self, name: str, stamps: Mapping[str, str]) -> None:
        """Keep that a row's pictures are the same, though their stamps are new."""
        with self._change() as base:
            base.execute("UPDATE rows SET stamps = ? WHERE name = ?", (json.dumps(dict(stamps)), name))

    def frame(self, number: int) -> bytes | None:
        """The light that the model gave a sequence's frame, or None."""
        with self._lock:
            found = self._base.execute("SELECT made FROM frames WHERE number = ?", (number,)).fetchone()
        return None if found is None else bytes(found["made"])

    def keep_frame(self, number: int, made: bytes) -> None:
        """Keep the light that the model gave a frame."""
        with self._change() as base:
            base.execute("INSERT OR REPLACE INTO frames (number, made) VALUES (?, ?)", (number, made))

    def keep_steadied(self, number: int, steadied: bytes) -> None:
        """Keep the light of a frame after it was steadied."""
        with self._change() as base:
            base.execute("UPDATE frames SET steadied = ? WHERE number = ?", (steadied, number))

    def frames(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Number and lights of each finished frame, in their order: as the model made it, and steadied."""
        number = -1
        while True:
            with self._lock:
                found = self._base.execute(
                    "SELECT * FROM frames WHERE number > ? AND steadied IS NOT NULL ORDER BY number LIMIT 1", (number,)
                ).fetchone()
            if found is None:
                return
            number = found["number"]
            yield number, bytes(found["made"]), bytes(found["steadied"])

    def _number(self, question: str, values: tuple[Any, ...] = ()) -> int:
        with self._lock:
            found = self._base.execute(question, values).fetchone()[0]
        return 0 if found is None else int(found)

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with self._lock, transaction(self._base, self._path):
            yield self._base


def _entry(row: sqlite3.Row) -> Entry:
    return Entry(
        name=row["name"],
        state=row["state"],
        number=row["number"],
        group=row["together"],
        asked=row["asked"],
        stamps=json.loads(row["stamps"]),
        key=row["key"],
        files=json.loads(row["files"]),
        written=json.loads(row["written"]),
        error=None if row["error"] is None else (row["kind"], row["error"]),
    )
