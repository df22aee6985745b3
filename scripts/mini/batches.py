"""Batches for the UNet: which picture, under which light, with which words and how much noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from scripts.mini.latents import SIDES, Latents
from scripts.mini.text import as_users_write, dropped, true_terms

DROPPED = 0.1
"""Share of prompts that are dropped, as in IC-Light's training."""
FBC_DROPPED = 0.6
"""The same where a background says what the light is."""
LIT_BY_MAP_FROM = 600
"""Timestep from which a run may have started from a light map."""
TIMES = 1000
UNSEEN = 0.15
"""Share of the pictures of which nothing is left in the noise, as where a run begins. The noise schedule itself never
comes to that: at its end a fifteenth of the picture is left, enough to read its colour from, so that words would not
be needed for it (arXiv 2305.08891 has the analysis)."""
UNSEEN_FROM = 950
OFFSET = 0.2
"""Standard deviation of what is added to the noise of a whole channel: the picture's mean colour shows through less,
so that it is taken from words and conditions."""


@dataclass
class Batch:
    """One batch, ``n`` pictures.

    Attributes:
        target: clean latents ``[n, C, h, w]``.
        start: what the noise is added to: the target, or towards a light map at high noise.
        noise: normal.
        times: timesteps ``[n]``.
        conditions: latents of the pictures behind the noisy ones: none, foreground, or foreground and background.
        texts: ``n`` prompts.
        environment: lights ``[n, D, 3]``, or None where the text alone says what the light is.
        matte: ``[n or n / 3, 1, h, w]``.
        thirds: whether the batch is whole, part and rest of the same light, with the same noise.
    """

    target: torch.Tensor
    start: torch.Tensor
    noise: torch.Tensor
    times: torch.Tensor
    conditions: list[torch.Tensor]
    texts: list[str]
    environment: torch.Tensor | None
    matte: torch.Tensor
    thirds: bool = False


