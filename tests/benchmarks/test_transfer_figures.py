"""The transfer's benchmark: painted scenes are true renders, and its figures tell carried light from upscaling."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from benchmarks.__main__ import main
from benchmarks.scenes import Light, draw_scene, stream
from benchmarks.transfer import CROP
from benchmarks.transfer_scenes import POINTS, PRINT, cases, painted


def test_a_painted_scene_is_the_scene_with_finer_paint() -> None:
    scene = draw_scene(stream(3, "test"), 256, "test")
    one = painted(scene, 3)
    assert np.array_equal(one.matte, scene.matte)
    assert np.array_equal(one.normal, scene.surface.normal)
    inside = scene.matte == 1
    ratio = one.albedo[inside].mean(-1) / scene.albedo[inside].mean(-1)
    assert 0.5 < np.median(ratio) < 1.1 and ratio.std() > 0.15
    assert one.albedo[scene.matte == 0].max() == 0
    lamps = Light(-60, 20), Light(60, 20)
    together = one.relight(lamps)
    assert np.allclose(together, one.relight(lamps[:1]) + one.relight(lamps[1:]), atol=1e-5)


def test_the_cases_of_a_scene_share_light_and_background() -> None:
    found = dict(cases(0, 128, 32))
    plain, paint = found["unmodified"], found["painted"]
    assert plain.relit.shape == paint.relit.shape == (32, 32, 3)
    outside = plain.matte == 0
    for case in (plain, paint):
        # The truth stands before the original's background, the relit picture does not.
        assert np.array_equal(case.truth[outside], case.original[outside])
        seen = np.asarray(Image.fromarray(case.relit).resize((128, 128)))[outside].astype(int)
        assert np.abs(seen - case.original[outside]).mean() > 5
        assert np.abs(case.truth[case.matte == 1].astype(int) - case.original[case.matte == 1]).mean() > 5


def test_the_command_writes_every_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, sheet = tmp_path / "a" / "out.json", tmp_path / "b" / "sheet.png"
    command = ["transfer", "--out", str(out), "--sheet", str(sheet), "--scenes", "2", "--size", "320", "--small", "80"]
    assert main([*command, "--megapixels", "0.5", "--runs", "1"]) == 0
    result = json.loads(out.read_text())
    assert result["carrying"]["size"] == 320 and result["environment"]["cores"] >= 1
    assert [scene["seed"] for scene in result["scenes"]["painted"]] == [0, 1]
    found = result["summary"]["painted"]
    assert found["more_than_upscaled_lowest"] > 3 and found["detail"]["psnr_mean"] > 30
    assert found["detail"]["print_correlation_mean"] > 0.9 > found["upscaled"]["print_correlation_mean"]
    for keep in ("colour", "all"):
        assert found[keep]["hue_change_mean"] < 1 and found[keep]["saturation_change_mean"] < 0.02
        assert found[keep]["newly_clipped_mean"] == 0
    assert result["cost"]["0.5"][0]["seconds"] > 0 and result["cost"]["0.5"][0]["added_mib"] < 1000
    assert Image.open(sheet).size == (4 * 320, 2 * CROP[0])
    assert "met: painted, detail: 32 dB" in capsys.readouterr().out


def test_print_is_as_high_as_it_is_said_to_be() -> None:
    box = ImageFont.load_default(POINTS).getbbox("d")
    assert box[3] - box[1] == PRINT == 12
