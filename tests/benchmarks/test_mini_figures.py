"""The figures of the miniature's benchmark: fed with true renders they reach what a perfect model would."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.__main__ import main
from benchmarks.mini import autoencoder, colour, direction, faithful, fbc, normals, segmenter
from benchmarks.mini.figures import Line, decibels, mean, psnr, rms, srgb
from benchmarks.mini.relight import Ask, TrueRelighter, as_levels
from benchmarks.mini.report import run_sections, table
from benchmarks.mini.run import Run
from benchmarks.mini.trial import Trial
from benchmarks.scenes import SIDES, Light, Sample, sample, to_bytes, tone_map
from benchmarks.scenes.samples import Bytes

SIZE = 96
TRUTH = Trial(bundle=None, scenes=2, size=64, batch=4)
TINY = Path(__file__).parents[1] / "goldens" / "bundle"


@cache
def case(seed: int) -> Sample:
    return sample(seed, SIZE, "test")


def drawn(one: Sample, **asks: Ask) -> dict[str, Bytes]:
    return dict(zip(asks, TrueRelighter().relight(list(asks.values())), strict=True))


def sides(one: Sample) -> dict[str, Bytes]:
    return drawn(one, **{side: Ask(one, light_source=side) for side in SIDES})


def test_true_renders_are_lit_from_the_asked_side() -> None:
    found = [direction.figures(one, sides(one)) for one in map(case, range(16))]
    errors = np.array([scene[side]["degrees"] for scene in found for side in SIDES])
    assert np.mean(errors < 45) >= 0.9
    assert np.mean(errors < 90) >= 0.95
    assert np.mean(errors) < 30


def test_the_words_mean_their_sides() -> None:
    found = []
    for one in map(case, range(8)):
        pictures = drawn(one, **{side: Ask(one, words) for side, words in direction.WORDS.items()})
        found += [direction.figures(one, pictures)[side]["degrees"] for side in SIDES]
    assert np.mean(np.array(found) < 45) >= 0.85


def test_light_from_the_wrong_side_is_no_success() -> None:
    swapped = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}
    found = []
    for one in map(case, range(8)):
        pictures = sides(one)
        found.append(direction.figures(one, {side: pictures[other] for side, other in swapped.items()}))
    assert np.mean([scene[side]["degrees"] < 45 for scene in found for side in SIDES]) < 0.05


def test_true_renders_have_the_colour_of_the_words() -> None:
    prompts = {"natural": colour.NATURAL, **colour.WORDS}
    asks = [(one, {name: Ask(one, words) for name, words in prompts.items()}) for one in map(case, range(16))]
    moved = [colour.figures(one, drawn(one, **wanted))["moved"] for one, wanted in asks]
    for word in colour.WORDS:
        assert np.mean([each[word] > 0 for each in moved]) >= 0.9, word


def test_a_picture_like_the_natural_one_has_moved_nowhere() -> None:
    one = case(0)
    pictures = dict.fromkeys(("natural", *colour.WORDS), one.target)
    assert set(colour.figures(one, pictures)["moved"].values()) == {0.0}


@pytest.mark.parametrize("seed", range(3))
def test_a_fitted_light_is_found_again(seed: int) -> None:
    one, lights = case(seed), faithful.all_lights()
    chosen = [lights[5], lights[-1]]
    picture = to_bytes(tone_map(one.scene.relight(chosen) * np.array([1, 0.8, 0.5], np.float32), 0.5))
    found = faithful.figures(one, {"result": picture})["result"]
    assert found["psnr"] > 40
    assert found["ssim"] > 0.99


def test_other_lights_are_nearly_found_and_other_subjects_are_not() -> None:
    ours, theirs = [], []
    for seed in range(6):
        one, other = case(seed), case(seed + 1)
        found = faithful.figures(one, {"same": sides(one)["left"], "other": other.target})
        ours.append((found["same"]["psnr"], found["same"]["ssim"]))
        theirs.append((found["other"]["psnr"], found["other"]["ssim"]))
    psnr, ssim = np.mean(ours, axis=0)
    assert psnr > 26
    assert ssim > 0.9
    assert np.mean(theirs, axis=0)[1] < 0.8
    assert 30 < len(faithful.all_lights()) <= 50
    assert all(light.direction[2] > faithful.BEHIND for light in faithful.all_lights() if isinstance(light, Light))


def test_the_target_has_no_error_and_the_foreground_all_of_it() -> None:
    one = case(3)
    right, left_alone = fbc.figures(one, one.target), fbc.figures(one, one.foreground)
    assert right["result"] == 0
    assert right["result_gained"] == 0
    assert left_alone["result"] == left_alone["untouched"] > 0.01
    assert left_alone["untouched_gained"] <= left_alone["untouched"]


def test_a_gain_undoes_exposure() -> None:
    one = case(2)
    inside, target = one.matte > 0.9, srgb(one.target)
    dark = to_bytes(tone_map(one.scene.relight(one.lights), 0.5 * one.exposure))
    weight = np.ones(inside.sum())
    assert rms(srgb(dark)[inside], target[inside], weight) > 0.05
    assert fbc.best_gained(dark[inside], target[inside], weight) < 0.01


def test_true_normals_have_no_error() -> None:
    one = case(1)
    found = normals.figures(one, as_levels(one.normal))
    assert found["degrees"] < 0.6
    assert found["degrees_flat"] > 10
    assert normals.pooled([found["histogram"]]) == 0.5
    mirrored = normals.figures(one, as_levels(one.normal * np.array([-1, 1, 1], np.float32)))
    assert mirrored["degrees"] > 10, "the axes matter"


def test_the_four_light_method_sees_the_shape() -> None:
    found = [normals.figures(one, TrueRelighter().normals(one)) for one in map(case, range(6))]
    assert np.median([each["degrees"] for each in found]) < 27
    assert mean(each["degrees"] for each in found) < mean(each["degrees_flat"] for each in found)


def test_photographs_come_from_the_package_and_a_folder(tmp_path: Path) -> None:
    Image.new("L", (40, 90), 128).save(tmp_path / "own.png")
    (tmp_path / "notes.txt").write_text("no picture")
    paths = list(autoencoder.photographs(str(tmp_path)))
    assert {path.name for path in paths} >= {"astronaut.png", "own.png"}
    assert autoencoder.photograph(tmp_path / "own.png", 256).shape == (576, 256, 3)
    assert autoencoder.photograph(paths[0], 512).shape[1::-1] == (512, 512)


def test_a_level_off_everywhere_in_decibels() -> None:
    picture = case(0).target
    assert psnr(picture, picture) == 99
    assert psnr(picture, picture ^ 1) == pytest.approx(decibels(1 / 255)) == pytest.approx(48.13, abs=0.01)


def test_the_true_matte_is_a_perfect_segmentation() -> None:
    one = case(0)
    assert segmenter.figures(one, one.matte) == {"seed": 0, "iou": 1.0, "mae": 0.0}
    assert segmenter.figures(one, np.zeros_like(one.matte))["iou"] == 0


def test_lines_know_whether_they_are_met() -> None:
    assert Line("at least", 0.95, 0.95, "%").met
    assert not Line("at most", 31.0, 30.0, "deg", most=True).met
    assert Line("explains", 1.0).met is None


class Counting(TrueRelighter):
    """True renders; remembers how many pictures each call made."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def relight(self, asks: Sequence[Ask]) -> list[Bytes]:
        self.calls.append(len(asks))
        return super().relight(asks)


