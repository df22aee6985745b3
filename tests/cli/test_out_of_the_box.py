"""The commands on a machine that has nothing but what comes with the package."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from iclight_local.segmenters.catalogue import DEFAULT
from tests.cli.bad_files import copy_bundle
from tests.cli.commands import SMALL, SUBJECT, Command
from tests.segmenters.onnx_models import bright_disc, put_model

pytestmark = pytest.mark.usefixtures("one_thread")
WEIGHTS = "iclight: warning: There is no sd15 in "
SEGMENTER = f"iclight: warning: The segmentation model '{DEFAULT}' is not on this machine"


@pytest.fixture
def home(mini: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without anything, beside an embedded bundle."""
    monkeypatch.setenv("ICLIGHT_HOME", str(folder / "home"))
    monkeypatch.setenv("U2NET_HOME", str(folder / "u2net"))
    Image.fromarray(bright_disc()).save("disc.png")
    return folder / "home"


class TestRelight:
    def test_one_line_for_each_stand_in(self, iclight: Command, home: Path) -> None:
        answer = iclight("relight", "disc.png", "-o", "out.png", *SMALL)
        assert answer.status == 0, answer.err
        weights, segmenter, told = answer.err.splitlines()
        assert weights.startswith(WEIGHTS)
        assert segmenter.startswith(SEGMENTER)
        assert told.startswith("seed 5; ")

    def test_json_carries_them(self, iclight: Command, home: Path) -> None:
        answer = iclight("relight", "disc.png", "-o", "out.png", *SMALL, "--number-of-images", "3", "--json")
        assert [f"iclight: warning: {line}" for line in answer.json["warnings"]] == answer.err.splitlines()
        assert len(answer.json["warnings"]) == 2

    def test_an_own_alpha_needs_no_segmenter(self, iclight: Command, home: Path) -> None:
        answer = iclight("relight", SUBJECT, "-o", "out.png", *SMALL)
        assert [line[: len(WEIGHTS)] for line in answer.err.splitlines()][:-1] == [WEIGHTS]

    def test_named_ones_are_no_news(self, iclight: Command, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        named = ("--weights", "mini", "--segmenter", "mini")
        assert "warning" not in iclight("relight", "disc.png", "-o", "a.png", *SMALL, *named).err
        monkeypatch.setenv("ICLIGHT_WEIGHTS", "mini")
        monkeypatch.setenv("ICLIGHT_SEGMENTER", "mini")
        assert "warning" not in iclight("relight", "disc.png", "-o", "b.png", *SMALL).err

    def test_the_replay_names_both(self, iclight: Command, home: Path) -> None:
        assert iclight("relight", "disc.png", "-o", "out.png", *SMALL).status == 0
        again = iclight("inspect", "out.png").out.splitlines()[-1]
        assert again.endswith("--weights mini --segmenter mini")

    def test_a_default_model_that_was_named_is_not_replaced(self, iclight: Command, home: Path) -> None:
        answer = iclight("relight", "disc.png", "-o", "out.png", *SMALL, "--segmenter", DEFAULT)
        assert answer.status == 2
        assert f"'{DEFAULT}' is not on this machine" in answer.sentence


class TestLists:
    def test_weights(self, iclight: Command, home: Path, mini: Path) -> None:
        lines = iclight("weights", "list").out.splitlines()
        assert lines[:2] == ["mini: fc fcon fbc, 0.00 GB, embedded, usable", f"  {mini}"]
        assert lines[2] == "  licence of base, fc, fcon, fbc: Apache-2.0, this project's own"
        assert lines[3] == "sd15 is missing: iclight weights pull"
        (facts,) = iclight("weights", "list", "--json").json["bundles"]
        assert (facts["name"], facts["embedded"], facts["problem"]) == ("mini", True, None)

    def test_doctor(self, iclight: Command, home: Path, mini: Path) -> None:
        answer = iclight("doctor")
        assert answer.status == 0, answer.out
        lines = answer.out.splitlines()
        assert f"weights: mini (fc fcon fbc), embedded, usable, {mini}" in lines
        assert f"segmenter: mini, {mini / 'segmenter.onnx'}" in lines
        assert "  segmentation models here: mini (Apache-2.0, this project's own)" in lines
        weights, segmenter, relight = [line for line in lines if line.startswith("next: ")]
        assert weights == "next: A relight works now with mini; for photographs get sd15: iclight weights pull"
        assert segmenter.endswith(f"for better edges get {DEFAULT}: iclight weights pull {DEFAULT}")
        assert relight == "next: iclight relight PICTURE --light-source left"

    def test_doctor_where_all_is_there(self, iclight: Command, home: Path, folder: Path) -> None:
        (home / "weights").mkdir(parents=True)
        copy_bundle(home / "weights" / "sd15")
        put_model(folder / "u2net", DEFAULT)
        lines = iclight("doctor").out.splitlines()
        assert any(line.startswith("  also there: mini ") for line in lines)
        assert [line for line in lines if line.startswith("next: ")] == [lines[-1]]

    def test_doctor_of_named_ones(self, iclight: Command, home: Path) -> None:
        report = iclight("doctor", "--weights", "mini", "--segmenter", "mini", "--json").json
        assert report["next"] == ["iclight relight PICTURE --light-source left"]
