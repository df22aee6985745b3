"""Files of browsers: whose they are, and that they do not fill the disk."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from iclight_local.errors import EngineError
from iclight_local.ui import uploads
from iclight_local.ui.uploads import Uploads


@pytest.fixture
def kept(tmp_path: Path) -> Uploads:
    found = Uploads(tmp_path / "page", most=1000)
    found.open()
    return found


def used(path: Path, seconds_ago: float) -> None:
    then = time.time() - seconds_ago
    os.utime(path, (then, then))


def test_a_file_is_its_owners(kept: Uploads) -> None:
    path = kept.keep("ann", "picture", b"hers")
    assert kept.own("ann", str(path)) == path and path.read_bytes() == b"hers"
    assert kept.own("bob", str(path)) is None
    assert kept.keep("bob", "picture", b"hers") != path


@pytest.mark.parametrize(
    "path",
    [
        "", ".", "/", "/etc/passwd", "{own}/..", "{own}/../../../../secret", "{folder}", "{folder}/x/y/z", "a\0b", "~",
        "http://127.0.0.1/", "{own}/../picture\n",
    ],
)  # fmt: skip
def test_nothing_else_is_anybodys(path: str, kept: Uploads, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    own = kept.keep("ann", "picture", b"hers")
    assert kept.own("ann", path.format(own=own, folder=tmp_path / "page")) is None
    # What Gradio is handed in its place lies in the owner's folder, and nothing is there.
    handed = Path(kept.known("ann", path))
    assert handed.is_relative_to(own.parents[1]) and not handed.exists()


def test_a_link_leads_nowhere(kept: Uploads, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    own = kept.keep("ann", "picture", b"hers")
    (own.parent / "link").symlink_to(tmp_path / "secret")
    assert kept.own("ann", str(own.parent / "link")) is None


def test_the_pages_own_pictures_are_everybodys(kept: Uploads, tmp_path: Path) -> None:
    (tmp_path / "page" / "hash").mkdir()
    (tmp_path / "page" / "hash" / "black.webp").write_bytes(b"x")
    shared = str(tmp_path / "page" / "hash" / "black.webp")
    assert kept.own("ann", shared) is None
    kept.share()
    assert kept.own("ann", shared) == kept.own("bob", shared) == Path(shared)


def test_of_too_many_the_least_lately_used_goes(kept: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "FILES", 3)
    paths = [kept.keep("ann", "picture", b"x") for _ in range(3)]
    bobs = kept.keep("bob", "picture", b"x")
    for path, ago in zip([bobs, *paths], (90, 60, 50, 40), strict=True):
        used(path, ago)
    # The oldest is asked for again, and so the second is the least lately used.
    assert kept.own("ann", str(paths[0]))
    kept.keep("ann", "picture", b"x")
    assert [path.exists() for path in paths] == [True, False, True] and bobs.exists()


def test_all_together_have_their_bounds(kept: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [kept.keep(f"visitor {number}", "picture", bytes(300)) for number in range(3)]
    for number, path in enumerate(paths):
        used(path, 90 - number)
    kept.keep("another", "picture", bytes(600))
    assert [path.exists() for path in paths] == [False, False, True]
    monkeypatch.setattr(uploads, "TOTAL_FILES", 2)
    kept.keep("another", "picture", b"")
    assert not paths[2].exists()


def test_what_nobody_used_for_a_day_goes_with_its_folders(kept: Uploads, tmp_path: Path) -> None:
    old = kept.keep("ann", "picture", b"x")
    used(old, uploads.LIFETIME_S + 60)
    kept.keep("bob", "picture", b"x")
    assert not old.parents[1].exists()


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match="cannot be made"):
        Uploads(tmp_path / "file" / "page").open()
    found = Uploads(tmp_path / "page")
    with pytest.raises(EngineError, match="could not be kept"):
        found.keep("ann", "picture", b"x")


def test_opening_leaves_nothing_of_a_server_that_was_killed(kept: Uploads) -> None:
    path = kept.keep("ann", "picture", b"x")
    kept.open()
    assert not path.exists() and kept.folder.is_dir()
