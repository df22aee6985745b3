"""The segmenter: a small U-shaped network that cuts any clear subject out of a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.scenes import sample
from iclight_local.segmenters.rembg_session import open_segmenter
from scripts.mini.hard_pictures import HardPictures
from scripts.mini.onnx_file import write_onnx
from scripts.mini.progress import Average, LossFile, Optimizers, load_state, rate_at, save_state
from scripts.mini.scenes import Scenes

WIDTHS = (16, 32, 64, 96, 128)
"""Channels at 1/2, 1/4, 1/8, 1/16 and 1/32 of the size."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""How rembg's custom session normalises a picture: ImageNet's."""
SIDE = 256
"""Side of the pictures that the ONNX file takes."""


@dataclass(frozen=True)
class Recipe:
    """How long and how hard to train: small pictures first, then pictures of the final size.

    Attributes:
        stages: batches, pictures in one of them, and their side in pixels, of each stage.
        peak: highest learning rate of Muon, which trains the convolutions.
        adam_peak: highest learning rate of AdamW, which trains normalisation and the last layers.
        edge: how much more a pixel at an outline counts.
        coarse: weight of the answer at 1/16 of the size, which only training sees.
        decay: of the averaged weights.
        keep_every: steps between two kept states.
        say_every: steps between two lines of the loss file.
    """

    stages: tuple[tuple[int, int, int], ...] = (
        *((2800, 16, 128), (500, 8, 256)),
        *((2000, 16, 128), (400, 8, 256)),
        *((1400, 16, 128), (500, 8, 256)),
    )
    peak: float = 0.02
    adam_peak: float = 2e-3
    edge: float = 3.0
    coarse: float = 0.4
    decay: float = 0.998
    keep_every: int = 200
    say_every: int = 50

    @property
    def steps(self) -> int:
        """Batches of all stages."""
        return sum(steps for steps, _, _ in self.stages)


