"""What ``iclight relight`` and ``iclight normals`` write and tell, and what ``iclight inspect`` reads back."""

from __future__ import annotations

import base64
import os
import shlex
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from iclight_local.cli import main
from iclight_local.cli.inspect import replay_command
from iclight_local.cli.output import progress_bar
from iclight_local.imaging.encode import encode
from iclight_local.imaging.metadata import Embedded
from iclight_local.result import SIDES, Progress
from tests.cli.commands import (
    BACKGROUND,
    BUNDLE,
    MATTE,
    PLAIN,
    SMALL,
    SUBJECT,
    Answer,
    Command,
    open_terminal,
    read_to_the_end,
)
from tests.fake_engine import FakeEngine, picture
from tests.segmenters.onnx_models import bright_disc, write_brightness_net

pytestmark = pytest.mark.usefixtures("one_thread")
QUICK = ("--weights", str(BUNDLE), *SMALL)


def pixels(path: str | Path) -> Any:
    return np.asarray(Image.open(path).convert("RGB"))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestNames:
    def test_one(self, iclight: Command, folder: Path, fake: FakeEngine) -> None:
        answer = iclight("relight", SUBJECT, "-o", "out.png", "--seed", "3")
        assert answer == Answer(0, "out.png\n", answer.err)
        assert names(folder) == ["out.png"]
        assert np.array_equal(pixels("out.png"), np.asarray(picture(3, 0)))

    def test_several(self, iclight: Command, folder: Path, fake: FakeEngine) -> None:
        answer = iclight("relight", SUBJECT, "-o", "out.png", "--seed", "3", "--number-of-images", "3")
        assert answer.out.split() == names(folder) == ["out_0.png", "out_1.png", "out_2.png"]
        for index in range(3):
            assert np.array_equal(pixels(f"out_{index}.png"), np.asarray(picture(3, index)))

    @pytest.mark.parametrize(
        ("source", "options", "name"),
        [
            ("dir/photo.jpg", (), "photo-relit.png"),
            ("photo.of.me.jpg", (), "photo.of.me-relit.png"),
            ("photo.jpg", ("--output-format", "webp"), "photo-relit.webp"),
            ("https://example.org/album/photo.jpg", (), "photo-relit.png"),
            ("data:image/png;base64,AAAA", (), "picture-relit.png"),
            ("data:image/png;base64," + "A" * 9000, (), "picture-relit.png"),
        ],
    )
    def test_by_itself(
        self, source: str, options: tuple[str, ...], name: str, iclight: Command, folder: Path, fake: FakeEngine
    ) -> None:
        assert iclight("relight", source, *options).out == f"{name}\n"
        assert names(folder) == [name]
        assert fake.requests[0].subject_image == source

    def test_of_normals(self, iclight: Command, folder: Path, fake: FakeEngine) -> None:
        assert iclight("normals", "photo.jpg", "--seed", "3").out == "photo-normals.png\n"
        parts = [f"photo-normals_{kind}_{side}.png" for kind in ("ratio", "relit") for side in SIDES]
        answer = iclight("normals", "photo.jpg", "--seed", "3", "--parts", "--overwrite")
        assert answer.out.split() == ["photo-normals.png", *parts]
        assert names(folder) == sorted(["photo-normals.png", *parts])
        for index, part in enumerate(parts):
            assert np.array_equal(pixels(part), np.asarray(picture(3, 1 + index)))


