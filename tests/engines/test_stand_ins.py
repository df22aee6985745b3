"""Weights and segmenters that come with the package, used where none was named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from iclight_local.errors import NoSubject
from iclight_local.segmenters.catalogue import DEFAULT
from tests.engines.relights import asked, local, sha256
from tests.segmenters.onnx_models import bright_disc


def disc(**knobs: Any) -> Any:
    return asked(Image.fromarray(bright_disc()), steps=1, **knobs)


def test_both_are_said_once_for_an_engine(mini: Path, tmp_path: Path) -> None:
    engine = local(weights=None, home=tmp_path)
    with_alpha = engine.relight(asked(steps=1))
    assert [warning[:19] for warning in with_alpha.warnings] == ["There is no sd15 in"]
    segmented = engine.relight(disc())
    assert len(segmented.warnings) == 1
    assert f"'{DEFAULT}' is not on this machine" in segmented.warnings[0]
    assert engine.relight(disc()).warnings == ()
    assert len(local(weights=None, home=tmp_path).relight(disc()).warnings) == 2


def test_the_record_names_them(mini: Path, tmp_path: Path) -> None:
    record = local(weights=None, home=tmp_path).relight(disc()).record
    assert record["weights"]["bundle"] == "mini"
    assert record["subject"]["matte"] == "mini"
    assert record["weights"]["sha256"]["segmenter"] == sha256(mini / "segmenter.onnx")


def test_the_normals_say_it_too(mini: Path, tmp_path: Path) -> None:
    assert len(local(weights=None, home=tmp_path).normals(disc()).run.warnings) == 2


def test_nothing_is_said_of_what_was_named(mini: Path, tmp_path: Path) -> None:
    engine = local(weights="mini", segmenter="mini", home=tmp_path)
    assert engine.options.bundle.path == mini
    assert engine.relight(disc()).warnings == ()


def test_a_segmenter_that_stands_in_and_finds_nothing_names_the_better_one(mini: Path, tmp_path: Path) -> None:
    black = asked(Image.new("RGB", (64, 64)))
    with pytest.raises(NoSubject, match=f"^mini found no subject .*, or fetch the better '{DEFAULT}'"):
        local(home=tmp_path).relight(black)
    with pytest.raises(NoSubject) as caught:
        local(home=tmp_path, segmenter="mini").relight(black)
    assert DEFAULT not in str(caught.value)
