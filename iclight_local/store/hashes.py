"""Hashes of weights, remembered so that gigabytes are read once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from pathlib import Path

_WRITING = threading.Lock()
"""Held by who adds to a cache, so that threads do not take away what others have added."""


def file_hashes(paths: list[Path], home: Path, *, again: bool = False) -> dict[Path, str]:
    """The sha256 of each file, from ``home/cache/hashes.json`` where the file has not changed since.

    A file counts as unchanged while its path, size and time of change are the same. A cache that cannot be
    read or written is done without.

    Args:
        paths: files that are there.
        home: where the hashes are remembered.
        again: read every file, whatever is remembered of it.
    """
    cache_file = home / "cache" / "hashes.json"
    known = _read(cache_file)
    result, fresh = {}, {}
    for path in paths:
        key = _key(path)
        if again or key not in known:
            fresh[key] = _sha256(path)
        result[path] = fresh[key] if key in fresh else known[key]
    if fresh:
        _add(cache_file, fresh)
    return result


def remembered_hashes(paths: list[Path], home: Path) -> dict[Path, str]:
    """The sha256 of those files whose hash is remembered; none is read."""
    known = _read(home / "cache" / "hashes.json")
    return {path: known[key] for path in paths if (key := _key(path)) in known}


def remember_hashes(hashes: dict[Path, str], home: Path) -> None:
    """Remember the sha256 of files that were read for another reason, so that ``file_hashes`` need not read them."""
    with contextlib.suppress(OSError):
        _add(home / "cache" / "hashes.json", {_key(path): digest for path, digest in hashes.items()})


def _key(path: Path) -> str:
    stat = path.stat()
    return f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(cache_file: Path) -> dict[str, str]:
    try:
        return dict(json.loads(cache_file.read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def _add(cache_file: Path, fresh: dict[str, str]) -> None:
    """Remember more; nothing where that cannot be written."""
    with contextlib.suppress(OSError), _WRITING:
        table = {**_read(cache_file), **fresh}
        cache_file.parent.mkdir(parents=True, exist_ok=True)
        # Other processes write it, too.
        temporary = cache_file.with_name(f"{cache_file.name}.{os.getpid()}")
        temporary.write_text(json.dumps(table, indent=1))
        temporary.replace(cache_file)
