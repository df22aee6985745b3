"""``iclight light``: light maps and their previews, without a model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from iclight_local.imaging.files import decode
from iclight_local.imaging.fit import resize_and_center_crop
from iclight_local.imaging.lightmap import BACKGROUND_RAMP, INITIAL_LATENT_RAMP, draw_lights, light_map
from iclight_local.light import parse_lights
from tests.cli.commands import MATTE, PLAIN, SUBJECT, Command, environment

PROBE = """
import json, sys
from iclight_local.cli import main
status = main({words!r})
print(json.dumps([status, [name for name in {heavy!r} if name in sys.modules]]))
"""
NO_MODEL = ("torch", "diffusers", "transformers", "accelerate", "peft")
SEGMENTERS = ("rembg", "onnxruntime")


def opened(path: str = "light.png") -> Any:
    """The pixels of a written picture as integers."""
    image = Image.open(path)
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


def probe(cwd: Path, *words: str | Path) -> tuple[int, list[str]]:
    """Run a command in a fresh Python: its exit status and the heavy libraries that it imported."""
    code = PROBE.format(words=[str(word) for word in words], heavy=(*NO_MODEL, *SEGMENTERS))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=cwd, env=environment(), check=True
    )
    status, heavy = json.loads(done.stdout.splitlines()[-1])
    return status, heavy


class TestMap:
    @pytest.mark.parametrize("option", ["--light", "--light-source"])
    @pytest.mark.parametrize("word", ["left", "right", "top", "bottom"])
    def test_a_plain_word_is_the_originals_ramp(self, word: Any, option: str, iclight: Command, folder: Path) -> None:
        answer = iclight("light", option, word)
        assert (answer.status, answer.out, answer.err) == (0, "light.png\n", "")
        assert np.array_equal(opened(), light_map(word, 512, 640, INITIAL_LATENT_RAMP))

    @pytest.mark.parametrize("word", ["left", "ambient"])
    def test_model_and_size_are_those_of_a_relight(self, word: Any, iclight: Command, folder: Path) -> None:
        answer = iclight(
            "light", "--light", word, "--model", "fbc", "--width", "192", "--height", "64", "-o", "map.png"
        )
        assert answer.status == 0
        assert np.array_equal(opened("map.png"), light_map(word, 192, 64, BACKGROUND_RAMP))

    def test_json(self, iclight: Command, folder: Path) -> None:
        answer = iclight("light", "--light", "Top LEFT softbox 3200k + right", "--width", "64", "--json")
        assert answer.json == {
            "images": ["light.png"],
            "light": "top-left 3200K softbox + right",
            "light_source": "none",
            "model": "fc",
            "width": 64,
            "height": 640,
            "matte": None,
        }
        made = opened()
        assert np.array_equal(made, draw_lights(parse_lights("top-left 3200K softbox + right"), 64, 640, (255, 0)))

    def test_a_map_that_was_written_comes_back_as_a_painted_one(self, iclight: Command, folder: Path) -> None:
        assert iclight("light", "--light", "top-left #ff8800 spotlight").status == 0
        assert iclight("light", "--light-map", "light.png", "-o", "again.png").status == 0
        assert np.array_equal(opened("again.png"), opened())

    def test_a_reference(self, iclight: Command, folder: Path) -> None:
        Image.fromarray(light_map("right", 300, 200, (200, 30))).save("reference.png")
        answer = iclight("light", "--light-reference", "reference.png", "--model", "fbc", "-o", "map.webp")
        assert (answer.status, answer.out) == (0, "map.webp\n")
        made = opened("map.webp")
        assert made.shape == (640, 512, 3)
        assert made[:, -8:].mean() > 210
        assert made[:, :8].mean() < 45

    def test_light_from_behind_shines_around_the_subject(self, iclight: Command, folder: Path) -> None:
        assert iclight("light", SUBJECT, "--light", "back").status == 0
        picture = decode(SUBJECT)
        assert picture.alpha is not None
        matte = resize_and_center_crop(picture.alpha, 512, 640)
        made = opened()[..., 0]
        assert made[matte == 255].max() <= round(0.15 * 255)
        assert made.max() == 255
        assert iclight("light", "--light", "back", "-o", "ellipse.png").status == 0
        assert np.abs(opened("ellipse.png")[..., 0] - made).mean() > 5

    def test_a_matte_alone_serves_light_from_behind(self, iclight: Command, folder: Path) -> None:
        answer = iclight("light", "--matte", MATTE, "--light", "back", "--json", "-o", "alone.png")
        assert answer.json["matte"] == "given"
        assert iclight("light", PLAIN, "--matte", MATTE, "--light", "back", "-o", "both.png").status == 0
        assert np.array_equal(opened("alone.png"), opened("both.png"))


class TestPreview:
    def test_the_subject_stands_before_the_map(self, iclight: Command, folder: Path) -> None:
        answer = iclight("light", SUBJECT, "--light", "left", "--preview", "--json")
        assert answer.json["matte"] == "alpha"
        picture = decode(SUBJECT)
        assert picture.alpha is not None
        alpha = resize_and_center_crop(picture.alpha, 512, 640)
        made, ramp = opened(), light_map("left", 512, 640, INITIAL_LATENT_RAMP)
        assert np.array_equal(made[alpha == 0], ramp[alpha == 0])
        subject = resize_and_center_crop(picture.rgb, 512, 640).astype(int)
        assert np.abs(made - subject)[alpha == 255].mean() < 2
        assert (alpha == 0).mean() > 0.1
        assert (alpha == 255).mean() > 0.1

    def test_without_a_picture_it_is_the_map(self, iclight: Command, folder: Path) -> None:
        assert iclight("light", "--light", "left").status == 0
        assert np.array_equal(opened(), light_map("left", 512, 640, INITIAL_LATENT_RAMP))

    def test_a_plain_picture_is_segmented_and_the_stand_in_is_named(
        self, iclight: Command, folder: Path, mini: Path
    ) -> None:
        rgb = np.full((80, 64, 3), 30, np.uint8)
        rgb[20:60, 16:48] = 240
        Image.fromarray(rgb).save("plain.png")
        answer = iclight("light", "plain.png", "--light", "right", "--preview", "--json")
        assert answer.json["matte"] == "mini"
        made = opened()
        assert made[320, 256].min() > 230
        assert np.array_equal(made[:, 500:], light_map("right", 512, 640, INITIAL_LATENT_RAMP)[:, 500:])

    def test_a_map_from_the_side_needs_no_subject(self, iclight: Command, folder: Path, loads: list[str]) -> None:
        # There is no segmenter here, and none is missed.
        assert iclight("light", PLAIN, "--light", "left softbox").status == 0
        assert loads == []


class TestMistakes:
    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (
                [],
                "No light was asked for: add --light TEXT, like 'top-left 3200K softbox 0.8', or a picture",
            ),
            (["--model", "fbc"], "No light was asked for: add --light TEXT"),
            (["--light", "lefft"], "The light 'lefft' has the word 'lefft', which is not known: did you mean 'left'?"),
            (["--light", "left", "--light-source", "top"], "leave one of them out."),
            (["--light", "left", "--light-map", "a.png"], "leave one of them out."),
            (["--light", "left", "--width", "100"], "width is 100, but must be a multiple of 64"),
            (["--light", "left", "-o", "out.bmp"], "has the suffix .bmp"),
            (["--light", "left", "-o", "nowhere/out.png"], "nowhere is no folder"),
            (["--light-map", "gone.png"], "'gone.png' does not exist"),
            (["gone.png", "--light", "back"], "'gone.png' does not exist"),
            (["--light", "left", "--preview"], "no picture was named: add PICTURE."),
            (["--light", "left", "--prompt", "x"], "There is no option --prompt"),
        ],
    )
    def test_each_gets_a_sentence(self, words: list[str], sentence: str, iclight: Command, folder: Path) -> None:
        answer = iclight("light", *words)
        assert answer.status == 2
        assert sentence in answer.sentence
        assert list(folder.iterdir()) == []

    def test_a_picture_is_replaced_only_when_told(self, iclight: Command, folder: Path) -> None:
        Path("light.png").write_bytes(b"precious")
        answer = iclight("light", "--light", "left")
        assert answer.status == 2
        assert "light.png exists already" in answer.sentence
        assert Path("light.png").read_bytes() == b"precious"
        assert iclight("light", "--light", "left", "--overwrite").status == 0
        assert opened().shape == (640, 512, 3)

    def test_a_preview_takes_no_file(self, iclight: Command, folder: Path) -> None:
        # Where --preview took a file's name, this would write over the photograph.
        Path("photo.png").write_bytes(b"precious")
        assert iclight("light", "--light", "left", "--preview", "photo.png", "--overwrite").status == 2
        assert Path("photo.png").read_bytes() == b"precious"

    def test_a_matte_of_another_size(self, iclight: Command, folder: Path) -> None:
        Image.new("L", (10, 10), 255).save("small.png")
        answer = iclight("light", PLAIN, "--matte", "small.png", "--light", "back")
        assert (answer.status, "The matte is 10x10" in answer.sentence) == (2, True)


class TestLightness:
    def test_a_map_needs_no_heavy_library(self, folder: Path) -> None:
        assert probe(folder, "light", "--light", "back 3200K + left") == (0, [])

    def test_a_preview_needs_no_model(self, folder: Path) -> None:
        assert probe(folder, "light", SUBJECT, "--light", "back", "--preview") == (0, [])

    def test_segmentation_needs_no_torch(self, folder: Path) -> None:
        status, heavy = probe(
            folder, "light", Path(__file__).parents[2] / "weights" / "mini" / "examples" / "render.jpg",
            "--light", "left", "--preview", "--segmenter", "mini", "--offline",
        )  # fmt: skip
        assert status == 0
        assert set(heavy) & set(NO_MODEL) == set()
        assert "onnxruntime" in heavy