class Block(nn.Sequential):
    """Convolution, normalisation, rectifier."""

    def __init__(self, inside: int, outside: int, stride: int = 1, kernel: int = 3) -> None:
        super().__init__(
            nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = Block(width, width), Block(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """``[n, C, h, w]`` to the same shape."""
        return x + self.second(self.first(x))


class Context(nn.Module):
    """Adds what the whole picture is like to every place of it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.mix = nn.Sequential(nn.Conv2d(width, width, 1), nn.ReLU(inplace=True), nn.Conv2d(width, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """``[n, C, h, w]`` to the same shape."""
        return x + self.mix(self.pool(x))


class Segmenter(nn.Module):
    """An encoder down to 1/32 of the size with the whole picture in view, and a decoder with skips up to 1/2."""

    def __init__(self) -> None:
        super().__init__()
        half, quarter, eighth, small, smallest = WIDTHS
        self.down = nn.ModuleList([
            Block(3, half, 2),
            nn.Sequential(Block(half, quarter, 2), Residual(quarter)),
            nn.Sequential(Block(quarter, eighth, 2), Residual(eighth)),
            nn.Sequential(Block(eighth, small, 2), Residual(small), Residual(small)),
            nn.Sequential(Block(small, smallest, 2), Residual(smallest), Context(smallest)),
        ])  # fmt: skip
        decoded = (16, 24, 40, 64)
        self.narrow = nn.ModuleList([
            Block(smallest, decoded[3], 1, 1), Block(decoded[3], decoded[2], 1, 1),
            Block(decoded[2], decoded[1], 1, 1), Block(decoded[1], decoded[0], 1, 1),
        ])  # fmt: skip
        self.skip = nn.ModuleList([
            Block(small, decoded[3], 1, 1), Block(eighth, decoded[2], 1, 1),
            Block(quarter, decoded[1], 1, 1), Block(half, decoded[0], 1, 1),
        ])  # fmt: skip
        self.merge = nn.ModuleList([Block(2 * width, width) for width in reversed(decoded)])
        self.twice = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.coarse = nn.Conv2d(decoded[3], 1, 3, 1, 1)
        self.fine = nn.Conv2d(decoded[0], 1, 3, 1, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised pictures ``[n, 3, S, S]`` to logits ``[n, 1, S, S]`` and coarse ones ``[n, 1, S/16, S/16]``."""
        levels = []
        for down in self.down:
            x = down(x)
            levels.append(x)
        coarse = None
        for index, (narrow, skip, merge) in enumerate(zip(self.narrow, self.skip, self.merge, strict=True)):
            x = merge(torch.cat([self.twice(narrow(x)), skip(levels[3 - index])], 1))
            coarse = self.coarse(x) if coarse is None else coarse
        return self.twice(self.fine(x)), coarse


def build() -> Segmenter:
    """The architecture, untrained."""
    return Segmenter()


def normalised(pictures: Tensor) -> Tensor:
    """Pictures ``[n, 3, S, S]`` in 0..1 as rembg's custom session hands them over."""
    brightest = pictures.amax((1, 2, 3), keepdim=True).clamp(min=1e-6)
    pixels = pictures / brightest - torch.tensor(MEAN)[:, None, None]
    return (pixels / torch.tensor(DEVIATION)[:, None, None]).contiguous(memory_format=torch.channels_last)


def train(scenes: Scenes, folder: Path, recipe: Recipe) -> Segmenter:
    """Train, or go on with ``folder/segmenter.pt``; the losses go to ``folder/segmenter.csv``.

    Returns:
        The network with its averaged weights, ready to be exported.
    """
    torch.manual_seed(0)
    network = build().to(memory_format=torch.channels_last)
    optimizers = Optimizers(network, recipe.peak, recipe.adam_peak, adam=("fine.", "coarse."))
    average = Average(network, recipe.decay)
    done = 0
    kept = folder / "segmenter.pt"
    if state := load_state(kept):
        network.load_state_dict(state["network"])
        optimizers.load_state_dict(state["optimizers"])
        average.values, done = state["average"], state["step"]
    losses = LossFile(folder / "segmenter.csv", done, recipe.say_every)
    first = 1
    for steps, batch, size in recipe.stages:
        pictures = HardPictures(scenes, batch, size)
        for step in range(max(done + 1, first), first + steps):
            loss, parts = _loss(network, *pictures(step), recipe)
            optimizers.step(loss, rate_at(step, recipe.steps))
            average.follow(network, step)
            losses.add(step, parts)
            if step % recipe.keep_every == 0 or step == recipe.steps:
                state = {"network": network.state_dict(), "optimizers": optimizers.state_dict()}
                save_state(kept, {**state, "average": average.values, "step": step})
        first += steps
    network.load_state_dict(average.values)
    return network.eval()


def _loss(network: Segmenter, pictures: Tensor, matte: Tensor, recipe: Recipe) -> tuple[Tensor, dict[str, float]]:
    with torch.autocast("cpu", torch.bfloat16):
        fine, coarse = network(normalised(pictures))
    fine, coarse = fine.float(), coarse.float()
    near = functional.avg_pool2d(matte, 5, 1, 2)
    weight = 1 + recipe.edge * 2 * (near - matte).abs()
    exact = functional.binary_cross_entropy_with_logits(fine, matte, weight)
    small = functional.adaptive_avg_pool2d(matte, coarse.shape[-2:])
    rough = functional.binary_cross_entropy_with_logits(coarse, small)
    overlap = _overlap(fine.sigmoid(), matte)
    sure = _overlap((fine.detach() > 0).float(), (matte > 0.5).float()).mean()
    loss = exact + (1 - overlap).mean() + recipe.coarse * rough
    return loss, {"loss": float(loss.detach()), "entropy": float(exact.detach()), "iou": float(sure)}


def _overlap(answer: Tensor, matte: Tensor) -> Tensor:
    """Intersection over union of soft masks ``[n, 1, S, S]``: ``[n]``."""
    both = (answer * matte).sum((1, 2, 3))
    return (both + 1) / (answer.sum((1, 2, 3)) + matte.sum((1, 2, 3)) - both + 1)


class Probability(nn.Module):
    """What the ONNX file holds: normalised pictures to mattes."""

    def __init__(self, network: Segmenter) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Normalised pictures ``[n, 3, S, S]`` to ``[n, 1, S, S]`` in 0..1."""
        return torch.sigmoid(self.network(x)[0])


def export(network: Segmenter, path: Path) -> None:
    """Write the ONNX file: one picture 1x3x256x256, normalised by rembg, to its matte 1x1x256x256 in 0..1."""
    write_onnx(Probability(network), path, (1, 3, SIDE, SIDE))


@dataclass(frozen=True)
class Measured:
    """How well held-out scenes were cut out: intersection over union at one half, over ``count`` pictures."""

    mean: float
    median: float
    worst: float
    count: int


def measure(path: Path, count: int = 64, shown: tuple[str, ...] = ("input", "target"), size: int = SIDE) -> Measured:
    """Cut out scenes of the split "test", as the application does: through rembg.

    Args:
        path: the ONNX file.
        count: scenes.
        shown: which pictures of a scene: ``input``, as photographed, or ``target``, relit.
        size: side of the scenes in pixels.

    Raises:
        NoSubject: nothing was found in one of them.
        WeightsError: the file cannot be used.
    """
    segmenter = open_segmenter(str(path))
    overlaps = []
    for seed in range(count):
        scene = sample(seed, size, "test")
        for name in shown:
            found, true = segmenter.segment(getattr(scene, name)) > 0.5, scene.matte > 0.5
            overlaps.append(float((found & true).sum() / (found | true).sum()))
    return Measured(float(np.mean(overlaps)), float(np.median(overlaps)), min(overlaps), len(overlaps))
