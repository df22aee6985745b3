"""Manifests and folders to read, and what comes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from iclight_local.batch.base import Row
from iclight_local.batch.checking import check
from iclight_local.batch.sources import Options, Source, open_source
from iclight_local.errors import InvalidRequest


def source_of(*given: Path | str, name: str | None = None, out: str = "/nowhere/out", **defaults: Any) -> Source:
    return open_source([str(each) for each in given], defaults, Options(out, name))


def rows_of(*given: Path | str, **how: Any) -> list[Row]:
    return list(source_of(*given, **how).rows())


def names_of(*given: Path | str, **how: Any) -> list[str]:
    return [row.name for row in rows_of(*given, **how)]


def manifest(folder: Path, text: str | bytes, name: str = "people.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(*given: Path | str, **how: Any) -> str:
    """What is said before anything runs where a source is wrong."""
    with pytest.raises(InvalidRequest) as caught:
        check(source_of(*given, **how))
    assert str(caught.value).endswith((".", "?"))
    return str(caught.value)