@dataclass
class Batches:
    """Draws batches; the batch of a step is the same in every run.

    Attributes:
        latents: of the scenes.
        facts: texts, ramps and environments of the scenes.
        size: pictures in a batch.
        kind: ``base`` (no condition), ``fc`` or ``fbc``.
        ramps: latents of the light maps of the four sides.
        thirds_every: every how many steps a batch is whole, part and rest; 0 for never.
        environments_every: every how many steps a batch knows its lights exactly; 0 for never.
        ramped: latents of subjects lit from one side before its light map, and the backgrounds' latents (fbc only).
        lit_by_map: share of the pictures lit from a side whose noise covers the light map of that side, where there is
            much noise.
        low_noise: exponent of the timesteps' spread; above 1 there are more of little noise, where detail is made.
    """

    latents: Latents
    facts: Sequence[dict[str, Any]]
    size: int
    kind: str
    ramps: torch.Tensor
    thirds_every: int = 4
    environments_every: int = 8
    ramped: Ramped | None = None
    lit_by_map: float = 0.6
    low_noise: float = 1.2
    arrays: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        names = ["foreground", "target", "other", "matte"]
        names += ["part", "rest"] if self.thirds_every else []
        names += ["background", "other_background"] if self.kind == "fbc" else []
        self.arrays = {name: self.latents[name] for name in names}

    @property
    def _known(self) -> int:
        """Scenes of which every picture of a batch without thirds has latents."""
        return min(len(array) for name, array in self.arrays.items() if name not in ("part", "rest"))

    def __call__(self, step: int) -> Batch:
        """The batch of a step."""
        rng = np.random.default_rng([step, 23])
        if self.thirds_every and step % self.thirds_every == 0:
            return self._thirds(rng)
        told = self.environments_every > 0 and step % self.environments_every == 5
        return self._single(rng, told)

    def _single(self, rng: np.random.Generator, exactly: bool) -> Batch:
        rows = np.sort(rng.integers(self._known, size=self.size))
        shown = [("target", "other")[rng.integers(2)] for _ in rows]
        target = self._take(rows, shown)
        times = self._times(rng, self.size)
        start = target.clone()
        unseen = rng.random(self.size) < UNSEEN
        times[unseen] = torch.from_numpy(rng.integers(UNSEEN_FROM, TIMES, int(unseen.sum())))
        start[unseen] = 0
        texts = []
        for index, (row, name) in enumerate(zip(rows, shown, strict=True)):
            fact = self.facts[row][name]
            side = fact["ramp"]
            told = true_terms(fact["prompt"], side, fact["environment"])
            without = FBC_DROPPED if self.kind == "fbc" else DROPPED
            texts.append(dropped(rng) if rng.random() < without else as_users_write(fact["prompt"], told, rng))
            lit = not unseen[index] and side != "none" and self.kind == "fc" and times[index] >= LIT_BY_MAP_FROM
            if lit and rng.random() < self.lit_by_map:
                share = float(rng.uniform(0.3, 1))
                start[index] = torch.lerp(target[index], self.ramps[SIDES.index(side)], share)
                # Without words the map is all that says where the light comes from.
                texts[-1] = dropped(rng) if rng.random() < 0.6 else texts[-1]
        conditions = [] if self.kind == "base" else [self._take(rows, ["foreground"] * self.size)]
        if self.kind == "fbc":
            behind = [{"target": "background", "other": "other_background"}[name] for name in shown]
            conditions.append(self._take(rows, behind))
        environment = None
        if exactly:
            environment = torch.tensor(
                [self.facts[row][name]["environment"] for row, name in zip(rows, shown, strict=True)]
            )
            texts = [text if rng.random() < 0.5 else dropped(rng) for text in texts]
        batch = Batch(target, start, _noise(rng, target), times, conditions, texts, environment, self._matte(rows))
        if self.ramped is not None:
            self.ramped.replace(batch, rng)
        return batch

    def _thirds(self, rng: np.random.Generator) -> Batch:
        count = max(self.size // 3, 1)
        known = min(len(self.arrays[name]) for name in ("part", "rest"))
        rows = np.sort(rng.integers(known, size=count))
        target = torch.cat([self._take(rows, [name] * count) for name in ("target", "part", "rest")])
        noise = _noise(rng, target[:count]).repeat(3, 1, 1, 1)
        conditions = [self._take(rows, ["foreground"] * count).repeat(3, 1, 1, 1)] if self.kind != "base" else []
        environment = torch.tensor(
            [self.facts[row]["target"]["environment"] for row in rows]
            + [self.facts[row][name] for name in ("part", "rest") for row in rows]
        )
        texts = [dropped(rng) for _ in rows] * 3
        times = self._times(rng, count).repeat(3)
        return Batch(target, target, noise, times, conditions, texts, environment, self._matte(rows), thirds=True)

    def _times(self, rng: np.random.Generator, count: int) -> torch.Tensor:
        """Timesteps spread over the batch."""
        even = (np.arange(count) + rng.random(count)) / count
        return torch.from_numpy((rng.permutation(even) ** self.low_noise * TIMES).astype(np.int64))

    def _take(self, rows: Any, names: Sequence[str]) -> torch.Tensor:
        return torch.from_numpy(
            np.stack([self.arrays[name][row] for row, name in zip(rows, names, strict=True)]).astype(np.float32)
        )

    def _matte(self, rows: Any) -> torch.Tensor:
        return self._take(rows, ["matte"] * len(rows))


@dataclass
class Mixed:
    """Batches of several sizes, one size a step; big pictures come in small batches, so that a step costs the same.

    Attributes:
        sources: batches of one size each.
        turns: the source of every step, by index, over and over; each source counts its own steps.
    """

    sources: Sequence[Batches]
    turns: Sequence[int]

    def __call__(self, step: int) -> Batch:
        """The batch of a step."""
        turn, index = divmod(step, len(self.turns))
        source = self.turns[index]
        before = sum(1 for other in self.turns[:index] if other == source)
        return self.sources[source](turn * self.turns.count(source) + before)


@dataclass
class Ramped:
    """Subjects lit from a side, before the light map of that side: what fbc is asked for to estimate normals.

    Attributes:
        target: latents ``[n, C, h, w]``.
        foreground: latents of the same subjects as photographed.
        matte: of the same subjects, ``[n, 1, h, w]``.
        background: latents of the light maps, by side.
        sides: index into ``background`` of every row.
        share: of a batch.
    """

    target: Any
    foreground: Any
    matte: Any
    background: torch.Tensor
    sides: Any
    share: float = 0.3

    def replace(self, batch: Batch, rng: np.random.Generator) -> None:
        """Put such subjects in the place of the first ones of a batch."""
        for index in range(round(len(batch.texts) * self.share)):
            row = int(rng.integers(len(self.sides)))
            batch.target[index] = torch.from_numpy(self.target[row].astype(np.float32))
            batch.start[index] = batch.target[index]
            batch.conditions[0][index] = torch.from_numpy(self.foreground[row].astype(np.float32))
            batch.conditions[1][index] = self.background[self.sides[row]]
            batch.matte[index] = torch.from_numpy(self.matte[row].astype(np.float32))
            batch.texts[index] = dropped(rng)


def _noise(rng: np.random.Generator, like: torch.Tensor) -> torch.Tensor:
    offset = OFFSET * rng.standard_normal((*like.shape[:2], 1, 1), dtype=np.float32)
    return torch.from_numpy(rng.standard_normal(tuple(like.shape), dtype=np.float32) + offset)
