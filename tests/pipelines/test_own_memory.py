"""The memory that a process may have, in a container and outside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from iclight_local.pipelines import own_memory

GIB = 2**30


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=256 * GIB))


def limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, groups: str, limits: Mapping[str, str]) -> int:
    monkeypatch.setattr(own_memory, "GROUPS", tmp_path / "groups")
    monkeypatch.setattr(own_memory, "MOUNTED", tmp_path / "mounted")
    (tmp_path / "groups").write_text(groups)
    for name, limit in limits.items():
        file = tmp_path / "mounted" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(limit)
    return own_memory.own_memory()


@pytest.mark.parametrize(
    ("groups", "limits", "gib"),
    [
        ("0::/\n", {"memory.max": f"{8 * GIB}\n"}, 8),
        ("0::/\n", {"memory.max": "max\n"}, 256),
        ("0::/\n", {}, 256),
        ("0::/a/b\n", {"a/b/memory.max": "max\n", "a/memory.max": f"{6 * GIB}\n"}, 6),
        ("0::/a/b\n", {"a/b/memory.max": f"{5 * GIB}\n", "a/memory.max": f"{6 * GIB}\n"}, 5),
        ("0::/a\n", {"other/memory.max": f"{5 * GIB}\n"}, 256),
        ("0::/a\n", {"a/memory.max": f"{900 * GIB}\n"}, 256),
        ("2:cpu,memory:/a\n1:pids:/a\n", {"memory/a/memory.limit_in_bytes": f"{4 * GIB}\n"}, 4),
        ("2:memory:/docker/12\n", {"memory/memory.limit_in_bytes": f"{4 * GIB}\n"}, 4),
        ("2:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, 256),
        ("2:cpu:/a\n", {"memory/a/memory.limit_in_bytes": f"{4 * GIB}\n"}, 256),
    ],
)
def test_the_least_of_its_own_limits(
    groups: str, limits: Mapping[str, str], gib: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert limited(tmp_path, monkeypatch, groups, limits) == gib * GIB


def test_where_there_are_no_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_memory, "GROUPS", tmp_path / "none")
    assert own_memory.own_memory() == 256 * GIB