def test_a_run_keeps_its_sections_and_samples_once(tmp_path: Path) -> None:
    out, sheet, relighter = tmp_path / "result.json", tmp_path / "sheet.png", Counting()
    run_sections(TRUTH, ["direction", "faithful"], out, sheet, relighter)
    assert relighter.calls == [4, 4], "faithful judges the pictures of direction"
    result = run_sections(TRUTH, ["fbc", "segmenter"], out, sheet, relighter)
    assert relighter.calls == [4, 4, 2], "several scenes share a call"
    assert json.loads(out.read_text()) == json.loads(json.dumps(result))
    assert list(result["sections"]) == ["direction", "faithful", "fbc", "segmenter"]
    assert [scene["seed"] for scene in result["sections"]["faithful"]["scenes"]] == [0, 1]
    assert "left out: no --segmenter" in table(result)
    assert sheet.stat().st_size > 1000
    other = run_sections(Trial(bundle=None, scenes=1, size=64), ["fbc"], out, None, relighter)
    assert list(other["sections"]) == ["fbc"], "another trial keeps nothing"


def test_results_of_several_scenes_stay_with_their_scene() -> None:
    asked = list(Run(TRUTH).relit(lambda one: {"result": Ask(one, background=one.background)}))
    assert [one.seed for one, _ in asked] == [0, 1]
    assert all(np.array_equal(pictures["result"], one.target) for one, pictures in asked)


def test_an_unknown_section_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="There is no section colours; sections are direction"):
        run_sections(TRUTH, ["colours"], tmp_path / "result.json")


def test_a_bundle_is_measured_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "result.json"
    knobs = [
        "--scenes",
        "1",
        "--size",
        "64",
        "--steps",
        "1",
        "--highres-scale",
        "1",
        "--sheet",
        str(tmp_path / "s.png"),
    ]
    assert main(["mini", "--bundle", str(TINY), "--out", str(out), *knobs, "--only", "direction,fbc,normals"]) == 0
    result = json.loads(out.read_text())
    assert result["experiment"]["steps"] == 1
    assert len(result["weights"]) >= 5
    assert set(result["sections"]) == {"direction", "fbc", "normals"}
    assert "MISSED" in capsys.readouterr().out
