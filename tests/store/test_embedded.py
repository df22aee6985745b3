"""The embedded bundle: found with the package, listed, and standing in for the real weights."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from iclight_local import embedded
from iclight_local.errors import WeightsError
from iclight_local.store.bundles import Bundle, check_bundle, find_bundle, list_bundles
from iclight_local.store.bundles import stand_in_notice as notice

ROOT = Path(__file__).parents[2]
PLACES = embedded.PLACES
"""Where it is looked for outside of tests, which have none."""


def put(home: Path, name: str) -> Path:
    folder = home / "weights" / name
    shutil.copytree(ROOT / "tests" / "goldens" / "bundle", folder, copy_function=os.symlink)
    return folder


def test_it_is_found_in_a_wheel_and_in_a_source_checkout() -> None:
    assert PLACES == (ROOT / "iclight_local" / "weights" / "mini", ROOT / "weights" / "mini")


def test_a_package_without_it(tmp_path: Path) -> None:
    assert embedded.embedded_bundle() is None
    assert list_bundles(tmp_path) == []
    with pytest.raises(WeightsError, match="There is no bundle of weights mini"):
        find_bundle("mini", tmp_path)


def test_a_folder_without_a_base_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mini").mkdir()
    monkeypatch.setattr(embedded, "PLACES", (tmp_path / "mini",))
    assert embedded.embedded_bundle() is None


def test_it_is_listed_among_the_others(mini: Path, tmp_path: Path) -> None:
    for name in ("a", "sd15"):
        put(tmp_path, name)
    bundles = list_bundles(tmp_path)
    assert [(bundle.name, bundle.embedded) for bundle in bundles] == [("a", False), ("mini", True), ("sd15", False)]
    assert bundles[1] == Bundle("mini", mini)
    assert bundles[1].models == ("fc", "fcon", "fbc")


def test_ones_own_of_that_name_wins(mini: Path, tmp_path: Path) -> None:
    own = put(tmp_path, "mini")
    assert list_bundles(tmp_path) == [Bundle("mini", own)]
    assert find_bundle("mini", tmp_path).path == find_bundle(None, tmp_path).path == own
    assert not find_bundle("mini", tmp_path).embedded


def test_it_stands_in_for_the_real_weights_and_says_so(mini: Path, tmp_path: Path) -> None:
    found = find_bundle(None, tmp_path)
    assert found == Bundle("mini", mini)
    sentence = notice(None, found, tmp_path)
    assert sentence is not None
    assert sentence.startswith(f"There is no sd15 in {tmp_path / 'weights'}, so the miniature mini is used")
    assert "iclight weights pull" in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


def test_nothing_is_said_where_it_was_asked_for_or_is_not_needed(mini: Path, tmp_path: Path) -> None:
    assert notice("mini", find_bundle("mini", tmp_path), tmp_path) is None
    folder = put(tmp_path, "sd15")
    found = find_bundle(None, tmp_path)
    assert found == Bundle("sd15", folder)
    assert notice(None, found, tmp_path) is None


def test_the_real_one_is_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(embedded, "PLACES", PLACES)
    folder = embedded.embedded_bundle()
    assert folder is not None
    bundle = find_bundle("mini", tmp_path)
    assert check_bundle(bundle) is None
    assert {"fc", "fbc"} <= set(bundle.models)
    assert (folder / embedded.SEGMENTER_FILE).is_file()
    assert (folder / "README.md").is_file()
