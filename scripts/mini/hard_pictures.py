"""Pictures to learn cutting out from: rendered subjects, disguised, over backgrounds that look like subjects.

A photograph is not a render, so nothing that only renders have may be worth learning: paint, light, focus, colours,
outlines and compression are drawn at random, for the subject and for what is behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from scripts.mini.camera import photographed
from scripts.mini.scenes import Scenes
from scripts.mini.warps import Random, halved, placed, warp, zoomed

SUBJECTS = ("input", "target", "other")
EMPTY = ("background", "other_background")
SUBJECTS_AWAY = EMPTY[:1]


@dataclass
class HardPictures:
    """Draws batches; the batch of a step is the same in every run.

    Attributes:
        scenes: rendered scenes of one size.
        batch: pictures in a batch.
        size: side of the pictures in pixels, at most that of the scenes.
        untouched: share of the pictures that are scenes as rendered, with their own backgrounds and shadows.
        empty: share of the pictures that are backgrounds without a subject.
    """

    scenes: Scenes
    batch: int
    size: int
    untouched: float = 0.35
    empty: float = 0.03
    arrays: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.arrays = {name: self.scenes.pictures(name) for name in (*SUBJECTS, *EMPTY, "matte")}

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Pictures ``[n, 3, S, S]`` in 0..1, and mattes ``[n, 1, S, S]`` in 0..1."""
        draw = Random(step, self.batch)
        kinds = draw.uniform(0, 1).flatten()
        empty = int((kinds < self.empty).sum())
        rendered = int((kinds < self.empty + self.untouched).sum()) - empty
        parts = [self._as_rendered(draw.of(empty), SUBJECTS_AWAY), self._as_rendered(draw.of(rendered), SUBJECTS)]
        parts.append(self._composed(draw.of(self.batch - empty - rendered)))
        pictures, mattes = (torch.cat([part[index] for part in parts if len(part[0])]) for index in range(2))
        return photographed(pictures, draw), mattes

    def _as_rendered(self, draw: Random, names: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Scenes as they are, with shadows, reflections and light that fit together; or their backgrounds alone."""
        if draw.count == 0:
            return torch.zeros(0), torch.zeros(0)
        whole = self._scenes(draw, names, names is SUBJECTS)
        shown = warp(whole, zoomed(draw, 1.0, 1.5), self.size, "reflection")
        return shown[:, :3], shown[:, 3:] if names is SUBJECTS else torch.zeros_like(shown[:, :1])

    def _composed(self, draw: Random) -> tuple[Tensor, Tensor]:
        """Subjects over backgrounds that are not theirs."""
        if draw.count == 0:
            return torch.zeros(0), torch.zeros(0)
        texture = draw.texture(self.size)
        cut, alpha = self._subject(draw)
        behind = self._behind(draw, texture)
        cut = _repainted(cut, behind.roll(1, 0), texture.roll(1, 0), draw)
        behind = _like_subject(behind, cut, alpha, draw)
        return _over(cut, alpha, behind, draw), alpha

    def _scenes(self, draw: Random, names: Sequence[str], with_matte: bool) -> Tensor:
        """Scenes drawn at random ``[n, 3 or 4, S', S']`` in 0..1; halved where that is still at least ``size``."""
        shards, rows = draw.integers(len(self.arrays["matte"])), draw.integers(len(self.arrays["matte"][0]))
        chosen = []
        for shard, row, index in zip(shards, rows, draw.integers(len(names)), strict=True):
            layers = [np.asarray(self.arrays[names[index]][shard][row])]
            layers += [np.asarray(self.arrays["matte"][shard][row])[..., None]] if with_matte else []
            halved_layers = [halved(layer, self.size) for layer in layers]
            chosen.append(np.concatenate(halved_layers, -1))
        return torch.from_numpy(np.stack(chosen)).permute(0, 3, 1, 2).contiguous().float() / 255

    def _subject(self, draw: Random) -> tuple[Tensor, Tensor]:
        """Subjects somewhere in the frame, some of them with a second one before them: colours and mattes."""
        whole = self._scenes(draw, SUBJECTS, True)
        layer = _clean(warp(whole, placed(whole[:, 3:], draw), self.size, "zeros", draw))
        colour, alpha = layer[:, :3], layer[:, 3:]
        pairs = draw.chance(0.12).flatten().nonzero().flatten()
        if len(pairs) > 0:
            other, few = whole.roll(1, 0)[pairs], draw.of(len(pairs))
            other = _clean(warp(other, placed(other[:, 3:], few), self.size, "zeros", few))
            colour[pairs] = torch.lerp(colour[pairs], other[:, :3], other[:, 3:])
            alpha[pairs] = other[:, 3:] + alpha[pairs] * (1 - other[:, 3:])
        return colour, alpha

    def _behind(self, draw: Random, texture: Tensor) -> Tensor:
        """Backgrounds ``[n, 3, S, S]``: of other scenes, of whole scenes too near or out of focus, and plain ones."""
        behind = self._scenery(draw, texture)
        # Two of them side by side: horizons, door frames, table edges.
        side = (draw.field(2, 4) > 0.3 * draw.normal()).float()
        straight = (draw.slope() > 0.7 * draw.normal()).float()
        side = torch.where(draw.chance(0.6), straight, side)
        side = functional.interpolate(side, (self.size, self.size), mode="bilinear")
        behind = torch.where(draw.chance(0.3), torch.lerp(behind, behind.roll(1, 0), side), behind)
        strength = torch.where(draw.chance(0.4), draw.uniform(0, 0.7), torch.zeros(()))
        detail = (texture.roll(2, 0) - 0.5) * strength
        return draw.blurred((behind * (1 + detail)).clamp(0, 1), 0.45)

    def _scenery(self, draw: Random, texture: Tensor) -> Tensor:
        """Half of it empty backgrounds, half whole scenes: too near to be seen whole, or out of focus."""
        half = draw.count // 2
        parts = []
        if half > 0:
            some = draw.of(half)
            source = self._scenes(some, EMPTY, False)
            parts.append(warp(source, zoomed(some, 1.0, 3.0), self.size, "reflection"))
        some = draw.of(draw.count - half)
        source = self._scenes(some, SUBJECTS, False)
        distant = some.chance(0.45)
        near = torch.where(distant, some.uniform(1, 2), some.uniform(2.2, 5)).flatten(1)
        shown = warp(source, zoomed(some, near, near), self.size, "reflection")
        parts.append(torch.where(distant, some.blurred(shown, 1.0, strongest=True), shown))
        behind = torch.cat(parts)[torch.randperm(draw.count, generator=draw.source)]
        behind = torch.where(draw.chance(0.12), texture, behind)
        return torch.where(draw.chance(0.12), draw.gradient(self.size), behind)


def _clean(layer: Tensor) -> Tensor:
    """A cut-out ``[n, 4, S, S]`` whose edge has the subject's own colour, not that of its old background."""
    colour, matte = layer[:, :3], layer[:, 3:]
    solid = (matte > 0.95).float()
    # Means of 2 x 2 pixels of the inside, and of 3 x 3 of those.
    sums = torch.cat([colour * solid, solid], 1)
    sums = functional.avg_pool2d(sums[..., ::2, ::2] + sums[..., 1::2, 1::2], 3, 1, 1)
    weighed = functional.interpolate(sums, scale_factor=2, mode="nearest")
    inside = weighed[:, :3] / weighed[:, 3:].clamp(min=1e-3)
    # Thin parts have no solid neighbour and stay as they are.
    keep = (solid + (weighed[:, 3:] < 0.04)).clamp(max=1)
    return torch.cat([torch.lerp(inside, colour, keep), matte], 1)


def _repainted(cut: Tensor, paint: Tensor, texture: Tensor, draw: Random) -> Tensor:
    """Some subjects with other paint, all over or in patches, under their own shading."""
    grey = cut.mean(1, keepdim=True)
    shading = (grey / 0.4).clamp(0.15, 2.2)
    paint = torch.where(draw.chance(0.5), texture, paint)
    patches = (draw.field(2, 6) > 0.5 * draw.normal()).float()
    patches = functional.interpolate(patches, cut.shape[-2:], mode="bilinear")
    patches = torch.where(draw.chance(0.4), torch.ones_like(patches), patches)
    painted = torch.lerp(cut, (paint * shading).clamp(0, 1), patches * draw.uniform(0.3, 1))
    cut = torch.where(draw.chance(0.35), painted, cut)
    # Hair, wool, grain: fine texture that renders have too little of.
    grain = texture.roll(1, 0) - 0.5
    grain = torch.where(draw.chance(0.4), grain * draw.uniform(0.05, 0.4), torch.zeros(()))
    return (cut * (1 + grain) * draw.uniform(0.6, 1.4)).clamp(0, 1)


def _like_subject(behind: Tensor, cut: Tensor, alpha: Tensor, draw: Random) -> Tensor:
    """Backgrounds moved towards the mean colour of their subject: none, a little or all the way."""
    area = alpha.sum((2, 3), keepdim=True).clamp(min=1)
    wanted = (cut * alpha).sum((2, 3), keepdim=True) / area
    shift = (wanted - behind.mean((2, 3), keepdim=True)) * draw.uniform(0, 1)
    return torch.where(draw.chance(0.35), (behind + shift).clamp(0, 1), behind)


def _over(cut: Tensor, alpha: Tensor, behind: Tensor, draw: Random) -> Tensor:
    """Subjects over backgrounds, some with a shadow around them."""
    soft = functional.avg_pool2d(alpha, 8)
    soft = functional.avg_pool2d(soft, 5, 1, 2)
    soft = functional.interpolate(soft, alpha.shape[-2:], mode="bilinear")
    shift = alpha.shape[-1] // 20
    soft = soft.roll((shift, int(draw.integers(2 * shift)[0]) - shift), (2, 3))
    strength = torch.where(draw.chance(0.4), draw.uniform(0.2, 0.8), torch.zeros(()))
    return torch.lerp(behind * (1 - soft * strength), cut, alpha)
