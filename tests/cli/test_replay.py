"""``iclight replay``: a result made again, and compared."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iclight_local.engines.record import recorded_run
from iclight_local.imaging.encode import encode
from iclight_local.imaging.metadata import Embedded, read_record
from tests.cli.commands import BACKGROUND, BUNDLE, MATTE, PLAIN, SMALL, SUBJECT, Command

pytestmark = pytest.mark.usefixtures("one_thread")
QUICK = ("--weights", str(BUNDLE), *SMALL)


def changed(path: Path, levels: int) -> None:
    """The same file with its pixels changed and its record kept."""
    record = read_record(path)
    pixels = np.asarray(Image.open(path)).astype(int)
    pixels[:20] = (pixels[:20] + levels) % 256
    path.write_bytes(encode(pixels.astype(np.uint8), output_format="png", quality=95, embedded=Embedded(record)))


@pytest.mark.parametrize(
    ("options", "again"),
    [
        (("--light-source", "left"), ()),
        (("--light", "top-left 3200K + right 0.5", "--fit", "pad"), ()),
        (("--light-source", "left", "--steps", "4", "--cache-interval", "2", "--cfg-until", "0.5"), ()),
        (("--fit", "input", "--keep", "all", "--light-source", "top", "--light-strength", "0.7"), ()),
        (("--background-image", str(BACKGROUND), "--prompt", "sea"), ("--background-image", str(BACKGROUND))),
        (("--matte", str(MATTE), "--light-source", "left"), ("--matte", str(MATTE))),
        (("--light-map", str(BACKGROUND)), ("--light-map", str(BACKGROUND))),
        (("--number-of-images", "2", "--background-mode", "transparent"), ()),
    ],
)
def test_every_kind_of_result_is_made_again(
    options: tuple[str, ...], again: tuple[str, ...], iclight: Command, folder: Path
) -> None:
    source = PLAIN if "--matte" in options else SUBJECT
    shutil.copy(source, folder / "photo.png")
    assert iclight("relight", "photo.png", "-o", "out.png", *QUICK, *options).status == 0
    name = "out_1.png" if "--number-of-images" in options else "out.png"
    answer = iclight("replay", name, *again, "--weights", str(BUNDLE), "--json")
    assert answer.status == 0, answer.err
    assert (answer.json["same"], answer.json["largest"], answer.json["changed"]) == (True, 0, {})
    # Values that nobody set are in the record, too.
    assert not [warning for warning in answer.json["warnings"] if "has no effect here" in warning]


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_formats_that_lose_detail_are_compared_after_the_same_loss(suffix: str, iclight: Command, folder: Path) -> None:
    shutil.copy(SUBJECT, folder / "photo.png")
    iclight("relight", "photo.png", "-o", f"out.{suffix}", *QUICK, "--output-quality", "60")
    answer = iclight("replay", f"out.{suffix}", "--weights", str(BUNDLE))
    assert answer.status == 0
    assert answer.out == "The same picture: the largest difference is 0 of 255 grey levels, the mean 0.000.\n"


def test_another_picture_is_told_and_the_new_one_kept(iclight: Command, folder: Path) -> None:
    shutil.copy(SUBJECT, folder / "photo.png")
    iclight("relight", "photo.png", "-o", "out.png", *QUICK)
    before = np.asarray(Image.open("out.png"))
    changed(Path("out.png"), 40)
    answer = iclight("replay", "out.png", "-o", "again.png", "--weights", str(BUNDLE))
    assert answer.status == 1
    assert answer.out.startswith("Another picture: the largest difference is ")
    assert np.array_equal(np.asarray(Image.open("again.png")), before)
    assert read_record("again.png")["seed"] == 5


def test_what_changed_since_is_named(iclight: Command, folder: Path) -> None:
    shutil.copy(SUBJECT, folder / "photo.png")
    iclight("relight", "photo.png", "-o", "out.png", *QUICK)
    record = read_record("out.png")
    record["versions"]["torch"] = "1.0"
    picture = Image.open("out.png")
    picture.load()
    Path("out.png").write_bytes(encode(picture, output_format="png", quality=95, embedded=Embedded(record)))
    answer = iclight("replay", "out.png", "--weights", str(BUNDLE), "--json")
    assert answer.json["changed"]["torch"]["then"] == "1.0"


class TestRefusals:
    def test_no_subject(self, iclight: Command, folder: Path) -> None:
        shutil.copy(SUBJECT, folder / "photo.png")
        iclight("relight", "photo.png", "-o", "out.png", *QUICK)
        Path("photo.png").unlink()
        answer = iclight("replay", "out.png", "--weights", str(BUNDLE))
        assert answer.status == 2
        assert answer.sentence == (
            "out.png was made from photo.png, which is not beside it: name the picture, iclight replay out.png PICTURE."
        )

    def test_another_subject(self, iclight: Command, folder: Path) -> None:
        shutil.copy(SUBJECT, folder / "photo.png")
        iclight("relight", "photo.png", "-o", "out.png", *QUICK)
        answer = iclight("replay", "out.png", str(PLAIN), "--matte", str(MATTE), "--weights", str(BUNDLE))
        assert answer.status == 2
        assert answer.sentence.startswith("The subject is another picture than the recorded one (sha256 ")

    def test_a_picture_whose_name_is_not_kept(self, iclight: Command, folder: Path) -> None:
        shutil.copy(SUBJECT, folder / "photo.png")
        iclight("relight", "photo.png", "-o", "out.png", *QUICK, "--background-image", str(BACKGROUND))
        answer = iclight("replay", "out.png", "--weights", str(BUNDLE))
        assert answer.sentence.endswith("add --background-image FILE.")

    @pytest.mark.parametrize(
        ("record", "words"),
        [
            ({"kind": "normals", "request": {"steps": 1}}, "The record is that of normals"),
            ({"a": 1}, "The record is that of something else"),
            (
                {"kind": "relight", "request": {"aura": 1}, "iclight_local": "9.0"},
                "of iclight-local 9.0, cannot be run",
            ),
            ({"kind": "relight", "request": {"steps": 1}, "subject": {"name": "../../etc/passwd"}}, "not beside it"),
            ({"kind": "\x1b[31m"}, "The record is that of \\x1b[31m: "),
            ({"kind": "relight", "request": {"matte": "/etc/passwd"}}, "it says where the matte is"),
            (
                {"kind": "relight", "request": {"background_image": "http://127.0.0.1/"}},
                "it says where the background_image is",
            ),
            ({"kind": "relight", "request": {"steps": 1}, "image": 1}, "image 1 of 1, counted from 0"),
            ({"kind": "relight", "request": {"steps": 1}, "image": -1}, "image -1 of 1"),
            (
                {"kind": "relight", "request": {"steps": 1}, "loras": [{"name": "warm.safetensors", "scale": 0.5}]},
                "was made with the LoRA warm.safetensors: add --lora FILE:0.5",
            ),
        ],
    )
    def test_records_that_cannot_be_run(
        self, record: dict[str, object], words: str, iclight: Command, folder: Path
    ) -> None:
        data = encode(np.zeros((8, 8, 3), np.uint8), output_format="png", quality=95, embedded=Embedded(record))
        Path("out.png").write_bytes(data)
        subject = () if "subject" in record else (str(SUBJECT),)
        answer = iclight("replay", "out.png", *subject, "--weights", str(BUNDLE))
        assert answer.status == 2
        assert words in answer.sentence


def test_weights_are_found_by_their_recorded_name(
    iclight: Command, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ICLIGHT_HOME", str(tmp_path / "home"))
    shutil.copytree(BUNDLE, tmp_path / "home" / "weights" / "mine")
    shutil.copy(SUBJECT, folder / "photo.png")
    assert iclight("relight", "photo.png", "-o", "out.png", "--weights", "mine", *SMALL).status == 0
    answer = iclight("replay", "out.png", "--json")
    assert answer.status == 0, answer.err
    assert json.loads(answer.out)["same"]


def test_a_record_names_no_folder_and_no_preset_of_this_machine() -> None:
    record = {
        "kind": "relight",
        "request": {"steps": 1},
        "weights": {"bundle": "/tmp/theirs"},
        "subject": {"matte": "../theirs.onnx"},
    }
    assert recorded_run(record).settings == {"preset": "none", "lora": ()}
