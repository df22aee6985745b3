"""``iclight sheet``: one picture under many lights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iclight_local.imaging.metadata import read_record
from tests.cli.commands import BUNDLE, SMALL, SUBJECT, Command
from tests.fake_engine import FakeEngine

pytestmark = pytest.mark.usefixtures("one_thread")


def test_every_light_is_asked_for_with_one_seed(iclight: Command, folder: Path, fake: FakeEngine) -> None:
    answer = iclight("sheet", SUBJECT, "--lights", "left, top-left 3200K,back", "--prompt", "sea")
    assert answer.status == 0
    assert answer.out == "subject_rgba-sheet.png\n"
    assert [request.light for request in fake.requests] == ["left", "top-left 3200K", "back"]
    assert len({request.seed for request in fake.requests}) == 1
    assert {request.prompt for request in fake.requests} == {"sea"}


def test_the_sheet_shows_the_picture_and_all_results(iclight: Command, folder: Path) -> None:
    options = ("--weights", str(BUNDLE), *SMALL, "--columns", "2", "--parts")
    answer = iclight("sheet", SUBJECT, "-o", "sheet.png", "--lights", "left,right", *options)
    assert answer.out.split() == ["sheet.png", "sheet_left.png", "sheet_right.png"]
    page = np.asarray(Image.open("sheet.png"))
    for name, left, top in (("left", 76, 26), ("right", 6, 122)):
        part = np.asarray(Image.open(f"sheet_{name}.png"))
        assert np.array_equal(page[top : top + 64, left : left + 64], part)
        assert read_record(f"sheet_{name}.png")["request"]["light"] == name
    record = read_record("sheet.png")
    assert (record["kind"], record["lights"]) == ("sheet", ["left", "right"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--lights", " , "), "--lights is empty"),
        (("--lights", "left,lefft"), "lefft"),
        (("--columns", "0"), "--columns is 0, but must be a whole number from 1 to 20."),
        (("--columns", "x"), "--columns is x"),
        (("-o", "."), "is a folder"),
    ],
)
def test_refusals(options: tuple[str, ...], words: str, iclight: Command, folder: Path, fake: FakeEngine) -> None:
    answer = iclight("sheet", SUBJECT, *options)
    assert answer.status == 2
    assert words in answer.sentence
    assert fake.requests == []
    assert list(folder.iterdir()) == []
