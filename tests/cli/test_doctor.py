"""``iclight doctor`` tells what is here, what is missing and what to run next."""

from __future__ import annotations

from pathlib import Path

import pytest

from iclight_local import __version__
from iclight_local.segmenters.catalogue import DEFAULT, NAMED
from tests.cli.bad_files import change_config, copy_bundle
from tests.cli.commands import BUNDLE, SUBJECT, Command
from tests.segmenters.onnx_models import put_model, write_brightness_net


@pytest.fixture
def home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ICLIGHT_HOME", str(folder / "home"))
    monkeypatch.setenv("U2NET_HOME", str(folder / "u2net"))
    return folder / "home"


@pytest.fixture
def with_weights(home: Path) -> Path:
    (home / "weights").mkdir(parents=True)
    return copy_bundle(home / "weights" / "sd15")


def test_a_bare_machine(iclight: Command, home: Path) -> None:
    answer = iclight("doctor")
    assert answer.status == 1
    assert answer.err == ""
    lines = answer.out.splitlines()
    assert "weights: none" in lines
    assert "a relight cannot run yet" in lines
    steps = [line for line in lines if line.startswith("next: ")]
    assert f"put a bundle (base/ and iclight_sd15_fc.safetensors) into {home / 'weights' / 'sd15'}" in steps[0]
    assert f"iclight weights pull {DEFAULT}" in steps[1]
    assert len(steps) == 2
    assert not home.exists(), "looking leaves nothing behind"


@pytest.mark.parametrize(
    ("lacking", "says"),
    [
        ([], "int8: there, with --precision int8"),
        (["nncf"], "int8: not there, nncf missing: pip install 'iclight-local[openvino]'"),
    ],
)
def test_int8(
    iclight: Command, with_weights: Path, lacking: list[str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iclight_local.pipelines.openvino_unet.missing", lambda: lacking)
    assert says in iclight("doctor").out.splitlines()


def test_weights_are_enough(iclight: Command, with_weights: Path) -> None:
    """A missing segmenter is a next step and no hindrance: alpha and mattes work."""
    answer = iclight("doctor")
    assert answer.status == 0, answer.out
    lines = answer.out.splitlines()
    assert f"weights: sd15 (fc fcon fbc), usable, {with_weights}" in lines
    assert "a relight can run" in lines
    assert lines[-1] == "next: iclight relight PICTURE --light-source left"
    assert iclight("relight", SUBJECT, "--width", "64", "--height", "64", "--steps", "1").status == 0


def test_json(iclight: Command, with_weights: Path) -> None:
    answer = iclight("doctor", "--json", "--device", "cpu")
    report = answer.json
    assert answer.status == 0
    assert report["ready"] is True
    assert report["iclight_local"] == __version__
    assert report["device"] == {"device": "cpu", "dtype": "fp32", "vae_dtype": "fp32"}
    assert report["weights"]["path"] == str(with_weights)
    assert report["weights"]["models"] == ["fc", "fcon", "fbc"]
    assert report["weights"]["problem"] is None
    assert report["bundles"] == [report["weights"]]
    assert report["segmenters"].keys() == NAMED.keys()
    assert all(facts["path"] is None for facts in report["segmenters"].values())
    assert {"torch", "diffusers", "transformers", "numpy"} <= report["versions"].keys()


def test_a_bundle_by_its_folder(iclight: Command, home: Path) -> None:
    report = iclight("doctor", "--json", "--weights", BUNDLE).json
    assert report["ready"] is True
    assert report["weights"]["name"] == "bundle"
    assert report["bundles"] == []


def test_a_damaged_bundle(iclight: Command, with_weights: Path) -> None:
    change_config(with_weights / "base" / "unet" / "config.json", in_channels=9)
    answer = iclight("doctor")
    assert answer.status == 1
    assert "next: The UNet of base has 9 input channels (an inpainting UNet)" in answer.out
    assert "a relight cannot run yet" in answer.out


def test_a_missing_device(iclight: Command, with_weights: Path) -> None:
    answer = iclight("doctor", "--device", "cuda:99")
    assert answer.status == 1
    assert "device: device none" in answer.out
    assert "next: Device cuda:99 was asked for" in answer.out


def test_a_segmenter_that_is_here(iclight: Command, with_weights: Path) -> None:
    path = put_model(with_weights.parents[2] / "u2net", DEFAULT)
    answer = iclight("doctor")
    assert f"segmenter: {DEFAULT}, {path}" in answer.out
    assert "rembg.new_session" not in answer.out
    assert iclight("doctor", "--json").json["segmenters"][DEFAULT]["path"] == str(path)


def test_a_segmenter_of_ones_own(iclight: Command, with_weights: Path, tmp_path: Path) -> None:
    net = write_brightness_net(tmp_path / "mine.onnx")
    assert "segmenter: mine.onnx\n" in iclight("doctor", "--segmenter", net).out


@pytest.mark.parametrize(
    ("segmenter", "says"),
    [("birefnet", "There is no segmentation model 'birefnet'"), ("gone.onnx", "gone.onnx is not a file")],
)
def test_a_segmenter_that_is_not_there(segmenter: str, says: str, iclight: Command, with_weights: Path) -> None:
    answer = iclight("doctor", "--segmenter", segmenter)
    assert answer.status == 0
    assert f"segmenter: {segmenter}, not usable" in answer.out
    assert says in answer.out.split("next: ", 1)[1]
