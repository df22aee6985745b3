"""``iclight sheet``: one picture under many lights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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


def test_a_cut_out_is_shown_as_one(iclight: Command, folder: Path, fake: FakeEngine) -> None:
    Image.new("RGBA", (80, 100), (255, 0, 0, 0)).save("clear.png")
    assert iclight("sheet", "clear.png", "-o", "sheet.png", "--lights", "left").status == 0
    corner = np.asarray(Image.open("sheet.png"))[26:30, 6:10]
    assert (corner[..., 0] == corner[..., 1]).all()


def test_inspect_tells_the_command_of_a_sheet(iclight: Command, folder: Path, fake: FakeEngine) -> None:
    iclight("sheet", SUBJECT, "-o", "sheet.png", "--lights", "left,top-left 3200K", "--seed", "3")
    command = iclight("inspect", "sheet.png").out.splitlines()[-1]
    assert command.startswith("again: iclight sheet subject.png --lights 'left, top-left 3200K' --model fc")
    assert "--light " not in command


def test_nothing_is_written_where_one_of_the_files_cannot_be(
    iclight: Command, folder: Path, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = fake.relight

    def relight(*values: Any, **more: Any) -> Any:
        Path("sheet_right.png").write_bytes(b"somebody's")
        return original(*values, **more)

    monkeypatch.setattr(fake, "relight", relight)
    answer = iclight("sheet", SUBJECT, "-o", "sheet.png", "--lights", "left,right", "--parts")
    assert answer.status == 2
    assert [path.name for path in folder.iterdir()] == ["sheet_right.png"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--lights", " , "), "--lights is empty"),
        (("--lights", "left,,right"), "--lights is 'left,,right', and there is no light at place 2 of 3: name one"),
        (("--lights", "left,"), "no light at place 2 of 2"),
        (("--lights", "left,lefft"), "lefft"),
        (("--lights", "left, top, LEFT", "--parts"), "--lights names 'left' and 'LEFT'"),
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
