"""The yardstick itself: plain diffusers against the original demos' results, and the commands that use it."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from transformers import CLIPTokenizer

from benchmarks.__main__ import main
from benchmarks.compare import difference, steady
from benchmarks.fullsize import VOCABULARY, make_offsets, write_tokenizer
from benchmarks.plain import Knobs, PlainICLight, cover, draw_light, load_unet
from benchmarks.sides import Timing

GOLDENS = Path(__file__).parents[1] / "goldens"
CASES = {case["name"]: case for case in json.loads((GOLDENS / "cases.json").read_text())}


@cache
def plain(model: str) -> PlainICLight:
    return PlainICLight(GOLDENS / "bundle", model)


def picture(name: str) -> Image.Image:
    return Image.open(GOLDENS / name).convert("RGB")


def relight_case(case: dict) -> list[Image.Image]:
    asked = dict(case["params"])
    source = asked.pop("background", None) or asked.pop("light")
    backgrounds = {"image": picture("inputs/background.png")}
    backgrounds["flipped"] = backgrounds["image"].transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    light = "none" if source in backgrounds else source
    return plain(case["model"]).relight(
        picture("expected/composite.png"), Knobs(light_source=light, **asked), backgrounds.get(source)
    )


@pytest.mark.parametrize("name", ["fc_no_light", "fc_top_three_images", "fcon_left", "fbc_flipped"])
def test_plain_diffusers_gives_the_original_result(name):
    case = CASES[name]
    expected = [picture(f"expected/{file}") for file in case["files"]]
    assert difference(relight_case(case), expected)["levels_max"] <= 2


def test_an_empty_prompt_is_one_chunk_and_a_long_one_is_not_cut():
    rows = [plain("fc")._chunks(text) for text in ("", "x " * 75, "x " * 76)]
    assert [len(each) for each in rows] == [1, 1, 2]
    assert {len(row) for each in rows for row in each} == {77}


def test_one_image_of_unequal_shape_is_cut_in_the_middle():
    wide = np.zeros((10, 40, 3), np.uint8)
    wide[:, 15:25] = 255
    assert np.asarray(cover(Image.fromarray(wide), 10, 10)).mean() > 250


@pytest.mark.parametrize(("light", "bright"), [("left", (0, 0)), ("right", (0, -1)), ("bottom", (-1, 0))])
def test_the_ramp_is_bright_where_the_light_is(light, bright):
    ramp = np.asarray(draw_light(Knobs("", 64, 128, 0, 1, 1.0, light_source=light), 255, 0))
    assert ramp.shape == (128, 64, 3)
    assert ramp[bright].tolist() == [255] * 3
    assert ramp.min() == 0


def test_offsets_cover_every_parameter_and_widen_only_the_first_layer():
    unet = load_unet(GOLDENS / "bundle", "fc")
    offsets = make_offsets(unet, 2)
    shapes = {name: tuple(value.shape) for name, value in unet.named_parameters()}
    widened = shapes.pop("conv_in.weight")
    found = {name: tuple(value.shape) for name, value in offsets.items()}
    assert found.pop("conv_in.weight")[1] == 3 * widened[1]
    assert found == shapes


def test_the_tokenizer_has_the_real_size(tmp_path):
    write_tokenizer(tmp_path / "tokenizer")
    tokenizer = CLIPTokenizer.from_pretrained(tmp_path / "tokenizer")
    assert len(tokenizer) == VOCABULARY
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id) == (49406, 49407)
    assert len(tokenizer("Bär", add_special_tokens=False)["input_ids"]) == len("bär".encode())


def test_the_comparison_writes_everything_it_measured(tmp_path):
    pytest.importorskip("iclight_local.pipelines.iclight")
    out = tmp_path / "results" / "smoke.json"
    options = [
        "--runs",
        "2",
        "--size",
        "64x64",
        "--steps",
        "2",
        "--highres-scale",
        "1",
        "--light-source",
        "left",
    ]
    assert main(["pipeline", "--bundle", str(GOLDENS / "bundle"), "--out", str(out), *options]) == 0
    result = json.loads(out.read_text())
    assert set(result) == {"schema", "experiment", "environment", "cold", "steady", "memory", "difference"}
    assert result["experiment"]["width"] == 64
    assert result["environment"]["packages"]["torch"]
    for name in ("wall_s", "cpu_s"):
        measured = result["steady"][name]
        assert [len(measured["values"][side]) for side in ("iclight_local", "plain")] == [2, 2]
        assert min(measured["ratios"]) > 0
    assert result["cold"]["plain"]["total_s"] > result["cold"]["plain"]["first_s"] > 0
    assert result["memory"]["plain"]["peak_mib"] >= result["memory"]["plain"]["imported_mib"] > 0
    assert result["difference"]["levels_max"] <= 2


def test_a_pair_that_something_disturbed_counts_in_no_ratio():
    calm, disturbed = Timing(10.0, 20.0, 0.1), Timing(40.0, 20.0, 35.0)
    result = steady({"iclight_local": [calm, calm], "plain": [Timing(8.0, 16.0, 0.0), disturbed]})
    assert result["quiet_pairs"] == [0]
    assert result["wall_s"]["ratio_median"] == 1.25
    assert result["wall_s"]["values"]["plain"] == [8.0, 40.0]
    assert steady({"iclight_local": [calm], "plain": [disturbed]})["wall_s"]["ratio_median"] is None