class TestFormats:
    @pytest.mark.parametrize(
        ("name", "options", "kind"),
        [
            ("out.png", (), "PNG"),
            ("out.jpg", (), "JPEG"),
            ("out.JPEG", (), "JPEG"),
            ("out.webp", (), "WEBP"),
            ("out", ("--output-format", "webp"), "WEBP"),
        ],
    )
    def test_metadata_is_read_back(
        self, name: str, options: tuple[str, ...], kind: str, iclight: Command, folder: Path, fake: FakeEngine
    ) -> None:
        assert iclight("relight", SUBJECT, "-o", name, "--seed", "3", "--prompt", "Abend — 夕方", *options).status == 0
        assert Image.open(name).format == kind
        stored = iclight("inspect", name, "--json").json
        asked = fake.requests[0]
        assert stored["image"] == 0
        assert stored["seed"] == 3
        assert stored["request"]["prompt"] == asked.prompt == "Abend — 夕方"
        lines = iclight("inspect", name).out.splitlines()
        assert "seed: 3" in lines
        assert "  prompt: Abend — 夕方" in lines
        knobs = "--prompt 'Abend — 夕方' --model fc --steps 25 --cfg 2.0 --seed 3 --segmenter fake"
        assert lines[-1] == f"again: iclight relight subject.png {knobs}"

    def test_quality(self, iclight: Command, folder: Path, fake: FakeEngine) -> None:
        for quality in ("5", "95"):
            assert (
                iclight("relight", SUBJECT, "-o", f"{quality}.jpg", "--seed", "3", "--output-quality", quality).status
                == 0
            )
        off = {
            quality: np.abs(pixels(f"{quality}.jpg").astype(int) - np.asarray(picture(3, 0))).mean()
            for quality in (5, 95)
        }
        assert off[95] < 10 < off[5]

    def test_each_image_has_its_own_number(self, iclight: Command, folder: Path, fake: FakeEngine) -> None:
        iclight("relight", SUBJECT, "-o", "out.png", "--number-of-images", "2")
        assert [iclight("inspect", f"out_{index}.png", "--json").json["image"] for index in (0, 1)] == [0, 1]


class TestJson:
    def test_one_object(self, iclight: Command, folder: Path, fake: FakeEngine) -> None:
        fake.warnings = ("Something is odd.",)
        answer = iclight("relight", SUBJECT, "-o", "out.png", "--seed", "3", "--number-of-images", "2", "--json")
        told = answer.json
        assert {**told.pop("record"), "image": 0} == iclight("inspect", "out_0.png", "--json").json
        assert told == {
            "images": ["out_0.png", "out_1.png"],
            "seed": 3,
            "engine": "fake",
            "timings": {"load": 0.25, "lowres": 1.0, "highres": 2.0},
            "measures": [],
            "peak_memory": 123_000_000,
            "warnings": ["Something is odd."],
        }
        assert answer.err == "iclight: warning: Something is odd.\n"

    def test_without_it_seed_and_times_go_to_the_error_stream(
        self, iclight: Command, folder: Path, fake: FakeEngine
    ) -> None:
        answer = iclight("relight", SUBJECT, "-o", "out.png", "--seed", "3")
        assert answer.err == "seed 3; load 0.2 s, lowres 1.0 s, highres 2.0 s; peak memory 0.12 GB\n"


