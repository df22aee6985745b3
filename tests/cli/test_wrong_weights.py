"""Wrong files of weights of every kind: one sentence, exit status 2, nothing heavy loaded, no code of theirs run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import BUNDLE, HEAVY, ROOT, SMALL, SUBJECT, Command
from tests.cli.wrong_weights import BROKEN, NOT_BASES, NOT_ICLIGHT, Make


def bundle(folder: Path, wrong: bytes, place: str) -> Path:
    """The golden bundle with a wrong file in the place of its base or of its fc."""
    path = folder / "weights"
    path.mkdir()
    (path / place).write_bytes(wrong)
    if place == "base.safetensors":
        (path / "iclight_sd15_fc.safetensors").symlink_to(BUNDLE / "iclight_sd15_fc.safetensors")
    else:
        (path / "base").symlink_to(BUNDLE / "base")
    return path


def assert_refused(iclight: Command, weights: Path, mark: Path) -> None:
    answer = iclight("relight", SUBJECT, "-o", "out.png", "--weights", weights, *SMALL)
    assert answer.status == 2, answer
    assert len(answer.sentence) < 400
    assert answer.out == ""
    assert not Path("out.png").exists()
    assert not mark.exists()


@pytest.mark.parametrize("make", [*BROKEN.values(), *NOT_ICLIGHT.values()], ids=[*BROKEN, *NOT_ICLIGHT])
def test_in_the_place_of_iclights_file(make: Make, iclight: Command, folder: Path) -> None:
    mark = folder / "executed"
    assert_refused(iclight, bundle(folder, make(mark), "iclight_sd15_fc.safetensors"), mark)


@pytest.mark.parametrize("make", [*BROKEN.values(), *NOT_BASES.values()], ids=[*BROKEN, *NOT_BASES])
def test_in_the_place_of_a_base(make: Make, iclight: Command, folder: Path) -> None:
    mark = folder / "executed"
    assert_refused(iclight, bundle(folder, make(mark), "base.safetensors"), mark)


@pytest.mark.parametrize("name", ["a pickle", "an old pickle", "PyTorch's zip with a pickle", "a zip bomb"])
def test_a_pickle_in_a_diffusers_folder(name: str, iclight: Command, folder: Path) -> None:
    mark, path = folder / "executed", folder / "weights"
    path.mkdir()
    subprocess.run(["cp", "-r", BUNDLE / "base", path / "base"], check=True)
    (path / "base" / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    (path / "base" / "unet" / "diffusion_pytorch_model.bin").write_bytes(BROKEN[name](mark))
    (path / "iclight_sd15_fc.safetensors").symlink_to(BUNDLE / "iclight_sd15_fc.safetensors")
    assert_refused(iclight, path, mark)


@pytest.mark.parametrize("kind", ["folder", "dangling link", "link to itself"])
def test_what_is_no_file(kind: str, iclight: Command, folder: Path) -> None:
    path = folder / "weights"
    path.mkdir()
    (path / "base").symlink_to(BUNDLE / "base")
    wrong = path / "iclight_sd15_fc.safetensors"
    if kind == "folder":
        wrong.mkdir()
    else:
        wrong.symlink_to(wrong if kind == "link to itself" else folder / "nowhere")
    assert_refused(iclight, path, folder / "executed")


REFUSES_QUICKLY = f"""
import sys
from iclight_local.cli import main
for weights in sys.argv[2:]:
    assert main(["relight", sys.argv[1], "-o", "out.png", "--weights", weights]) == 2
heavy = set({HEAVY!r}) & set(sys.modules)
assert not heavy, heavy
"""


def test_they_are_refused_before_anything_heavy_is_imported(folder: Path) -> None:
    names = ["truncated in the middle", "PyTorch's zip with a pickle", "lora-kohya", "sdxl", "inpainting"]
    paths = []
    for name in names:
        (folder / name).mkdir()
        make = {**BROKEN, **NOT_ICLIGHT}[name]
        paths.append(bundle(folder / name, make(folder / "executed"), "iclight_sd15_fc.safetensors"))
    command = [sys.executable, "-c", REFUSES_QUICKLY, SUBJECT, *paths]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) == len(names)
