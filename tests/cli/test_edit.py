"""What ``iclight edit`` writes and tells."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iclight_local.cli.edit import SET_BY_EDIT, groups
from iclight_local.imaging.metadata import read_record
from iclight_local.request import EditRequest
from tests.cli.commands import BUNDLE, MATTE, SMALL, SUBJECT, Command
from tests.fake_engine import SCENE, FramedFake

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def framed(monkeypatch: pytest.MonkeyPatch) -> FramedFake:
    """The engine of every command in this process."""
    engine = FramedFake()
    monkeypatch.setattr("iclight_local.assemble.engine_from", lambda settings, models=(), lasting=False: engine)
    return engine


def photo(folder: Path) -> Path:
    path = folder / "photo.png"
    image = Image.new("RGB", (80, 40), (90, 90, 90))
    image.paste((220, 40, 20), (0, 0, 40, 40))
    image.save(path)
    return path


def test_every_parameter_of_an_edit_is_an_option_once(iclight: Command) -> None:
    named = [name for names in groups().values() for name in names]
    assert sorted(named) == sorted(set(EditRequest.model_fields) - set(SET_BY_EDIT))
    text = iclight("edit", "--help").out
    for name in named:
        assert f"--{name.replace('_', '-')} " in text
    assert "--fit" not in text
    assert "--contact-shadow" not in text


def test_a_listing(iclight: Command, folder: Path, framed: FramedFake) -> None:
    options = ("--background-colour", "#ffffff", "--output-size", "100x100", "--padding", "10%", "--dpi", "300")
    answer = iclight("edit", str(photo(folder)), "-o", "out.jpg", "--pad-cropped-sides", *options)
    assert (answer.status, answer.out) == (0, "out.jpg\n")
    image = Image.open("out.jpg")
    assert (image.size, image.mode, image.info["dpi"]) == ((100, 100), "RGB", (300, 300))
    white = np.asarray(image).min(2) > 240
    assert white[:8].all()
    assert white[:, :8].all()
    assert not white[15:85, 15:85].any()


def test_a_cut_out_has_a_name_and_a_record(iclight: Command, folder: Path, framed: FramedFake) -> None:
    assert iclight("edit", str(photo(folder)), "--padding", "4px").out == "photo-edited.png\n"
    record = read_record("photo-edited.png")
    assert (record["kind"], record["edit"]["padding"]) == ("edit", "4px")
    assert str(folder) not in json.dumps(record)
    assert Image.open("photo-edited.png").mode == "RGBA"


def test_inspect_tells_how_to_do_it_again(iclight: Command, folder: Path, framed: FramedFake) -> None:
    photo(folder)
    options = ("--padding", "4px", "--background-colour", "#ffffff", "--shadow", "soft", "--shadow-intensity", "0")
    iclight("edit", "photo.png", "-o", "out.png", *options)
    again = iclight("inspect", "out.png").out.splitlines()[-1]
    assert again.startswith("again: iclight edit photo.png --background-colour '#ffffff' --padding 4px --shadow soft ")
    assert "--shadow-intensity 0" in again
    assert "--seed" not in again
    iclight("edit", "photo.png", "-o", "lit.png", "--background-mode", "keep", "--light", "left", "--seed", "3")
    again = iclight("inspect", "lit.png").out.splitlines()[-1]
    for words in ("iclight edit photo.png", "--light left", "--seed 3", "--background-mode keep"):
        assert words in again
    assert "--fit" not in again
    refused = iclight("replay", "out.png")
    assert refused.status == 2
    assert "iclight inspect shows the command" in refused.err


def test_several_scenes(iclight: Command, folder: Path, framed: FramedFake) -> None:
    options = ("--background-mode", "generate", "--prompt", "beach", "--number-of-images", "2")
    answer = iclight("edit", str(photo(folder)), "-o", "out.png", *options)
    assert answer.out.split() == ["out_0.png", "out_1.png"]
    assert Image.open("out_1.png").getpixel((79, 0)) == SCENE


def test_one_picture_comes_of_an_edit_without_light(iclight: Command, folder: Path, framed: FramedFake) -> None:
    answer = iclight("edit", str(photo(folder)), "-o", "out.png", "--number-of-images", "3")
    assert answer.out.split() == ["out.png"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--padding", "60%"), "padding is 60%, but must be a ratio from 0 to 0.49"),
        (("--output-size", "big"), "output_size is big, but must be original, subject, or a size like 1000x1000"),
        (("--output-size", "10x10", "--max-width", "5"), "leave one of them out"),
        (("--background-mode", "generate"), "needs a prompt that says the scene"),
        (("--outline-colour", "red"), "outline_colour is red, but must be a colour like"),
        (("--output-size", "10x10", "--margin", "5px"), "must leave at least 1 for the subject"),
        (("--background-mode", "keep", "--shadow", "soft"), "shadow needs a subject without a background"),
        (("--fit", "crop"), "There is no option --fit"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    options: tuple[str, ...], sentence: str, iclight: Command, folder: Path, framed: FramedFake
) -> None:
    answer = iclight("edit", str(photo(folder)), "-o", "out.png", *options)
    assert (answer.status, answer.out) == (2, "")
    assert sentence in answer.err
    assert answer.err.count("\n") == 1
    assert not Path("out.png").exists()


def test_transparency_needs_a_format_that_knows_it(iclight: Command, folder: Path, framed: FramedFake) -> None:
    answer = iclight("edit", str(photo(folder)), "-o", "out.jpg")
    assert answer.status == 2
    assert "background_mode transparent needs a format that knows transparency" in answer.err


@pytest.mark.parametrize("name", ["out.jpg", "out.png", "out.webp"])
def test_a_comment_that_is_to_stay_stays(name: str, iclight: Command, folder: Path, framed: FramedFake) -> None:
    exif = Image.Exif()
    exif[0x8298] = "Ada"
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0in the garden"
    Image.new("RGB", (20, 20)).save("garden.jpg", exif=exif)
    options = ("--background-colour", "#ffffff", "--metadata", "rights_xmp")
    assert iclight("edit", "garden.jpg", "-o", name, *options).status == 0
    found = Image.open(name)
    found.load()
    assert found.getexif()[0x8298] == "Ada"
    assert found.getexif().get_ifd(0x8769)[0x9286] == b"ASCII\0\0\0in the garden"
    assert b"in the garden" in found.info["xmp"] if "xmp" in found.info else "in the garden" in str(found.text)


def test_the_real_engine(iclight: Command, folder: Path) -> None:
    """The random bundle lights the subject, in its own frame and in a scene."""
    common = ("--weights", str(BUNDLE), "--matte", str(MATTE), *SMALL)
    lit = ("--light", "left", "--background-colour", "#00ff00", "--output-size", "200x100", "--shadow", "soft")
    assert iclight("edit", SUBJECT, "-o", "lit.png", *common, *lit).status == 0
    image = Image.open("lit.png")
    assert (image.size, image.mode) == ((200, 100), "RGB")
    assert image.getpixel((0, 0)) == (0, 255, 0)
    scene = ("--background-mode", "generate", "--prompt", "a beach", "--output-size", "128x128", "--padding", "20%")
    told = iclight("edit", SUBJECT, "-o", "scene.png", *common, *scene, "--seed", "5", "--json").out
    assert json.loads(told)["seed"] == 5
    assert Image.open("scene.png").size == (128, 128)