class TestReplay:
    def again(self, iclight: Command, output: str, **pictures: Path) -> None:
        """Run what ``inspect`` prints, with the weights and the pictures it cannot name."""
        line = iclight("inspect", output).out.splitlines()[-1]
        assert line.startswith("again: iclight ")
        words = [str(pictures.get(word, word)) for word in shlex.split(line)[2:]]
        first, kind = pixels(output), iclight("inspect", output, "--json").json["kind"]
        answer = iclight(*words, "--weights", BUNDLE, "-o", "again.png")
        assert answer.status == 0, answer.err
        written = "again_0.png" if "--number-of-images" in words else "again.png"
        assert np.array_equal(pixels(written), first)
        assert words[0] == kind

    def test_with_light(self, iclight: Command, folder: Path) -> None:
        shutil.copy(SUBJECT, folder)
        knobs = "--light-source left --lowres-denoise 0.7 --steps 3 --cfg 1.5 --width 64 --height 128 --highres-scale 1"
        more = ('--prompt=-bright, it\'s "day"', "--negative-prompt", "", "--number-of-images", "2", "--model", "fcon")
        first = iclight("relight", SUBJECT.name, "-o", "out.png", "--weights", BUNDLE, *knobs.split(), *more)
        assert first.status == 0, first.err
        self.again(iclight, "out_0.png")

    def test_with_background_and_matte(self, iclight: Command, folder: Path) -> None:
        shutil.copy(PLAIN, folder)
        pictures = ("--background", BACKGROUND, "--background-flip", "--matte", MATTE)
        assert iclight("relight", PLAIN.name, "-o", "out.png", *QUICK, *pictures).status == 0
        self.again(iclight, "out.png", BACKGROUND=BACKGROUND, MATTE=MATTE)

    def test_of_normals(self, iclight: Command, folder: Path) -> None:
        shutil.copy(SUBJECT, folder)
        assert iclight("normals", SUBJECT.name, "-o", "out.png", *QUICK).status == 0
        self.again(iclight, "out.png")

    def test_a_size_that_was_asked_for_is_told_where_the_picture_would_say_another(self) -> None:
        knobs = {"fit": "input", "width": 512, "height": 640, "keep": "detail", "background_mode": "keep"}
        assert replay_command({"request": knobs}) == "iclight relight PICTURE --width 512 --height 640 --fit input"
        assert replay_command({"request": {**knobs, "fit": "crop", "keep": "none", "background_mode": "generate"}}) == (
            "iclight relight PICTURE"
        )

    def test_a_name_that_begins_with_a_dash(self) -> None:
        assert replay_command({"subject": {"name": "--overwrite.jpg"}}) == "iclight relight ./--overwrite.jpg"

    @pytest.mark.parametrize(
        "record", [{}, {"request": 5, "subject": "x"}, {"request": {"steps": None}}, {"request": {"fit": []}}]
    )
    def test_of_a_record_of_another_version(self, record: dict[str, Any], iclight: Command, folder: Path) -> None:
        again = "iclight relight PICTURE" + (" --fit '[]'" if record == {"request": {"fit": []}} else "")
        assert replay_command(record) == again
        data = encode(picture(0, 0), output_format="png", quality=95, embedded=Embedded(record))
        Path("other.png").write_bytes(data)
        assert iclight("inspect", "other.png").out.splitlines()[-1] == f"again: {again}"


