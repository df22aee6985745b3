"""The measured figures of a result in words, and what the page says of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from iclight_local.settings import load_settings
from iclight_local.ui.facts import facts_of
from iclight_local.ui.figures import figures

MEASURES = {
    "delta_e": 3.14,
    "detail": 0.987,
    "shift": [3, -4],
    "luminance_before": 0.181,
    "luminance_after": 0.25,
    "clipped_new": 0.0123,
}


def test_each_figure_is_told_with_what_it_means() -> None:
    found = figures({"measures": MEASURES})
    assert [(name, value) for name, value, _ in found] == [
        ("colour", "ΔE 3.1"),
        ("detail", "99 %"),
        ("alignment", "5.0 px"),
        ("brightness", "0.18 → 0.25"),
        ("newly clipped", "1.2 %"),
    ]
    assert all(meaning for _, _, meaning in found)


@pytest.mark.parametrize("name", MEASURES)
def test_what_was_not_measured_is_left_out(name: str) -> None:
    found = figures({"measures": {**MEASURES, name: None}})
    assert len(found) == 4
    assert len(figures({"measures": {key: value for key, value in MEASURES.items() if key != name}})) == 4


@pytest.mark.parametrize("record", [{}, {"measures": None}, {"measures": "none"}, {"measures": {"shift": [1]}}])
def test_a_record_without_figures_has_none(record: dict[str, object]) -> None:
    assert figures(record) == []


def test_the_miniature_carries_its_light_to_the_whole_picture(mini: Path, tmp_path: Path) -> None:
    found = facts_of(load_settings({"home": tmp_path}, {}))
    assert "miniature" in found.engine and found.starts == {"width": 256, "height": 320, "fit": "input"}


def test_other_weights_begin_with_the_declared_defaults(tmp_path: Path) -> None:
    bundle = Path(__file__).parents[1] / "goldens" / "bundle"
    found = facts_of(load_settings({"home": tmp_path, "weights": str(bundle)}, {}))
    assert "miniature" not in found.engine and found.starts == {}


def test_the_page_says_whether_anything_leaves(tmp_path: Path, mini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOTOROOM_API_KEY", "a-key-of-mine")
    found = facts_of(load_settings({"home": tmp_path}, {})).providers
    assert found.startswith("Now: pictures are relit on this machine and none leaves it, because")
    (row,) = [line for line in found.splitlines() if line.startswith("| photoroom ")]
    assert row.split("|")[2:4] == [" no ", " there "]
    allowed = facts_of(load_settings({"home": tmp_path, "providers": ("photoroom",)}, {})).providers
    assert allowed.startswith("Now: a picture is relit by local, then by photoroom")
    (row,) = [line for line in allowed.splitlines() if line.startswith("| photoroom ")]
    assert row.split("|")[2] == " **yes** "
    assert "a-key-of-mine" not in found + allowed
