"""What keeping stands on: a database that outlives its process, and files that are on the disk."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from iclight_local.errors import EngineError

SCHEMA = 3
_TABLE = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    secret TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    dialect TEXT NOT NULL,
    asked TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    created REAL NOT NULL,
    expires REAL NOT NULL,
    started REAL,
    ended REAL,
    attempts INTEGER NOT NULL DEFAULT 0,
    outputs TEXT NOT NULL DEFAULT '[]',
    seeds TEXT NOT NULL DEFAULT '[]',
    error TEXT,
    at_fault INTEGER NOT NULL DEFAULT 0,
    told INTEGER NOT NULL DEFAULT 0,
    headers TEXT NOT NULL DEFAULT '[]'
);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, number);
"""
# Version 1 called webhooks as soon as a job had ended, and kept nothing of it.
_FROM_1 = """
ALTER TABLE jobs ADD COLUMN told INTEGER NOT NULL DEFAULT 0;
UPDATE jobs SET told = 1 WHERE ended IS NOT NULL;
"""
# Version 2 kept a result's type, and nothing else that is told of it.
_FROM_2 = """
ALTER TABLE jobs ADD COLUMN headers TEXT NOT NULL DEFAULT '[]';
"""


@dataclass(frozen=True)
class Database:
    """A kind of database, as it is opened and as sentences speak of it.

    Attributes:
        version: of its tables.
        changes: what brings a database of each version to the present one; a new one is of version 0.
        holds: what it keeps: ``jobs``.
        user: who has it open: ``server``.
        cure: what to do where it cannot be used.
    """

    version: int
    changes: Mapping[int, str]
    holds: str
    user: str
    cure: str


JOBS = Database(
    version=SCHEMA,
    changes={0: _TABLE, 1: _FROM_1 + _FROM_2, 2: _FROM_2, SCHEMA: ""},
    holds="jobs",
    user="server",
    cure="use another --jobs folder",
)
"""The server's jobs."""


def opened(path: Path, database: Database) -> sqlite3.Connection:
    """A database, for this process alone; the system lets go of it when the process ends, however that happens.

    Raises:
        EngineError: another process has it open, it is something else, or it was written by another version.
    """
    try:
        base = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=1)
    except sqlite3.OperationalError as error:
        raise EngineError(f"{path} cannot be opened ({error}): {database.cure}.") from None
    base.row_factory = sqlite3.Row
    try:
        base.execute("PRAGMA locking_mode = EXCLUSIVE")
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("BEGIN EXCLUSIVE")
        base.execute("COMMIT")
    except sqlite3.OperationalError as error:
        base.close()
        if error.sqlite_errorcode not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise EngineError(f"{path} cannot be used ({error}): mend that, or {database.cure}.") from None
        raise EngineError(
            f"Another {database.user} has the {database.holds} in {path.parent} open: stop it, or {database.cure}."
        ) from None
    except sqlite3.DatabaseError:
        base.close()
        raise EngineError(
            f"{path} is no database of {database.holds}, or is damaged: move it away, or {database.cure}."
        ) from None
    version = base.execute("PRAGMA user_version").fetchone()[0]
    if version not in database.changes:
        base.close()
        raise EngineError(
            f"The {database.holds} in {path.parent} are of version {version}, and {database.version} is needed: "
            f"{database.cure}."
        )
    base.executescript(f"BEGIN; {database.changes[version]} PRAGMA user_version = {database.version}; COMMIT;")
    return base


@contextmanager
def transaction(base: sqlite3.Connection, path: Path) -> Iterator[None]:
    """All changes of a block, or none.

    Args:
        base: a database that :func:`opened` gave.
        path: as a sentence names it.

    Raises:
        EngineError: it cannot be written.
    """
    try:
        base.execute("BEGIN IMMEDIATE")
        yield
        base.execute("COMMIT")
    except sqlite3.Error as error:
        _undo(base)
        raise EngineError(
            f"{path} could not be written ({error}): free some space or choose another disk, and start again."
        ) from error
    except BaseException:
        _undo(base)
        raise


def _undo(base: sqlite3.Connection) -> None:
    # A full disk has SQLite take it back by itself.
    if base.in_transaction:
        base.execute("ROLLBACK")


def write_surely(path: Path, data: bytes) -> None:
    """Write a file, and come back when its bytes are on the disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync(folder: Path) -> None:
    """Have the names in a folder, and the folder itself, on the disk; Windows opens no folders and needs none of it."""
    if os.name == "nt":
        return
    for each in (folder, folder.parent):
        handle = os.open(each, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