class TestProgress:
    def test_a_bar_on_a_terminal(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        descriptor, line = open_terminal()
        with (
            ThreadPoolExecutor(1) as reader,
            os.fdopen(line, "w", buffering=1) as stream,
            monkeypatch.context() as patch,
        ):
            shown = reader.submit(read_to_the_end, descriptor)
            patch.setattr(sys, "stderr", stream)
            assert main(["relight", str(SUBJECT), "-o", "out.png", *map(str, QUICK)]) == 0
        screen = shown.result()
        bars = [part.split()[0] for part in screen.split("\r") if "/" in part and ":" in part]
        assert [stage for index, stage in enumerate(bars) if bars[index - 1 : index] != [stage]] == [
            "start", "load", "lowres", "highres",
        ]  # fmt: skip
        assert "2/2" in screen
        assert "seed 5; " in screen

    def test_the_bar_is_gone_after_a_failure(self, monkeypatch: pytest.MonkeyPatch) -> None:
        screen, line = open_terminal()
        with os.fdopen(line, "w") as stream, monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", stream)
            with pytest.raises(ValueError, match="stop"), progress_bar() as progress:
                assert progress is not None
                progress(Progress("lowres", 1, 4))
                raise ValueError("stop")
        text = read_to_the_end(screen)
        assert "lowres" in text
        assert text.split("\r")[-2].strip() == ""


class TestPictures:
    def test_exif_of_the_source_is_kept(self, iclight: Command, folder: Path) -> None:
        exif = Image.Exif()
        exif[ExifTags.Base.Artist] = "A. Nonymous"
        exif[ExifTags.Base.Orientation] = 6
        Image.open(PLAIN).transpose(Image.Transpose.ROTATE_90).save("photo.jpg", exif=exif)
        for name in ("out.png", "out.jpg"):
            answer = iclight("relight", "photo.jpg", "--matte", MATTE, "-o", name, *QUICK)
            assert answer.status == 0, answer.err
            kept = Image.open(name).getexif()
            assert kept[ExifTags.Base.Artist] == "A. Nonymous"
            assert kept.get(ExifTags.Base.Orientation, 1) == 1

    def test_a_plain_picture_is_segmented(self, iclight: Command, folder: Path, loads: list[str]) -> None:
        Image.fromarray(bright_disc()).save("disc.png")
        net = write_brightness_net(folder / "mine.onnx")
        for name in ("one.png", "two.png"):
            answer = iclight("relight", "disc.png", "-o", name, "--segmenter", "mine.onnx", *QUICK, "--json")
            assert answer.status == 0, answer.err
            assert answer.json["record"]["subject"]["matte"] == "mine.onnx"
            assert answer.json["timings"].keys() == {"decode", "segment", "load", "lowres", "highres", "finish", "hash"}
        assert np.array_equal(pixels("one.png"), pixels("two.png"))
        assert loads == [str(net)], "the session is made once"

    def test_a_data_uri(self, iclight: Command, folder: Path) -> None:
        uri = "data:image/png;base64," + base64.b64encode(SUBJECT.read_bytes()).decode()
        assert iclight("relight", uri, "-o", "uri.png", *QUICK).status == 0
        assert iclight("relight", SUBJECT, "-o", "file.png", *QUICK).status == 0
        assert np.array_equal(pixels("uri.png"), pixels("file.png"))


class TestWarnings:
    def test_opaque_alpha(self, iclight: Command, folder: Path) -> None:
        Image.new("RGBA", (32, 32), (200, 10, 10, 255)).save("opaque.png")
        answer = iclight("relight", "opaque.png", "-o", "out.png", *QUICK)
        assert answer.status == 0
        assert answer.err.startswith("iclight: warning: The picture's alpha channel is opaque everywhere")
        assert "--matte" in answer.err.splitlines()[0]

    def test_idle_lowres_denoise(self, iclight: Command, folder: Path) -> None:
        idle = iclight("relight", SUBJECT, "-o", "a.png", *QUICK, "--lowres-denoise", "0.5")
        assert idle.err.startswith("iclight: warning: lowres_denoise has no effect here: ")
        at_work = iclight("relight", SUBJECT, "-o", "b.png", *QUICK, "--lowres-denoise", "0.5", "--light-source", "top")
        assert "warning" not in at_work.err

    def test_none_without_a_cause(self, iclight: Command, folder: Path) -> None:
        assert iclight("relight", SUBJECT, "-o", "out.png", *QUICK, "--json").json["warnings"] == []


class TestSettings:
    def test_options_win_over_the_environment(
        self, iclight: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ICLIGHT_WEIGHTS", "nowhere")
        assert iclight("relight", SUBJECT, "-o", "out.png", *SMALL).status == 2
        assert iclight("relight", SUBJECT, "-o", "out.png", *QUICK).status == 0

    def test_weights_by_name(self, iclight: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ICLIGHT_HOME", str(folder / "home"))
        (folder / "home" / "weights").mkdir(parents=True)
        (folder / "home" / "weights" / "sd15").symlink_to(BUNDLE)
        told = iclight("relight", SUBJECT, "-o", "out.png", *SMALL, "--json").json
        assert told["record"]["weights"]["bundle"] == "sd15"
        assert iclight("relight", SUBJECT, "-o", "two.png", *SMALL, "--weights", "sd15").status == 0


def test_the_replay_names_weights_and_segmenters_other_than_the_usual() -> None:
    usual = {"subject": {"name": "a.png", "matte": "birefnet-general-lite"}, "weights": {"bundle": "sd15"}}
    assert replay_command(usual) == "iclight relight a.png"
    other = {"subject": {"name": "a.png", "matte": "u2net"}, "weights": {"bundle": "mine"}}
    assert replay_command(other) == "iclight relight a.png --weights mine --segmenter u2net"


def test_exif_that_has_no_room_is_left_out_and_the_picture_kept(iclight: Command, folder: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "x" * 64000
    Image.open(SUBJECT).convert("RGB").save("photo.jpg", exif=exif.tobytes())
    answer = iclight("relight", "photo.jpg", "-o", "out.jpg", "--matte", MATTE, "--weights", BUNDLE, *SMALL)
    assert answer.status == 0
    assert "EXIF is too long beside the record and was left out" in answer.err
    assert iclight("inspect", "out.jpg", "--json").json["seed"] == 5
