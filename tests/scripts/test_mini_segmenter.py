"""How the segmenter is made: hard pictures, a network that learns from them, a file that rembg loads."""

import contextlib
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from iclight_local.errors import NoSubject
from iclight_local.segmenters.rembg_session import open_segmenter
from scripts.mini.hard_pictures import HardPictures
from scripts.mini.onnx_file import write_onnx
from scripts.mini.scenes import PICTURES, Order, Scenes, render
from scripts.mini.segmenter import SIDE, Probability, Recipe, Segmenter, build, export, measure, normalised, train
from scripts.mini.warps import Random, placed, warp

FEW = Recipe(stages=((2, 2, 32), (2, 2, 64)), keep_every=2, say_every=2)


@pytest.fixture(autouse=True, scope="module")
def on_one_thread() -> Iterator[None]:
    """One thread of torch, for fixtures of the module too: a second one only waits for such small pictures."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    return render(tmp_path_factory.mktemp("scenes"), Order(8, 64, shard=8))


@pytest.fixture(scope="module")
def trained(scenes: Scenes, tmp_path_factory: pytest.TempPathFactory) -> tuple[Segmenter, Path]:
    folder = tmp_path_factory.mktemp("trained")
    return train(scenes, folder, FEW), folder


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    """Scenes that are their own mattes: white discs on black."""
    folder = tmp_path_factory.mktemp("painted")
    y, x = np.mgrid[:64, :64]
    disc = ((np.hypot(x - 28, y - 34) < 18) * 255).astype(np.uint8)
    for name in PICTURES:
        picture = np.zeros_like(disc) if "background" in name else disc
        np.save(folder / f"0000000.{name}.npy", np.repeat(np.stack([picture] * 4)[..., None], 3, axis=3))
    np.save(folder / "0000000.matte.npy", np.stack([disc] * 4))
    (folder / "0000000.json").write_text("[]")
    return Scenes(folder)


def test_pictures_and_mattes_are_in_range_and_repeatable(scenes: Scenes) -> None:
    draw = HardPictures(scenes, 6, 48)
    pictures, mattes = draw(3)
    assert pictures.shape == (6, 3, 48, 48)
    assert mattes.shape == (6, 1, 48, 48)
    for values in (pictures, mattes):
        assert 0 <= float(values.min()) <= float(values.max()) <= 1
        assert torch.isfinite(values).all()
    again, other = draw(3), draw(4)
    assert torch.equal(pictures, again[0])
    assert torch.equal(mattes, again[1])
    assert not torch.equal(pictures, other[0])


def test_subjects_are_there_and_some_pictures_are_empty(scenes: Scenes) -> None:
    mattes = torch.cat([HardPictures(scenes, 16, 32)(step)[1] for step in range(6)])
    areas = mattes.mean((1, 2, 3))
    assert 0.75 < float((areas > 0.02).float().mean()) < 1
    empty = torch.cat([HardPictures(scenes, 4, 32, empty=1.0)(step)[1] for step in range(2)])
    assert float(empty.max()) == 0


def test_colours_and_matte_move_together() -> None:
    disc = (torch.hypot(*torch.meshgrid(torch.arange(64.0) - 34, torch.arange(64.0) - 28, indexing="ij")) < 18).float()
    whole = disc.expand(8, 4, 64, 64).contiguous()
    draw = Random(1, 8)
    moved = warp(whole, placed(whole[:, 3:], draw), 64, "zeros", draw)
    assert torch.allclose(moved[:, :1], moved[:, 3:])
    assert not torch.allclose(moved[:, 3:], whole[:, 3:])


def test_the_matte_lies_on_the_subject_in_the_finished_picture(painted: Scenes) -> None:
    pictures, mattes = HardPictures(painted, 16, 64, untouched=1.0, empty=0.0)(5)
    grey = pictures.mean(1, keepdim=True)
    for picture, matte in zip(grey, mattes, strict=True):
        assert float(picture[matte > 0.9].mean()) > float(picture[matte < 0.1].mean()) + 0.2
        inside, outside = picture[matte > 0.9].median(), picture[matte < 0.1].median()
        found = picture > (inside + outside) / 2
        both = float((found & (matte > 0.5)).sum() / (found | (matte > 0.5)).sum())
        assert both > 0.75


def test_a_subject_cut_by_its_frame_stays_cut() -> None:
    bust = torch.zeros(32, 1, 64, 64)
    bust[:, :, 24:, 20:44] = 1
    moved = warp(bust, placed(bust, Random(2, 32)), 64, "zeros")
    assert (moved[:, 0, -1].amax(1) > 0.5).float().mean() > 0.9


def test_training_writes_losses_and_returns_a_network_for_use(trained: tuple[Segmenter, Path]) -> None:
    network, folder = trained
    assert not network.training
    assert sum(value.numel() for value in network.parameters()) < 1_200_000
    assert (folder / "segmenter.pt").is_file()
    with (folder / "segmenter.csv").open(newline="") as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["2", "4"]


def test_training_that_was_interrupted_ends_alike(
    trained: tuple[Segmenter, Path], scenes: Scenes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = HardPictures.__call__

    def interrupted(self: HardPictures, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        if step == 4:
            raise KeyboardInterrupt
        return drawn(self, step)

    monkeypatch.setattr(HardPictures, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(scenes, tmp_path, FEW)
    monkeypatch.undo()
    resumed = train(scenes, tmp_path, FEW)
    for name, value in trained[0].state_dict().items():
        assert torch.allclose(resumed.state_dict()[name].float(), value.float(), atol=1e-5), name


def test_a_few_steps_on_one_batch_lower_the_loss(
    scenes: Scenes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    batch = HardPictures(scenes, 4, 32)(1)
    monkeypatch.setattr(HardPictures, "__call__", lambda self, step: batch)
    seen = []
    monkeypatch.setattr("scripts.mini.segmenter.LossFile.add", lambda self, step, parts: seen.append(parts["loss"]))
    train(scenes, tmp_path, Recipe(stages=((30, 4, 32),), peak=2e-2))
    assert np.mean(seen[-5:]) < 0.8 * np.mean(seen[:5])


def test_the_file_answers_as_the_network_does_through_rembg(trained: tuple[Segmenter, Path], tmp_path: Path) -> None:
    network, path = trained[0], tmp_path / "segmenter.onnx"
    export(network, path)
    assert path.stat().st_size <= 2_500_000
    segmenter = open_segmenter(str(path))
    rgb = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    rgb[64:192, 64:192] //= 4
    pixels = torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        wanted = Probability(network)(normalised(pixels))[0, 0].numpy()
    # After so few steps there may be no subject to be sure of; what the network said is kept all the same.
    with contextlib.suppress(NoSubject):
        segmenter.segment(rgb)
    answer = segmenter._judged.probability
    assert answer.shape == (SIDE, SIDE)
    assert np.abs(answer - wanted).max() < 1e-2


def test_a_file_that_finds_subjects_is_measured_on_held_out_scenes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build()
    with torch.no_grad():
        network.fine.weight[:] *= 50
    network.eval()
    path = tmp_path / "segmenter.onnx"
    export(network, path)
    result = measure(path, 2, shown=("input",), size=64)
    assert result.count == 2
    assert 0 <= result.worst <= result.mean <= 1


def test_the_file_keeps_weights_in_half_precision_and_folds_normalisation(tmp_path: Path) -> None:
    export(build(), tmp_path / "segmenter.onnx")
    model = onnx.load(tmp_path / "segmenter.onnx")
    assert {node.op_type for node in model.graph.node} <= {
        "Add", "Cast", "Concat", "Conv", "GlobalAveragePool", "Identity", "Relu", "Resize", "Sigmoid"
    }  # fmt: skip
    kernels = [each for each in model.graph.initializer if each.name.endswith(".weight")]
    assert {each.data_type for each in kernels} == {onnx.TensorProto.FLOAT16}


def test_a_network_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Tanh"):
        write_onnx(nn.Sequential(nn.Conv2d(3, 1, 1), nn.Tanh()), tmp_path / "no.onnx", (1, 3, 8, 8))
