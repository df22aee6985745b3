"""Hashes of weights, remembered so that gigabytes are read once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path


def file_hashes(paths: list[Path], home: Path) -> dict[Path, str]:
    """The sha256 of each file, from ``home/cache/hashes.json`` where the file has not changed since.

    A file counts as unchanged while its path, size and time of change are the same. A cache that cannot be
    read or written is done without.
    """
    cache_file = home / "cache" / "hashes.json"
    known = _read(cache_file)
    result, fresh = {}, {}
    for path in paths:
        stat = path.stat()
        key = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
        if key not in known:
            fresh[key] = _sha256(path)
        result[path] = known[key] if key in known else fresh[key]
    if fresh:
        with contextlib.suppress(OSError):
            _write(cache_file, {**known, **fresh})
    return result


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(cache_file: Path) -> dict[str, str]:
    try:
        return dict(json.loads(cache_file.read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def _write(cache_file: Path, table: dict[str, str]) -> None:
    cache_file.parent.mkdir(parents=True, exist_ok=True)
    temporary = cache_file.with_name(f"{cache_file.name}.{os.getpid()}")
    temporary.write_text(json.dumps(table, indent=1))
    temporary.replace(cache_file)
